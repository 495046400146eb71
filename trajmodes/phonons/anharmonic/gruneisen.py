"""Mode Grüneisen parameters, and their mean over the zone weighted by heat capacity.

γ_qm = −(V/ω) ∂ω/∂V = −(V/2ω²) ∂ω²/∂V describes the change of a phonon frequency with volume,
and the tensor γ^{xy} = −(1/2ω²) ∂ω²/∂ε_xy, of trace 3γ, that with strain, both at fixed reduced
q (Grüneisen, Ann. Phys. 344, 257 (1912); Barron and Klein in Dynamical Properties of Solids 1
(1974)). Effective force constants of a temperature give γ of these force constants. The change
of the force constants with temperature is not included.

A layer has an area A and no volume: γ = −(A/ω) ∂ω/∂A, half of the trace of the tensor in the
plane.

γ is nan where ω² is not positive: for imaginary modes and the acoustic modes at Γ. The slope
V ∂ω²/∂V is always defined. It is the rate at which compression stabilises an unstable mode.

The thermodynamic Grüneisen parameter is γ(T) = Σ C_qm γ_qm / Σ C_qm. With classical statistics
every C is k_B, and the mean does not depend on T. With Bose–Einstein statistics
C = k_B x² eˣ/(eˣ − 1)², x = ħω/k_BT (Barron and White, Heat Capacity and Thermal Expansion at
Low Temperatures (1999), §2.6). γ(T) C/(V B) is the volume expansion of a crystal of bulk
modulus B.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Bools, Floats, freeze
from trajmodes.data.anharmonic import GruneisenParameters, MeanGruneisen
from trajmodes.data.bands import BandPath
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.lattice import layer_of
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.dynamical_matrix import lattice_sum
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import mesh, spaced_mesh
from trajmodes.phonons.strain import COMPONENTS, StrainResponse, strain_responses, tensor_of
from trajmodes.units import BOLTZMANN, HBAR

# ω² below this, relative to the mean ω² of the stiffest site, is zero.
_ZERO = 1e-10
# Largest distance in 1/Å, 2π included, of neighbours on the mesh of the mean. On a mesh twice
# as fine the mean changes by less than its error.
_SPACING = 0.15


@dataclass(frozen=True, slots=True)
class Gruneisen:
    """Grüneisen parameters of modes, averaged over the degenerate branches of one q.

    At the members of a star the tensors are rotated copies of each other.
    """

    omega: Floats
    """(q, m), unit: rad/ps. Negative if imaginary."""
    gamma: Floats
    """(q, m), no unit. −(V/ω) ∂ω/∂V, or by area in a layer; nan where ω² is not positive, and
    for the acoustic modes at Γ."""
    tensor: Floats
    """(q, m, 3, 3), no unit. −(1/2ω²) ∂ω²/∂ε; nan where γ is."""
    slope: Floats
    """(q, m), unit: (rad/ps)². V ∂ω²/∂V of every mode, A ∂ω²/∂A in a layer; zero for the
    acoustic modes at Γ."""
    gamma_sem: Floats | None = None
    """(q, m) standard errors; None without replicates of the force constants."""
    tensor_sem: Floats | None = None
    """(q, m, 3, 3)."""
    slope_sem: Floats | None = None
    """(q, m), unit: (rad/ps)²."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, omega="q m", gamma="q m", gamma_sem="q m")
        freeze(self, sizes, float, tensor="q m 3 3", tensor_sem="q m 3 3")
        freeze(self, sizes, float, slope="q m", slope_sem="q m")


def gruneisen_at(
    constants: ForceConstants, qpoints: npt.ArrayLike, *, relaxed: bool = True
) -> Gruneisen:
    """Grüneisen parameters at q points (q, 3) in reduced coordinates; see `gruneisen_of`."""
    return gruneisen_of(constants, modes_at(constants, qpoints), relaxed=relaxed)


def gruneisen_of(constants: ForceConstants, modes: Modes, *, relaxed: bool = True) -> Gruneisen:
    """Grüneisen parameters of modes; replicates of both orders give error bars.

    The modes are those of the same force constants. The sublattices relax under strain, or
    follow the homogeneous strain (clamped ions).

    Raises
    ------
    DataError
        If there is no third order; if it lacks the exchange symmetry or the sum rule; if its
        replicates are not of the same blocks as those of second order; or if the modes belong
        to another crystal.
    """
    if modes.vectors.shape[2] != constants.crystal.n_sites:
        raise DataError("the modes belong to another crystal than the force constants")
    defined = is_defined(constants, modes)
    strain_weights = volume_weights(constants.crystal)
    parts = [
        _estimates(response, defined[part], strain_weights)
        for part, response in strain_responses(constants, modes, relaxed=relaxed)
    ]
    joined = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    return Gruneisen(modes.omega, **joined)


def is_defined(constants: ForceConstants, modes: Modes) -> Bools:
    """Whether each mode (q, m) has a Grüneisen parameter: ω² > 0, and not acoustic at Γ."""
    scale = lattice_sum(constants).scale
    square = modes.omega * np.abs(modes.omega)
    return (square > _ZERO * scale) & (modes.sets >= 0)


def gamma_components(response: StrainResponse, defined: Bools) -> tuple[Floats, Floats | None]:
    """−(1/2ω²) ∂ω²/∂ε (q, m, c) and its replicates (b, q, m, c); nan where not defined.

    The replicates are linearised, so that the error of a soft mode does not depend on a single
    replicate with ω² near 0.
    """
    square = np.where(defined, response.square, np.nan)[..., None]
    gamma = -0.5 * response.slope / square
    if response.replicates is None:
        return gamma, None
    squares, slopes = response.replicates
    stiffer = (squares[..., None] - square) / square
    return gamma, -0.5 * slopes / square - gamma * stiffer


def volume_weights(crystal: Crystal) -> Floats:
    """(c,) weights of the components of strain in the derivative by ln V, or ln A of a layer.

    The weighted sum over components is a third of the trace, or half of the trace in the plane.
    """
    layer = layer_of(crystal.cell, crystal.sites)
    if layer is None:
        return np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]) / 3.0
    plane = 0.5 * (np.eye(3) - np.outer(layer.normal, layer.normal))
    weights = [plane[x, y] * (1.0 if x == y else 2.0) for x, y in COMPONENTS]
    return np.array(weights)


def _estimates(response: StrainResponse, defined: Bools, weights: Floats) -> dict[str, Floats]:
    gamma, gammas = gamma_components(response, defined)
    found = {
        "gamma": gamma @ weights,
        "tensor": tensor_of(gamma),
        "slope": response.slope @ weights,
    }
    if gammas is not None and response.replicates is not None:
        found["gamma_sem"] = jackknife_sem(gammas @ weights)
        found["tensor_sem"] = tensor_of(jackknife_sem(gammas))
        found["slope_sem"] = jackknife_sem(response.replicates[1] @ weights)
    return found


def gruneisen_parameters(
    constants: ForceConstants, modes: Modes, path: BandPath
) -> GruneisenParameters | None:
    """Grüneisen parameters along a path, of the sets of modes, and their mean over the zone.

    The temperature of the force constants, if known, is that of the quantum mean. The result is
    None if there are no force constants of third order.
    """
    if constants.triplets is None:
        return None
    along = gruneisen_at(constants, path.qpoints)
    sets, sets_sem = _set_values(gruneisen_of(constants, modes), modes)
    kelvin = [] if constants.temperature is None else [constants.temperature]
    mean = mean_gruneisen(constants, mean_mesh(constants.crystal), kelvin)
    return GruneisenParameters(along.gamma, along.gamma_sem, sets, sets_sem, mean)


def mean_mesh(crystal: Crystal) -> tuple[int, int, int]:
    """Mesh that is fine enough for the mean."""
    layer = layer_of(crystal.cell, crystal.sites)
    n1, n2, n3 = (
        n if layer is not None and axis == layer.axis else max(2, n)
        for axis, n in enumerate(spaced_mesh(crystal, _SPACING))
    )
    return n1, n2, n3


def mean_gruneisen(
    constants: ForceConstants,
    divisions: tuple[int, int, int],
    temperatures: npt.ArrayLike,
) -> MeanGruneisen:
    """Average the Grüneisen parameters of all modes on a mesh through Γ.

    The mean converges as n⁻³ with the number n of points along each reciprocal lattice vector;
    the quantum mean is taken at ``temperatures`` (k,) in K.

    Raises
    ------
    UsageError
        If a temperature or a number of points is not positive.
    DataError
        As in `gruneisen_of`, or if no mode of the mesh has a positive ω².
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
    strain_weights = volume_weights(constants.crystal)
    sums = [
        _weighted_sums(
            response, weights[part, None] * defined[part], kelvin, (lowest, strain_weights)
        )
        for part, response in strain_responses(constants, modes, relaxed=True)
    ]
    # (constants and replicates, classical and temperatures)
    weighted, total = np.sum(sums, axis=0)
    mean, replicates = weighted[0] / total[0], weighted[1:] / total[1:]
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


def _set_values(found: Gruneisen, modes: Modes) -> tuple[Floats, Floats | None]:
    """γ (g,) of each set and its error, taken from one member because all are equal."""
    labels, first = np.unique(modes.sets, return_index=True)
    chosen = first[labels >= 0]
    sem = None if found.gamma_sem is None else found.gamma_sem.ravel()[chosen]
    return found.gamma.ravel()[chosen], sem


def _weighted_sums(
    response: StrainResponse, weights: Floats, kelvin: Floats, of_crystal: tuple[float, Floats]
) -> Floats:
    """Σ Cγ and Σ C of a chunk (2, constants and replicates, classical and temperatures)."""
    lowest, strain_weights = of_crystal
    gamma, gammas = gamma_components(response, weights > 0.0)
    square = response.square[None]
    values = (gamma @ strain_weights)[None]
    if gammas is not None and response.replicates is not None:
        square = np.concatenate([square, response.replicates[0]])
        values = np.concatenate([values, gammas @ strain_weights])
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
    """Heat capacity in k_B, times a common factor that prevents underflow."""
    unit = HBAR / (BOLTZMANN * temperature)
    x = np.maximum(unit * omega, 1e-12)
    # Modes far below the lowest have no Grüneisen parameter and weight zero.
    return (x / np.expm1(-x)) ** 2 * np.exp(np.minimum(unit * lowest - x, 100.0))
