"""Sums over frames in contiguous blocks of time: the spread of the blocks gives the error bars.

Frame t of n lies in block t·B // n. Blocks are defined by the frames of the whole run, so that
no sum depends on where the run is cut for reading. Two neighbouring parts of a run share at
most one block; only its sums are added, and all others are passed on without a copy.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Ints
from trajmodes.errors import DataError


class _Frames(Protocol):
    """Consecutive frames that can be cut."""

    @property
    def indices(self) -> Ints:
        """(t,) index of each frame within the run, ascending."""
        ...

    def part(self: "Frames", frames: slice) -> "Frames":
        """Select some of the frames."""
        ...


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

    def in_time_order(self) -> list[A]:
        """List the sums of the blocks in order of time.

        Raises
        ------
        DataError
            If there are no frames.
        """
        if not self.by_block:
            raise DataError("there are no frames to sum over: all of them were left out")
        return [self.by_block[b] for b in sorted(self.by_block)]

    def stack(self, name: str) -> npt.NDArray[Any]:
        """(b, …) one field of the sums, in order of time."""
        return np.array([getattr(sums, name) for sums in self.in_time_order()])


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

    Yields
    ------
    Index of a block of time, and the slice of the frames that lie in it.
    """
    labels = indices * n_blocks // n_frames
    cuts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    for start, stop in pairwise(cuts):
        if stop > start:
            yield int(labels[start]), slice(start, stop)


def require_all_frames(counted: int, n_frames: int) -> None:
    """Check that all frames of the run were summed.

    Raises
    ------
    DataError
        If frames are missing.
    """
    if counted != n_frames:
        raise DataError(f"{counted} of {n_frames} frames were summed")
