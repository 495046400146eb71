"""What the stages return, in the nouns of the report."""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data import Modes, PowerSpectra
from trajmodes.fit import HarmonicFit
from trajmodes.phonons import Bands as PhononBands
from trajmodes.phonons import on_path
from trajmodes.report import Bands, Convergence, SpectralMap
from trajmodes.units import THZ

__all__ = ["bands_of", "convergence_of", "spectral_map"]


def bands_of(bands: PhononBands) -> Bands:
    """Bands as the report shows them.

    Parameters
    ----------
    bands
        Dispersion along a path.
    """
    path = bands.path
    positions, labels = path.ticks()
    jumps = [
        int(path.offsets[k + 1])
        for k in range(path.n_sections - 1)
        if path.labels[k][1] != path.labels[k + 1][0]
    ]
    return Bands(
        distance=path.distance,
        qpoints=path.qpoints,
        freq_thz=bands.omega / THZ,
        freq_thz_sem=None if bands.omega_sem is None else bands.omega_sem / THZ,
        breaks=np.array(jumps, dtype=int),
        tick_positions=positions,
        tick_labels=labels,
    )


def convergence_of(fit: HarmonicFit) -> Convergence:
    """How the fitted constants settle while the run grows.

    Parameters
    ----------
    fit
        The fit, with fits to the first blocks of the run.
    """
    partial = fit.convergence
    values_bk = partial.values.reshape(len(partial.values), -1)
    final_k = values_bk[-1]
    change: Floats = np.linalg.norm(values_bk - final_k, axis=1) / np.linalg.norm(final_k)
    determined = np.isfinite(change)
    fraction = partial.frames / partial.frames[-1]
    return Convergence(fraction[determined], change[determined])


def spectral_map(bands: PhononBands, modes: Modes, spectra: PowerSpectra) -> SpectralMap | None:
    """Velocity spectra summed over the branches at the commensurate points of the path.

    Parameters
    ----------
    bands
        Dispersion along the path.
    modes
        Modes at the commensurate points.
    spectra
        Spectra of the sets of these modes.

    Returns
    -------
    The map; None where no commensurate point with a spectrum lies on the path.
    """
    hits = on_path(bands.path, modes.qpoints)
    shown = (modes.sets[hits.index] >= 0).any(axis=1)
    if not shown.any():
        return None
    power_qw: Floats = np.zeros((len(modes.qpoints), len(spectra.freq_thz)))
    for set_q in modes.sets.T:
        power_qw[set_q >= 0] += spectra.power[set_q[set_q >= 0]]
    return SpectralMap(hits.distance[shown], spectra.freq_thz, power_qw[hits.index[shown]])
