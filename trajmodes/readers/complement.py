"""Velocities and forces from other files than positions, matched by step and by atom."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Ints
from trajmodes.data.lattice import minimum_image
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.readers.time_axis import TimeAxis, time_axis
from trajmodes.readers.trajectory import (
    FrameFields,
    FrameReader,
    Trajectory,
    chosen_frames,
)

_FIELDS = ("velocities", "forces")
_SAME = 1e-6
"""Relative difference of boxes, and difference of positions in Å, beyond rounding."""
_LISTED_IDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class CompletedFrames:
    """Frames of one reader, with fields of another."""

    frames: FrameReader
    others: FrameReader
    fields: tuple[str, ...]
    """Those of velocities and forces that are taken from the others."""

    def read(self, start: int, stop: int) -> FrameFields:
        """Read frames [start, stop); DataError if the boxes differ."""
        here, there = self.frames.read(start, stop), self.others.read(start, stop)
        size = np.abs(here.cells).max(initial=0.0)
        # Files without a box have nan.
        unlike = np.abs(here.cells - there.cells).max(axis=(1, 2), initial=0.0) > _SAME * size
        if unlike.any():
            t = start + int(unlike.argmax())
            raise DataError(
                "the boxes of one step differ between the files of positions and of "
                + " and ".join(self.fields),
                where=f"{self.frames.place(t, 0)}; {self.others.place(t, 0)}",
                why="the files belong to different runs",
            )
        taken = {name: getattr(there, name) for name in self.fields}
        return here._replace(**taken)

    def place(self, frame: int, atom: int) -> str:
        """File and line of the position of an atom in a frame."""
        return self.frames.place(frame, atom)


def completed(run: Trajectory, other: Trajectory) -> Trajectory:
    """Add velocities and forces that a trajectory lacks, from another one of the same run.

    Frames whose steps are in both are used. Files without step numbers must have the same
    number of frames.

    Raises
    ------
    UsageError
        If the other trajectory has none of the missing fields.
    DataError
        If atoms, boxes or positions differ, or no step is in both.
    """
    names = f"{run.file_names} and {other.file_names}"
    fields = tuple(name for name in _FIELDS if _has(other, name) and not _has(run, name))
    if not fields:
        raise UsageError(
            f"{other.file_names} has no velocities or forces that {run.file_names} lacks",
            fix="leave out --forces-from, or give the dump with fx fy fz",
        )
    _require_same_atoms(run, other, names)
    here, there = _common_frames(run, other, names)
    time, notes = _time_of(run, other, here)
    left = [
        f"{trajectory.n_frames - len(here)} of {trajectory.n_frames} frames of "
        f"{trajectory.paths[0].name}"
        for trajectory in (run, other)
        if trajectory.n_frames > len(here)
    ]
    text = f"{' and '.join(fields)} are those of {other.file_names}, by step and atom"
    if left:
        text += f"; {' and '.join(left)} are left out, because their steps are in one file only"
    frames = CompletedFrames(
        chosen_frames(run.frames, here, run.n_frames),
        chosen_frames(other.frames, there, other.n_frames),
        fields,
    )
    _require_same_positions(frames, run, other, len(here))
    lacking = {f"no {name}" for name in fields}
    return replace(
        run,
        paths=(*run.paths, *other.paths),
        time=time,
        columns=(*run.columns, *(one for one in other.columns if one not in run.columns)),
        has_velocities=run.has_velocities or "velocities" in fields,
        has_forces=run.has_forces or "forces" in fields,
        n_bytes=run.n_bytes + other.n_bytes,
        notes=(
            *(note for note in run.notes if note.text not in lacking),
            *_damage_of(other),
            *notes,
            Note("warning" if left else "note", text),
        ),
        frames=frames,
    )


def _has(run: Trajectory, name: str) -> bool:
    return run.has_velocities if name == "velocities" else run.has_forces


def _damage_of(other: Trajectory) -> Iterator[Note]:
    """Take over notes on the other files, except on fields that they need not have."""
    return (note for note in other.notes if note.subject not in {"fields", "box", "rounding"})


def _require_same_atoms(run: Trajectory, other: Trajectory, names: str) -> None:
    """Raise DataError if the atoms differ; those without ids are in the order of the files."""
    what = ""
    if run.n_atoms != other.n_atoms:
        what = f"the files have {run.n_atoms} and {other.n_atoms} atoms"
    elif run.ids is not None and other.ids is not None:
        alone = np.setxor1d(run.ids, other.ids)
        if len(alone):
            listed = ", ".join(map(str, alone[:_LISTED_IDS].tolist()))
            what = f"atom ids are in one of the files only: {listed}"
    elif run.ids is not None or other.ids is not None:
        what = "only one of the files has atom ids"
    for name in ("species", "types"):
        one, two = getattr(run, name), getattr(other, name)
        if not what and one is not None and two is not None and not np.array_equal(one, two):
            what = f"the {name} of the atoms differ"
    if what:
        raise DataError(
            what,
            where=names,
            why="they belong to different runs, or were dumped of different groups",
            fix="dump both of the same group, with the column id",
        )


def _common_frames(run: Trajectory, other: Trajectory, names: str) -> tuple[Ints, Ints]:
    """Frames (t,) of the two with the same steps."""
    if run.time.numbered and other.time.numbered:
        _, here, there = np.intersect1d(run.steps, other.steps, return_indices=True)
    elif run.n_frames == other.n_frames:
        here = there = np.arange(run.n_frames)
    else:
        here = there = np.empty(0, dtype=np.int64)
    if not len(here):
        what = "no step is in both files"
        if not (run.time.numbered and other.time.numbered):
            what = (
                f"steps are not numbered in both files, and they have {run.n_frames} and "
                f"{other.n_frames} frames"
            )
        raise DataError(
            what,
            where=names,
            why="they belong to different runs, or were dumped at other steps",
            fix="dump positions and forces at the same steps, best in one dump",
        )
    return here, there


def _time_of(
    run: Trajectory, other: Trajectory, here: Ints
) -> tuple[TimeAxis, tuple[Note, ...]]:
    """Time axis of the common frames; segments end where those of either file do."""
    if len(here) == run.n_frames and run.segments == other.segments:
        return run.time, ()
    steps = run.steps[here]
    starts = [int(one.steps[start]) for one in (run, other) for start, _ in one.segments[1:]]
    breaks = sorted(set(np.searchsorted(steps, starts).tolist()) - {0, len(steps)})
    times = run.times_ps
    return time_axis(
        steps,
        np.full(len(here), np.nan) if times is None else times[here],
        timestep_fs=None,
        breaks=tuple(breaks),
        place=lambda t: run.place(int(here[t]), 0),
        exact_times=True,
    )


def _require_same_positions(
    frames: CompletedFrames, run: Trajectory, other: Trajectory, n_frames: int
) -> None:
    """Raise DataError if both files have positions in some frames, and they differ."""
    slack = 2.0 * (run.rounding + other.rounding) + _SAME
    for t in sorted({0, n_frames // 2, n_frames - 1}):
        here, there = frames.frames.read(t, t + 1), frames.others.read(t, t + 1)
        if there.positions is None or here.positions is None:
            return
        change = there.positions[0] - here.positions[0]
        if np.isfinite(here.cells).all():
            change = minimum_image(change, here.cells[0])
        if np.abs(change).max() > slack:
            raise DataError(
                f"the positions of step {run.steps[t]} differ between the files by up to "
                f"{np.abs(change).max():.3g} Å",
                where=f"{run.file_names} and {other.file_names}",
                why="they belong to different runs",
            )
