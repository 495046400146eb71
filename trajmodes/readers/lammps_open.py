"""Opening LAMMPS text dumps: index all files, put frames in order, look at the first one."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints
from trajmodes.config import ReadOptions
from trajmodes.errors import DataError, TrajmodesWarning, UnitsError, UsageError
from trajmodes.notes import Note
from trajmodes.readers.compressed import TextSource, open_source
from trajmodes.readers.lammps_atoms import coordinate_rounding, look_at_atoms
from trajmodes.readers.lammps_box import boundary_notes, box_vectors, flat_box
from trajmodes.readers.lammps_columns import Layout, choose_layout
from trajmodes.readers.lammps_dump import FramePlaces, LammpsDump
from trajmodes.readers.lammps_header import Entry
from trajmodes.readers.lammps_index import DumpIndex, index_dump
from trajmodes.readers.lammps_same_units import Silent, note_of_silent
from trajmodes.readers.lammps_units import unit_factors
from trajmodes.readers.offsets import cached_index
from trajmodes.readers.precision import COARSE
from trajmodes.readers.restarts import without_rewritten
from trajmodes.readers.timeline import common_interval, uniform_segments
from trajmodes.units import FEMTOSECOND

__all__ = ["open_lammps_dump"]

_TOLD_GAPS = 3
"""So many gaps are told one by one."""
_OF_DUMP_ATOM = {
    ("id", "type", *coordinates, *images)
    for coordinates in (("x", "y", "z"), ("xs", "ys", "zs"))
    for images in ((), ("ix", "iy", "iz"))
}
"""Columns that `dump atom` writes, which knows no `format float`."""


def open_lammps_dump(paths: Sequence[Path], options: ReadOptions) -> LammpsDump:
    """Open text dumps of one run.

    Parameters
    ----------
    paths
        The files, in any order.
    options
        What the user tells beyond them.

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
    course = without_rewritten(entries[:, Entry.STEP], file, names)
    notes += course.notes
    file, entries, reals = file[course.kept], entries[course.kept], reals[course.kept]

    headers = _headers(sources, file, entries, options)
    columns, style = headers.columns, headers.style
    factors = unit_factors(style, options.lj, where=names[0])
    places = FramePlaces(
        sources,
        columns,
        file,
        entries[:, Entry.BODY],
        entries[:, Entry.STOP],
        headers.header,
        entries[:, Entry.STEP],
    )
    layout = choose_layout(
        columns, trust_order=options.trust_order, where=str(sources[0].stamp.path)
    )
    atoms = look_at_atoms(places, int(entries[0, Entry.ATOMS]), layout)
    cells, origins = box_vectors(entries[:, Entry.BOX], reals[:, 1:] * factors.length)
    flat = flat_box(cells)
    if flat is not None:
        raise DataError("the box has no volume", where=_frame(places, flat))
    told = reals[:, 0] * factors.time
    times, segments = _timeline(places, told, course.seams, options, notes)
    digits, half_unit = coordinate_rounding(places, layout)
    longest = np.linalg.norm(cells[0], axis=1).max() if layout.coordinates.scaled else 0.0
    rounding = half_unit * float(longest or factors.length)
    notes += [*atoms.notes, *headers.notes]
    notes += [
        *_precision_notes(columns[0], digits, rounding),
        *_advice(layout, columns),
        *_gap_notes(places.steps, segments, course.seams),
    ]
    dump = LammpsDump(
        paths=tuple(source.stamp.path for source in sources),
        n_frames=len(entries),
        n_atoms=int(entries[0, Entry.ATOMS]),
        steps=places.steps,
        times_ps=times,
        interval_ps=None if times is None else common_interval(times, segments),
        segments=segments,
        ids=atoms.ids,
        types=atoms.types,
        species=atoms.species,
        masses=None if atoms.masses is None else atoms.masses * factors.mass,
        unit_style=style,
        columns=columns[0],
        has_velocities=layout.velocities,
        has_forces=layout.forces,
        unwrapped=layout.coordinates.unwrapped,
        n_bytes=sum(source.stamp.size for source in sources),
        precision_digits=digits,
        rounding=rounding,
        notes=tuple(notes),
        layout=layout,
        factors=factors,
        places=places,
        cells=cells,
        origins=origins,
    )
    if headers.silent is None:
        return dump
    return replace(dump, notes=(*dump.notes, note_of_silent(headers.silent, dump)))


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
    if source.damage or byte >= 0:
        name = f"step {step}" if step >= 0 else "its header"
        what = f"the last frame ({name}, from byte {byte}) is not complete" if byte >= 0 else ""
        what = "; ".join(filter(None, [source.damage, what]))
        if options.strict or not len(index.entries):
            raise DataError(
                what if len(index.entries) else f"{what}, and there is no other",
                where=str(source.stamp.path),
                why="the run was stopped while it was writing, or is still going on",
                fix="" if not len(index.entries) else "leave out --strict to use the others",
            )
        message = f"{what} and is not used ({source.stamp.path})"
        warnings.warn(message, TrajmodesWarning, stacklevel=4)
        notes.append(Note("warning", message))
    if not len(index.entries):
        raise DataError(f"{source.stamp.path} holds no frame")
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
    silent: Silent | None
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
    silent = None if options.units else _silent(sources, file, entries)
    style = _unit_style(styles, options.units, str(sources[0].stamp.path))
    return _Headers(tuple(columns[k] for k in order), header, style, silent, (*notes,))


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


def _silent(sources: tuple[TextSource, ...], file: Ints, entries: Ints) -> Silent | None:
    """Frames whose units nothing names, where others' are."""
    named = entries[:, Entry.UNITS_SIZE] > 0
    if named.all() or not named.any():
        return None
    frames, others = np.flatnonzero(~named), np.flatnonzero(named)
    name, teller = (str(sources[file[k[0]]].stamp.path) for k in (frames, others))
    return Silent(frames, others, name, teller)


def _frame(places: FramePlaces, frame: int) -> str:
    path = places.sources[places.file[frame]].stamp.path
    return f"{path}, frame {frame}, step {places.steps[frame]}"


def _unit_style(styles: set[str], given: str | None, where: str) -> str:
    """Choose the style that the files name, or the user where they name none."""
    if len(styles) > 1:
        raise DataError(f"frames in different units: {', '.join(sorted(styles))}", where=where)
    told = next(iter(styles), None)
    if told and given and told != given:
        raise UsageError(f"units {given} are asked for, but the file is in {told}", where=where)
    if not (told or given):
        raise UnitsError(
            "the dump does not say which units it is in",
            where=where,
            fix="--units metal (or real, si, lj, …); for later runs: dump_modify ID units yes",
        )
    return told or given or ""


def _timeline(
    places: FramePlaces,
    told: Floats,
    seams: Sequence[int],
    options: ReadOptions,
    notes: list[Note],
) -> tuple[Floats | None, tuple[tuple[int, int], ...]]:
    """Find times in ps and segments, from ITEM: TIME where every frame has it."""
    steps, given = places.steps, options.timestep_fs
    computed = None if given is None else steps.astype(float) * (given * FEMTOSECOND)
    there = np.isfinite(told)
    if not there.all():
        if there.any():
            _refuse_other_step(
                told[there], None if computed is None else computed[there], given
            )
            notes.append(_missing_time(places, told, options))
        return computed, uniform_segments(steps, seams)
    back = np.flatnonzero(~(np.diff(told) > 0.0))
    if len(back):
        raise DataError(
            "the time does not go on from the frame before",
            where=_frame(places, int(back[0]) + 1),
            why="the time was set back during the run, or the file is damaged",
            fix="analyse the parts of the run each for itself",
        )
    _refuse_other_step(told, computed, given)
    return told, uniform_segments(told, seams)


def _refuse_other_step(told: Floats, computed: Floats | None, given: float | None) -> None:
    """Refuse a time step that is not that of the times in the file."""
    if computed is None or given is None or len(told) < 2:
        return
    ratio = (told[-1] - told[0]) / (computed[-1] - computed[0])
    if not abs(ratio - 1.0) < 1e-3:
        raise UsageError(
            f"a time step of {given:g} fs is given, but the file's own times mean "
            f"{ratio * given:g} fs",
            fix=f"--timestep-fs {ratio * given:g}, or none where all frames have ITEM: TIME",
        )


def _missing_time(places: FramePlaces, told: Floats, options: ReadOptions) -> Note:
    """Tell that only some frames have ITEM: TIME, and what the time step is by these."""
    where = _frame(places, int(np.flatnonzero(~np.isfinite(told))[0]))
    known = np.flatnonzero(np.isfinite(told))
    steps, times = places.steps[known[[0, -1]]], told[known[[0, -1]]]
    fs = (times[1] - times[0]) / (steps[1] - steps[0]) / FEMTOSECOND if len(known) > 1 else 0.0
    told_fs = f" (by the others {fs:.6g})" if fs > 0.0 else ""
    text = f"some frames have no ITEM: TIME, the first is {where}"
    if options.timestep_fs is None:
        return Note("warning", text, fix=f"give --timestep-fs{told_fs}")
    used = f"all times are made of steps of {options.timestep_fs:g} fs"
    return Note("warning", f"{text}; {used}{told_fs}")


def _precision_notes(columns: tuple[str, ...], digits: int, rounding: float) -> list[Note]:
    """Say so where coordinates are rounded by more than does no harm."""
    if rounding <= COARSE:
        return []
    form = "float %.10g"
    if columns in _OF_DUMP_ATOM:
        words = [
            "%d" if name in {"id", "type", "ix", "iy", "iz"} else "%.10g" for name in columns
        ]
        form = f'line "{" ".join(words)}"'
    text = f"coordinates are rounded by up to {rounding:.0e} Å, to {digits} significant digits"
    return [Note("warning", text, fix=f"dump_modify ID format {form}", subject="rounding")]


def _advice(
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


def _gap_notes(
    steps: Ints, segments: tuple[tuple[int, int], ...], seams: Sequence[int]
) -> list[Note]:
    """Tell of gaps and where they are; those that restarts make apart are told as such."""
    gaps = [start for start, _ in segments[1:] if start not in seams]
    if not gaps:
        return []
    places = [f"after step {steps[k - 1]} comes step {steps[k]}" for k in gaps[:_TOLD_GAPS]]
    more = f", and {len(gaps) - _TOLD_GAPS} more" if len(gaps) > _TOLD_GAPS else ""
    text = (
        f"the time between frames is not uniform: {len(segments)} segments "
        f"({', '.join(places)}{more})"
    )
    fix = "dump one run at one interval, dump_modify ID append yes for its continuation"
    return [Note("warning", text, fix=fix)]
