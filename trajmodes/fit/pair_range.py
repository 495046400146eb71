"""Range of the second-order force constants, chosen by the prediction of data left out.

A short range has few parameters and small errors, but omits forces: in a polar crystal the
Coulomb forces extend over the whole supercell. Candidates are the largest cutoff with a single
nearest image, the sphere inscribed in the Wigner–Seitz cell of the supercell, and all pairs of
the supercell, shared among nearest images. Both are fitted to all blocks of time but one, and
predict the forces of that one (cross-validation). The sphere is taken unless its squared
residual is significantly larger. Where the frames are too few for the sphere, so that it is
undetermined or overfitted, the shortest cutoff is taken that does not predict significantly
worse than the best one. A few displaced supercells cannot be left out: the residuals of the
fits are then compared by the F test, for independent force components.

Dipole–dipole forces extend beyond any range. They are suspected in the residual of a fit
without Born charges: model charges ±Z on one species and the others, with ε = 1, add forces
proportional to k = Z². The squared residual of the fit with them is a parabola in k, and three
fits give the k of least residual. It is reported if the residual decreases in most blocks of
time, and the charges are of the size of ionic charges.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.special import fdtri, stdtrit

from trajmodes.arrays import Floats
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.fit.expansion import CutoffChoice, expansion_of
from trajmodes.fit.harmonic import ForceCovariances, harmonic_equations
from trajmodes.fit.normal_equations import NormalEquationBlocks, pooled, widest
from trajmodes.fit.quality import LOST, WORSE
from trajmodes.fit.solution import FitOptions, solve_equations
from trajmodes.fit.uncertainty import FEWEST_BLOCKS, left_out_solutions, predicted_squares
from trajmodes.notes import Note
from trajmodes.symmetry.cutoffs import Cutoff
from trajmodes.symmetry.operations import SpaceGroup, loses_symmetry

_SURE = 0.975
"""Probability, by the distribution of Student or Fisher, with which a longer range must be
better."""

_LEAST_GAIN = 1e-6
"""Least gain, as a fraction of the squared force, for which a longer range is taken. It changes
frequencies by 0.05 %, less than a usual time step does."""

_MOST_PAIRS, _MOST_PARAMETERS = 2_000_000, 1000
"""Most inequivalent pairs of pairs with a common atom, and most parameters, of a range that is
tried: a few seconds."""


_NOTABLE_GAIN, _LEAST_CHARGE, _SEVERAL = 0.02, 0.2, 3.0
"""Relative gain in the squared residual, and charge Z*/√ε in e, from which dipole–dipole forces
are suspected, and standard errors by which the gain of the blocks of time must be positive."""

_MOST_SPECIES, _MOST_TRIED = 4, 200
"""Most species, and most parameters of a fit, for which they are looked for."""


class RangeChoice(NamedTuple):
    """Chosen range of the second order, and the reason."""

    cutoff: Cutoff | Literal["supercell"] | None
    """None: the largest cutoff that the supercell admits."""
    note: Note


class _Candidate(NamedTuple):
    equations: NormalEquationBlocks
    n_parameters: int
    fitted: float
    """Squared residual of the fit in eV²/Å²."""
    predicted: Floats | None
    """(b,), unit: eV²/Å². Squared residual of each block, left out of the fit; None if the
    others do not determine the fit."""

    @property
    def reach(self) -> float:
        """The cutoff in Å; infinite for all pairs."""
        own = self.equations.expansion.cutoffs[1]
        return np.inf if own is None else own.largest

    def rms(self, *, left_out: bool) -> float:
        """Root mean square residual force in eV/Å, of the fit or of data left out."""
        square = (
            self.predicted.sum() if left_out and self.predicted is not None else self.fitted
        )
        return float(np.sqrt(max(square, 0.0) / self.equations.n_components))

    @property
    def is_overfitted(self) -> bool:
        """Whether the residual of data left out is far larger than that of data fitted."""
        if self.predicted is None:
            return False
        lost = self.predicted.sum() - self.fitted
        is_notable = lost > LOST * self.equations.force_square
        return bool(is_notable and self.predicted.sum() > WORSE**2 * self.fitted)

    def is_worse_than(self, other: "_Candidate") -> bool:
        """Whether it is worse than a longer range, significantly and beyond rounding."""
        least = _LEAST_GAIN * self.equations.force_square
        if self.predicted is not None and other.predicted is not None:
            apart = self.predicted - other.predicted
            spread = np.sqrt(len(apart)) * apart.std(ddof=1)
            chance = float(stdtrit(len(apart) - 1, _SURE)) * spread
            return bool(apart.sum() > max(chance, least))
        more = other.n_parameters - self.n_parameters
        free = self.equations.n_forces - other.n_parameters
        if more <= 0 or free <= 0:
            return False
        chance = float(fdtri(more, free, _SURE)) * more / free * max(other.fitted, 0.0)
        return bool(self.fitted - other.fitted > max(chance, least))


def choose_range(
    covariances: Sequence[ForceCovariances], group: SpaceGroup, options: FitOptions
) -> RangeChoice:
    """Choose the range of the second order from one or several runs of a crystal.

    `options` apply except the regularisation: ranges are compared by least squares.
    """
    options = replace(options, method="least-squares", minimum_norm=False)
    together = max(1, sum(one.n_blocks for one in covariances) // FEWEST_BLOCKS)
    merged = [_merged(one, together) for one in covariances]
    supercell = widest([one.space.supercell for one in merged])

    def equations_of(cutoff: CutoffChoice) -> NormalEquationBlocks | None:
        expansion = expansion_of(group, supercell, {2: cutoff})
        if expansion.n_parameters > _MOST_PARAMETERS:
            return None
        return pooled([harmonic_equations(one, expansion) for one in merged], supercell)

    pairs_of_pairs = supercell.crystal.n_sites * supercell.n_atoms**2 / group.n_operations
    is_large = pairs_of_pairs > _MOST_PAIRS
    inside = None if is_large else equations_of(None)
    sphere = _candidate(inside, options)
    if inside is not None and (sphere is None or sphere.is_overfitted):
        shorter = _shorter(inside, sphere, options)
        if shorter is not None:
            return shorter
    whole = None if is_large else _candidate(equations_of("supercell"), options)
    if sphere is None or whole is None:
        text = (
            "the range of the second-order force constants could not be tested: they extend to "
            "the largest cutoff that the supercell admits"
        )
        why = "the frames do not determine both ranges, or the supercell has too many pairs"
        fix = "if longer forces matter, as in ionic crystals, give --cutoff2 supercell"
        if loses_symmetry(supercell):
            fix = (
                "if longer forces matter, as in ionic crystals, run a larger supercell with "
                "the symmetry of the crystal"
            )
        return RangeChoice(None, Note("note", text, why=why, fix=fix))
    cutoff: Literal["supercell"] | None = "supercell" if sphere.is_worse_than(whole) else None
    return RangeChoice(cutoff, _note(sphere, whole))


def _shorter(
    inside: NormalEquationBlocks, sphere: _Candidate | None, options: FitOptions
) -> RangeChoice | None:
    """Choose a cutoff shorter than the sphere's; None if there is none that predicts better."""
    radii = inside.expansion.radii_between_shells(2)
    fits = [_candidate(inside.restricted({2: Cutoff(r)}), options) for r in radii]
    tried = [one for one in (*fits, sphere) if one is not None and one.predicted is not None]
    if not tried:
        return None
    best = min(tried, key=lambda one: one.rms(left_out=True))
    taken = next(one for one in tried if not one.is_worse_than(best))
    if taken is sphere:
        return None
    of_sphere = "are undetermined"
    if sphere is not None:
        of_sphere = f"give {sphere.rms(left_out=True):.5g} eV/Å"
    text = (
        f"second-order force constants reach {taken.reach:.2f} Å, because the frames are too "
        "few for the largest cutoff that the supercell admits: blocks of time left out of the "
        f"fit have an rms residual of {taken.rms(left_out=True):.5g} eV/Å, and pairs up to "
        f"that cutoff {of_sphere}"
    )
    fix = "more frames, or --cutoff2 for another range"
    return RangeChoice(Cutoff(taken.reach), Note("note", text, fix=fix))


def _candidate(
    equations: NormalEquationBlocks | None, options: FitOptions
) -> _Candidate | None:
    """Fit a range, and leave out each block in turn; None if the data do not determine it."""
    if equations is None:
        return None
    try:
        solved = solve_equations(equations, options)
    except DataError:
        return None
    reduced, x = solved.equations, solved.parameters
    change = x @ reduced.gram.sum(axis=0) @ x - 2.0 * reduced.moment.sum(axis=0) @ x
    left_out = left_out_solutions(reduced)
    predicted = None if left_out is None else predicted_squares(reduced, left_out)[:, -1]
    return _Candidate(equations, len(x), float(reduced.square.sum() + change), predicted)


def _distinct(one: float, other: float) -> tuple[str, str]:
    """Format two numbers with five digits, or with more if these are equal.

    Examples
    --------
    >>> _distinct(0.1026174, 0.1026189)
    ('0.102617', '0.102619')
    >>> _distinct(0.1, 0.1)
    ('0.10000', '0.10000')
    """
    pairs = [(f"{one:#.{digits}g}", f"{other:#.{digits}g}") for digits in range(5, 10)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])


def _note(sphere: _Candidate, whole: _Candidate) -> Note:
    """State which range is chosen, and how well each describes the forces."""
    both = sphere.predicted is not None and whole.predicted is not None
    what = "forces in blocks of time left out of the fit" if both else "forces"
    residuals = [one.rms(left_out=both) for one in (whole, sphere)]
    texts = _distinct(*residuals)
    compared = f"(rms residual {texts[0]} against {texts[1]} eV/Å)"
    if not np.isfinite(sphere.reach):
        text = (
            "second-order force constants act between all pairs of the supercell, which is so "
            "small that nearest neighbours have several nearest images"
        )
    elif sphere.is_worse_than(whole):
        text = (
            f"second-order force constants act between all pairs of the supercell: {what} are "
            f"described better {compared} than by pairs up to {sphere.reach:.2f} Å alone, the "
            "largest cutoff that the supercell admits"
        )
    else:
        text = (
            f"second-order force constants reach {sphere.reach:.2f} Å, the largest cutoff that "
            f"the supercell admits: all pairs of the supercell do not describe {what} notably "
            f"better {compared}"
        )
    return Note("note", text)


def suspected_dipoles(
    covariances: Sequence[ForceCovariances], group: SpaceGroup, cutoff: Cutoff | None
) -> Note | None:
    """Warn if the residual of a fit without charges looks like dipole–dipole forces.

    A fit to all pairs of the supercell (cutoff None) contains these forces at its q points, but
    does not interpolate them. The test then uses the largest cutoff.
    """
    crystal, kinds = group.crystal, tuple(dict.fromkeys(group.crystal.species))
    if not 1 < len(kinds) <= _MOST_SPECIES:
        return None
    supercell = widest([one.space.supercell for one in covariances])
    is_large = crystal.n_sites * supercell.n_atoms**2 / group.n_operations > _MOST_PAIRS
    expansion = expansion_of(group, supercell, {2: cutoff})
    if is_large or expansion.n_parameters > _MOST_TRIED:
        return None
    together = max(1, sum(one.n_blocks for one in covariances) // FEWEST_BLOCKS)
    merged = [_merged(one, together) for one in covariances]

    def residuals(charges: Charges | None) -> Floats:
        """Squared residual (b,) of each block of time."""
        parts = merged if charges is None else [x.without_dipoles(charges) for x in merged]
        equations = pooled([harmonic_equations(one, expansion) for one in parts])
        solved = solve_equations(equations, FitOptions())
        reduced, x = solved.equations, solved.parameters
        found: Floats = reduced.square - 2.0 * reduced.moment @ x + (reduced.gram @ x) @ x
        return found

    try:
        plain = residuals(None)
        tried = [_best_charge(residuals, plain.sum(), crystal, kind) for kind in kinds]
    except DataError:
        return None  # the fit itself says which force constants are undetermined
    kind, charge = max(tried, key=lambda one: one[1])
    if not charge > _LEAST_CHARGE:
        return None
    gains = plain - residuals(_model_charges(crystal, kind, charge))
    chance = _SEVERAL * gains.std() * np.sqrt(len(gains))
    if not gains.sum() > max(_NOTABLE_GAIN * plain.sum(), chance):
        return None
    # The residual of an exact fit may be negative by rounding.
    before, after = np.sqrt(np.maximum([1.0, 1.0 - gains.sum() / plain.sum()], 0.0))
    return Note(
        "warning",
        f"the forces have a long-range part like that of dipoles: charges of about "
        f"{charge:.2g} e (Z*/√ε∞) on {kind} would lower the rms residual by "
        f"{100.0 * (before - after):.0f} %",
        why="the crystal seems to be a polar insulator, whose dipole–dipole forces no cutoff "
        "contains: longitudinal and transverse modes do not split at Γ",
        fix="give Born charges and ε∞: --born FILE, or --born-charges and --dielectric",
        concerns="fit",
    )


def _best_charge(
    residuals: Callable[[Charges | None], Floats], plain: float, crystal: Crystal, kind: str
) -> tuple[str, float]:
    """Charge Z of a species with the least residual, a parabola in Z²; 0 for Z² < 0."""
    one, two = (residuals(_model_charges(crystal, kind, z)).sum() for z in (1.0, np.sqrt(2.0)))
    curvature = two - 2.0 * one + plain
    slope = 2.0 * (one - plain) - 0.5 * (two - plain)
    best = -slope / curvature if curvature > 0.0 else 0.0
    return kind, float(np.sqrt(max(best, 0.0)))


def _model_charges(crystal: Crystal, kind: str, charge: float) -> Charges:
    """Charges of one species, and of the others such that the crystal is neutral."""
    own = np.array(crystal.species) == kind
    numbers = np.where(own, charge, -charge * own.sum() / (~own).sum())
    return Charges(numbers[:, None, None] * np.eye(3), np.eye(3))


def _merged(covariances: ForceCovariances, n_together: int) -> ForceCovariances:
    """Merge every `n_together` consecutive blocks of time."""
    cuts = np.arange(0, covariances.n_blocks, n_together)
    sums: dict[str, Any] = {
        name: np.add.reduceat(sums, cuts) for name, sums in covariances.arrays().items()
    }
    return replace(covariances, **sums)
