"""What a scan of a ledger gives: one row for each fit, told to people and to programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajmodes.report.tables import Table

__all__ = ["ScanKind", "ScanRow", "render_scan", "scan_table"]

ScanKind = Literal["cutoff", "order", "constraints", "ridge", "time"]


@dataclass(frozen=True, slots=True)
class ScanRow:
    """One fit of a scan: what was varied, and what came out."""

    kind: ScanKind
    """What was varied."""
    label: str
    """Its value in words, such as ``pairs 6 Å`` or ``Huang``."""
    cutoffs: str
    """Cutoffs of all orders in Å, in words, such as ``6 | 4.5``."""
    n_parameters: int
    r_squared: float
    rms_residual: float
    """In eV/Å."""
    rms_predicted: float = np.nan
    """In eV/Å, for blocks of time that were left out of the fit; nan if there are too few."""
    condition: float = np.nan
    scheme_distance: float = np.nan
    """|Φ' − Φ|/|Φ| of the pair constants, joint and sequential; nan where one is unknown."""
    error: float = np.nan
    """Mean relative standard error of the constants; nan if unknown."""
    lowest_squared_thz: float = np.nan
    """Lowest signed (ω/2π)² in THz²; nan if it was not looked at."""
    lowest_squared_thz_sem: float = np.nan
    """Its standard error in THz²."""
    order: int = 2
    """Order whose cutoff was varied; else the highest."""
    value: float = np.nan
    """What was varied as a number: cutoff in Å, highest order, strength of the ridge or frames
    fitted; nan for constraints."""


def scan_table(rows: Sequence[ScanRow]) -> Table:
    """All rows of a scan as a table for scan.csv.

    Parameters
    ----------
    rows
        The rows.
    """
    columns = {name: np.array([getattr(row, name) for row in rows]) for name in _MEANINGS}
    return Table("Fits of one ledger: what was varied, and what came out", columns, _MEANINGS)


_MEANINGS = {
    "kind": "what was varied",
    "label": "its value in words",
    "value": "its value: cutoff in Å, highest order, strength of the ridge, frames fitted",
    "order": "order whose cutoff was varied, else the highest",
    "cutoffs": "cutoffs of all orders, in Å",
    "n_parameters": "free parameters",
    "r_squared": "coefficient of determination of the forces",
    "rms_residual": "root mean square residual force component, in eV/Å",
    "rms_predicted": "the same for blocks of time left out of the fit, in eV/Å",
    "condition": "condition number of the equilibrated normal matrix",
    "scheme_distance": "distance of the joint and the sequential pair constants, |Φ' − Φ|/|Φ|",
    "error": "mean relative standard error of the constants",
    "lowest_squared_thz": "lowest square of a frequency, in THz² (negative: unstable)",
    "lowest_squared_thz_sem": "its standard error, in THz²",
}
"""Heading → meaning."""


def render_scan(rows: Sequence[ScanRow]) -> str:
    """Tell in a text table what a scan found."""
    raise NotImplementedError
