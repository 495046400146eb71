"""Grüneisen parameters of modes from force constants at several volumes.

D(q) at a q of fixed reduced coordinates is a polynomial in ln V, whose derivative at the volume
of reference gives, by first-order perturbation theory,

γ = −(V/ω) ∂ω/∂V = −e† (∂D/∂ln V) e / 2ω².

Crossings and degenerate branches need no special treatment, because no branch is followed from
one volume to the next. Internal coordinates are those of each volume, so that γ is that of the
relaxed crystal. Third-order force constants give the same
(`trajmodes.phonons.anharmonic.gruneisen`).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from trajmodes.arrays import Bools, Complexes, Floats
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.quasiharmonic import ModeGruneisen
from trajmodes.errors import DataError
from trajmodes.phonons.dynamical_matrix import (
    dynamical_matrices,
    lattice_sum,
    lattice_sums,
)
from trajmodes.phonons.modes import branch_starts, expectation, set_means, signed_root
from trajmodes.thermo.quasiharmonic.cells import SAME_CELL, require_same_crystal
from trajmodes.thermo.quasiharmonic.volume_functions import deviations

# ω² below this, relative to the mean ω² of the stiffest site, is zero: a uniform shift.
_ZERO = 1e-10


def mode_gruneisen(
    constants: Sequence[ForceConstants],
    reference: int,
    qpoints: Floats,
    directions: Floats | None = None,
    slopes: Floats | None = None,
) -> ModeGruneisen:
    """Grüneisen parameters at q points (q, 3), with errors from the replicates.

    Parameters
    ----------
    constants
        Force constants of one crystal at two volumes or more.
    reference
        Index of the force constants whose modes are used.
    directions
        (q, 3) Cartesian directions from which Γ is approached in a polar crystal.
    slopes
        (v,) weights of D(q) at each volume in the derivative with respect to ln V; by default
        those of a polynomial in ln V.

    Raises
    ------
    DataError
        If there are fewer than two volumes, or the crystals are different or layers.
    """
    for one in constants:
        require_same_crystal(constants[reference].crystal, one.crystal)
    if slopes is None:
        slopes = _slope_weights(np.array([one.crystal.volume for one in constants]), reference)
    totals = [lattice_sum(one) for one in constants]
    matrices = [dynamical_matrices(one, qpoints, directions) for one in totals]
    slope = np.einsum("v,vqkl->qkl", slopes, matrices)
    own = matrices[reference]
    square, vectors = _solved(own)
    starts = branch_starts(totals[reference], square)
    defined = square > _ZERO * totals[reference].scale
    gamma = _gamma(slope, square, vectors, starts, defined)
    changes = []
    for place, one in enumerate(constants):
        found = [
            _gamma(slope + slopes[place] * change, square, vectors, starts, defined)
            if place != reference
            else _gamma(slope + slopes[place] * change, *_solved(own + change), starts, defined)
            for change in _changes(one, qpoints)
        ]
        if found:
            changes.append(deviations(np.array(found)))
    return ModeGruneisen(
        qpoints,
        signed_root(square),
        gamma,
        np.sqrt((np.concatenate(changes) ** 2).sum(axis=0)) if changes else None,
    )


def _slope_weights(volumes: Floats, reference: int) -> Floats:
    """(v,) weights of the values at volumes in their derivative by ln V at one volume."""
    if np.ptp(volumes) < SAME_CELL * volumes[reference]:
        raise DataError(
            "Grüneisen parameters from volumes need at least two volumes",
            fix="give force constants at another volume too, or of third order",
        )
    x = np.log(volumes / volumes[reference])
    # Two more volumes than a quadratic needs determine the third degree too.
    degree = min(len(volumes) - 1, 2 if len(volumes) < 5 else 3)
    scale = float(np.abs(x).max())
    rows = np.linalg.pinv(np.polynomial.polynomial.polyvander(x / scale, degree))
    weights: Floats = rows[1] / scale
    return weights


def _solved(matrices: Complexes) -> tuple[Floats, Complexes]:
    square, columns = np.linalg.eigh(matrices)
    return square, columns.swapaxes(1, 2)


def _gamma(
    slope: Complexes, square: Floats, vectors: Complexes, starts: Bools, defined: Bools
) -> Floats:
    along = set_means(expectation(slope, vectors), starts)
    mean = set_means(square, starts)
    return np.where(defined, -0.5 * along / np.where(defined, mean, 1.0), np.nan)


def _changes(constants: ForceConstants, qpoints: Floats) -> Iterator[Complexes]:
    """Change of D at q points by each replicate."""
    if constants.replicates is None:
        return
    (fitted,) = lattice_sums(constants, constants.values[None])
    base = dynamical_matrices(fitted, qpoints)
    for other in lattice_sums(constants, constants.replicates):
        yield dynamical_matrices(other, qpoints) - base
