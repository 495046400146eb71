"""What a ledger tells without reading the data again, as rows of the report."""

from functools import partial
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data import ForceConstants
from trajmodes.errors import UsageError
from trajmodes.fit import FitOptions, Ledger, ScanPoint, Scheme, scan_ledger
from trajmodes.phonons import modes_at, stability
from trajmodes.pipeline.reading import read_ledger
from trajmodes.pipeline.show import text_of
from trajmodes.report import ScanRow, draw_scan, render_scan, scan_table
from trajmodes.report.style import save_png
from trajmodes.results import Writer, open_folder, write_files
from trajmodes.symmetry import half_space

__all__ = ["scan_job", "scan_rows", "show_scan", "write_scan"]


def scan_job(path: str, scheme: Scheme = "sequential") -> list[ScanRow]:
    """Fit a ledger in every way that it allows.

    Parameters
    ----------
    path
        ledger.nc, or the results folder that it is in.
    scheme
        Whether each order is fitted to what the lower ones leave, or all at once.

    Raises
    ------
    DataError
        If there is no ledger, or it cannot be read.
    """
    return scan_rows(read_ledger(path), FitOptions(scheme=scheme))


def scan_rows(ledger: Ledger, options: FitOptions | None = None) -> list[ScanRow]:
    """Rows of a scan, with the lowest commensurate frequency of each fit.

    Parameters
    ----------
    ledger
        The ledger.
    options
        How to fit, where the scan does not decide.
    """
    qpoints = half_space(ledger.supercell).qpoints
    return [_row(point, qpoints) for point in scan_ledger(ledger, options)]


def show_scan(rows: list[ScanRow]) -> str:
    """Tell what a scan found.

    Parameters
    ----------
    rows
        One for each fit.
    """
    return text_of(render_scan(rows))


def write_scan(rows: list[ScanRow], output: str) -> str:
    """Write the table and the picture of a scan, and tell where.

    Parameters
    ----------
    rows
        One for each fit.
    output
        Folder to write to.

    Raises
    ------
    UsageError
        If the folder holds results, which these files would replace.
    StorageError
        If the files cannot be written.
    """
    root = Path(output)
    if (root / "results.nc").exists():
        raise UsageError(
            "a scan is not written among results", where=output, fix="name another folder"
        )
    text = "residuals and the lowest frequency against cutoffs, orders and run length"
    writers = {
        "scan.csv": Writer("all fits of the scan", scan_table(rows).write),
        "scan.png": Writer(text, partial(save_png, draw_scan(rows))),
    }
    with open_folder(root) as folder:
        files = write_files(folder, writers)
    return "".join(f"{root / name}: {text}\n" for name, text in files.items())


def _row(point: ScanPoint, qpoints: Floats) -> ScanRow:
    quality = point.quality
    last = quality.orders[-1]
    return ScanRow(
        kind=point.kind,
        label=point.label,
        cutoffs=" | ".join(one.cutoff for one in quality.orders),
        n_parameters=quality.n_parameters,
        r_squared=quality.r_squared,
        rms_residual=quality.rms_residual,
        rms_predicted=last.rms_predicted,
        condition=quality.condition,
        scheme_distance=quality.orders[0].scheme_distance,
        lowest_squared_thz=_lowest(point.constants, qpoints),
        order=point.order if point.kind == "cutoff" else 0,
        value=point.value,
    )


def _lowest(constants: ForceConstants, qpoints: Floats) -> float:
    modes = modes_at(constants, qpoints)
    return stability(modes).square_thz if (modes.sets >= 0).any() else np.nan
