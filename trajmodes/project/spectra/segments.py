"""The Hann window: its values, its sampling, and what it does to statistics.

All of it in one place, so that the spectra and the line model cannot disagree. Segments of L
frames start every L/2 frames; the window is the periodic one, w_t = ½ − ½ cos(2πt/L), and
Σ w² = 3L/8.

Where the segments of a run lie, and which of them a part of the run can finish.

Half-overlapping segments start at the beginning of each uninterrupted stretch of the run, so
they never look across a gap, and they are counted in frames of the whole run, so nothing
depends on where the run is cut into blocks:

        segments           ├───span───┤
                      ├───span───┤
                 ├───span───┤    .    .
        part        [─head─|··inside··|─tail─]

A segment inside a part of the run is done by it. Those that began before it, or reach beyond,
are open: frames of the head and of the tail wait for the other half.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.errors import DataError

# Half-width of the main lobe of the Hann window's power response at half height, in bins:
# the root of sin(πx)/(πx(1 − x²)) = 1/√2.
_HALF_WIDTH_BINS = 0.7202912900601339

# (Σ_t w_t w_{t+L/2} / Σ_t w_t²)²: the correlation of two overlapping periodograms of noise.
_OVERLAP = 1.0 / 36.0


def hann(segment_frames: int) -> Floats:
    """Periodic Hann window of a segment, (t,)."""
    phase = 2.0 * np.pi * np.arange(segment_frames) / segment_frames
    window: Floats = 0.5 - 0.5 * np.cos(phase)
    return window


def resolution_thz(segment_frames: int, interval_ps: float) -> float:
    """Full width at half maximum, in THz, that a segment gives to a line of no width."""
    return 2.0 * _HALF_WIDTH_BINS / (segment_frames * interval_ps)


def effective_segments(counts: list[int]) -> float:
    """Independent segments that half-overlapping ones are worth (Welch 1967).

    Parameters
    ----------
    counts
        Number of consecutive, half-overlapping segments in each uninterrupted stretch.
    """
    total = sum(counts)
    pairs = sum(count - 1 for count in counts if count)
    return total**2 / (total + 2.0 * _OVERLAP * pairs)


Part = tuple[int, int]
"""Frames [start, stop) of the run."""


def joined(earlier: Part, later: Part, quantity: str) -> Part:
    """Frames of two neighbouring parts of the run.

    Raises
    ------
    DataError
        If the second part does not follow directly on the first one.
    """
    if earlier[1] != later[0]:
        raise DataError(
            f"{quantity}: frames {earlier[1]} to {later[0]} are missing or out of order"
        )
    return earlier[0], later[1]


@dataclass(frozen=True, slots=True)
class Series:
    """Values at consecutive places, along the last axis."""

    first: int
    """Place of the first value, counted over the whole run."""
    values: Complexes
    """(…, t)."""

    @property
    def stop(self) -> int:
        """Place after the last value."""
        return self.first + int(self.values.shape[-1])

    def between(self, start: int, stop: int) -> "Series":
        """Values at the places [start, stop), as a view."""
        first = min(max(start, self.first), self.stop)
        last = min(max(stop, first), self.stop)
        return Series(first, self.values[..., first - self.first : last - self.first])

    def cut(self, start: int, stop: int) -> "Series":
        """Values at the places [start, stop), copied: a view would keep all in memory."""
        part = self.between(start, stop)
        whole = part.values.shape == self.values.shape
        return self if whole else Series(part.first, part.values.copy())


def waiting(series: Iterable[Series], head_stop: int, tail_start: int) -> tuple[Series, ...]:
    """Values before the end of the head or from the start of the tail on; all if they meet."""
    kept = list(series)
    if head_stop < tail_start:
        ends = ((0, head_stop), (tail_start, np.iinfo(int).max))
        kept = [one.cut(*end) for end in ends for one in kept]
    return tuple(one for one in kept if one.values.size)


@dataclass(frozen=True, slots=True)
class Segments:
    """Segments of one length."""

    stretches: tuple[Part, ...]
    """Uninterrupted, evenly spaced frame ranges of the run, in time order."""
    span: int
    """Frames from the first to the last one of a segment, both included."""
    hop: int
    """Frames from the start of one segment to that of the next."""

    @property
    def counts(self) -> list[int]:
        """Number of segments in each stretch."""
        return [len(starts) for starts in self._starts()]

    @property
    def starts(self) -> Ints:
        """First frames of all segments."""
        return np.concatenate([*self._starts(), np.empty(0, dtype=int)]).astype(int)

    def newly_inside(self, part: Part, earlier: tuple[Part, ...]) -> Ints:
        """First frames of the segments inside a part that none of the earlier ones held."""
        inside = self._inside(part)
        for one in earlier:
            inside &= ~self._inside(one)
        return self.starts[inside]

    def edges(self, part: Part) -> Part:
        """Where the head ends that segments begun before a part need, and the tail starts.

        Head and tail may overlap, or be empty.
        """
        start, stop = part
        firsts = self.starts
        unfinished = ~self._inside(part) & (firsts < stop) & (firsts + self.span > start)
        open_ = firsts[unfinished]
        head_stop = int((open_[open_ < start] + self.span).max(initial=start))
        tail_start = int(open_[open_ >= start].min(initial=stop))
        return head_stop, tail_start

    def _inside(self, part: Part) -> Bools:
        firsts = self.starts
        inside: Bools = (firsts >= part[0]) & (firsts + self.span <= part[1])
        return inside

    def _starts(self) -> list[Ints]:
        return [
            np.arange(start, stop - self.span + 1, self.hop) for start, stop in self.stretches
        ]
