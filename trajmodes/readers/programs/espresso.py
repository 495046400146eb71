"""Trajectories of cp.x of Quantum ESPRESSO, in Hartree atomic units.

``NAME.pos``, ``.vel``, ``.for`` and ``.cel`` have for every frame a line with step and time in
ps, and a line with three numbers for every atom. The columns of the matrices in ``.cel`` are
the vectors of the cell. A restart repeats steps; the later frames are used. The files do not
name the atoms, which are those of the input: ``NAME.in`` is read if it lies beside them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, with_location
from trajmodes.notes import Note
from trajmodes.readers.binary.frames import damaged
from trajmodes.readers.programs.companions import companions, companions_note
from trajmodes.readers.programs.spans import indexed, marked_lines
from trajmodes.readers.restarts import kept_frames
from trajmodes.readers.text.index_cache import Index
from trajmodes.readers.text.source import TextSource
from trajmodes.readers.text.tables import parse_rows
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame, is_symbol, rounding_of
from trajmodes.readers.units import ATOMIC_UNITS

_MARK = re.compile(rb"^[ \t]*(\d{1,15})[ \t]+([-+.\dEeDd]+)[ \t]*\r?\n", re.MULTILINE)
_CARD = re.compile(r"^\s*ATOMIC_POSITIONS\b[^\n]*\n", re.MULTILINE | re.IGNORECASE)
_LARGEST_INPUT = 1 << 24


def open_cp(path: Path, options: ReadOptions) -> ForeignFile:
    """Open the ``.pos`` of a run, or its ``.vel``, and the files beside it.

    Frames after the last step of any of these files are left out. Errors are those of
    `open_castep`.
    """
    quantity = "velocities" if path.suffix == ".vel" else "positions"
    files = {quantity: path, **companions(path)}
    series = {name: _series(file, name, options) for name, file in files.items()}
    base = series[quantity]
    for name, one in series.items():
        if name != "cells" and one.n_rows != base.n_rows:
            raise DataError(
                f"there are {base.n_rows} {quantity} and {one.n_rows} {name}",
                where=f"{path}, {files[name]}",
                why="the files belong to different runs, or one of them was cut",
            )
    last = min(int(one.steps[-1]) for one in series.values())
    steps = base.steps[base.steps <= last]
    notes = [note for one in series.values() for note in one.notes]
    notes += companions_note(list(files.values())[1:])
    if len(steps) < len(base.steps):
        text = f"{len(base.steps) - len(steps)} frames after step {last} are left out: not all"
        notes.append(Note("warning", f"{text} quantities are written there"))
    rows = {name: one.rows_of(steps, quantity) for name, one in series.items()}
    species, more = _species(path, base.n_rows)
    return ForeignFile(
        n_frames=len(steps),
        n_atoms=base.n_rows,
        frames=_Frames(series, rows, steps, base.times_ps[rows[quantity]]),
        unit_style="Quantum ESPRESSO",
        precision_digits=base.digits,
        species=species,
        notes=(*notes, *more),
        companions=tuple(files.values())[1:],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """Frames of one file, each step once."""

    name: str
    source: TextSource
    spans: Ints
    """(t, 2) bytes of the rows of each frame."""
    steps: Ints
    times_ps: Floats
    n_rows: int
    digits: int
    notes: tuple[Note, ...]

    def rows_of(self, steps: Ints, quantity: str) -> Ints:
        """Index of the frame of each step of the file of another quantity."""
        index = np.minimum(np.searchsorted(self.steps, steps), len(self.steps) - 1)
        missing = self.steps[index] != steps
        if missing.any():
            raise DataError(
                f"step {steps[missing.argmax()]} is in the {quantity}, not in the {self.name}",
                where=str(self.source.stamp.path),
                why="the files belong to different runs, or a restart wrote only some of them",
                fix="write all files anew, or remove the file that does not belong to the run",
            )
        return index

    def read(self, frame: int) -> Floats:
        """Numbers (r, 3) of a frame."""
        start, stop = self.spans[frame].tolist()
        try:
            found: Floats = parse_rows(
                self.source.data(start, stop - start).split(b"\n"), 1, "row"
            )[0]
            if len(found) != self.n_rows:
                raise damaged(f"{len(found)} rows are written where {self.n_rows} are expected")
        except DataError as error:
            line = self.source.line_at(start)
            where = f"{self.source.stamp.path.name} from line {line}"
            raise with_location(error, where) from None
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Frames:
    """Reads frames [start, stop) when it is called."""

    series: dict[str, _Series]
    rows: dict[str, Ints]
    """(t,) frame of each file for each frame of the run, by the name of the quantity."""
    steps: Ints
    times_ps: Floats

    def __call__(self, start: int, stop: int) -> Iterator[ForeignFrame]:
        for t in range(start, stop):
            found = {
                name: one.read(int(self.rows[name][t])) for name, one in self.series.items()
            }
            with np.errstate(over="ignore"):
                yield self._frame(t, found)

    def _frame(self, t: int, found: dict[str, Floats]) -> ForeignFrame:
        units, time = ATOMIC_UNITS, float(self.times_ps[t])
        positions, velocities, forces, cell = (
            found.get(name) for name in ("positions", "velocities", "forces", "cells")
        )
        flat = cell is None or np.linalg.det(cell) == 0.0
        return ForeignFrame(
            None if positions is None else positions * units.length,
            None if flat or cell is None else cell.T * units.length,
            int(self.steps[t]),
            time if np.isfinite(time) else None,
            None if velocities is None else velocities * units.velocity,
            None if forces is None else forces * units.force,
        )


def _series(path: Path, name: str, options: ReadOptions) -> _Series:
    """Open one file, and leave out frames that a restart wrote again."""
    source, found, notes = indexed(path, "cp frames", _index, strict=options.strict)
    n_rows = int(found["n_rows"])
    if name == "cells" and n_rows != 3:
        raise with_location(damaged(f"a cell has {n_rows} rows"), str(path))
    kept = kept_frames([str(path)], [found["steps"]])
    return _Series(
        name=name,
        source=source,
        spans=found["spans"][kept.frames],
        steps=found["steps"][kept.frames],
        times_ps=found["times"][kept.frames],
        n_rows=n_rows,
        digits=int(found["digits"]),
        notes=(*notes, *kept.notes, *(one.note for one in kept.breaks if one.note)),
    )


def _index(source: TextSource) -> Index:
    """Find the rows of all complete frames, with their steps and times."""
    marks, starts, steps, times = [], [], [], []
    for at, match in marked_lines(source, _MARK):
        marks.append(at)
        starts.append(at + len(match[0]))
        steps.append(int(match[1]))
        times.append(_real(match[2]))
    if not marks or source.data(0, marks[0]).strip():
        raise DataError(
            "the file does not begin with a line of step and time",
            where=str(source.stamp.path),
            why="it was cut, or is not one of cp.x",
        )
    spans = np.array([starts, [*marks[1:], source.size]], dtype=np.int64).T
    first, last = (source.data(a, b - a) for a, b in (spans[0].tolist(), spans[-1].tolist()))
    n_rows, whole = first.count(b"\n"), len(spans)
    n_rows -= sum(not line.strip() for line in first.split(b"\n")[:-1])
    whole -= n_rows == 0 or last.count(b"\n") < n_rows
    digits = rounding_of(word.decode("ascii", "replace") for word in first.split()).digits
    return {
        "spans": spans[:whole],
        "steps": np.array(steps[:whole], dtype=np.int64),
        "times": np.array(times[:whole]),
        "n_rows": np.array(n_rows),
        "digits": np.array(digits),
        "broken": np.array(marks[-1] if whole < len(spans) else -1),
    }


def _real(word: bytes) -> float:
    try:
        return float(word.upper().replace(b"D", b"E"))
    except ValueError:
        return float("nan")


def _species(path: Path, n_atoms: int) -> tuple[tuple[str, ...] | None, tuple[Note, ...]]:
    """Species in the input beside the files, with a note; None if there is no such input.

    Old versions of cp.x sort the atoms by species, so that unsorted labels do not show the
    species.
    """
    place = path.with_suffix(".in")
    if not place.is_file() or place.stat().st_size > _LARGEST_INPUT:
        return None, ()
    text = place.read_text(encoding="utf-8", errors="replace")
    card = _CARD.search(text)
    lines = [] if card is None else text[card.end() :].splitlines()
    words = [line.split() for line in lines if line.strip() and line.lstrip()[0] not in "!#"]
    found = [re.sub(r"[\d_\-+].*", "", row[0]).capitalize() for row in words[:n_atoms]]
    kinds = [a for a, b in zip(found, ["", *found], strict=False) if a != b]
    if len(found) < n_atoms or not all(map(is_symbol, found)) or len(set(kinds)) < len(kinds):
        text = f"{place.name} does not show the species: it does not list the atoms by species"
        return None, (Note("warning", text),)
    return tuple(found), (Note("note", f"the species are those of {place.name}"),)
