"""Frames that a restarted run wrote again: which of both count.

A restart goes back to an earlier step and moves on from there, perhaps on another course, for
random forces and another order of sums lead elsewhere. So the part that was written later
counts from its first frame on, whole, and of the earlier part only what lies before: no step
counts twice, and every stretch is one motion.

That one part goes on with the other is believed if they have a step in common and the later one
reaches as far as the earlier. What starts again at the very first step is a run of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError
from trajmodes.notes import Note

__all__ = ["Course", "without_rewritten"]


@dataclass(frozen=True, slots=True)
class Course:
    """Frames of one run in order of time, each step once."""

    kept: Ints
    """(t,) index of each frame among those that were written."""
    seams: tuple[int, ...]
    """Those of the kept frames that follow upon left out ones, by their place in `kept`."""
    notes: tuple[Note, ...]
    """For every restart, which frames count."""


def without_rewritten(steps: Ints | Floats, file: Ints, names: Sequence[str]) -> Course:
    """Leave out frames that were written again later.

    Parameters
    ----------
    steps
        (w,) step of each frame in the order of writing, files in the order of their first
        steps.
    file
        (w,) index of its file.
    names
        Name of each file.

    Raises
    ------
    DataError
        If steps go back and it is no restart.
    """
    starts = [*(np.flatnonzero(np.diff(steps) <= 0) + 1).tolist(), len(steps)]
    kept = np.arange(starts[0])
    notes = []
    for first, stop in pairwise(starts):
        later = np.arange(first, stop)
        again = kept[steps[kept] >= steps[first]]
        _require_restart(steps, file, names, (again, later, kept))
        notes.append(_told(steps, file, names, (again, later)))
        kept = np.concatenate([kept[: len(kept) - len(again)], later])
    return Course(kept, tuple((np.flatnonzero(np.diff(kept) > 1) + 1).tolist()), tuple(notes))


def _require_restart(
    steps: Ints | Floats, file: Ints, names: Sequence[str], parts: tuple[Ints, Ints, Ints]
) -> None:
    again, later, kept = parts
    first, last = steps[later[0]], steps[later[-1]]
    name = names[file[later[0]]]
    fix = "analyse each run by itself (trajmodes fit pools several)"
    where = f"{name}, step {first:.12g}"
    if len(again) == len(kept) and file[kept[0]] == file[later[0]]:
        raise DataError(
            f"the run starts again at step {first:.12g}, its very first one",
            where=where,
            why="a second run was written behind the first one (dump_modify append yes), or "
            "the file holds a copy of it",
            fix="cut the file where the second one starts, and analyse each by itself",
        )
    if len(again) == len(kept):
        raise DataError(
            f"{names[file[kept[0]]]} starts at step {steps[kept[0]]:.12g}, and so does {name}"
            if steps[kept[0]] == first
            else f"all steps of {names[file[kept[0]]]} are in {name} again",
            where=where,
            why="they are runs of their own, or copies of one",
            fix=f"{fix}, or give one of the copies",
        )
    if last < steps[again[-1]] or not np.isin(steps[again], steps[later]).any():
        ends = f"ends at step {last:.12g} already"
        alone = "has none of its steps from there on"
        raise DataError(
            f"step {first:.12g} follows upon step {steps[later[0] - 1]:.12g}, and what it "
            f"begins {ends if last < steps[again[-1]] else alone}",
            where=where,
            why="a restart would write the same steps again and go on: these are several runs, "
            "or a restart that was stopped early or dumped at another interval",
            fix=f"{fix}; or cut one of both where the other is to count",
        )


def _told(
    steps: Ints | Floats, file: Ints, names: Sequence[str], parts: tuple[Ints, Ints]
) -> Note:
    again, later = parts
    first, last, name = steps[later[0]], steps[again[-1]], names[file[later[0]]]
    stretch = f"step {first:.12g}" + (f" to step {last:.12g}" if last > first else "")
    others = [names[k] for k in dict.fromkeys(file[again].tolist())]
    frames = "1 frame" if len(again) == 1 else f"{len(again)} frames"
    if others == [name]:
        what = f"{stretch} was written again in {name} (a restart): the later frames count"
    else:
        both = "both" if len(others) == 1 else "all"
        what = (
            f"{', '.join(others)} and {name} {both} have {stretch} (a restart): the frames of "
            f"{name}, which starts later, count"
        )
    text = (
        f"{what}, and {frames} before {'is' if len(again) == 1 else 'are'} left out; spectra "
        "start anew there"
    )
    return Note("warning", text, fix="if these are different runs, analyse each by itself")
