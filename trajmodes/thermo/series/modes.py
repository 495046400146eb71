"""The same modes in several runs, whatever the order of their frequencies.

The sets of symmetry-equivalent modes are those of interpolated force constants. In each run the
branches of a q point are assigned to them so that the overlap Σ|e†e'|² of the polarisation
vectors is largest: frequencies may cross as the temperature changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.lattice import equal_modulo_lattice
from trajmodes.data.modes import Modes, signed_squares
from trajmodes.data.series.runs import MeasuredLines
from trajmodes.data.series.trends import SeriesSets
from trajmodes.errors import DataError
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import point_names
from trajmodes.symmetry.stars import places_of_sets
from trajmodes.symmetry.translations import half_space

_SAME_Q = 1e-6
_ROUNDING = 1e-9


def common_qpoints(supercells: Sequence[Supercell]) -> tuple[Floats, Floats]:
    """Commensurate q points (q, 3) of all supercells, and their weights (q,)."""
    first = half_space(supercells[0])
    everywhere = np.ones(len(first.qpoints), dtype=bool)
    for supercell in supercells[1:]:
        # q is commensurate if S q is a whole number for every supercell vector.
        phases = first.qpoints @ supercell.matrix.T
        everywhere &= np.abs(phases - np.rint(phases)).max(axis=1) < _SAME_Q
    return first.qpoints[everywhere], first.weights[everywhere]


@dataclass(frozen=True, slots=True)
class FollowedModes:
    """Sets (g) of modes at one q of each star, and their branches in the runs (r)."""

    sets: SeriesSets
    qpoints: Floats
    """(q, 3) one q of each star."""
    members: Ints
    """(q, m) set of each mode of the reference; −1 for translations."""
    branches: tuple[Ints, ...]
    """(r)(q, m) branch of each run that continues a branch of the reference."""
    squares: Floats
    """(r, g), unit: (rad/ps)². ω², negative for imaginary modes."""
    squares_sem: Floats | None
    """(r, g); None if a run has no errors."""


def follow_modes(
    reference: ForceConstants,
    runs: Sequence[ForceConstants],
    qpoints: Floats,
    weights: Floats,
) -> FollowedModes:
    """Find the modes of the reference in all runs.

    Raises
    ------
    DataError
        If the q points have no modes but translations.
    """
    whole = modes_at(reference, qpoints, weights)
    if whole.n_sets == 0:
        raise DataError(
            "the runs have no common q point but Γ, and no optic mode there",
            fix="give runs of larger supercells",
        )
    places = places_of_sets(whole)
    rows, row_of_set = np.unique(places.first, return_inverse=True)
    members = whole.sets[rows]
    found = [modes_at(one, whole.qpoints[rows]) for one in runs]
    branches = tuple(_assigned(whole, rows, one) for one in found)
    sets = SeriesSets(
        qpoints=whole.qpoints[places.first],
        points=point_names(reference.crystal, whole.qpoints[places.first]),
        star_size=places.star_size,
        degeneracy=places.degeneracy,
        lowest=places.lowest,
        highest=places.highest,
    )
    squares, sems = [], []
    for modes, branch in zip(found, branches, strict=True):
        square, sem = signed_squares(modes.omega, modes.omega_sem)
        squares.append(_set_means(np.take_along_axis(square, branch, 1), members, row_of_set))
        if sem is not None:
            own = np.take_along_axis(sem, branch, 1)
            sems.append(_set_means(own, members, row_of_set))
    return FollowedModes(
        sets=sets,
        qpoints=whole.qpoints[rows],
        members=members,
        branches=branches,
        squares=np.stack(squares),
        squares_sem=_positive(np.stack(sems)) if len(sems) == len(runs) else None,
    )


def lines_of(followed: FollowedModes, lines: Sequence[MeasuredLines | None]) -> Floats:
    """(4, r, g) ω, its error, linewidth γ and its error of the spectral lines, in rad/ps.

    They are nan if a run has no line of a set, or the line is not resolved.
    """
    n_sets = len(followed.sets.degeneracy)
    found = np.full((4, len(lines), n_sets), np.nan)
    for r, one in enumerate(lines):
        if one is None:
            continue
        values = np.stack([one.omega, one.omega_sem, one.linewidth, one.linewidth_sem])
        rows = zip(followed.qpoints, followed.members, followed.branches[r], strict=True)
        for q, members, branches in rows:
            row = _row_of(one.qpoints, q)
            if row is None:
                continue
            own = one.sets[row, branches]
            known = (members >= 0) & (own >= 0)
            found[:, r, members[known]] = values[:, own[known]]
    return found


def _positive(sems: Floats) -> Floats:
    """Replace errors at the level of rounding by small positive ones."""
    return np.maximum(sems, _ROUNDING * float(sems.max()))


def _row_of(qpoints: Floats, q: Floats) -> int | None:
    """Index of q or −q in a list."""
    same = equal_modulo_lattice(qpoints, q, _SAME_Q) | equal_modulo_lattice(
        qpoints, -q, _SAME_Q
    )
    return int(np.argmax(same)) if same.any() else None


def _assigned(reference: Modes, rows: Ints, modes: Modes) -> Ints:
    """(q, m) branch of the modes that corresponds to each branch of the reference."""
    n_q, n_m = modes.omega.shape
    own_qmk = reference.vectors[rows].reshape(n_q, n_m, n_m)
    other_qmk = modes.vectors.reshape(n_q, n_m, n_m)
    overlap_qmn = np.abs(own_qmk.conj() @ other_qmk.swapaxes(1, 2)) ** 2
    labels = reference.sets[rows]
    branches = np.empty((n_q, n_m), dtype=np.int64)
    for q in range(n_q):
        # Only the whole overlap with a degenerate set is defined.
        same = labels[q][:, None] == labels[q]
        _, branches[q] = linear_sum_assignment(-(same @ overlap_qmn[q]))
    return branches


def _set_means(values_qm: Floats, members: Ints, row_of_set: Ints) -> Floats:
    means: Floats = np.array(
        [values_qm[q][members[q] == g].mean() for g, q in enumerate(row_of_set)]
    )
    return means
