"""The fitted lines as they should appear in the measured spectra, for plots and tables."""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data import LineFits, PowerSpectra
from trajmodes.project.oscillator import expected_power
from trajmodes.project.window import resolution_thz
from trajmodes.units import THZ

__all__ = ["line_models"]

_WIDTHS = 4.0
"""Widths, the resolution included, on both sides of a line: where it is fitted, it is drawn."""


def line_models(spectra: PowerSpectra, lines: LineFits) -> Floats:
    """Compute the spectra expected of the fitted lines, on the grid of the measured ones.

    Parameters
    ----------
    spectra
        The spectra that the lines were fitted to.
    lines
        The fits.

    Returns
    -------
    (g, w) in eV/THz, nan far from the line and where no line was resolved.
    """
    models_gw = np.full(spectra.power.shape, np.nan)
    resolved = np.flatnonzero(np.isfinite(lines.linewidth_thz))
    if len(resolved) == 0:
        return models_gw
    n_bins = len(spectra.freq_thz)
    center, width = lines.freq_thz[resolved], lines.linewidth_thz[resolved]
    inner = np.broadcast_to(np.arange(1, n_bins - 1), (len(resolved), n_bins - 2))
    power_gw, _ = expected_power(
        center * THZ, width * THZ, inner, spectra.segment_frames, spectra.interval_ps
    )
    reach = _WIDTHS * (width + resolution_thz(spectra.segment_frames, spectra.interval_ps))
    near = np.abs(spectra.freq_thz[1:-1] - center[:, None]) < reach[:, None]
    scaled_gw = lines.kinetic[resolved, None] * power_gw
    models_gw[resolved, 1:-1] = np.where(near, scaled_gw, np.nan)
    return models_gw
