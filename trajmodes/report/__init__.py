"""What a run gave, told to people and to programs.

In comes a `Results`, which the pipeline puts together; out go ``results.nc`` (xarray opens it),
CSV tables, figures with their data, and a summary in the terminal. Everything is drawn and told
from the Dataset alone, so that a file read back serves as well as a run just done.

Results are in `trajmodes.data.results`; `dataset` and `dataset_*` fill the Dataset. `write`
writes a results folder. `figures` has the list of the figures, which share `style`; `summary`
and `list_of_modes` write to the terminal.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trajmodes.data.points import point
from trajmodes.report.dataset import to_dataset
from trajmodes.report.list_of_modes import render_modes
from trajmodes.report.scan import render_scan, scan_table
from trajmodes.report.summary import check_rows, render, render_check, render_spectral_energy
from trajmodes.report.write import write_results, write_spectral_energy

if TYPE_CHECKING:
    from trajmodes.report.figure_scan import draw_scan

__all__ = [
    "check_rows",
    "draw_scan",
    "point",
    "render",
    "render_check",
    "render_modes",
    "render_scan",
    "render_spectral_energy",
    "scan_table",
    "to_dataset",
    "write_results",
    "write_spectral_energy",
]


def __getattr__(name: str) -> Any:
    # It needs matplotlib, which `trajmodes show` has no use for.
    if name != "draw_scan":
        raise AttributeError(f"module 'trajmodes.report' has no attribute {name!r}")
    return getattr(import_module("trajmodes.report.figure_scan"), name)
