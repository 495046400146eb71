"""Open LAMMPS text dumps: index all files, order their frames, read the first one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UnitsError, UsageError
from trajmodes.notes import Note
from trajmodes.readers.lammps.box import boundary_notes, box_vectors, flat_box
from trajmodes.readers.lammps.columns import Layout, choose_layout
from trajmodes.readers.lammps.dump import FramePlaces, LammpsFrames
from trajmodes.readers.lammps.first_frame import coordinate_rounding, look_at_atoms
from trajmodes.readers.lammps.header import Entry
from trajmodes.readers.lammps.index import DumpIndex, index_dump
from trajmodes.readers.lammps.unnamed_units import UnnamedUnits, check_unnamed_units
from trajmodes.readers.text.index_cache import cached_index
from trajmodes.readers.text.rounding import rounding_notes
from trajmodes.readers.text.source import TextSource, incomplete_end, open_source
from trajmodes.readers.time_axis import kept_frames, time_axis
from trajmodes.readers.trajectory import Trajectory
from trajmodes.readers.units import unit_factors

_IMAGES = ("ix", "iy", "iz")
_OF_DUMP_ATOM = {
    ("id", "type", *coordinates, *images)
    for coordinates in (("x", "y", "z"), ("xs", "ys", "zs"))
    for images in ((), _IMAGES)
}
"""Columns that `dump atom` writes, for which LAMMPS refuses `format float`."""


def open_lammps_dump(paths: Sequence[Path], options: ReadOptions) -> Trajectory:
    """Open text dumps of one run.

    Parameters
    ----------
    paths
        The files, in any order.
    options
        What the user knows beyond them.

    Raises
    ------
    UsageError
        If a file cannot be read, or units are missing or contradict the file.
    DataError
        If a file is not sound, or the files do not belong together.
    """
    notes: list[Note] = []
    opened = [_indexed(path, options, notes) for path in paths]
    opened.sort(key=lambda one: one[1].entries[[0, -1], Entry.STEP].tolist())
    sources = tuple(source for source, _ in opened)
    file = np.repeat(np.arange(len(opened)), [len(index.entries) for _, index in opened])
    entries = _with_units(file, np.concatenate([index.entries for _, index in opened]))
    reals = np.concatenate([index.reals for _, index in opened])
    _check_same_atoms(sources, file, entries)
    names = [str(source.stamp.path) for source in sources]
    kept = kept_frames(names, [index.entries[:, Entry.STEP] for _, index in opened])
    file, entries, reals = file[kept.frames], entries[kept.frames], reals[kept.frames]

    headers = _headers(sources, file, entries, options)
    factors = unit_factors(headers.style, options.lj, where=names[0])
    places = FramePlaces(
        sources,
        headers.columns,
        file,
        entries[:, Entry.BODY],
        entries[:, Entry.STOP],
        headers.header,
        entries[:, Entry.STEP],
    )
    layout = choose_layout(headers.columns, trust_order=options.trust_order, where=names[0])
    n_atoms = int(entries[0, Entry.ATOMS])
    atoms, atom_notes = look_at_atoms(places, n_atoms, layout, factors.mass)
    cells, origins = box_vectors(entries[:, Entry.BOX], reals[:, 1:] * factors.length)
    flat = flat_box(cells)
    if flat is not None:
        raise DataError("the box has no volume", where=places.name_of(flat))
    time, time_notes = time_axis(
        places.steps,
        reals[:, 0] * factors.time,
        timestep_fs=options.timestep_fs,
        breaks=kept.breaks,
        place=places.name_of,
        exact_times=True,
    )
    digits, half_unit = coordinate_rounding(places, layout)
    longest = np.linalg.norm(cells[0], axis=1).max() if layout.coordinates.scaled else 0.0
    rounding = half_unit * float(longest or factors.length)
    notes += [*kept.notes, *time_notes, *atom_notes, *headers.notes]
    notes += [
        *rounding_notes(rounding, digits, _more_digits(headers.columns[0])),
        *_missing_field_notes(layout, headers.columns),
    ]
    dump = Trajectory(
        paths=tuple(source.stamp.path for source in sources),
        n_atoms=n_atoms,
        time=time,
        atoms=atoms,
        unit_style=headers.style,
        columns=headers.columns[0],
        has_velocities=layout.velocities,
        has_forces=layout.forces,
        unwrapped=layout.coordinates.unwrapped,
        n_bytes=sum(source.stamp.size for source in sources),
        precision_digits=digits,
        rounding=rounding,
        notes=tuple(notes),
        frames=LammpsFrames(
            layout=layout,
            factors=factors,
            places=places,
            atoms=atoms,
            n_atoms=n_atoms,
            cells=cells,
            origins=origins,
        ),
    )
    if headers.unnamed is None:
        return dump
    return replace(dump, notes=(*dump.notes, check_unnamed_units(headers.unnamed, dump)))


def _indexed(
    path: Path, options: ReadOptions, notes: list[Note]
) -> tuple[TextSource, DumpIndex]:
    """Open one file and find its frames; say so where the last one is not complete."""
    source = open_source(path, allow_partial=options.allow_partial)

    def build() -> dict[str, npt.NDArray[Any]]:
        found = index_dump(source)
        return {"entries": found.entries, "reals": found.reals, "lost": found.lost}

    # What is left of a damaged file depends on options: that index is not worth keeping.
    arrays = build() if source.damage else cached_index(source.stamp, "lammps-dump", build)
    index = DumpIndex(arrays["entries"], arrays["reals"], arrays["lost"])
    byte, step = index.lost.tolist()
    name = f"step {step}" if step >= 0 else "its header"
    notes += incomplete_end(source, byte, name, len(index.entries), strict=options.strict)
    return source, index


def _check_same_atoms(sources: tuple[TextSource, ...], file: Ints, entries: Ints) -> None:
    atoms = entries[:, Entry.ATOMS]
    other = np.flatnonzero(atoms != atoms[0])
    if len(other):
        raise DataError(
            f"the number of atoms changes from {atoms[0]} to {atoms[other[0]]}",
            where=str(sources[file[other[0]]].stamp.path),
            why="the files belong to different runs",
        )


@dataclass(frozen=True, slots=True)
class _Headers:
    """What the headers of all frames say."""

    columns: tuple[tuple[str, ...], ...]
    """Different column lists, that of the first frame first."""
    header: Ints
    """(t,) which of them each frame has."""
    style: str
    """Unit style."""
    unnamed: UnnamedUnits | None
    """Frames that name no units, where others do and the user does not."""
    notes: tuple[Note, ...]


def _headers(
    sources: tuple[TextSource, ...], file: Ints, entries: Ints, options: ReadOptions
) -> _Headers:
    """Read the texts of the different kinds of headers that there are."""
    keys = np.stack([file, entries[:, Entry.LAYOUT]], axis=1)
    _, firsts, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    columns: list[tuple[str, ...]] = []
    which, styles = [], set()
    notes: dict[Note, None] = {}
    for t in firsts:
        entry = entries[t].tolist()
        source = sources[file[t]]
        names = source.text(entry[Entry.COLUMNS_AT], entry[Entry.COLUMNS_SIZE]).split()
        style = source.text(entry[Entry.UNITS_AT], entry[Entry.UNITS_SIZE]).strip()
        styles |= {style} - {""}
        start = entry[Entry.START]
        notes |= dict.fromkeys(boundary_notes(source.text(start, entry[Entry.BODY] - start)))
        if tuple(names) not in columns:
            columns.append(tuple(names))
        which.append(columns.index(tuple(names)))
    header = np.array(which)[inverse.reshape(-1)]
    # The list of the first frame comes first.
    first = int(header[0])
    order = [first, *(k for k in range(len(columns)) if k != first)]
    header = np.argsort(order)[header]
    unnamed = None if options.units else _unnamed(sources, file, entries)
    style = _unit_style(styles, options.units, str(sources[0].stamp.path))
    return _Headers(tuple(columns[k] for k in order), header, style, unnamed, (*notes,))


def _with_units(file: Ints, entries: Ints) -> Ints:
    """Entries with the name of units that stands last before them: LAMMPS names them once."""
    units = np.array([Entry.UNITS_AT, Entry.UNITS_SIZE])
    for k in np.unique(file):
        rows = np.flatnonzero(file == k)
        places = np.where(entries[rows, Entry.UNITS_SIZE] > 0, rows, -1)
        last = np.maximum.accumulate(places)
        known = last >= 0
        entries[np.ix_(rows[known], units)] = entries[np.ix_(last[known], units)]
    return entries


def _unnamed(sources: tuple[TextSource, ...], file: Ints, entries: Ints) -> UnnamedUnits | None:
    """Frames without the name of their units, where others have it."""
    named = entries[:, Entry.UNITS_SIZE] > 0
    if named.all() or not named.any():
        return None
    frames, others = np.flatnonzero(~named), np.flatnonzero(named)
    without, with_name = (str(sources[file[k[0]]].stamp.path) for k in (frames, others))
    return UnnamedUnits(frames, others, without, with_name)


def _unit_style(styles: set[str], given: str | None, where: str) -> str:
    """Choose the style that the files name, or the user where they name none."""
    if len(styles) > 1:
        raise DataError(f"frames in different units: {', '.join(sorted(styles))}", where=where)
    named = next(iter(styles), None)
    if named and given and named != given:
        raise UsageError(
            f"units {given} are asked for, but the file is in {named}", where=where
        )
    if not (named or given):
        raise UnitsError(
            "the dump does not say which units it is in",
            where=where,
            fix="--units metal (or real, si, lj, …); for later runs: dump_modify ID units yes",
        )
    return named or given or ""


def _more_digits(columns: tuple[str, ...]) -> str:
    """Command that makes LAMMPS write ten digits of the coordinates."""
    if columns not in _OF_DUMP_ATOM:
        return "dump_modify ID format float %.10g"
    integers = {"id", "type", *_IMAGES}
    forms = " ".join("%d" if name in integers else "%.10g" for name in columns)
    return f'dump_modify ID format line "{forms}"'


def _missing_field_notes(
    layout: Layout,
    columns: tuple[tuple[str, ...], ...],
) -> list[Note]:
    """List fields that the dump lacks, or has in an inconvenient form."""
    notes: list[Note] = []
    if not layout.coordinates.unwrapped:
        fix = "dump ID all custom N FILE id type xu yu zu"
        notes.append(
            Note("warning", "coordinates are folded into the box", fix=fix, subject="box")
        )
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
