"""What the stages return, in the nouns of the report."""

from dataclasses import replace

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data import Modes, PowerSpectra
from trajmodes.fit import Fit
from trajmodes.phonons import Bands as PhononBands
from trajmodes.phonons import frequencies_at, on_path
from trajmodes.report import Bands, Convergence, FitErrors, SpectralMap
from trajmodes.units import THZ

__all__ = [
    "bands_of",
    "convergence_of",
    "fit_errors_of",
    "scheme_distance_thz",
    "spectral_map",
]


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


def convergence_of(fit: Fit, modes: Modes) -> Convergence:
    """How the fitted constants and their frequencies settle while the run grows.

    Parameters
    ----------
    fit
        The fit, with fits to the first blocks of the run.
    modes
        Modes of the fit at the commensurate points.
    """
    partial, expansion = fit.convergence, fit.model.expansion
    determined = np.isfinite(partial.parameters).all(axis=1)
    found_bz = partial.parameters[determined]
    change_bo = np.column_stack(
        [
            _relative_change(found_bz[:, expansion.columns(order)])
            for order in expansion.orders[1:]
        ]
    )
    values_bpxy = expansion.bases[1].expand(found_bz[:, expansion.columns(2)])
    weights_qm = np.broadcast_to(modes.weights[:, None], modes.omega.shape)
    bare = replace(fit.constants, replicates=None)
    omegas = [frequencies_at(replace(bare, values=v), modes.qpoints)[0] for v in values_bpxy]
    squares = [np.average((w - modes.omega) ** 2, weights=weights_qm) for w in omegas]
    fraction = partial.frames[determined] / partial.frames[-1]
    settled: Floats = np.sqrt(np.array(squares)) / THZ
    return Convergence(fraction, change_bo[:, 0], settled, order_change=change_bo)


def _relative_change(found_bz: Floats) -> Floats:
    """(b,) distance of parameters from the last ones, relative to these."""
    change: Floats = np.linalg.norm(found_bz - found_bz[-1], axis=1)
    return change / np.linalg.norm(found_bz[-1])


def fit_errors_of(fit: Fit) -> FitErrors | None:
    """Where the error bars of the constants come from; None where there are none.

    Parameters
    ----------
    fit
        The fit.
    """
    blocks = fit.replicates
    if blocks is None:
        return None
    return FitErrors(
        method=blocks.method,
        n_blocks=blocks.n_blocks,
        block_frames=blocks.block_frames,
        inefficiency=blocks.inefficiency,
        levelled=blocks.levelled,
    )


def scheme_distance_thz(fit: Fit, modes: Modes) -> float | None:
    """Root mean square difference of frequencies in THz from those of the other scheme.

    Parameters
    ----------
    fit
        The fit.
    modes
        Its modes at the commensurate points.
    """
    if fit.other_scheme is None:
        return None
    omega, _ = frequencies_at(fit.other_scheme, modes.qpoints)
    weights_qm = np.broadcast_to(modes.weights[:, None], omega.shape)
    square = np.average((omega - modes.omega) ** 2, weights=weights_qm)
    return float(np.sqrt(square) / THZ)


def spectral_map(bands: PhononBands, modes: Modes, spectra: PowerSpectra) -> SpectralMap | None:
    """Velocity spectra of each branch at the commensurate points of the path, and their sum.

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
    rows = hits.index[shown]
    sets_km = modes.sets[rows]
    branches_kmw = np.where((sets_km >= 0)[..., None], spectra.power[sets_km], 0.0)
    return SpectralMap(
        distance=hits.distance[shown],
        qpoints=modes.qpoints[rows],
        freq_thz=spectra.freq_thz,
        power=branches_kmw.sum(axis=1),
        branches=branches_kmw,
    )
