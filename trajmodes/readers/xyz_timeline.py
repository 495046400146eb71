"""Frames of several XYZ files in the order of time: which to keep, how far apart they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.readers.restarts import without_rewritten
from trajmodes.readers.timeline import common_interval, uniform_segments
from trajmodes.units import FEMTOSECOND

__all__ = ["Timeline", "arrange_frames"]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Frames in the order of time."""

    kept: Ints
    """(t,) index of each among all frames of all files, files one after the other."""
    steps: Ints
    """(t,) step; the index of the frame where the files have none."""
    times_ps: Floats | None
    """(t,), unit: ps."""
    interval_ps: float | None
    """Time between frames within a segment, in ps."""
    segments: tuple[tuple[int, int], ...]
    """Frame ranges [start, stop) of uniform spacing."""
    notes: tuple[Note, ...]


def arrange_frames(
    names: Sequence[str],
    steps: Sequence[Floats],
    times_ps: Sequence[Floats],
    timestep_fs: float | None,
) -> Timeline:
    """Bring frames into the order of their steps.

    Of steps that occur again (a restarted run that wrote over its own end) the ones written
    last count, see `restarts`. Files that number no steps are taken in the order given.

    Parameters
    ----------
    names
        Name of each file, for messages.
    steps
        Steps of the frames of each file, nan where not told.
    times_ps
        Times in ps, nan where not told.
    timestep_fs
        Time step in fs; the time between frames where the files number no steps.

    Raises
    ------
    DataError
        If steps or times run backwards in another way.
    UsageError
        If the time step contradicts the times in the files.
    """
    sizes = [len(part) for part in steps]
    firsts = np.concatenate([[0], np.cumsum(sizes)])
    all_steps, all_times = np.concatenate(steps), np.concatenate(times_ps)
    notes: list[Note] = []
    numbered = bool(np.isfinite(all_steps).all()) and (
        len(all_steps) == 1 or bool((all_steps != all_steps[0]).any())
    )
    kept = np.arange(len(all_steps))
    restarts: tuple[int, ...] = ()
    if numbered:
        files = np.argsort([part[0] if len(part) else 0.0 for part in steps], kind="stable")
        kept = np.concatenate([np.arange(firsts[i], firsts[i + 1]) for i in files])
        owners = np.repeat(np.arange(len(sizes)), sizes)[kept]
        course = without_rewritten(all_steps[kept], owners, names)
        kept, restarts = kept[course.kept], course.seams
        notes += course.notes
    marks = all_steps[kept] if numbered else kept.astype(float)
    timed = bool(np.isfinite(all_times).all())
    times = all_times[kept] if timed else None
    if times is not None:
        _refuse_backwards(times, kept, firsts, names)
    if times is None and timestep_fs is not None:
        times = marks * (timestep_fs * FEMTOSECOND)
        if not numbered:
            text = (
                "the files number no steps: --timestep-fs is taken as the time between frames"
            )
            notes.append(Note("warning", text))
    elif times is not None and timestep_fs is not None and numbered:
        _compare(times, marks * (timestep_fs * FEMTOSECOND))
    # Between files that tell neither step nor time, the gap is unknown.
    seams = restarts if numbered or timed else firsts[1:-1].tolist()
    segments = uniform_segments(marks if numbered or times is None else times, seams)
    interval = None if times is None else common_interval(times, segments)
    return Timeline(kept, marks.astype(np.int64), times, interval, segments, tuple(notes))


def _refuse_backwards(times: Floats, kept: Ints, firsts: Ints, names: Sequence[str]) -> None:
    back = np.flatnonzero(np.diff(times) <= 0.0)
    if len(back):
        t = int(back[0]) + 1
        file = int(np.searchsorted(firsts, kept[t], side="right")) - 1
        raise DataError(
            f"the time goes from {times[t - 1]:.12g} ps back to {times[t]:.12g} ps",
            where=f"{names[file]}, frame {kept[t] - firsts[file]}",
            why="the files hold several runs, or a run that was restarted elsewhere",
            fix="give the frames of one run",
        )


def _compare(written: Floats, given: Floats) -> None:
    spans = written[-1] - written[0], given[-1] - given[0]
    if abs(spans[0] - spans[1]) > 1e-3 * abs(spans[0]):
        ratio = spans[0] / spans[1]
        raise UsageError(
            f"the time step given is {1.0 / ratio:.4g} times that of the file",
            why="the file itself tells the time of its frames",
            fix="leave the time step out",
        )
