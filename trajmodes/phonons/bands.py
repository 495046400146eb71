"""Dispersion and spectra along a band path."""

import numpy as np

from trajmodes.data.bands import BandPath, Bands, SpectralMap
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.data.spectra import PowerSpectra
from trajmodes.errors import DataError
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import on_path


def dispersion(constants: ForceConstants, path: BandPath) -> Bands:
    """Bands of the force constants along a path.

    Parameters
    ----------
    constants
        The force constants; error bars come from their replicates.
    path
        The path, made for the same crystal by `band_path`.

    Raises
    ------
    DataError
        If the path was made for another cell, or the constants are not symmetric under exchange
        of their indices.
    """
    if not np.allclose(path.crystal.cell, constants.crystal.cell, rtol=0.0, atol=1e-6):
        raise DataError(
            "the band path was made for another cell than the force constants",
            fix="make it with band_path(constants.crystal, spacing)",
        )
    omega, omega_sem = frequencies_at(constants, path.qpoints)
    return Bands(path, omega, omega_sem)


def spectral_map(path: BandPath, modes: Modes, spectra: PowerSpectra) -> SpectralMap | None:
    """Velocity spectra of each branch at the commensurate points of the path, and their sum.

    Parameters
    ----------
    path
        The path.
    modes
        Modes at the commensurate points.
    spectra
        Spectra of the sets of these modes.

    Returns
    -------
    None where no commensurate point with a spectrum lies on the path.
    """
    hits = on_path(path, modes.qpoints)
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
