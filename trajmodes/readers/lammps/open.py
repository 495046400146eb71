"""Open LAMMPS dumps: index the files, order their frames, read the first one.

A dump may name its unit style, and only some of the frames may have the name. A restart does
not change units, but files that are given together may belong to two runs. The numbers are
therefore compared. Two unit styles of LAMMPS differ by a factor of ten or more in velocities or
forces, which a change of temperature does not explain, or by 1.9 in lengths. Lengths alone do
not decide, because metal and real both measure them in Å.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UnitsError, UsageError
from trajmodes.notes import Note
from trajmodes.readers.lammps.dump import (
    IMAGES,
    LammpsFrames,
    Layout,
    choose_layout,
    coordinate_rounding,
    describe_atoms,
)
from trajmodes.readers.lammps.forms import Form, form_of
from trajmodes.readers.lammps.header import Entry
from trajmodes.readers.lammps.index import (
    DumpIndex,
    boundary_notes,
    box_vectors,
    flat_box,
)
from trajmodes.readers.lammps.pieces import indexed, piece_groups
from trajmodes.readers.restarts import joined, kept_frames
from trajmodes.readers.text.parse import FrameRows
from trajmodes.readers.text.source import TextSource
from trajmodes.readers.time_axis import time_axis
from trajmodes.readers.trajectory import Needs, Trajectory, rounding_notes, same_frame
from trajmodes.readers.units import unit_factors

_OF_DUMP_ATOM = {
    ("id", "type", *coordinates, *images)
    for coordinates in (("x", "y", "z"), ("xs", "ys", "zs"))
    for images in ((), IMAGES)
}
"""Columns that `dump atom` writes; LAMMPS refuses `format float` for these."""


_SEPARATORS = str.maketrans(",'", "  ")
_SAME_LENGTH = 1.25
_SAME_MOTION = 3.0


def open_lammps_dump(
    paths: Sequence[Path], options: ReadOptions, *, needs: Needs = "positions"
) -> Trajectory:
    """Open dumps of one run, in text or binary form, given in any order.

    Raises
    ------
    UsageError
        If a file cannot be read, or units are missing or contradict the file.
    DataError
        If a file is invalid, or the files do not belong together.
    """
    notes: list[Note] = []
    form = form_of(paths)
    opened = [indexed(pieces, form, options, notes) for pieces in piece_groups(paths)]
    opened.sort(key=lambda one: one[1].entries[[0, -1], Entry.STEP].tolist())
    sources = tuple(source for source, _ in opened)
    names = [str(source.stamp.path) for source in sources]
    _check_same_atoms(names, [index.entries[:, Entry.ATOMS] for _, index in opened])
    kept = kept_frames(names, [index.entries[:, Entry.STEP] for _, index in opened])
    indices = [index for _, index in opened]
    # Tables of many frames are large: they are released as soon as possible.
    del opened
    file, entries, reals = _joined(indices, kept.read)
    n_frames = len(kept.frames)

    headers = _headers(form, (sources, file, entries), options)
    factors = unit_factors(headers.style, options.lj, where=names[0])
    layout = choose_layout(
        headers.columns,
        trust_order=options.trust_order,
        where=names[0],
        needs=needs,
    )
    form_of_positions = layout.coordinates
    none = np.empty(0, dtype=np.int64)
    rows = form.rows(
        sources=sources,
        columns=headers.columns,
        plans=tuple(map(layout.plan, headers.columns)),
        ids=none,
        types=none,
        file=file,
        order=headers.order,
        numbers=np.arange(len(entries)),
        steps=entries[:, Entry.STEP].copy(),
        spans=entries[:, [Entry.BODY, Entry.STOP]],
    )
    n_atoms = int(entries[0, Entry.ATOMS])
    atoms, atom_notes = describe_atoms(rows, n_atoms, layout, factors.mass)
    times_ps = reals[:, 0] * factors.time
    cells, origins = _boxes(entries[:, Entry.BOX], reals[:, 1:], factors.length)
    named = entries[:n_frames, Entry.UNITS_SIZE] > 0
    del entries, reals
    if (flat := flat_box(cells)) is not None:
        raise DataError("the box has no volume", where=rows.name_of(flat))
    frames = LammpsFrames(
        layout=layout,
        factors=factors,
        rows=replace(
            rows,
            ids=none if atoms.ids is None else atoms.ids,
            types=none if atoms.types is None else atoms.types,
        ),
        n_atoms=n_atoms,
        cells=cells,
        origins=origins,
    )
    digits, half_unit = coordinate_rounding(rows, layout)
    longest = 0.0
    if form_of_positions is not None and form_of_positions.scaled:
        longest = float(np.linalg.norm(cells[0], axis=1).max())
    rounding = half_unit * (longest or factors.length)
    run = joined(kept, partial(same_frame, frames, rounding=rounding), times_ps, numbered=True)
    time, time_notes = time_axis(
        rows.steps[:n_frames],
        times_ps[:n_frames],
        timestep_fs=options.timestep_fs,
        breaks=run.breaks,
        place=rows.name_of,
        exact_times=True,
    )
    notes += [*run.notes, *time_notes, *atom_notes, *headers.notes]
    notes += rounding_notes(rounding, digits, _format_command(headers.columns[0]))
    notes += _missing_field_notes(layout, headers.columns)
    dump = Trajectory(
        paths=tuple(path for source in sources for path in source.paths),
        n_atoms=n_atoms,
        time=time,
        atoms=atoms,
        unit_style=headers.style,
        columns=headers.columns[0],
        has_positions=form_of_positions is not None,
        has_velocities=layout.velocities,
        has_forces=layout.forces,
        unwrapped=form_of_positions is not None and form_of_positions.unwrapped,
        n_bytes=sum(source.stamp.size for source in sources),
        precision_digits=digits,
        rounding=rounding,
        notes=tuple(notes),
        frames=frames,
    )
    if options.units or named.all() or not named.any():
        return dump
    return replace(dump, notes=(*notes, _check_unnamed_units(dump, rows, named)))


def _joined(indices: list[DumpIndex], frames: Ints) -> tuple[Ints, Ints, Floats]:
    """Join the number of the file, entries and reals of chosen frames (t,) of all files.

    The indices are removed from the list.
    """
    file = np.repeat(np.arange(len(indices)), [len(index.entries) for index in indices])
    entries, reals = indices[0].entries, indices[0].reals
    if len(indices) > 1:
        entries = np.concatenate([index.entries for index in indices])
        reals = np.concatenate([index.reals for index in indices])
    indices.clear()
    entries = _with_units(file, entries)
    if len(frames) == len(file) and (np.diff(frames) == 1).all():
        return file, entries, reals
    return file[frames], entries[frames], reals[frames]


def _boxes(kinds: Ints, rows: Floats, unit: float) -> tuple[Floats, Floats]:
    """Box vectors (t, 3, 3) and corners (t, 3) in Å; one in memory if all frames have one."""
    n_frames = len(rows)
    # Numbers that the header lacks are nan.
    one = np.broadcast_to(rows[0], rows.shape)
    if (kinds == kinds[0]).all() and np.array_equal(rows, one, equal_nan=True):
        cells, origins = box_vectors(kinds[:1], rows[:1] * unit)
        return (
            np.broadcast_to(cells, (n_frames, 3, 3)),
            np.broadcast_to(origins, (n_frames, 3)),
        )
    return box_vectors(kinds, rows * unit)


def _check_same_atoms(names: Sequence[str], atoms: Sequence[Ints]) -> None:
    for name, numbers in zip(names, atoms, strict=True):
        other = np.flatnonzero(numbers != atoms[0][0])
        if len(other):
            raise DataError(
                f"the number of atoms changes from {atoms[0][0]} to {numbers[other[0]]}",
                where=name,
                why="the files belong to different runs",
            )


@dataclass(frozen=True, slots=True)
class _Headers:
    """Contents of the headers of all frames."""

    columns: tuple[tuple[str, ...], ...]
    """Different column lists; that of the first frame comes first."""
    order: Ints
    """(t,) index of the column list of each frame."""
    style: str
    notes: tuple[Note, ...]


def _headers(
    form: Form, frames: tuple[tuple[TextSource, ...], Ints, Ints], options: ReadOptions
) -> _Headers:
    """Read the texts of the different kinds of headers.

    ``frames`` are the files, the index of the file of each frame, and the entries.
    """
    sources, file, entries = frames
    keys = np.stack([file, entries[:, Entry.LAYOUT]], axis=1)
    _, firsts, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    columns, styles = [], set()
    notes: dict[Note, None] = {}
    for t in firsts:
        entry = entries[t].tolist()
        source = sources[file[t]]
        text = source.text(entry[Entry.COLUMNS_AT], entry[Entry.COLUMNS_SIZE])
        names = text.translate(_SEPARATORS).split()
        columns.append(tuple(names))
        style = source.text(entry[Entry.UNITS_AT], entry[Entry.UNITS_SIZE]).strip()
        styles |= {style} - {""}
        start = entry[Entry.START]
        notes |= dict.fromkeys(
            boundary_notes(form.boundaries(source.data(start, entry[Entry.BODY] - start)))
        )
    kinds = inverse.reshape(-1)
    # Each list once, that of the first frame first.
    different = tuple(dict.fromkeys([columns[kinds[0]], *columns]))
    order = np.array([different.index(names) for names in columns])[kinds]
    style = _unit_style(styles, options.units, str(sources[0].stamp.path))
    return _Headers(different, order, style, (*notes,))


def _with_units(file: Ints, entries: Ints) -> Ints:
    """Copy the last name of units before each frame to it: LAMMPS writes the name once."""
    units = np.array([Entry.UNITS_AT, Entry.UNITS_SIZE])
    for k in np.unique(file):
        rows = np.flatnonzero(file == k)
        places = np.where(entries[rows, Entry.UNITS_SIZE] > 0, rows, -1)
        last = np.maximum.accumulate(places)
        known = last >= 0
        entries[np.ix_(rows[known], units)] = entries[np.ix_(last[known], units)]
    return entries


def _unit_style(styles: set[str], given: str | None, where: str) -> str:
    """Choose the unit style that the files name, or else that of the user."""
    if len(styles) > 1:
        raise DataError(f"frames in different units: {', '.join(sorted(styles))}", where=where)
    named = next(iter(styles), None)
    if named and given and named != given:
        raise UsageError(
            f"units {given} are requested, but the file is in {named}", where=where
        )
    if not (named or given):
        raise UnitsError(
            "the dump does not name its units",
            where=where,
            fix="--units metal (or real, si, lj, …); for later runs: dump_modify ID units yes",
        )
    return named or given or ""


def _format_command(columns: tuple[str, ...]) -> str:
    """Command that makes LAMMPS write ten digits of the coordinates."""
    if columns not in _OF_DUMP_ATOM:
        return "dump_modify ID format float %.10g"
    integers = {"id", "type", *IMAGES}
    forms = " ".join("%d" if name in integers else "%.10g" for name in columns)
    return f'dump_modify ID format line "{forms}"'


def _missing_field_notes(layout: Layout, columns: tuple[tuple[str, ...], ...]) -> list[Note]:
    """Note fields that the dump lacks, or contains in an inconvenient form."""
    notes: list[Note] = []
    if layout.coordinates is not None and not layout.coordinates.unwrapped:
        text = (
            "coordinates are wrapped into the box: each atom is taken at the image nearest to "
            "its site, which is right if no atom leaves its site"
        )
        fix = "to see atoms that do, dump xu yu zu"
        notes.append(Note("note", text, fix=fix, subject="box"))
    for name, there, fields in (
        ("velocities", layout.velocities, "vx vy vz"),
        ("forces", layout.forces, "fx fy fz"),
    ):
        if not there:
            wanted = set(fields.split())
            lacks = "no"
            if any(wanted.issubset(c) for c in columns):
                lacks = "some frames have no"
            elif any(wanted.intersection(c) for c in columns):
                lacks = "not all components of"
            fix = f"add {fields} to dump ID all custom N FILE …"
            notes.append(Note("warning", f"{lacks} {name}", fix=fix, subject="fields"))
    return notes


def _check_unnamed_units(dump: Trajectory, rows: FrameRows, named: Bools) -> Note:
    """Note that frames without the name of their units have the units of the others.

    ``dump`` is read as if all frames were in the units that some of them, ``named`` (t,), name.
    UsageError is raised if the numbers do not confirm this.
    """
    named_frames, unnamed_frames = np.flatnonzero(named), np.flatnonzero(~named)
    one, other = (_rms_sizes(dump, frames) for frames in (named_frames, unnamed_frames))
    file = f"{rows.source_of(unnamed_frames[0]).stamp.path} does not name its units"
    other_file = rows.source_of(named_frames[0]).stamp.path
    ratios = {name: other[name] / one[name] for name in one if one[name] and other[name]}
    limits = {name: _SAME_LENGTH if name == "box" else _SAME_MOTION for name in ratios}
    unlike = [
        f"{name}: its numbers are {ratio:.3g} times those of the other"
        for name, ratio in ratios.items()
        if not 1.0 / limits[name] < ratio < limits[name]
    ]
    # The box, and velocities or forces.
    if unlike or len(ratios) < max(len(one), 2):
        raise UsageError(
            f"{file}, and {other_file} is in {dump.unit_style}",
            why=f"they may differ: {', '.join(unlike)}"
            if unlike
            else "nothing moves in it, so its numbers do not show the units"
            if len(one) > 1
            else "the box alone does not show it: two styles measure lengths in Å",
            fix=f"--units {dump.unit_style} if all files are of one run; else analyse each run "
            "separately; for later runs: dump_modify ID units yes",
        )
    return Note(
        "warning",
        f"{file}: {dump.unit_style} is used, as in {other_file}, because its "
        f"{', '.join(ratios)} are of the same size as there",
    )


def _rms_sizes(dump: Trajectory, frames: Ints) -> dict[str, float]:
    """Largest root mean square of each field; the first frame may be a lattice at rest."""
    found: dict[str, float] = {}
    for t in {int(frames[0]), int(frames[len(frames) // 2]), int(frames[-1])}:
        block = dump.read(t, t + 1)
        box = np.cbrt(abs(np.linalg.det(block.cells)))
        fields = {"box": box, "velocities": block.velocities, "forces": block.forces}
        for name, values in fields.items():
            if values is not None:
                found[name] = max(found.get(name, 0.0), float(np.sqrt((values**2).mean())))
    return found
