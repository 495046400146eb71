"""Frames in time: where the spacing changes, and what it is."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from trajmodes.arrays import Floats, Ints

__all__ = ["common_interval", "common_stride", "uniform_segments"]


def uniform_segments(
    marks: Ints | Floats, seams: Iterable[int] = ()
) -> tuple[tuple[int, int], ...]:
    """Frame ranges [start, stop) within which neighbours are one usual distance apart.

    The usual distance is the most frequent one, the shortest of these if there are several.
    It is met to a thousandth, or to the digits that times are written with.

    Parameters
    ----------
    marks
        (t,) step or time of each frame, rising.
    seams
        Frames that start a new segment in any case.
    """
    if len(marks) < 2:
        return ((0, len(marks)),) if len(marks) else ()
    distances = np.diff(marks).astype(float)
    slack = np.maximum(1e-3 * _usual(distances), 1e-12 * np.abs(marks[1:]))
    breaks = np.flatnonzero(np.abs(distances - _usual(distances)) > slack) + 1
    bounds = sorted({0, len(marks), *breaks.tolist(), *seams})
    return tuple(pairwise(bounds))


def common_interval(times: Floats, segments: Iterable[tuple[int, int]]) -> float | None:
    """Mean distance of neighbouring frames over all segments; None without neighbours.

    Parameters
    ----------
    times
        (t,) time of each frame.
    segments
        Frame ranges of uniform spacing.
    """
    spans = [(times[stop - 1] - times[start], stop - 1 - start) for start, stop in segments]
    intervals = sum(count for _, count in spans)
    return float(sum(span for span, _ in spans) / intervals) if intervals else None


def _usual(distances: Floats) -> float:
    """Most frequent distance, those that agree to six digits taken together."""
    scale = float(np.median(distances))
    groups, first, counts = np.unique(
        np.rint(distances / scale * 1e6), return_index=True, return_counts=True
    )
    del groups
    return float(distances[first[np.argmax(counts)]])


def common_stride(steps: Ints, segments: Iterable[tuple[int, int]]) -> int:
    """Count the simulation steps between neighbouring frames; 0 where there are none.

    Parameters
    ----------
    steps
        (t,) step of each frame.
    segments
        Frame ranges [start, stop) of uniform spacing.
    """
    for start, stop in segments:
        if stop - start > 1:
            return int(steps[start + 1] - steps[start])
    return 0
