"""Every so many-th frame of a run: as many as its fastest motion asks for.

Runs are often written far more densely than their modes move. Frames in between are read, for
text has no other way, but neither projected nor kept. The frames that remain are counted anew:
what comes out is a run of its own, whose segments follow each other without holes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError


@dataclass(frozen=True, slots=True)
class ThinnedMotion:
    """Callable that reads every stride-th frame, counted from the start of each stretch.

    Picklable and thread-safe as far as `read` is.
    """

    read: Callable[[int, int], MotionBlock]
    """Reads the frames [start, stop) of the run."""
    source_segments: tuple[tuple[int, int], ...]
    """Uninterrupted frame ranges [start, stop) of the run, in time order."""
    stride: int

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """Uninterrupted ranges [start, stop) of the frames that are left, counted anew."""
        sizes = (-((start - stop) // self.stride) for start, stop in self.source_segments)
        return tuple(pairwise(accumulate(sizes, initial=0)))

    @property
    def n_frames(self) -> int:
        """Number of frames that are left."""
        return self.segments[-1][1]

    @property
    def frames(self) -> Ints:
        """(t,) index within the run of each frame that is left."""
        return np.concatenate([np.arange(*ends, self.stride) for ends in self.source_segments])

    def blocks(self, cuts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Ranges of the frames that are left, for blocks of the run.

        Parameters
        ----------
        cuts
            Frame ranges [start, stop) of the run, none across the end of a stretch.
        """
        frames = self.frames
        ends = [np.searchsorted(frames, cut).tolist() for cut in cuts]
        return [(first, last) for first, last in ends if first < last]

    def __call__(self, start: int, stop: int) -> MotionBlock:
        """Motion in the frames [start, stop), counted as `segments` are.

        Raises
        ------
        DataError
            If the range lies outside or crosses the end of a stretch, or a frame holds what it
            must not hold.
        """
        for (first, last), (begin, _) in zip(self.segments, self.source_segments, strict=True):
            if first <= start < stop <= last:
                low = begin + (start - first) * self.stride
                whole = self.read(low, begin + (stop - 1 - first) * self.stride + 1)
                return MotionBlock(
                    start,
                    whole.displacements[:: self.stride],
                    self._used(whole.velocities),
                    self._used(whole.forces),
                )
        raise DataError(f"frames {start} to {stop} do not lie within one of {self.segments}")

    def _used(self, field: Floats | None) -> Floats | None:
        return None if field is None else field[:: self.stride]
