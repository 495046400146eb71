"""Which files are pieces of one run, and which are runs of their own.

Files are pieces of one run if they lie in one folder, hold the same atoms, and each goes on
where the others end: its steps come behind theirs. A file whose steps start again is another
run, and so is one in another folder. Where steps occur twice, atoms decide: after a restart
they are, at the first common step, where they were before; those of another run are elsewhere.
So a restarted run may have written over its end, and independent runs may overlap in steps.
Where several runs could go on with a file, it belongs to the one whose last frame is nearest.

Snapshots about one known structure have no order in time: they are one run, wherever they lie.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from trajmodes.config import ReadOptions
from trajmodes.data.lattice import relative_displacements
from trajmodes.errors import UnitsError, UsageError
from trajmodes.formats.open import open_trajectory, source_path
from trajmodes.formats.snapshots import about_one_structure
from trajmodes.readers.trajectory import Trajectory, select_frames

_SAME = 1e-3
"""Å. Distance, beyond rounding, up to which atoms count as being at the same places."""

Run = list[Trajectory]


def open_runs(paths: Iterable[Path], options: ReadOptions) -> list[Trajectory]:
    """Open files of one or several runs.

    Parameters
    ----------
    paths
        The files, in any order.
    options
        What the user knows of them; `frames` selects from each run.

    Returns
    -------
    One trajectory for each run, runs in the order of their first files.

    Raises
    ------
    UsageError
        If there is no file, or one cannot be read.
    DataError
        If a file is not sound.
    """
    # The input of TDEP is a folder; its files may be named one by one.
    names = dict.fromkeys(map(source_path, paths))
    if not names:
        raise UsageError("no trajectory file is given")
    whole = replace(options, frames=(0, None))
    pieces = _opened(list(names), whole)
    alone = {piece.paths: piece for piece in pieces}
    runs = (alone.get(group) or open_trajectory(group, whole) for group in group_runs(pieces))
    return [select_frames(run, *options.frames) for run in runs]


def _opened(paths: Sequence[Path], options: ReadOptions) -> list[Trajectory]:
    """Open files one by one.

    Units that some of them do not name are not guessed from others: which files are of one run
    is seen only after they are opened.
    """
    pieces: list[Trajectory] = []
    silent: list[tuple[Path, UnitsError]] = []
    for path in paths:
        try:
            pieces.append(open_trajectory([path], options))
        except UnitsError as error:
            silent.append((path, error))
    if silent and not pieces:
        raise silent[0][1]
    if silent:
        style, path = pieces[0].unit_style, silent[0][0]
        raise UsageError(
            f"{path} does not say which units it is in, and {pieces[0].paths[0]} is in {style}",
            where=str(path),
            why="only some of the files name their units",
            fix=f"--units {style} if all are in it; for later runs: dump_modify ID units yes",
        )
    return pieces


def group_runs(pieces: Sequence[Trajectory]) -> list[tuple[Path, ...]]:
    """Group files into runs; see the top of this module for the rule.

    Parameters
    ----------
    pieces
        The files, opened one by one.

    Returns
    -------
    The files of each run in order of time, runs in the order of their first files.
    """
    runs: list[Run] = []
    order = {id(piece): place for place, piece in enumerate(pieces)}
    for piece in sorted(pieces, key=lambda one: (int(one.steps[0]), int(one.steps[-1]))):
        fitting = [run for run in runs if _goes_on(run, piece)]
        if not fitting:
            runs.append([piece])
        elif len(fitting) == 1:
            fitting[0].append(piece)
        else:
            min(fitting, key=lambda run: _apart(run[-1], -1, piece, 0)).append(piece)
    runs.sort(key=lambda run: min(order[id(piece)] for piece in run))
    return [tuple(path for piece in run for path in piece.paths) for run in runs]


def _goes_on(run: Run, piece: Trajectory) -> bool:
    """Whether a file goes on with a run that starts no later than it."""
    first = run[0]
    if piece.ideal is not None or first.ideal is not None:
        return about_one_structure(first, piece)
    if not _same_atoms(first, piece) or _folder(first) != _folder(piece):
        return False
    if not piece.steps[0] > first.steps[0] or not piece.steps[-1] > run[-1].steps[-1]:
        return False
    if piece.steps[0] > run[-1].steps[-1]:
        return True
    for before in reversed(run):
        common, left, right = np.intersect1d(before.steps, piece.steps, return_indices=True)
        if len(common):
            slack = _SAME + 2.0 * max(before.rounding, piece.rounding)
            return _apart(before, int(left[0]), piece, int(right[0])) < slack
    return False


def _folder(piece: Trajectory) -> Path:
    return piece.paths[0].resolve().parent


def _same_atoms(one: Trajectory, other: Trajectory) -> bool:
    if one.n_atoms != other.n_atoms or one.species != other.species:
        return False
    labels = ((one.ids, other.ids), (one.types, other.types))
    return all(a is b if a is None or b is None else np.array_equal(a, b) for a, b in labels)


def _apart(one: Trajectory, t: int, other: Trajectory, s: int) -> float:
    """Root mean square distance in Å of the atoms in two frames, a common shift aside."""
    t %= one.n_frames
    frames = one.read(t, t + 1), other.read(s, s + 1)
    vectors = relative_displacements(
        frames[1].positions[0] - frames[0].positions[0], frames[0].cells[0]
    )
    return float(np.sqrt((vectors**2).sum(axis=1).mean()))
