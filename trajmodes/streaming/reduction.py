"""Reductions: from a stream of blocks of frames to one result, in bounded memory.

`chunk` is called on blocks in any order and on any worker, `combine` merges states that are
adjacent in time, and `finalize` is called once. `combine` is associative and pure: it changes
neither argument. The result must not depend on where the run is cut into blocks: frames for
which the next block is required are kept in the state. A block is a `MotionBlock`, or the mode
amplitudes made from it by a `Transformed` reduction.

The spread of sums over contiguous blocks of time gives the error bars. Frame t of n lies in
block t·B // n. These blocks are defined by the frames of the whole run, so that no sum depends
on where the run is cut for reading. Two neighbouring parts of a run share at most one block;
only its sums are added, and all others are passed on without a copy.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Ints
from trajmodes.errors import DataError

Block = TypeVar("Block")
Block_contra = TypeVar("Block_contra", contravariant=True)
Made = TypeVar("Made")
State = TypeVar("State")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Reduction(Protocol[Block_contra, State, Result_co]):
    """A reduction; implementations are frozen and picklable."""

    def chunk(self, block: Block_contra, /) -> State:
        """Compute the state of one block of frames."""
        ...

    def combine(self, earlier: State, later: State) -> State:
        """Merge the states of two adjacent parts of the run, in order of time."""
        ...

    def finalize(self, state: State) -> Result_co:
        """Compute the result from the state of the whole run."""
        ...


@dataclass(frozen=True, slots=True)
class Together(Generic[Block]):
    """Several named reductions of the same blocks."""

    parts: Mapping[str, Reduction[Block, Any, Any]]

    def chunk(self, block: Block, /) -> dict[str, Any]:
        """Compute the states of one block."""
        return {name: part.chunk(block) for name, part in self.parts.items()}

    def combine(self, earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
        """Merge the states of two adjacent parts of the run."""
        return {
            name: part.combine(earlier[name], later[name]) for name, part in self.parts.items()
        }

    def finalize(self, state: dict[str, Any]) -> dict[str, Any]:
        """Compute the results from the states of the whole run."""
        return {name: part.finalize(state[name]) for name, part in self.parts.items()}


@dataclass(frozen=True, slots=True)
class Transformed(Generic[Block, Made, State, Result]):
    """A reduction of blocks after a transformation."""

    transform: Callable[[Block], Made]
    reduction: Reduction[Made, State, Result]

    def chunk(self, block: Block, /) -> State:
        """Compute the state of one block."""
        return self.reduction.chunk(self.transform(block))

    def combine(self, earlier: State, later: State) -> State:
        """Merge the states of two adjacent parts of the run."""
        return self.reduction.combine(earlier, later)

    def finalize(self, state: State) -> Result:
        """Compute the result from the state of the whole run."""
        return self.reduction.finalize(state)


class _Frames(Protocol):
    """Consecutive frames, with ascending indices (t,) in the run, that can be cut."""

    @property
    def indices(self) -> Ints: ...

    def part(self: "Frames", frames: slice) -> "Frames": ...


class _Addable(Protocol):
    def __add__(self, other: Any, /) -> Any: ...


Frames = TypeVar("Frames", bound=_Frames)
S = TypeVar("S", bound="Sums")
A = TypeVar("A", bound=_Addable)


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over some frames, added field by field."""

    frames: int
    """Number of frames."""

    def __add__(self: S, other: S) -> S:
        """Add the sums over other frames."""
        names = [one.name for one in fields(self)]
        return type(self)(*(getattr(self, n) + getattr(other, n) for n in names))


@dataclass(frozen=True, slots=True)
class BlockSums(Generic[A]):
    """Sums over some frames, separately for each block of time."""

    by_block: Mapping[int, A] = field(default_factory=dict)
    """Index of the block of time → sums over its frames."""

    def __add__(self, other: "BlockSums[A]") -> "BlockSums[A]":
        """Add the sums over other frames, block by block."""
        mine, theirs = self.by_block, other.by_block
        shared = {b: mine[b] + theirs[b] for b in mine.keys() & theirs.keys()}
        return BlockSums({**mine, **theirs, **shared})

    def merged(self, n_blocks: int) -> "BlockSums[A]":
        """Add the sums of neighbouring blocks, to a smaller number of nearly equal length."""
        n_fine = max(self.by_block, default=0) + 1
        merged: BlockSums[A] = BlockSums()
        for fine in sorted(self.by_block):
            label = fine * n_blocks // n_fine if n_fine > n_blocks else fine
            merged = merged + BlockSums({label: self.by_block[fine]})
        return merged

    def in_time_order(self) -> list[A]:
        """List the sums of the blocks in order of time; DataError if there are none."""
        if not self.by_block:
            raise DataError("there are no frames to sum over: all of them were left out")
        return [self.by_block[b] for b in sorted(self.by_block)]

    def stack(self, name: str) -> npt.NDArray[Any]:
        """(b, …) one field of the sums, in order of time."""
        return np.array([getattr(sums, name) for sums in self.in_time_order()])

    def counts(self: "BlockSums[S]", n_frames: int) -> Ints:
        """(b,) frames of each block, in order of time; DataError unless all were summed."""
        counts: Ints = self.stack("frames")
        require_all_frames(int(counts.sum()), n_frames)
        return counts


class BlockReduction(ABC, Generic[Frames, S]):
    """A `Reduction` whose state is a `BlockSums`; subclasses define the sums."""

    __slots__ = ()

    n_frames: int
    """Number of frames of the whole run."""
    n_blocks: int
    """Number of blocks of time."""

    @abstractmethod
    def sums(self, block: Frames) -> S:
        """Sum over frames of one block of time."""

    def chunk(self, block: Frames, /) -> BlockSums[S]:
        """Sum over consecutive frames, separately for each block of time."""
        ranges = block_ranges(block.indices, self.n_blocks, self.n_frames)
        return BlockSums({label: self.sums(block.part(frames)) for label, frames in ranges})

    def combine(self, earlier: BlockSums[S], later: BlockSums[S]) -> BlockSums[S]:
        """Add the sums of two parts of the run."""
        return earlier + later


def block_ranges(indices: Ints, n_blocks: int, n_frames: int) -> Iterator[tuple[int, slice]]:
    """Cut frames with ascending indices (t,) in the run at the boundaries of blocks of time.

    Yields the index of a block of time, and the slice of the frames that lie in it.
    """
    labels = indices * n_blocks // n_frames
    cuts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    for start, stop in pairwise(cuts):
        if stop > start:
            yield int(labels[start]), slice(start, stop)


def require_all_frames(counted: int, n_frames: int) -> None:
    """Raise DataError unless all frames of the run were summed."""
    if counted != n_frames:
        raise DataError(f"{counted} of {n_frames} frames were summed")
