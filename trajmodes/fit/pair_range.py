"""Range of the second-order force constants, chosen by the prediction of data left out.

A short range has few parameters and small errors, but omits forces: in a polar crystal the
Coulomb forces extend over the whole supercell. Candidates are the largest cutoff with a single
nearest image, the sphere inscribed in the Wigner–Seitz cell of the supercell, and all pairs of
the supercell, shared among nearest images. Both are fitted to all blocks of time but one, and
predict the forces of that one (cross-validation). The sphere is taken unless its squared
residual is significantly larger.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit

from trajmodes.arrays import Floats
from trajmodes.errors import DataError
from trajmodes.fit.expansion import CutoffChoice, expansion_of
from trajmodes.fit.harmonic import ForceCovariances, harmonic_equations
from trajmodes.fit.normal_equations import NormalEquationBlocks, pooled
from trajmodes.fit.solution import FitOptions, solve_equations
from trajmodes.fit.uncertainty import FEWEST_BLOCKS, left_out_solutions, predicted_squares
from trajmodes.notes import Note
from trajmodes.symmetry.operations import SpaceGroup

_SURE = 0.975
"""Probability, by Student's distribution, with which a longer range must predict better."""

_LEAST_GAIN = 1e-6
"""Least gain, as a fraction of the squared force, for which a longer range is taken. It changes
frequencies by 0.05 %, less than a usual time step does."""

_MOST_PAIRS, _MOST_PARAMETERS = 2_000_000, 1000
"""Most inequivalent pairs of pairs with a common atom, and most parameters, of a range that is
tried: a few seconds."""


class RangeChoice(NamedTuple):
    """Range of the second order that is taken, and the reason."""

    cutoff: Literal["supercell"] | None
    """None: the largest cutoff that the supercell admits."""
    note: Note


class _Candidate(NamedTuple):
    equations: NormalEquationBlocks
    predicted: Floats
    """(b,), unit: eV²/Å². Squared residual of each block, left out of the fit."""

    @property
    def reach(self) -> float:
        """The cutoff in Å; infinite for all pairs."""
        own = self.equations.expansion.cutoffs[1]
        return np.inf if own is None else own.largest

    @property
    def rms(self) -> float:
        """Root mean square residual force in eV/Å of data left out."""
        count = self.equations.n_components * self.equations.n_frames
        return float(np.sqrt(max(self.predicted.sum(), 0.0) / count))

    def is_worse_than(self, other: "_Candidate") -> bool:
        """Whether it predicts data left out worse, by more than chance and rounding."""
        apart = self.predicted - other.predicted
        spread = np.sqrt(len(apart)) * apart.std(ddof=1)
        chance = float(stdtrit(len(apart) - 1, _SURE)) * spread
        return bool(apart.sum() > max(chance, _LEAST_GAIN * self.equations.square.sum()))


def choose_range(
    covariances: Sequence[ForceCovariances], group: SpaceGroup, options: FitOptions
) -> RangeChoice:
    """Choose the range of the second order from one or several runs of a crystal.

    `options` apply except the regularisation: ranges are compared by least squares.
    """
    options = replace(options, method="least-squares", minimum_norm=False)
    together = max(1, sum(one.n_blocks for one in covariances) // FEWEST_BLOCKS)
    merged = [_merged(one, together) for one in covariances]
    supercell = merged[0].space.supercell

    def tried(cutoff: CutoffChoice) -> _Candidate | None:
        expansion = expansion_of(group, supercell, {2: cutoff})
        if expansion.n_parameters > _MOST_PARAMETERS:
            return None
        equations = pooled([harmonic_equations(one, expansion) for one in merged])
        return _candidate(equations, options)

    pairs_of_pairs = supercell.crystal.n_sites * supercell.n_atoms**2 / group.n_operations
    whole = tried("supercell") if pairs_of_pairs <= _MOST_PAIRS else None
    sphere = None if whole is None else tried(None)
    if sphere is None or whole is None:
        text = (
            "the range of the second-order force constants could not be tested: they extend to "
            "the largest cutoff that the supercell admits"
        )
        why = "the frames are too few to leave some out, or the pairs of the supercell too many"
        fix = "if longer forces matter, as in ionic crystals, give --cutoff2 supercell"
        return RangeChoice(None, Note("note", text, why=why, fix=fix))
    cutoff: Literal["supercell"] | None = "supercell" if sphere.is_worse_than(whole) else None
    return RangeChoice(cutoff, _note(sphere, whole))


def _candidate(equations: NormalEquationBlocks, options: FitOptions) -> _Candidate | None:
    """Fit a range with and without each block; None if the data do not determine it."""
    try:
        solved = solve_equations(equations, options)
    except DataError:
        return None
    left_out = left_out_solutions(solved.equations)
    if left_out is None:
        return None
    predicted = predicted_squares(solved.equations, left_out)[:, -1]
    return _Candidate(equations, predicted)


def _note(sphere: _Candidate, whole: _Candidate) -> Note:
    """Say which range is taken, and how well each predicts data left out."""
    compared = f"(rms residual {whole.rms:.5g} against {sphere.rms:.5g} eV/Å)"
    if sphere.is_worse_than(whole):
        text = (
            "second-order force constants act between all pairs of the supercell: forces in "
            f"blocks of time left out of the fit are predicted better {compared} than by pairs "
            f"up to {sphere.reach:.2f} Å alone, the largest cutoff that the supercell admits"
        )
    else:
        text = (
            f"second-order force constants reach {sphere.reach:.2f} Å, the largest cutoff that "
            "the supercell admits: all pairs of the supercell do not predict forces in blocks "
            f"of time left out of the fit notably better {compared}"
        )
    return Note("note", text)


def _merged(covariances: ForceCovariances, n_together: int) -> ForceCovariances:
    """Merge every `n_together` consecutive blocks of time."""
    cuts = np.arange(0, covariances.n_blocks, n_together)
    sums: dict[str, Any] = {
        name: np.add.reduceat(sums, cuts) for name, sums in covariances.arrays().items()
    }
    return replace(covariances, **sums)
