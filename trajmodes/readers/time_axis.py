"""The time axis of the frames of one run: steps, times, and segments without a gap."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.units import FEMTOSECOND

_EXACT, _ROUNDED = 1e-12, 1e-6
"""Relative precision of steps and exact times, and of times that may be in single precision."""
_LISTED_GAPS = 3
"""Number of gaps that a note lists individually."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Steps, times and segments of the frames of one run."""

    steps: Ints
    """(t,) simulation step of each frame; its index where the files have no step numbers."""
    times_ps: Floats | None
    """(t,) time in ps; None where neither the files nor the user give it."""
    interval_ps: float | None
    """Time between neighbouring frames of a segment, in ps."""
    segments: tuple[tuple[int, int], ...]
    """Frame ranges [start, stop) of uniform spacing, separated by gaps and restarts."""
    numbered: bool = True
    """Whether the files number their steps."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, steps="t")
        freeze(self, sizes, float, times_ps="t")

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.steps)

    @property
    def step_stride(self) -> int:
        """Number of simulation steps between frames: 1 if not numbered, 0 if none are near."""
        uniform = (start for start, stop in self.segments if stop - start > 1)
        strides = (int(self.steps[t + 1] - self.steps[t]) for t in uniform)
        return next((stride if self.numbered else 1 for stride in strides), 0)

    @property
    def timestep_ps(self) -> float | None:
        """Time step of the simulation; None if it may be the time between frames."""
        stride = self.step_stride
        return (
            self.interval_ps / stride if self.interval_ps is not None and stride > 1 else None
        )

    def part(self, start: int, stop: int, stride: int = 1) -> "TimeAxis":
        """Time axis of every ``stride``-th frame of [start, stop)."""
        chosen = slice(start, stop, stride)
        # Number of chosen frames before a frame.
        clipped = (
            tuple(-((start - min(max(frame, start), stop)) // stride) for frame in segment)
            for segment in self.segments
        )
        return replace(
            self,
            steps=self.steps[chosen],
            times_ps=None if self.times_ps is None else self.times_ps[chosen],
            interval_ps=None if self.interval_ps is None else stride * self.interval_ps,
            segments=tuple((a, b) for a, b in clipped if a < b),
        )

    def with_time_step(
        self, timestep_fs: float, place: Callable[[int], str]
    ) -> tuple["TimeAxis", tuple[Note, ...]]:
        """Time axis of the same steps for a given time step, see `time_axis`."""
        unknown = np.full(self.n_frames, np.nan)
        return time_axis(
            self.steps if self.numbered else unknown,
            unknown if self.times_ps is None else self.times_ps,
            timestep_fs=timestep_fs,
            breaks=(),
            place=place,
            exact_times=True,
        )

    @staticmethod
    def uniform(n_frames: int, interval_ps: float | None = None) -> "TimeAxis":
        """Time axis of frames without gaps, numbered from 0."""
        steps = np.arange(n_frames)
        times = None if interval_ps is None else np.asarray(interval_ps * steps, dtype=float)
        return TimeAxis(steps, times, interval_ps, ((0, n_frames),), numbered=False)


def time_axis(
    steps: Ints | Floats,
    times_ps: Floats,
    *,
    timestep_fs: float | None,
    breaks: tuple[int, ...],
    place: Callable[[int], str],
    exact_times: bool = False,
) -> tuple[TimeAxis, tuple[Note, ...]]:
    """Time axis of frames in the order of time, with notes for the user.

    Parameters
    ----------
    steps, times_ps
        (t,) simulation steps and times in ps; nan where the files have none.
    timestep_fs
        Time step in fs, or None; the time between frames where the files have no step numbers.
    breaks
        As in `trajmodes.readers.restarts.Joined`.
    place
        Names the file and number of a frame, for messages.
    exact_times
        Whether times are written in full precision. Gaps are then found from the times, which
        also show a change of the time step; otherwise from the steps, where there are any.

    Raises
    ------
    DataError
        If the time does not increase.
    UsageError
        If the time step contradicts the times in the files.
    """
    numbered, known = bool(np.isfinite(steps).all()), np.isfinite(times_ps)
    timed = bool(known.all())
    marks = steps if numbered else np.arange(len(steps))
    computed: Floats | None = None
    notes = []
    if timed:
        _require_increasing(times_ps, place)
    if known.any() and not timed:
        notes.append(_missing_time_note(steps, times_ps, timestep_fs, place))
    if timestep_fs is not None:
        computed = np.asarray(marks * (timestep_fs * FEMTOSECOND), dtype=float)
        if numbered:
            _require_time_step(times_ps[known], computed[known], timestep_fs)
        elif not timed:
            text = (
                "the files have no step numbers: the given time step is used as the time "
                "between frames"
            )
            notes.append(Note("warning", text))
    times = times_ps if timed else computed
    by_times = timed and (exact_times or not numbered)
    precision = _ROUNDED if by_times and not exact_times else _EXACT
    # Between files that give neither step nor time, the gap is unknown.
    restarts = breaks if numbered or not timed else ()
    segments = _uniform_segments(times_ps if by_times else marks, restarts, precision)
    gaps = [start for start, _ in segments[1:] if start not in restarts]
    if gaps:
        notes.append(_gap_note(marks, gaps, len(segments)))
    interval = None if times is None else _common_interval(times, segments)
    axis = TimeAxis(marks.astype(np.int64), times, interval, segments, numbered)
    return axis, tuple(notes)


def _require_increasing(times: Floats, place: Callable[[int], str]) -> None:
    back = np.flatnonzero(~(np.diff(times) > 0.0))
    if len(back):
        t = int(back[0]) + 1
        raise DataError(
            f"the time does not increase: {times[t - 1]:.12g} ps, then {times[t]:.12g} ps",
            where=place(t),
            why="the time was reset during the run, the files contain several runs, or the "
            "file is damaged",
            fix="analyse each part of the run separately",
        )


def _require_time_step(times: Floats, computed: Floats, timestep_fs: float) -> None:
    """Raise if the time step contradicts the times in the files."""
    if len(times) < 2:
        return
    ratio = (times[-1] - times[0]) / (computed[-1] - computed[0])
    if not abs(ratio - 1.0) < 1e-3:
        given, found = f"{timestep_fs:g} fs", f"{ratio * timestep_fs:g} fs"
        raise UsageError(
            f"a time step of {given} is given, but the times in the file imply {found}",
            fix=f"give {found} (--timestep-fs), or none if every frame has its time",
        )


def _missing_time_note(
    steps: Ints | Floats, times: Floats, timestep_fs: float | None, place: Callable[[int], str]
) -> Note:
    """Note that only some frames have a time, and the time step that these imply."""
    ends = np.flatnonzero(np.isfinite(times))[[0, -1]]
    (s0, s1), (t0, t1) = steps[ends], times[ends]
    by_others = ""
    if s1 > s0:
        by_others = f" (the others imply {(t1 - t0) / (s1 - s0) / FEMTOSECOND:.6g})"
    text = f"some frames have no time; the first is {place(int(np.isnan(times).argmax()))}"
    if timestep_fs is None:
        return Note("warning", text, fix=f"give --timestep-fs{by_others}")
    used = f"all times are computed from a time step of {timestep_fs:g} fs"
    return Note("warning", f"{text}; {used}{by_others}")


def _gap_note(marks: Ints | Floats, gaps: Sequence[int], n_segments: int) -> Note:
    """Note the gaps that no restart explains."""
    places = [
        f"after step {marks[k - 1]:.12g} comes step {marks[k]:.12g}"
        for k in gaps[:_LISTED_GAPS]
    ]
    more = f", and {len(gaps) - _LISTED_GAPS} more" if len(gaps) > _LISTED_GAPS else ""
    return Note(
        "warning",
        f"the time between frames is not uniform: {n_segments} segments "
        f"({', '.join(places)}{more})",
        fix="write one run at one interval (LAMMPS: dump_modify ID append yes for its "
        "continuation)",
    )


def _uniform_segments(
    marks: Ints | Floats, breaks: Sequence[int], precision: float
) -> tuple[tuple[int, int], ...]:
    """Frame ranges within which neighbours are one usual distance apart.

    The usual distance is the most frequent one, or the shortest of several equally frequent
    ones. A distance agrees with it to a thousandth, or to the relative precision of the marks
    (t,).
    """
    if len(marks) < 2:
        return ((0, len(marks)),) if len(marks) else ()
    distances = np.diff(marks).astype(float)
    usual = _most_frequent(distances)
    slack = np.maximum(1e-3 * usual, precision * np.abs(marks[1:]))
    uneven = np.flatnonzero(np.abs(distances - usual) > slack) + 1
    bounds = sorted({0, len(marks), *uneven.tolist(), *breaks})
    return tuple(pairwise(bounds))


def _most_frequent(distances: Floats) -> float:
    """Most frequent distance; distances that agree to six digits count as equal."""
    scale = float(np.median(distances))
    _, first, counts = np.unique(
        np.rint(distances / scale * 1e6), return_index=True, return_counts=True
    )
    return float(distances[first[np.argmax(counts)]])


def _common_interval(times: Floats, segments: Sequence[tuple[int, int]]) -> float | None:
    """Mean distance of neighbouring frames over all segments; None without neighbours."""
    spans = [(times[stop - 1] - times[start], stop - 1 - start) for start, stop in segments]
    intervals = sum(count for _, count in spans)
    return float(sum(span for span, _ in spans) / intervals) if intervals else None
