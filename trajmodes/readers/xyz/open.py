"""Open XYZ files: find all frames, recognise the program, order the frames and read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UnitsError, UsageError
from trajmodes.notes import Note
from trajmodes.readers.restarts import joined, kept_frames
from trajmodes.readers.text.index_cache import Index, cached_index, incomplete_end
from trajmodes.readers.text.parse import FrameRows
from trajmodes.readers.text.rows import ID, SKIP, TYPE
from trajmodes.readers.text.source import TextSource, open_source
from trajmodes.readers.time_axis import time_axis
from trajmodes.readers.trajectory import (
    AtomTable,
    FrameFields,
    Rounding,
    Trajectory,
    chosen_frames,
    rounding_notes,
    rounding_of,
    same_frame,
)
from trajmodes.readers.units import UnitFactors, choose_units, recognise_program, scaled
from trajmodes.readers.xyz.comment import (
    Fields,
    choose_fields,
    parse_properties,
)
from trajmodes.readers.xyz.first_frame import (
    FirstFrame,
    check_unit_style,
    describe_atoms,
    read_first_frame,
)
from trajmodes.readers.xyz.index import index_frames
from trajmodes.units import DALTON

_SAMPLE_BYTES = 1 << 14
_SAMPLE_ROWS = 64


@dataclass(frozen=True, slots=True, eq=False)
class XyzFrames:
    """Frames of XYZ files."""

    rows: FrameRows
    n_atoms: int
    cells: Floats
    """(t, 3, 3), unit: Å."""
    factors: tuple[float | None, float | Floats | None, float | None]
    """Factors of the positions, velocities and forces, (a, 1) to convert momenta to velocities;
    None for fields that the files lack.
    """

    def read(self, start: int, stop: int) -> FrameFields:
        """Read frames [start, stop)."""
        n_fields = sum(factor is not None for factor in self.factors)
        fields = np.empty((n_fields, stop - start, self.n_atoms, 3))
        self.rows.fill(start, stop, fields)
        parsed = iter(fields)
        found = (
            None if factor is None else scaled(next(parsed), factor) for factor in self.factors
        )
        return FrameFields(self.cells[start:stop], *found)

    def place(self, frame: int, atom: int) -> str:
        """File and line of an atom in a frame."""
        return self.rows.place(frame, atom)


def open_xyz(
    paths: Sequence[Path],
    options: ReadOptions,
    *,
    cell: Floats | None = None,
) -> Trajectory:
    """Open XYZ files of one run, given in the order of time if they have no step numbers.

    Parameters
    ----------
    cell
        (3, 3), unit: Å. Box vectors for files without any; nan for frames that need none.
        Velocities alone need none.

    Raises
    ------
    UsageError
        If a file cannot be read, has no cell, or has velocities of unknown unit.
    DataError
        If a file is invalid, or the files do not belong together.
    """
    sources = [open_source(path, allow_partial=options.allow_partial) for path in paths]
    firsts = [read_first_frame(source) for source in sources]
    notes: list[Note] = []
    indices = [_indexed(*pair, options, notes) for pair in zip(sources, firsts, strict=True)]
    where = str(sources[0].stamp.path)
    if firsts[0].fields.position is None and cell is None:
        cell = np.full((3, 3), np.nan)
    program, moving = _program(firsts[0]), firsts[0].fields.velocity_name
    style, factors = choose_units(options.units, program, moving, options.lj, where=where)
    atoms = describe_atoms(firsts[0], factors.mass, where)
    if program == "lammps":
        check_unit_style(firsts[0], style, factors, atoms.table, where)
    steps = _steps(indices)
    kept = kept_frames([str(source.stamp.path) for source in sources], steps)
    for source, first in zip(sources, firsts, strict=True):
        _refuse_other_atoms(source, first, firsts[0])
        if options.units is None and first.fields.velocity is not None:
            _refuse_other_program(source, first, firsts[0])
    sizes = [len(index["stops"]) for index in indices]
    file = np.repeat(np.arange(len(sources)), sizes)[kept.read]
    numbers = np.concatenate([np.arange(size) for size in sizes])[kept.read]

    def of_all(name: str) -> npt.NDArray[Any]:
        """Join an array of all files, in the order of the frames that are read."""
        return np.concatenate([index[name] for index in indices])[kept.read]

    digits, half_unit = _rounding(sources[-1], indices[-1], firsts[-1])
    rounding = half_unit * factors.length
    notes += _notes(firsts[0], program, options)
    notes += _notes_on_marks(np.concatenate(steps), of_all("times"), factors.time, options)
    notes += rounding_notes(rounding, digits, _more_digits(firsts[0], program))
    fields, n_atoms = firsts[0].fields, len(firsts[0].rows)
    # The orders of the columns of all files, one file after the other.
    layouts = [text for index in indices for text in index["layouts"].tolist()]
    ends = np.cumsum([0, *(len(index["layouts"]) for index in indices)])
    plans = tuple(_plan(choose_fields(parse_properties(text))) for text in layouts)
    marks = np.concatenate(steps)[kept.read]
    numbered = bool(np.isfinite(marks).all())
    frames = XyzFrames(
        rows=FrameRows(
            sources=tuple(sources),
            # Messages number the columns from 1, also a superfluous one behind them.
            columns=tuple(tuple(map(str, range(1, len(plan) + 2))) for plan in plans),
            plans=plans,
            ids=firsts[0].ids,
            types=atoms.row_types,
            file=file,
            order=of_all("layout") + ends[file],
            numbers=numbers,
            steps=(marks if numbered else np.arange(len(marks))).astype(np.int64),
            spans=np.stack([of_all("starts"), of_all("stops")], axis=1),
        ),
        n_atoms=n_atoms,
        cells=_with_cell(of_all("cells") * factors.length, cell, where),
        factors=_factors(fields, factors, atoms.table),
    )
    times = of_all("times") * factors.time
    same = partial(same_frame, frames, rounding=rounding)
    run = joined(kept, same, times, numbered=numbered)
    time, time_notes = time_axis(
        marks[run.chosen],
        times[run.chosen],
        timestep_fs=options.timestep_fs,
        breaks=run.breaks,
        place=lambda t: frames.rows.name_of(int(run.chosen[t])),
    )
    notes += [*atoms.notes, *run.notes, *time_notes]
    return Trajectory(
        paths=tuple(sources[i].stamp.path for i in dict.fromkeys(file.tolist())),
        n_atoms=n_atoms,
        time=time,
        atoms=atoms.table,
        unit_style=style,
        columns=tuple(item.name for item in parse_properties(firsts[0].properties).values()),
        has_positions=fields.position is not None,
        has_velocities=fields.velocity is not None,
        has_forces=fields.force is not None,
        unwrapped=fields.unwrapped,
        n_bytes=sum(source.stamp.size for source in sources),
        precision_digits=digits,
        rounding=rounding,
        notes=tuple(notes),
        frames=chosen_frames(frames, run.chosen, len(kept.frames)),
    )


def _indexed(
    source: TextSource, first: FirstFrame, options: ReadOptions, notes: list[Note]
) -> Index:
    """Find the frames of one file; note an incomplete last frame."""
    index = cached_index(source, "xyz frames", partial(index_frames, source, first))
    n_frames = len(index["stops"])
    byte, step = index["incomplete"].tolist()
    name = f"step {step}" if step >= 0 else f"number {n_frames}"
    notes += incomplete_end(source, byte, name, n_frames, strict=options.strict)
    return index


def _steps(indices: Sequence[Index]) -> list[Floats]:
    """Collect the steps of each file; nan if all are equal, which numbers nothing."""
    steps = [np.asarray(index["steps"], dtype=float) for index in indices]
    n_frames = sum(map(len, steps))
    constant = n_frames > 1 and len({step for part in steps for step in part.tolist()}) == 1
    return [np.full_like(part, np.nan) for part in steps] if constant else steps


def _program(first: FirstFrame) -> str:
    return recognise_program(first.values, parse_properties(first.properties))


def _notes(first: FirstFrame, program: str, options: ReadOptions) -> list[Note]:
    """Make the notes on the first frame."""
    notes: list[Note] = []
    if program == "lammps" and options.units is None:
        text = "extended XYZ names no unit style: metal is used"
        notes.append(Note("warning", text, fix="--units STYLE"))
    if first.fields.ignored:
        others = ", ".join(first.fields.ignored)
        text = f"forces are read from {first.fields.force_name}, not from {others}"
        notes.append(Note("warning", text))
    if any(word[0] in "Ff0" for word in first.values.get("pbc", "").split()):
        text = f"pbc is {first.values['pbc']}, but all directions are taken as periodic"
        notes.append(Note("warning", text, subject="box"))
    return notes


def _notes_on_marks(
    steps: Floats, times: Floats, unit: float, options: ReadOptions
) -> list[Note]:
    """Note step numbers and times of the comment lines that are not used."""
    notes: list[Note] = []
    numbered = np.isfinite(steps)
    if numbered.any() and not numbered.all():
        text = f"{int((~numbered).sum())} of {len(steps)} frames have no step number"
        text += ": frames are taken to follow each other evenly"
        notes.append(Note("warning", text, fix="write the step in every comment line"))
    if options.timestep_fs is None and np.isnan(unit) and np.isfinite(times).any():
        text = "the time in the comment lines is not used, because its unit is not known"
        fix = "give the time between frames, --timestep-fs, or the --units of the file"
        notes.append(Note("warning", text, fix=fix))
    return notes


def _more_digits(first: FirstFrame, program: str) -> str:
    """Make the command that writes positions with ten digits."""
    if program != "lammps":
        return "write positions with ten digits"
    # Styles xyz and extxyz have no `format float` and need a format for each column.
    return f'dump_modify ID format line "%s{" %.10g" * (first.fields.n_columns - 1)}"'


def _rounding(source: TextSource, index: Index, first: FirstFrame) -> Rounding:
    """Estimate the rounding of coordinates from the first and last frame.

    The first one may be a perfect lattice.
    """
    start, stop = int(index["starts"][-1]), int(index["stops"][-1])
    sample = source.sample(start, min(stop - start, _SAMPLE_BYTES))
    lines = sample.decode("utf-8", "replace").split("\n")[:-1]
    late = choose_fields(parse_properties(str(index["layouts"][index["layout"][-1]]))).position
    early = first.fields.position
    if early is None or late is None:
        return Rounding(0, 0.0)
    literals = [text for row in first.rows[:_SAMPLE_ROWS] for text in row[early : early + 3]]
    literals += [text for line in lines for text in line.split()[late : late + 3]]
    return rounding_of(literals)


def _refuse_other_atoms(source: TextSource, first: FirstFrame, leader: FirstFrame) -> None:
    same = first.properties == leader.properties and np.array_equal(first.ids, leader.ids)
    same = same and len(first.rows) == len(leader.rows)
    column = leader.fields.species
    if same and column is not None:
        same = first.column(column) == leader.column(column)
    if not same:
        raise DataError(
            "atoms or columns differ from those of the first file",
            where=str(source.stamp.path),
            why="the files belong to different runs",
        )


def _refuse_other_program(source: TextSource, first: FirstFrame, leader: FirstFrame) -> None:
    """Refuse files of different programs: the units of the first file apply to all."""
    ours, theirs = (_program(one) or "an unknown program" for one in (first, leader))
    if ours != theirs:
        raise UnitsError(
            f"the comment lines are those of {ours}, but in the first file of {theirs}",
            where=str(source.stamp.path),
            why="the units depend on the program that wrote a file",
            fix="give the units of all files: --units metal (Å/ps), ase, gpumd or quip (Å/fs)",
        )


def _plan(fields: Fields) -> Ints:
    """(c,) plan of `parse.fill_rows`."""
    plan = np.full(fields.n_columns, SKIP, dtype=np.int64)
    kinds = fields.types if fields.types is not None else fields.numbers
    if fields.ids is not None:
        plan[fields.ids] = ID
    if kinds is not None:
        plan[kinds] = TYPE
    wanted = [c for c in (fields.position, fields.velocity, fields.force) if c is not None]
    for f, column in enumerate(wanted):
        plan[column : column + 3] = np.arange(3 * f, 3 * f + 3)
    return plan


def _factors(
    fields: Fields, factors: UnitFactors, atoms: AtomTable
) -> tuple[float | None, float | Floats | None, float | None]:
    length = None if fields.position is None else factors.length
    velocity: float | Floats | None = None if fields.velocity is None else factors.velocity
    if fields.velocity_name == "momenta" and atoms.masses is not None:
        # p is a multiple of √(u eV), that is of √(u in eV ps²/Å²) eV ps/Å.
        velocity = np.sqrt(DALTON) / atoms.masses[:, None]
    return length, velocity, None if fields.force is None else factors.force


def _with_cell(cells: Floats, cell: Floats | None, where: str) -> Floats:
    """Insert the cell of the user where the file has none."""
    missing = ~np.isfinite(cells).all(axis=(1, 2))
    if missing.any() and cell is None:
        raise UsageError(
            f"frame {int(np.argmax(missing))} has no cell",
            where=where,
            why="plain XYZ has none, and its comment sets no Lattice",
            fix="give the box of the simulation, --box A,B,C in Å, or write extended XYZ; use "
            "`trajmodes molecule` for a molecule without a box",
        )
    if cell is not None:
        cells[missing] = np.asarray(cell, dtype=float)
    return cells
