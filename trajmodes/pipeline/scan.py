"""The command `trajmodes scan`: other fits to the same normal equations.

Cutoffs, orders, constraints and the length of the run are varied; no trajectory is read.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.force_constants import ForceConstants, ScanPoint
from trajmodes.errors import UsageError
from trajmodes.fit.model import Scheme
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.fit.scan import scan_equations
from trajmodes.fit.solution import FitOptions
from trajmodes.phonons.modes import modes_at, stability
from trajmodes.pipeline.load import read_normal_equations
from trajmodes.pipeline.show import text_of
from trajmodes.report.figures.scan import draw_scan
from trajmodes.report.figures.style import save_png
from trajmodes.report.scan import render_scan, scan_table
from trajmodes.results.folder import Writer, open_folder, write_files
from trajmodes.symmetry.translations import half_space


def scan_job(path: str, scheme: Scheme = "sequential") -> list[ScanPoint]:
    """Repeat a fit with other cutoffs, orders and constraints, and with parts of the run.

    Raises
    ------
    DataError
        If there are no normal equations at the path, or they cannot be read.
    """
    return scan_rows(read_normal_equations(path), FitOptions(scheme=scheme))


def scan_rows(
    equations: NormalEquationBlocks, options: FitOptions | None = None
) -> list[ScanPoint]:
    """Points of a scan, with the square of the lowest commensurate frequency of each."""
    qpoints = half_space(equations.supercell).qpoints
    return [
        replace(point, lowest_squared=_lowest(constants, qpoints))
        for point, constants in scan_equations(equations, options)
    ]


def show_scan(rows: list[ScanPoint]) -> str:
    """Table of a scan for the terminal."""
    return text_of(render_scan(rows))


def write_scan(rows: list[ScanPoint], output: str) -> str:
    """Write the table and the figure of a scan; return a text that lists both files.

    Raises
    ------
    UsageError
        If the folder holds results.
    StorageError
        If the files cannot be written.
    """
    root = Path(output)
    if (root / "results.nc").exists():
        raise UsageError(
            "a scan cannot be written into a folder of results",
            where=output,
            fix="name another folder",
        )
    text = "residuals and the lowest frequency against cutoffs, orders and length of the run"
    writers = {
        "scan.csv": Writer("all fits of the scan", scan_table(rows).write),
        "scan.png": Writer(text, partial(save_png, draw_scan(rows))),
    }
    with open_folder(root) as folder:
        files = write_files(folder, writers)
    return "".join(f"{root / name}: {text}\n" for name, text in files.items())


def _lowest(constants: ForceConstants, qpoints: Floats) -> float:
    modes = modes_at(constants, qpoints)
    return stability(modes).squared if (modes.sets >= 0).any() else np.nan
