"""Mode Grüneisen parameters: how phonon frequencies answer to a change of volume or shape.

γ_qm = −(V/ω) ∂ω/∂V = −(V/2ω²) ∂ω²/∂V, and the tensor γ^{xy} = −(1/2ω²) ∂ω²/∂ε_xy whose trace
is 3γ, at fixed reduced q (Grüneisen, Ann. Phys. 344, 257 (1912); Barron and Klein in Dynamical
Properties of Solids 1 (1974)). For effective constants of a temperature they are those of the
constants at that temperature: what temperature itself does to them is not in it.

γ is undefined where ω² is not positive, and is nan there: imaginary modes and the acoustic
modes at Γ. What always exists is the slope V ∂ω²/∂V, which tells by how much compression
stabilises an unstable mode.

The thermodynamic Grüneisen parameter: the mean over the zone with heat capacities.

γ(T) = Σ C_qm γ_qm / Σ C_qm. With classical statistics every C is k_B and the mean does not
depend on T; with Bose–Einstein statistics C = k_B x² eˣ/(eˣ − 1)², x = ħω/k_BT (Barron and
White, Heat Capacity and Thermal Expansion at Low Temperatures (1999), §2.6). γ(T) times C/(V B)
is the volume expansion of a crystal of bulk modulus B.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Bools, Floats, freeze
from trajmodes.data.anharmonic import GruneisenParameters, MeanGruneisen
from trajmodes.data.bands import BandPath
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.anharmonic.strain_response import (
    StrainResponse,
    strain_responses,
    tensor_of,
)
from trajmodes.phonons.dynamical_matrix import lattice_sum
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import mesh
from trajmodes.phonons.renormalised.supercell_constants import joined_axes
from trajmodes.units import BOLTZMANN, HBAR

# ω² below this part of the mean ω² of the stiffest site is zero.
_ZERO = 1e-10


@dataclass(frozen=True, slots=True)
class Gruneisen:
    """Answers of modes to strain, set means in place of degenerate branches.

    Sets are those at one q: in the members of a star the tensors are turned copies of each
    other.
    """

    crystal: Crystal
    qpoints: Floats
    """(q, 3), reduced coordinates, no 2π."""
    omega: Floats
    """(q, m), unit: rad/ps. Negative means imaginary."""
    gamma: Floats
    """(q, m), no unit. −(V/ω) ∂ω/∂V; nan where ω² is not positive, and for the acoustic modes
    at Γ."""
    gamma_sem: Floats | None
    """(q, m) standard error of γ; None where the constants have none."""
    tensor: Floats
    """(q, m, 3, 3), no unit. −(1/2ω²) ∂ω²/∂ε; nan where γ is."""
    tensor_sem: Floats | None
    """(q, m, 3, 3) standard error of the tensor."""
    slope: Floats
    """(q, m), unit: (rad/ps)². V ∂ω²/∂V, for any mode; zero for the acoustic modes at Γ."""
    slope_sem: Floats | None
    """(q, m), unit: (rad/ps)². Standard error of the slope."""

    def __post_init__(self) -> None:
        sizes = {"m": 3 * self.crystal.n_sites}
        freeze(self, sizes, float, qpoints="q 3", omega="q m", gamma="q m", gamma_sem="q m")
        freeze(self, sizes, float, tensor="q m 3 3", tensor_sem="q m 3 3")
        freeze(self, sizes, float, slope="q m", slope_sem="q m")


def gruneisen_at(
    constants: ForceConstants, qpoints: npt.ArrayLike, *, relaxed: bool = True
) -> Gruneisen:
    """Grüneisen parameters at a list of q points; see `gruneisen_of`.

    Parameters
    ----------
    constants
        Force constants with triplets.
    qpoints
        (q, 3) reduced coordinates, no 2π.
    relaxed
        Whether the sublattices relax under strain; else they only follow it (clamped ions).
    """
    return gruneisen_of(constants, modes_at(constants, qpoints), relaxed=relaxed)


def gruneisen_of(constants: ForceConstants, modes: Modes, *, relaxed: bool = True) -> Gruneisen:
    """Grüneisen parameters of modes, with the error that both orders of constants give them.

    Parameters
    ----------
    constants
        Force constants with triplets. Error bars come from the replicates of pairs and
        triplets, taken together block by block.
    modes
        Modes of the same constants, by `modes_at`.
    relaxed
        Whether the sublattices relax under strain; else they only follow it (clamped ions).

    Raises
    ------
    DataError
        If there are no triplets; if they lack the exchange symmetry or the sum rule; if their
        replicates are not of the same blocks as those of the pairs; or if the modes are of
        another crystal.
    """
    if modes.vectors.shape[2] != constants.crystal.n_sites:
        raise DataError("the modes are of another crystal than the force constants")
    defined = is_defined(constants, modes)
    parts = [
        _estimates(response, defined[part])
        for part, response in strain_responses(constants, modes, relaxed=relaxed)
    ]
    joined = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    return Gruneisen(
        crystal=constants.crystal,
        qpoints=modes.qpoints,
        omega=modes.omega,
        gamma=joined["gamma"],
        tensor=joined["tensor"],
        slope=joined["slope"],
        **{name: joined.get(name) for name in ("gamma_sem", "tensor_sem", "slope_sem")},
    )


def is_defined(constants: ForceConstants, modes: Modes) -> Bools:
    """(q, m) whether a mode has a Grüneisen parameter: ω² > 0, and not acoustic at Γ."""
    scale = lattice_sum(constants, constants.values).scale
    square = modes.omega * np.abs(modes.omega)
    defined: Bools = (square > _ZERO * scale) & (modes.sets >= 0)
    return defined


def gamma_components(response: StrainResponse, defined: Bools) -> tuple[Floats, Floats | None]:
    """−(1/2ω²) ∂ω²/∂ε, (q, m, c) and (b, q, m, c); nan where it is not defined.

    The replicates are linear in what they change, so that the error of a soft mode does not
    hang on a replicate that comes near ω² = 0.
    """
    square = np.where(defined, response.square, np.nan)[..., None]
    gamma = -0.5 * response.slope / square
    if response.square_replicates is None or response.slope_replicates is None:
        return gamma, None
    stiffer = (response.square_replicates[..., None] - square) / square
    return gamma, -0.5 * response.slope_replicates / square - gamma * stiffer


def volume_part(components: Floats) -> Floats:
    """Third of the trace of (…, c) components of strain: the answer to d ln V."""
    part: Floats = components[..., :3].mean(axis=-1)
    return part


def _estimates(response: StrainResponse, defined: Bools) -> dict[str, Floats]:
    gamma, gammas = gamma_components(response, defined)
    found = {
        "gamma": volume_part(gamma),
        "tensor": tensor_of(gamma),
        "slope": volume_part(response.slope),
    }
    if gammas is not None and response.slope_replicates is not None:
        found["gamma_sem"] = jackknife_sem(volume_part(gammas))
        found["tensor_sem"] = tensor_of(jackknife_sem(gammas))
        found["slope_sem"] = jackknife_sem(volume_part(response.slope_replicates))
    return found


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
