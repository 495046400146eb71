"""What a run gave, told to people and to programs.

In comes a `Results`, which the pipeline puts together; out go ``results.nc`` (xarray opens it),
CSV tables, figures with their data, and a summary in the terminal. Everything is drawn and told
from the Dataset alone, so that a file read back serves as well as a run just done.

The nouns are in `trajmodes.data.results`. Open `layout` and `layout_modes` for the variables of
the file, `write` for the list of files in a results folder; `dataset` and `dataset_*` fill the
Dataset, `netcdf` writes and reads it, `folder` keeps the folder whole. `tables_all` has the
list of tables, `figures` that of the figures, which share `style`; `summary` and
`list_of_modes` write to the terminal.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trajmodes.data.points import point
from trajmodes.report.dataset import to_dataset
from trajmodes.report.folder import ResultsFolder, Writer, open_folder, write_files
from trajmodes.report.list_of_modes import render_modes
from trajmodes.report.netcdf import encode, read_results, write_netcdf
from trajmodes.report.scan import render_scan, scan_table
from trajmodes.report.summary import (
    CheckVerdict,
    check_rows,
    render,
    render_check,
    render_spectral_energy,
)

if TYPE_CHECKING:
    from trajmodes.report.figure_scan import draw_scan
    from trajmodes.report.figures import draw_figures
    from trajmodes.report.write import write_results, write_spectral_energy

__all__ = [
    "CheckVerdict",
    "ResultsFolder",
    "Writer",
    "check_rows",
    "draw_figures",
    "draw_scan",
    "encode",
    "open_folder",
    "point",
    "read_results",
    "render",
    "render_check",
    "render_modes",
    "render_scan",
    "render_spectral_energy",
    "scan_table",
    "to_dataset",
    "write_files",
    "write_netcdf",
    "write_results",
    "write_spectral_energy",
]

# These need matplotlib, which `trajmodes show` has no use for.
_DRAWING = {
    "draw_figures": "trajmodes.report.figures",
    "draw_scan": "trajmodes.report.figure_scan",
    "write_results": "trajmodes.report.write",
    "write_spectral_energy": "trajmodes.report.write",
}


def __getattr__(name: str) -> Any:
    if name not in _DRAWING:
        raise AttributeError(f"module 'trajmodes.report' has no attribute {name!r}")
    return getattr(import_module(_DRAWING[name]), name)
