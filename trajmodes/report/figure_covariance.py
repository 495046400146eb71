"""How the energies of the sets of modes fluctuate together."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from trajmodes.report.style import new_figure

__all__ = ["draw_covariance"]

_SHOWN = 0.995
"""Part of the pairs of different sets that the colours can tell apart."""
_NOISE = 0.1
"""Smaller correlations are drawn pale: those of a short run are as large by chance."""
_PALE = 0.35


def draw_covariance(dataset: xr.Dataset) -> Figure:
    """Draw the correlation of the energies of all pairs of sets, ordered by frequency.

    Parameters
    ----------
    dataset
        Results with the covariance of energies.
    """
    freq = dataset["freq_harmonic_thz"].values
    order = np.argsort(freq, kind="stable")
    matrix = dataset["energy_correlation"].values[np.ix_(order, order)]
    apart = np.abs(matrix[~np.eye(len(matrix), dtype=bool)])
    known = apart[np.isfinite(apart)]
    limit = max(float(np.quantile(known, _SHOWN)) if known.size else 0.0, 1e-3)
    figure = new_figure(5.9)
    axes = figure.add_axes((0.11, 0.09, 0.74, 0.74 * 7.0 / 5.9))
    image = axes.imshow(
        matrix,
        vmin=-limit,
        vmax=limit,
        cmap="RdBu_r",
        origin="lower",
        interpolation="none",
        alpha=np.where(np.abs(matrix) < _NOISE, _PALE, 1.0),
    )
    shown = np.unique(np.linspace(0, len(order) - 1, min(len(order), 9)).round().astype(int))
    labels = [f"{freq[order[k]]:.1f}" for k in shown]
    axes.set_xticks(shown, labels)
    axes.set_yticks(shown, labels)
    axes.set(
        xlabel="Frequency of the set of modes (THz)",
        ylabel="Frequency of the set of modes (THz)",
    )
    bar = figure.colorbar(
        image, cax=figure.add_axes((0.875, 0.09, 0.02, 0.74 * 7.0 / 5.9)), extend="both"
    )
    bar.set_label(f"Correlation of energies; pale below ±{_NOISE:g}")
    return figure
