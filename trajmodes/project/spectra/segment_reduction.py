"""Reduction from series of frames to sums over the segments of a run.

For segments inside a part of the run only the sums are kept. Frames of open segments are kept
in `pending` until the neighbouring part arrives. No result depends on where blocks end, and
memory is one segment for a run of any length.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from trajmodes.arrays import Complexes
from trajmodes.errors import DataError
from trajmodes.project.spectra.segments import (
    Part,
    Segments,
    Series,
    joined,
    sum_present,
    waiting,
)

Sums = TypeVar("Sums")


@dataclass(frozen=True, slots=True)
class PartSums(Generic[Sums]):
    """Sums over the segments of a part of the run, and the frames of open segments."""

    part: Part
    """Frames [start, stop) covered."""
    sums: Sums | None
    """Sums over the complete segments; None if there is none."""
    pending: tuple[Series, ...]
    """(…, t) frames of open segments, in time order."""


@dataclass(frozen=True, slots=True)
class SegmentReduction(Generic[Sums]):
    """Reduction from `Series` to sums over segments."""

    segments: Segments
    of_segment: Callable[[list[Complexes]], Sums]
    """Sums of one segment, made of parts (…, t); the sums of two segments can be added."""
    quantity: str
    """Name of the sums in error messages."""

    def chunk(self, block: Series, /) -> PartSums[Sums]:
        """Reduce one block of frames."""
        inside = (block.cut(*ends) for ends in self.segments.ranges)
        pending = tuple(one for one in inside if one.values.size)
        return self._finish((), PartSums((block.first, block.stop), None, pending))

    def combine(self, earlier: PartSums[Sums], later: PartSums[Sums]) -> PartSums[Sums]:
        """State of two parts of the run; a `DataError` is raised unless they are neighbours."""
        part = joined(earlier.part, later.part, self.quantity)
        sums = sum_present(earlier.sums, later.sums)
        both = PartSums(part, sums, earlier.pending + later.pending)
        return self._finish((earlier.part, later.part), both)

    def finalize(self, state: PartSums[Sums]) -> Sums:
        """Return the sums over all segments; a `DataError` is raised if frames are missing."""
        if state.sums is None:
            start, stop = state.part
            raise DataError(f"{self.quantity}: only frames {start} to {stop} were read")
        return state.sums

    def _finish(self, earlier: tuple[Part, ...], state: PartSums[Sums]) -> PartSums[Sums]:
        """Add the segments that became complete, and drop the frames that no open one needs."""
        sums = state.sums
        for first in self.segments.newly_inside(state.part, earlier):
            ends = int(first), int(first) + self.segments.span
            parts = [one.between(*ends).values for one in state.pending]
            sums = sum_present(sums, self.of_segment(parts))
        pending = waiting(state.pending, *self.segments.edges(state.part))
        return PartSums(state.part, sums, pending)
