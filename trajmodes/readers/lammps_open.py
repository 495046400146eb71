"""Opening LAMMPS text dumps: index all files, put frames in order, look at the first one."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError, TrajmodesWarning, UnitsError, UsageError
from trajmodes.readers.compressed import TextSource, open_source
from trajmodes.readers.lammps_atoms import coordinate_rounding, look_at_atoms
from trajmodes.readers.lammps_box import boundary_notes, box_vectors, flat_box
from trajmodes.readers.lammps_columns import Layout, choose_layout
from trajmodes.readers.lammps_dump import FramePlaces, LammpsDump
from trajmodes.readers.lammps_header import Entry
from trajmodes.readers.lammps_index import DumpIndex, index_dump
from trajmodes.readers.lammps_units import unit_factors
from trajmodes.readers.offsets import cached_index
from trajmodes.readers.precision import COARSE
from trajmodes.readers.timeline import common_interval, uniform_segments
from trajmodes.readers.trajectory import ReadOptions
from trajmodes.units import FEMTOSECOND

__all__ = ["open_lammps_dump"]

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
    notes: list[str] = []
    opened = [_indexed(path, options, notes) for path in paths]
    opened.sort(key=lambda one: one[1].entries[[0, -1], Entry.STEP].tolist())
    sources = tuple(source for source, _ in opened)
    file = np.repeat(np.arange(len(opened)), [len(index.entries) for _, index in opened])
    entries = np.concatenate([index.entries for _, index in opened])
    reals = np.concatenate([index.reals for _, index in opened])
    _check_same_atoms(sources, file, entries)
    kept, seams = _in_order(sources, file, entries[:, Entry.STEP], notes)
    file, entries, reals = file[kept], entries[kept], reals[kept]

    columns, header, style, boundaries = _headers(sources, file, entries, options)
    factors = unit_factors(style, options.lj)
    places = FramePlaces(
        sources,
        columns,
        file,
        entries[:, Entry.BODY],
        entries[:, Entry.STOP],
        header,
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
    times, segments = _timeline(places, told, seams, options)
    digits, half_unit = coordinate_rounding(places, layout)
    longest = np.linalg.norm(cells[0], axis=1).max() if layout.coordinates.scaled else 0.0
    rounding = half_unit * float(longest or factors.length)
    notes += [*atoms.notes, *boundaries]
    notes += [
        *_precision_notes(columns[0], digits, rounding),
        *_advice(layout, columns, segments),
    ]
    return LammpsDump(
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


def _indexed(
    path: Path, options: ReadOptions, notes: list[str]
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
        notes.append(message)
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


def _in_order(
    sources: tuple[TextSource, ...], file: Ints, steps: Ints, notes: list[str]
) -> tuple[Ints, list[int]]:
    """Frames to keep, with rising steps, and those of them that follow upon dropped ones."""
    _, from_behind = np.unique(steps[::-1], return_index=True)
    kept = np.sort(len(steps) - 1 - from_behind)
    back = np.flatnonzero(np.diff(steps[kept]) < 0)
    if len(back):
        before, after = kept[back[0]], kept[back[0] + 1]
        raise DataError(
            f"step {steps[after]} follows upon step {steps[before]}",
            where=str(sources[file[after]].stamp.path),
            why="runs that are not continuations of each other are in one file or set of files",
            fix="analyse each run for itself, or cut the file where the second run starts",
        )
    dropped = len(steps) - len(kept)
    if dropped:
        notes.append(
            f"{dropped} frames of steps that were written again later (a restart) are dropped"
        )
    seams = np.flatnonzero(np.diff(kept) > 1) + 1
    return kept, seams.tolist()


def _headers(
    sources: tuple[TextSource, ...], file: Ints, entries: Ints, options: ReadOptions
) -> tuple[tuple[tuple[str, ...], ...], Ints, str, list[str]]:
    """Different column lists, which of them each frame has, the unit style, and notes."""
    keys = np.stack([file, entries[:, Entry.LAYOUT]], axis=1)
    _, firsts, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    columns: list[tuple[str, ...]] = []
    which, styles = [], set()
    notes: dict[str, None] = {}
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
    where = str(sources[0].stamp.path)
    style = _unit_style(styles, options.units, where)
    return tuple(columns[k] for k in order), header, style, [*notes]


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
    places: FramePlaces, told: Floats, seams: list[int], options: ReadOptions
) -> tuple[Floats | None, tuple[tuple[int, int], ...]]:
    """Find times in ps and segments, from ITEM: TIME where every frame has it."""
    steps, given = places.steps, options.timestep_fs
    computed = None if given is None else steps.astype(float) * (given * FEMTOSECOND)
    if not np.isfinite(told).all():
        return computed, uniform_segments(steps, seams)
    back = np.flatnonzero(~(np.diff(told) > 0.0))
    if len(back):
        raise DataError(
            "the time does not go on from the frame before",
            where=_frame(places, int(back[0]) + 1),
            why="the time was set back during the run, or the file is damaged",
            fix="analyse the parts of the run each for itself",
        )
    if computed is not None and len(steps) > 1:
        ratio = (told[-1] - told[0]) / (computed[-1] - computed[0])
        if not abs(ratio - 1.0) < 1e-3:
            raise UsageError(
                f"a time step of {given:g} fs is given, but the file's own times mean "
                f"{ratio * (given or 0.0):g} fs",
                fix="leave the time step out: the dump has ITEM: TIME",
            )
    return told, uniform_segments(told, seams)


def _precision_notes(columns: tuple[str, ...], digits: int, rounding: float) -> list[str]:
    """Say so where coordinates are rounded by more than does no harm."""
    if rounding <= COARSE:
        return []
    mend = "float %.10g"
    if columns in _OF_DUMP_ATOM:
        words = [
            "%d" if name in {"id", "type", "ix", "iy", "iz"} else "%.10g" for name in columns
        ]
        mend = f'line "{" ".join(words)}"'
    return [
        f"coordinates are rounded by up to {rounding:.0e} Å, to {digits} significant digits; "
        f"mend: dump_modify ID format {mend}"
    ]


def _advice(
    layout: Layout,
    columns: tuple[tuple[str, ...], ...],
    segments: tuple[tuple[int, int], ...],
) -> list[str]:
    """Write notes for the user, each with the line that mends it."""
    notes = []
    if not layout.coordinates.unwrapped:
        notes.append(
            "coordinates are folded into the box; "
            "mend: dump ID all custom N FILE id type xu yu zu"
        )
    for name, there, fields in (
        ("velocities", layout.velocities, "vx vy vz"),
        ("forces", layout.forces, "fx fy fz"),
    ):
        if not there:
            some = "some frames have no" if any(fields[:2] in c for c in columns) else "no"
            notes.append(f"{some} {name}; mend: add {fields} to dump ID all custom N FILE …")
    if len(segments) > 1:
        notes.append(
            f"the time between frames is not uniform: {len(segments)} segments; "
            "mend: dump one run at one interval, dump_modify ID append yes for its continuation"
        )
    return notes
