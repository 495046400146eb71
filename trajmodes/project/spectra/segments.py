"""Segments of a run, and the Hann window that is applied to them.

The window is defined here only, so that the spectra and the line model agree: w_t = ½ − ½
cos(2πt/L), periodic, with Σ w² = 3L/8. Segments of L frames start every L/2 frames.

Half-overlapping segments start at the beginning of each uninterrupted range of frames, so they
never contain a gap. Their positions are counted in frames of the whole run, so nothing depends
on where the run is cut into blocks:

        segments           ├───span───┤
                      ├───span───┤
                 ├───span───┤    .    .
        part        [─head─|··inside··|─tail─]

A segment inside a part of the run is evaluated by it. Segments that begin before the part or
end after it are open: the frames of the head and of the tail are kept until the neighbouring
part arrives.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.errors import DataError
from trajmodes.kernels import kernel

# Half width at half maximum of the Hann window's power response, in bins: the root of
# sin(πx)/(πx(1 − x²)) = 1/√2.
_HALF_WIDTH_BINS = 0.7202912900601339

# (Σ_t w_t w_{t+L/2} / Σ_t w_t²)²: the correlation of two overlapping periodograms of noise.
_OVERLAP = 1.0 / 36.0


def hann(segment_frames: int) -> Floats:
    """Periodic Hann window of a segment, (t,)."""
    phase = 2.0 * np.pi * np.arange(segment_frames) / segment_frames
    window: Floats = 0.5 - 0.5 * np.cos(phase)
    return window


def resolution_of(segment_frames: int, interval_ps: float) -> float:
    """Full width at half maximum, in rad/ps, of an infinitely narrow line in a segment."""
    return 2.0 * _HALF_WIDTH_BINS * bin_spacing(segment_frames, interval_ps)


def bin_spacing(segment_frames: int, interval_ps: float) -> float:
    """Distance of two frequency bins of a segment, in rad/ps."""
    return 2.0 * np.pi / (segment_frames * interval_ps)


def power_scale(length: int, step_ps: float) -> float:
    """Factor from |Σ_t w_t Q̇_t e^{−iωt}|², both ±ω added, to the spectrum S(ω) of ½|Q̇|².

    Parameters
    ----------
    length
        Samples in a segment, ``step_ps`` apart.
    """
    # Division by Σ w² = 3L/8 normalises the window.
    return 0.5 * step_ps / (2.0 * np.pi * (3.0 / 8.0) * length)


def effective_segments(counts: list[int]) -> float:
    """Equivalent number of independent segments.

    ``counts`` are numbers of consecutive, half-overlapping segments, one for each uninterrupted
    range (P. D. Welch, IEEE Trans. Audio Electroacoust. 15, 70 (1967)).
    """
    total = sum(counts)
    pairs = sum(count - 1 for count in counts if count)
    return total**2 / (total + 2.0 * _OVERLAP * pairs)


Part = tuple[int, int]
"""Frames [start, stop) of the run."""


def joined(earlier: Part, later: Part, quantity: str) -> Part:
    """Return the frames of two neighbouring parts of the run.

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
    """Values at consecutive positions, along the last axis."""

    first: int
    """Position of the first value, counted over the whole run."""
    values: Complexes
    """(…, t)."""

    @property
    def stop(self) -> int:
        """Position after the last value."""
        return self.first + int(self.values.shape[-1])

    def between(self, start: int, stop: int) -> "Series":
        """Return the values at the positions [start, stop), as a view."""
        first = min(max(start, self.first), self.stop)
        last = min(max(stop, first), self.stop)
        return Series(first, self.values[..., first - self.first : last - self.first])

    def cut(self, start: int, stop: int) -> "Series":
        """Return a copy of the values at [start, stop); a view would keep all in memory."""
        part = self.between(start, stop)
        whole = part.values.shape == self.values.shape
        return self if whole else Series(part.first, part.values.copy())


def sum_present(earlier: Any, later: Any) -> Any:
    """Sum of two sums over segments, of which either may be None."""
    if earlier is None or later is None:
        return later if earlier is None else earlier
    return earlier + later


@kernel()
def add_power(total: Floats, waves: Complexes, rows: Ints, weights: Floats) -> None:
    """Add weighted |z|² of waves (q, k, w) to the rows (q, k) of a total (g, w); −1 is none."""
    for q in range(waves.shape[0]):
        for k in range(waves.shape[1]):
            if rows[q, k] >= 0:
                for w in range(waves.shape[2]):
                    z = waves[q, k, w]
                    power = z.real * z.real + z.imag * z.imag
                    total[rows[q, k], w] += weights[q, k] * power


def waiting(series: Iterable[Series], head_stop: int, tail_start: int) -> tuple[Series, ...]:
    """Return the values of the head and of the tail of a part; all if these meet."""
    kept = list(series)
    if head_stop < tail_start:
        ends = ((0, head_stop), (tail_start, np.iinfo(int).max))
        kept = [one.cut(*end) for end in ends for one in kept]
    return tuple(one for one in kept if one.values.size)


@dataclass(frozen=True, slots=True)
class Segments:
    """Segments of one length."""

    ranges: tuple[Part, ...]
    """Uninterrupted, evenly spaced frame ranges of the run, in time order."""
    span: int
    """Frames from the first to the last one of a segment, both included."""
    hop: int
    """Frames from the start of one segment to that of the next."""

    def require_one(self) -> None:
        """Raise a `DataError` if no segment fits into the run."""
        if not any(self.counts):
            longest = max((stop - start for start, stop in self.ranges), default=0)
            raise DataError(
                f"the run is too short for spectra: no segment of {self.span} frames fits",
                where=f"its longest uninterrupted range has {longest} frames",
                fix="ask for a coarser resolution, or run longer",
            )

    @property
    def counts(self) -> list[int]:
        """Number of segments in each range."""
        return [len(starts) for starts in self._starts()]

    @property
    def starts(self) -> Ints:
        """First frames of all segments."""
        return np.concatenate([*self._starts(), np.empty(0, dtype=int)]).astype(int)

    def newly_inside(self, part: Part, earlier: tuple[Part, ...]) -> Ints:
        """Return the first frames of the segments inside a part but inside no earlier one."""
        inside = self._inside(part)
        for one in earlier:
            inside &= ~self._inside(one)
        return self.starts[inside]

    def edges(self, part: Part) -> Part:
        """Return the end of the head and the start of the tail of a part.

        Segments that begin before the part need the frames of the head. Head and tail may
        overlap or be empty.
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
        return [np.arange(start, stop - self.span + 1, self.hop) for start, stop in self.ranges]
