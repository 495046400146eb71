"""Order the frames of the files of one run, and remove those that a restart wrote again.

A restarted run goes back to an earlier step and continues from there, possibly along another
path: random forces and the order of sums differ. The part written later is therefore used
whole, from its first frame on, and of the earlier part only the frames before it. No step
occurs twice, and every segment is one continuous motion.

A part is a restart if it shares a step with the frames before it and reaches at least as far. A
part that starts again at the very first step is another run. If its first frame has the
positions and velocities of the frame that it replaces, the motion is continuous, and the
segment continues. The same holds for files without step numbers, if one ends with the frame
with which the next starts.

A run that is continued between two frames may write its first step (``dump_modify first yes``).
This frame lies between two regular ones and is left out, since segments would end on both of
its sides.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.errors import DataError
from trajmodes.notes import Note


class Break(NamedTuple):
    """A frame that starts a segment, and the frame with which it is compared."""

    frame: int
    """The first one after a restart, counted in the order of time; where the files have no step
    numbers, the first one of a file."""
    twin: int
    """Index, among all frames written, of a frame that is equal if the motion goes on: of the
    same step, or the last one of the file before. −1 if there is none."""
    note: Note | None = None
    """Which frames are used, unless the motion goes on."""


class KeptFrames(NamedTuple):
    """Frames of one run in the order of time, each step once."""

    frames: Ints
    """(t,) index of each frame among all frames written, file after file."""
    breaks: tuple[Break, ...]
    notes: tuple[Note, ...]
    """Which frames are used, for restarts that were written again as a whole."""

    @property
    def read(self) -> Ints:
        """(t + b,) the frames, and after them the twins of the breaks."""
        return np.concatenate([self.frames, [one.twin for one in self.breaks]]).astype(np.int64)


class Joined(NamedTuple):
    """Frames of one run whose breaks have been compared with their twins."""

    chosen: Ints
    """(t,) frames, of those of `KeptFrames`, without those that the next file repeats."""
    breaks: tuple[int, ...]
    """Frames, of the chosen ones, that start a segment."""
    notes: tuple[Note, ...]


def joined(
    kept: KeptFrames, same: Callable[[int, int], bool], times: Floats, *, numbered: bool
) -> Joined:
    """Let segments continue over breaks at which a frame occurs twice.

    ``same`` compares two frames of `KeptFrames.read`, whose ``times`` are (t + b,), nan where
    they are unknown. Where the files have no step numbers (``numbered``), the first of two
    equal frames is left out.
    """
    n_frames = len(kept.frames)
    equal = [
        one.frame
        for k, one in enumerate(kept.breaks)
        if one.twin >= 0
        and np.isclose(times[n_frames + k], times[one.frame], rtol=1e-7, equal_nan=True)
        and same(n_frames + k, one.frame)
    ]
    repeated = [] if numbered else [frame - 1 for frame in equal]
    chosen = np.setdiff1d(np.arange(n_frames), repeated)
    left = [one.frame for one in kept.breaks if one.frame not in equal]
    notes = [*kept.notes, *(one.note for one in kept.breaks if one.frame in left and one.note)]
    if equal:
        places = "one place" if len(equal) == 1 else f"{len(equal)} places"
        text = (
            f"the frame at which a run was continued stands twice in {places}, with equal "
            "positions and velocities: the motion is continuous, and spectra continue over it"
        )
        notes.append(Note("note", text))
    return Joined(chosen, tuple(np.searchsorted(chosen, left).tolist()), tuple(notes))


def kept_frames(names: Sequence[str], steps: Sequence[Ints | Floats]) -> KeptFrames:
    """Order the frames of several files by step, and remove those that a restart wrote again.

    ``names`` are those of the files, for messages, and ``steps`` their steps (w,) in the order
    of writing, nan without a number. Files without step numbers are taken in the given order.

    Raises
    ------
    DataError
        If steps go back without a restart.
    """
    sizes = [len(part) for part in steps]
    firsts = np.cumsum([0, *sizes])
    if not all(np.isfinite(part).all() for part in steps):
        breaks = tuple(Break(k, k - 1) for k in firsts[1:-1].tolist())
        return KeptFrames(np.arange(firsts[-1]), breaks, ())
    order = sorted(range(len(steps)), key=lambda k: (steps[k][0], steps[k][-1]))
    index = np.concatenate([np.arange(firsts[k], firsts[k + 1]) for k in order])
    file = np.repeat(np.arange(len(sizes)), sizes)[index]
    ordered = np.concatenate(steps)[index]
    extra = _between_regular_frames(ordered)
    found = _without_rewritten(index[~extra], ordered[~extra], file[~extra], names)
    if not extra.any():
        return found
    return found._replace(notes=(*found.notes, _extra_note(ordered, file, names, extra)))


def _between_regular_frames(steps: Ints | Floats) -> Bools:
    """Whether each frame (w,) is a single one between two regular ones, the later written next.

    The regular interval is the most frequent one.
    """
    extra = np.zeros(len(steps), dtype=bool)
    intervals, counts = np.unique(np.diff(steps), return_counts=True)
    stride = intervals[counts.argmax()] if len(intervals) > 1 else 0
    if stride <= 1:
        return extra
    phases, place, counts = np.unique(steps % stride, return_inverse=True, return_counts=True)
    regular = place.ravel() == counts.argmax()
    before = steps - (steps - phases[counts.argmax()]) % stride
    extra[:-1] = steps[1:] == before[:-1] + stride
    extra &= ~regular & np.isin(before, steps[regular])
    _, place, counts = np.unique(before[~regular], return_inverse=True, return_counts=True)
    extra[~regular] &= (counts == 1)[place.ravel()]
    return extra


def _extra_note(steps: Ints | Floats, file: Ints, names: Sequence[str], extra: Bools) -> Note:
    places = np.flatnonzero(extra)
    listed = ", ".join(f"{steps[t]:.12g} ({names[file[t]]})" for t in places[:3])
    more = f" and {len(places) - 3} others" if len(places) > 3 else ""
    text = (
        f"single frames between two regular ones are left out; spectra continue over them: "
        f"step {listed}{more}"
    )
    why = "a run that was continued there wrote its first step (dump_modify ID first yes)"
    return Note("note", text, why=why)


def _without_rewritten(
    index: Ints, steps: Ints | Floats, file: Ints, names: Sequence[str]
) -> KeptFrames:
    """Remove frames (w,) that were written again later."""
    starts = [*(np.flatnonzero(np.diff(steps) <= 0) + 1).tolist(), len(steps)]
    kept = np.arange(starts[0])
    twins: dict[int, int] = {}
    notes: dict[int, Note] = {}
    for first, stop in pairwise(starts):
        later = np.arange(first, stop)
        again = kept[steps[kept] >= steps[first]]
        _require_restart(steps, file, names, (again, later, kept))
        notes[first] = _restart_note(steps, file, names, (again, later))
        twins[first] = int(index[again[0]]) if steps[again[0]] == steps[first] else -1
        kept = np.concatenate([kept[: len(kept) - len(again)], later])
    restarts = (np.flatnonzero(np.diff(kept) > 1) + 1).tolist()
    breaks = tuple(Break(k, twins[int(kept[k])], notes.pop(int(kept[k]))) for k in restarts)
    return KeptFrames(index[kept], breaks, tuple(notes.values()))


def _require_restart(
    steps: Ints | Floats, file: Ints, names: Sequence[str], parts: tuple[Ints, Ints, Ints]
) -> None:
    again, later, kept = parts
    first, last = steps[later[0]], steps[later[-1]]
    name = names[file[later[0]]]
    fix = "analyse each run separately (trajmodes fit pools several)"
    where = f"{name}, step {first:.12g}"
    if len(again) == len(kept) and file[kept[0]] == file[later[0]]:
        raise DataError(
            f"the run starts again at its first step, {first:.12g}",
            where=where,
            why="a second run was appended to the first one (dump_modify append yes), or "
            "the file contains a copy of it",
            fix="cut the file where the second run starts, and analyse each separately",
        )
    if len(again) == len(kept):
        raise DataError(
            f"{names[file[kept[0]]]} starts at step {steps[kept[0]]:.12g}, and so does {name}"
            if steps[kept[0]] == first
            else f"all steps of {names[file[kept[0]]]} are in {name} again",
            where=where,
            why="they are independent runs, or copies of one run",
            fix=f"{fix}, or give only one copy",
        )
    if last < steps[again[-1]] or not np.isin(steps[again], steps[later]).any():
        ends = f"ends earlier, at step {last:.12g}"
        alone = "shares no step with the frames before it"
        raise DataError(
            f"the steps go back from {steps[later[0] - 1]:.12g} to {first:.12g}, and the part "
            f"that starts there {ends if last < steps[again[-1]] else alone}",
            where=where,
            why="a restart writes the same steps again and continues: these are several runs, "
            "or a restart that stopped early or was dumped at another interval",
            fix=f"{fix}; or cut off the part that should not be used",
        )


def _restart_note(
    steps: Ints | Floats, file: Ints, names: Sequence[str], parts: tuple[Ints, Ints]
) -> Note:
    again, later = parts
    first, last, name = steps[later[0]], steps[again[-1]], names[file[later[0]]]
    common = f"step {first:.12g}" + (f" to step {last:.12g}" if last > first else "")
    files = [names[k] for k in dict.fromkeys([*file[again].tolist(), int(file[later[0]])])]
    what = f"{common} was written again in {name} (a restart): the later frames are used"
    if files != [name]:
        number = "both" if len(files) == 2 else "all"
        what = (
            f"{', '.join(files[:-1])} and {files[-1]} {number} have {common} (a restart): the "
            f"later frames, in {name}, are used"
        )
    frames = "1 frame before is" if len(again) == 1 else f"{len(again)} frames before are"
    return Note(
        "warning",
        f"{what}, and {frames} left out",
        fix="if these are different runs, analyse each separately",
    )
