"""Mode Grüneisen parameters: how phonon frequencies answer to a change of volume or shape.

γ_qm = −(V/ω) ∂ω/∂V = −(V/2ω²) ∂ω²/∂V, and the tensor γ^{xy} = −(1/2ω²) ∂ω²/∂ε_xy whose trace
is 3γ, at fixed reduced q (Grüneisen, Ann. Phys. 344, 257 (1912); Barron and Klein in Dynamical
Properties of Solids 1 (1974)). For effective constants of a temperature they are those of the
constants at that temperature: what temperature itself does to them is not in it.

γ is undefined where ω² is not positive, and is nan there: imaginary modes and the acoustic
modes at Γ. What always exists is the slope V ∂ω²/∂V, which tells by how much compression
stabilises an unstable mode.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Bools, Floats, freeze
from trajmodes.data import Crystal, ForceConstants, Modes
from trajmodes.data.jackknife import jackknife_sem
from trajmodes.errors import DataError
from trajmodes.phonons.diagonalize import modes_at
from trajmodes.phonons.dynamical_matrix import lattice_sum
from trajmodes.phonons.strain_response import StrainResponse, strain_responses, tensor_of

__all__ = [
    "Gruneisen",
    "gamma_components",
    "gruneisen_at",
    "gruneisen_of",
    "is_defined",
    "volume_part",
]

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
