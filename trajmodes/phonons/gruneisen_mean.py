"""The thermodynamic Grüneisen parameter: the mean over the zone with heat capacities.

γ(T) = Σ C_qm γ_qm / Σ C_qm. With classical statistics every C is k_B and the mean does not
depend on T; with Bose–Einstein statistics C = k_B x² eˣ/(eˣ − 1)², x = ħω/k_BT (Barron and
White, Heat Capacity and Thermal Expansion at Low Temperatures (1999), §2.6). γ(T) times C/(V B)
is the volume expansion of a crystal of bulk modulus B.
"""

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.data import (
    BandPath,
    Crystal,
    ForceConstants,
    GruneisenParameters,
    MeanGruneisen,
    Modes,
)
from trajmodes.data.jackknife import jackknife_sem
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.diagonalize import modes_at
from trajmodes.phonons.gruneisen import (
    Gruneisen,
    gamma_components,
    gruneisen_at,
    gruneisen_of,
    is_defined,
    volume_part,
)
from trajmodes.phonons.qpoints import mesh
from trajmodes.phonons.strain_response import StrainResponse, strain_responses
from trajmodes.phonons.supercell_constants import joined_axes
from trajmodes.units import BOLTZMANN, HBAR

__all__ = ["gruneisen_parameters", "mean_gruneisen", "mean_mesh"]

# Largest distance in 1/Å, 2π included, of neighbours on the mesh of the mean. The mean changes
# by less than its error when that mesh is doubled.
_SPACING = 0.15


def gruneisen_parameters(
    constants: ForceConstants, modes: Modes, path: BandPath
) -> GruneisenParameters | None:
    """Grüneisen parameters along a path, of the sets of modes, and their mean over the zone.

    Parameters
    ----------
    constants
        Their temperature, if known, is that of the quantum mean.
    modes
        Modes of the constants.
    path
        Band path of the same crystal.

    Returns
    -------
    None where there are no cubic constants.
    """
    if constants.triplets is None:
        return None
    along = gruneisen_at(constants, path.qpoints)
    sets, sets_sem = _of_sets(gruneisen_of(constants, modes), modes)
    kelvin = [] if constants.temperature is None else [constants.temperature]
    mean = mean_gruneisen(constants, mean_mesh(constants.crystal), kelvin)
    return GruneisenParameters(along.gamma, along.gamma_sem, sets, sets_sem, mean)


def mean_mesh(crystal: Crystal) -> tuple[int, int, int]:
    """Mesh that is fine enough for the mean; axes that the point group mixes are alike.

    Parameters
    ----------
    crystal
        The crystal.
    """
    reciprocal = 2.0 * np.pi * np.linalg.norm(np.linalg.inv(crystal.cell), axis=0)
    counts = np.maximum(2, np.ceil(reciprocal / _SPACING)).astype(int)
    for axes in map(list, joined_axes(crystal)):
        counts[axes] = counts[axes].max()
    return int(counts[0]), int(counts[1]), int(counts[2])


def mean_gruneisen(
    constants: ForceConstants,
    divisions: tuple[int, int, int],
    temperatures: npt.ArrayLike,
    *,
    relaxed: bool = True,
) -> MeanGruneisen:
    """Average the Grüneisen parameters of all modes on a mesh through Γ.

    Parameters
    ----------
    constants
        Force constants with triplets; error bars come from the replicates of both orders.
    divisions
        Number of points along each reciprocal lattice vector. The mean converges as the third
        power of it.
    temperatures
        (k,) temperatures in K for the quantum mean.
    relaxed
        Whether the sublattices relax under strain; else they only follow it (clamped ions).

    Raises
    ------
    UsageError
        If a temperature or a number of points is not positive.
    DataError
        If the constants are not fit for it (see `gruneisen_of`).
    """
    kelvin = np.atleast_1d(np.asarray(temperatures, dtype=float))
    if kelvin.ndim != 1 or not (kelvin > 0.0).all():
        raise UsageError(f"temperatures must be positive, got {kelvin.tolist()}")
    qpoints, weights = mesh(constants.crystal, divisions)
    modes = modes_at(constants, qpoints, weights)
    defined = is_defined(constants, modes)
    if not defined.any():
        raise DataError("no mode of the mesh has a Grüneisen parameter: no ω² is positive")
    lowest = float(modes.omega[defined].min())
    sums = [
        _weighted(response, weights[part, None] * defined[part], kelvin, lowest)
        for part, response in strain_responses(constants, modes, relaxed=relaxed)
    ]
    # (constants and replicates, classical and temperatures)
    top, bottom = np.sum(sums, axis=0)
    mean, replicates = top[0] / bottom[0], top[1:] / bottom[1:]
    sem = jackknife_sem(replicates) if len(replicates) else None
    left_out = ~defined & (modes.sets >= 0)
    return MeanGruneisen(
        temperatures=kelvin,
        quantum=mean[1:],
        quantum_sem=None if sem is None else sem[1:],
        classical=float(mean[0]),
        classical_sem=None if sem is None else float(sem[0]),
        mesh=divisions,
        left_out=float(weights @ left_out.mean(axis=1) / weights.sum()),
    )


def _of_sets(found: Gruneisen, modes: Modes) -> tuple[Floats, Floats | None]:
    """(g,) values of one member of each set: all have the same."""
    labels, first = np.unique(modes.sets, return_index=True)
    chosen = first[labels >= 0]
    sem = None if found.gamma_sem is None else found.gamma_sem.ravel()[chosen]
    return found.gamma.ravel()[chosen], sem


def _weighted(
    response: StrainResponse, weights: Floats, kelvin: Floats, lowest: float
) -> Floats:
    """Σ Cγ and Σ C of a chunk: (2, constants and replicates, classical and temperatures)."""
    gamma, gammas = gamma_components(response, weights > 0.0)
    square = response.square[None]
    values = volume_part(gamma)[None]
    if gammas is not None and response.square_replicates is not None:
        square = np.concatenate([square, response.square_replicates])
        values = np.concatenate([values, volume_part(gammas)])
    omega = np.sqrt(np.maximum(square, 0.0))
    capacities = [np.ones_like(omega)]
    capacities += [_capacity(omega, lowest, temperature) for temperature in kelvin]
    pairs = [
        (np.nansum(weights * c * values, axis=(1, 2)), (weights * c).sum(axis=(1, 2)))
        for c in capacities
    ]
    # (classical and temperatures, 2, constants and replicates)
    return np.array(pairs).transpose(1, 2, 0)


def _capacity(omega: Floats, lowest: float, temperature: float) -> Floats:
    """Heat capacity in k_B, up to a factor that keeps the largest one from underflow."""
    unit = HBAR / (BOLTZMANN * temperature)
    x = np.maximum(unit * omega, 1e-12)
    # Only modes without a parameter, which do not count, lie far below the lowest.
    capacity: Floats = (x / np.expm1(-x)) ** 2 * np.exp(np.minimum(unit * lowest - x, 100.0))
    return capacity
