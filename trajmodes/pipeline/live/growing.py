"""A fit or a projection of a run that grows: each pass continues the one before.

The sums depend on the number of frames through the blocks of time of the error bars, the
lengths of segments, and the ends of ranges. A `Growing` sets these for a run of twice as many
frames as there are at first. Its blocks of time are shorter, and are merged when results are
computed. Those of a projection are an eighth as long, so that the lengths of the merged blocks
differ by at most a quarter. The sums of a fit take more memory, and its blocks are half as
long: some of the merged blocks are twice as long as others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import numpy as np

from trajmodes.fit.accumulate import ForceRows
from trajmodes.fit.harmonic import ForceCovariance
from trajmodes.project.energies.autocorrelation import AutocorrelationReduction
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.streaming.reduction import BlockSums, Reduction, Together, Transformed
from trajmodes.streaming.schedule import Begin, Reached

Parts = Mapping[str, Any]
"""Reductions of the amplitudes by name."""
Ranges = tuple[tuple[int, int], ...]

GROWTH = 2
"""Factor by which a run may grow."""
_FINER, _FINER_OF_FIT = 8, GROWTH
"""Blocks of time of a run of the greatest length, in units of those of a result: for a
projection, and for a fit."""
_OF_LENGTH = ("n_frames", "n_blocks", "ranges", "segments", "times_ps")
"""Fields of reductions that depend on the length of the run without being results of it."""


class Growing:
    """Keeps the states of a fit and of a projection in memory; see `Passes`.

    Other passes, and passes over short runs, begin at their first block.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], _Kept] = {}
        self._pass: _Kept | None = None

    def begin(
        self, reduction: Reduction[Any, Any, Any], blocks: Sequence[tuple[int, int]]
    ) -> Begin:
        """Continue after the complete blocks, if this is the same run with more frames."""
        self._pass = None
        transform, own, finer = None, reduction, _FINER_OF_FIT
        if isinstance(reduction, Transformed):
            transform, own, finer = reduction.transform, reduction.reduction, _FINER
        parts: Parts = getattr(own, "parts", {})
        if not parts or not all(_has_enough_frames(part, finer) for part in parts.values()):
            return Begin(reduction, Reached())
        names = tuple(parts)
        kept = self._kept.get(names)
        if kept is None or not kept.is_continued_by(parts, blocks):
            kept = _Kept({name: _opened(part, finer) for name, part in parts.items()})
        kept.blocks = tuple(blocks)
        self._kept[names] = self._pass = kept
        grown = _Grown(kept.parts, parts)
        made = grown if transform is None else Transformed(transform, grown)
        return Begin(made, kept.reached)

    def folded(self, reached: Reached) -> None:
        """Keep the states after a node."""
        if self._pass is not None:
            self._pass.reached = reached

    def interrupted(self, reached: Reached) -> None:
        """Do nothing: the states were kept."""


@dataclass(slots=True)
class _Kept:
    """States of a pass over a run that continues."""

    parts: Parts
    """Parts of the run of the greatest length."""
    blocks: tuple[tuple[int, int], ...] = ()
    """Frame ranges of the last pass."""
    reached: Reached = field(default_factory=Reached)

    def is_continued_by(self, parts: Parts, blocks: Sequence[tuple[int, int]]) -> bool:
        """Whether parts of a reduction belong to this run, with more blocks of frames."""
        done = self.blocks[: self.reached.blocks]
        is_longer = bool(done) and tuple(blocks[: len(done)]) == done
        return is_longer and all(_fits(self.parts[name], one) for name, one in parts.items())


@dataclass(frozen=True, slots=True)
class _Grown:
    """Reduction of a growing run to the results of its frames so far."""

    opened: Parts
    so_far: Parts
    """Parts of a run of the frames so far."""

    def chunk(self, block: Any, /) -> dict[str, Any]:
        """Compute the states of one block."""
        return Together(self.opened).chunk(block)

    def combine(self, earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
        """Merge the states of two adjacent parts of the run."""
        return Together(self.opened).combine(earlier, later)

    def finalize(self, state: dict[str, Any]) -> dict[str, Any]:
        """Compute the results of the frames so far."""
        return {
            name: _result(part, self.so_far[name], state[name])
            for name, part in self.opened.items()
        }


def _result(opened: Any, so_far: Any, state: Any) -> Any:
    if isinstance(opened, AutocorrelationReduction):
        return opened.so_far(state, so_far.ranges, so_far.n_blocks)
    if isinstance(opened, EnergyReduction):
        state = opened.ended(state)
    # Lengths of segments are those that the open run had first.
    closed = replace(opened, **_of_length(so_far))
    return closed.finalize(_merged(state, getattr(so_far, "n_blocks", 0)))


def _merged(state: Any, n_blocks: int) -> Any:
    """State with sums over fewer blocks of time."""
    if isinstance(state, BlockSums):
        return state.merged(n_blocks)
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        return type(state)(*(_merged(one, n_blocks) for one in state))
    if is_dataclass(state) and not isinstance(state, type):
        found = {one.name: getattr(state, one.name) for one in fields(state)}
        held = {k: _merged(v, n_blocks) for k, v in found.items() if isinstance(v, BlockSums)}
        return replace(state, **held) if held else state
    return state


def _of_length(part: Any) -> dict[str, Any]:
    names = {one.name for one in fields(part)}
    return {name: getattr(part, name) for name in _OF_LENGTH if name in names}


def _ranges(part: Any) -> Ranges:
    found = _of_length(part)
    ranges: Ranges = found.get("ranges", found.get("segments", ()))
    return ranges


def _has_enough_frames(part: Any, finer: int) -> bool:
    """Whether each of the finer blocks of time has a frame."""
    found = _of_length(part)
    return bool(found.get("n_frames", np.inf) >= finer * found.get("n_blocks", 0))


def _opened(part: Any, finer: int) -> Any:
    """Reduction of a run that continues, with finer blocks of time."""
    found = _of_length(part)
    ranges = _ranges(part)
    opened = dict(found)
    if ranges or "n_frames" in found:
        opened["n_frames"] = GROWTH * (ranges[-1][1] if ranges else found["n_frames"])
    if "n_blocks" in found:
        opened["n_blocks"] = finer * found["n_blocks"]
    for name in {"ranges", "segments"} & found.keys():
        if ranges:
            opened[name] = (*ranges[:-1], (ranges[-1][0], opened["n_frames"]))
    return replace(part, **{name: opened[name] for name in found})


def _fits(opened: Any, part: Any) -> bool:
    """Whether a part of a reduction belongs to the run of the open one."""
    ours, theirs = _ranges(opened), _ranges(part)
    is_longer = getattr(part, "n_frames", 0) > getattr(opened, "n_frames", 0)
    if len(ours) != len(theirs) or is_longer or not _has_same_parameters(opened, part):
        return False
    if not ours:
        return True
    ends = ours[-1][0] == theirs[-1][0] and theirs[-1][1] <= ours[-1][1]
    return ours[:-1] == theirs[:-1] and ends


def _has_same_parameters(opened: Any, part: Any) -> bool:
    """Whether a fit has the same sites and cutoffs, which it may have changed since."""
    if isinstance(part, ForceCovariance):
        ours, theirs = (one.space.supercell.crystal.sites for one in (opened, part))
        return np.array_equal(ours, theirs)
    return not isinstance(part, ForceRows) or opened.expansion.cutoffs == part.expansion.cutoffs
