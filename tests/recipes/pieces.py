"""A run cut in pieces: scatter of every result among them over its standard error.

z = (value of a piece − mean over the pieces) / error, times √(n/(n − 1)) for n pieces. The root
mean square of z over sets and pieces is one if errors are right. Its own error is that of the
jackknife over pieces: the sets of one piece have slow modulations in common.

Where a line or a decay deviates from its model, the errors of width and rate are multiplied by
a factor. The deviation is the same in all pieces, which therefore do not scatter by it: z is
that of the errors without this factor. Fits at several resolutions (`agreement`) test it.
"""

from collections.abc import Callable, Iterable
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
import xarray as xr

from trajmodes.api.results import Results


class Spread(NamedTuple):
    """Root mean square of z."""

    value: float
    error: float
    """Counting error: of so many pieces."""


QUANTITIES = {
    "temperature": "temperature",
    "energies": "kinetic_mev",
    "static frequencies": "freq_ratio_thz",
    "frequencies": "freq_spectrum_thz",
    "widths": "linewidth_thz",
    "rates": "lifetime_energy_ps",
}
_LOGARITHMIC = {"widths", "rates"}


def z_spreads(
    project: Callable[[int, int], Results], n_frames: int, n_pieces: int
) -> dict[str, Spread]:
    """Spread of z of each quantity; nan where fewer than 30 values are resolved.

    `project` gives the results of frames [start, stop). A set counts if three quarters of the
    pieces resolve it: a selection of those where noise makes it wide enough has a bias.
    Frequencies are those of lines with a width.
    """
    edges = np.linspace(0, n_frames, n_pieces + 1).astype(int).tolist()
    found = [project(a, b).dataset for a, b in pairwise(edges)]
    spreads = {}
    for name, variable in QUANTITIES.items():
        values, sems = (
            np.array([np.atleast_1d(one[variable + end].values) for one in found])
            for end in ("", "_sem")
        )
        if name == "frequencies":
            wide = [np.isfinite(one["linewidth_thz"].values) for one in found]
            values = np.where(wide, values, np.nan)
        if name in _LOGARITHMIC:
            factors = np.array([_deviation(name, one) for one in found])
            values, sems = np.log(values), sems / values / factors
        z = _scores(values, sems)
        enough = np.isfinite(z).sum() >= (1 if name == "temperature" else 30)
        spreads[name] = _spread(z) if enough else Spread(np.nan, np.nan)
    return spreads


def _deviation(name: str, one: xr.Dataset) -> np.ndarray:
    """Factor (set,) of the errors of widths or rates due to deviations from the model."""
    if name == "widths":
        return one["line_error_factor"].values
    return np.sqrt(np.fmax(one["energy_chi2_ratio"].values, 1.0))


def _scores(values: np.ndarray, sems: np.ndarray) -> np.ndarray:
    """z (piece, set) of sets that enough pieces resolve; nan where one does not."""
    known = np.isfinite(values) & (sems > 0.0)
    some = known.sum(axis=0) >= 0.75 * len(values)
    values, sems = np.where(known, values, np.nan)[:, some], sems[:, some]
    count = known.sum(axis=0)[some]
    return (values - np.nanmean(values, axis=0)) / sems * np.sqrt(count / (count - 1.0))


def _spread(z: np.ndarray) -> Spread:
    squares, counts = np.nansum(z**2, axis=1), np.isfinite(z).sum(axis=1)
    without = np.sqrt((squares.sum() - squares) / (counts.sum() - counts))
    n_pieces = len(z)
    variance = (n_pieces - 1) / n_pieces * np.sum((without - without.mean()) ** 2)
    return Spread(float(np.sqrt(squares.sum() / counts.sum())), float(np.sqrt(variance)))


def agreement(results: Iterable[Results]) -> dict[str, float]:
    """Part of the sets, resolved in two results of one run, that agree within two errors."""
    parts = {}
    for name in ("frequencies", "widths"):
        close: list[bool] = []
        for one, other in combinations([result.dataset for result in results], 2):
            variable = QUANTITIES[name]
            apart = np.abs(one[variable] - other[variable])
            error = np.hypot(one[f"{variable}_sem"], other[f"{variable}_sem"])
            both = np.isfinite(one["linewidth_thz"]) & np.isfinite(other["linewidth_thz"])
            close += (apart < 2.0 * error).values[both.values].tolist()
        parts[name] = float(np.mean(close))
    return parts
