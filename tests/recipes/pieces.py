"""A run cut in pieces: scatter of every result among them over its standard error.

z = (value of a piece − mean over the pieces) / error, times √(n/(n − 1)) for n pieces. The root
mean square of z over sets and pieces is one if errors are right.
"""

from collections.abc import Callable, Iterable
from itertools import combinations, pairwise

import numpy as np

from trajmodes.api.results import Results

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
) -> dict[str, float]:
    """Root mean square of z of each quantity; nan where fewer than 30 values are resolved.

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
            values, sems = np.log(values), sems / values
        z = _scores(values, sems)
        enough = len(z) >= (1 if name == "temperature" else 30)
        spreads[name] = float(np.sqrt(np.mean(z**2))) if enough else np.nan
    return spreads


def _scores(values: np.ndarray, sems: np.ndarray) -> np.ndarray:
    known = np.isfinite(values) & (sems > 0.0)
    some = known.sum(axis=0) >= 0.75 * len(values)
    values, sems = np.where(known, values, np.nan)[:, some], sems[:, some]
    count = known.sum(axis=0)[some]
    z = (values - np.nanmean(values, axis=0)) / sems * np.sqrt(count / (count - 1.0))
    return z[np.isfinite(z)]


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
