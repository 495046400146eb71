"""Modes on a mesh over the Brillouin zone, and their first-order change with each replicate.

The zone is sampled by the irreducible points of a regular mesh. For the three acoustic branches
the surroundings of Γ are sampled more and more finely (see `trajmodes.phonons.zone`): the mean
square displacement of a classical crystal varies as 1/q² there, and at low temperature only
these modes are excited.

A replicate of the force constants changes D by δ. In the basis of the eigenvectors, δ_mm' =
e_m† δ e_m' gives the change of any function of the modes to first order: ω_m² changes by δ_mm,
and a function f(D) by Σ_mm' f[ω_m², ω_m'²] δ_mm' e_m e_m'†, with the divided difference
f[x, y] = (f(x) − f(y))/(x − y) (Daleckii and Krein, 1965). It stays finite where branches are
degenerate.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Bools, Complexes, Floats, Ints, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.lattice import equal_modulo_lattice
from trajmodes.phonons.dynamical_matrix import (
    LatticeSum,
    dynamical_matrices,
    lattice_sum,
    lattice_sums,
)
from trajmodes.phonons.frequency_errors import require_replicates
from trajmodes.phonons.modes import branch_starts, signed_root
from trajmodes.phonons.qpoints import numbered_mesh
from trajmodes.phonons.zone import zone_of

# Sections of the distance to Γ, each a third of the one outside it.
_SECTIONS = 6
# Working memory of one chunk of q points; results do not depend on it.
_CHUNK_BYTES = 32 * 2**20
# ω² below this, relative to the mean ω² of the stiffest site, is zero.
_ZERO = 1e-12


@dataclass(frozen=True, slots=True)
class ZonePoints:
    """q points of sums over the zone; the first ones are those of a regular mesh."""

    crystal: Crystal
    divisions: tuple[int, int, int]
    """Number of mesh points along each reciprocal lattice vector."""
    qpoints: Floats
    """(q, 3), reduced coordinates."""
    weights: Floats
    """(q, m), part of the zone that each branch represents; the sum over the modes that are no
    uniform shifts is the number of branches."""
    members: Floats
    """(n,) number of mesh points that each of the first q points represents."""
    index: Ints
    """(n1, n2, n3) index of the q point that represents each point of the mesh."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, qpoints="q 3", weights="q m", members="n")

    @property
    def n_mesh(self) -> int:
        """Number of irreducible points of the regular mesh."""
        return len(self.members)


def zone_points(
    crystal: Crystal, divisions: tuple[int, int, int], *, fine_at_gamma: bool = True
) -> ZonePoints:
    """Points of a mesh, with finer ones around Γ unless the mesh alone is requested.

    Raises
    ------
    UsageError
        If a number of points is not positive.
    """
    qpoints, members, index = numbered_mesh(crystal, divisions)
    weights = np.repeat(members[:, None] / members.sum(), 3 * crystal.n_sites, axis=1)
    if fine_at_gamma:
        zone = zone_of(crystal, divisions, _SECTIONS)
        qpoints, weights = zone.qpoints, _without_shifts(zone.qpoints, zone.weights)
    return ZonePoints(crystal, divisions, qpoints, weights, members, index)


def _without_shifts(qpoints: Floats, weights: Floats) -> Floats:
    """Give the weight of the three uniform translations at Γ to all other modes.

    Their weight is zero if finer points replace them, but a layer and a coarse mesh have no
    finer points.
    """
    at_gamma = np.flatnonzero((qpoints == 0.0).all(axis=1))
    shifts = float(weights[at_gamma, :3].sum())
    rest = float(weights.sum()) - shifts
    return weights * (1.0 + shifts / rest) if rest > 0.0 else weights


class ModeChunk(NamedTuple):
    """Modes at some of the q points."""

    part: slice
    omega: Floats
    """(q, m), unit: rad/ps, ascending. Negative means imaginary."""
    counted: Bools
    """(q, m) whether ω² > 0, and the mode is not a uniform shift."""
    vectors: Complexes
    """(q, m, 3s), each of norm 1."""
    starts: Bools
    """(q, m) whether each branch is not degenerate with the one below it."""
    changes: Complexes
    """(b, q, m, m'), unit: (rad/ps)². δ of each replicate; b = 0 without replicates."""


def mode_chunks(constants: ForceConstants, points: ZonePoints) -> Iterator[ModeChunk]:
    """Solve for the modes at the points, in bounded memory.

    Raises
    ------
    DataError
        If the force constants lack the symmetry under exchange, or have one replicate only.
    """
    total = lattice_sum(constants)
    # The dipole–dipole part is not in the replicates, as it is the same in all of them.
    fitted = replace(total, dipoles=None)
    replicates = list(_sums_of_replicates(constants))
    n_values = total.even.shape[1] * (6 + len(replicates)) + 2 * len(total.lattice)
    step = max(1, _CHUNK_BYTES // (16 * n_values))
    for start in range(0, len(points.qpoints), step):
        part = slice(start, start + step)
        yield _solved(total, (fitted, *replicates), points.qpoints[part], part)


def part_left_out(points: ZonePoints, counted: Bools) -> float:
    """Fraction of the modes (q, m) of the zone that are imaginary, thus not counted."""
    at_gamma = np.all(np.abs(points.qpoints) < 1e-9, axis=1, keepdims=True)
    # Modes at Γ that are not counted are shifts.
    lost = ~counted & ~at_gamma
    return float(points.weights[lost].sum()) / len(points.weights[0])


def _solved(
    total: LatticeSum, fitted: tuple[LatticeSum, ...], q_qx: Floats, part: slice
) -> ModeChunk:
    """Modes of the first of some sums, and their changes from it to each of the others."""
    square_qm, columns_qkm = np.linalg.eigh(dynamical_matrices(total, q_qx))
    rows_qmk = columns_qkm.conj().swapaxes(1, 2)
    changes = np.empty((len(fitted) - 1, *columns_qkm.shape), dtype=complex)
    d_qkl = dynamical_matrices(fitted[0], q_qx) if len(changes) else np.zeros(())
    for change_qmn, other in zip(changes, fitted[1:], strict=True):
        apart_qkl = dynamical_matrices(other, q_qx) - d_qkl
        np.matmul(rows_qmk, apart_qkl @ columns_qkm, out=change_qmn)
    counted = square_qm > _ZERO * total.scale
    at_zero = np.flatnonzero(equal_modulo_lattice(q_qx, 0.0, 1e-9))
    uniform = np.argsort(np.abs(square_qm[at_zero]), axis=1)[:, :3]
    counted[at_zero[:, None], uniform] = False
    square_qm[at_zero[:, None], uniform] = 0.0
    return ModeChunk(
        part,
        signed_root(square_qm),
        counted,
        columns_qkm.swapaxes(1, 2),
        branch_starts(total, square_qm),
        changes,
    )


def _sums_of_replicates(constants: ForceConstants) -> Iterator[LatticeSum]:
    if constants.replicates is None:
        return iter(())
    return lattice_sums(constants, require_replicates(constants.replicates))
