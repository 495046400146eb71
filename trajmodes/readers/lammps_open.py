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
from trajmodes.readers.lammps_atoms import coordinate_digits, look_at_atoms
from trajmodes.readers.lammps_columns import Layout, choose_layout
from trajmodes.readers.lammps_dump import FramePlaces, LammpsDump
from trajmodes.readers.lammps_header import Entry
from trajmodes.readers.lammps_index import DumpIndex, index_dump
from trajmodes.readers.lammps_units import unit_factors
from trajmodes.readers.offsets import cached_index
from trajmodes.readers.timeline import common_interval, uniform_segments
from trajmodes.readers.trajectory import ReadOptions
from trajmodes.units import FEMTOSECOND

__all__ = ["open_lammps_dump"]

_LOW_PRECISION = 6


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

    columns, header, style = _headers(sources, file, entries, options)
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
    cells, origins = _boxes(entries[:, Entry.BOX], reals[:, 1:] * factors.length)
    times, segments = _timeline(places.steps, reals[:, 0] * factors.time, seams, options)
    digits = coordinate_digits(places, layout)
    notes += [*atoms.notes, *_advice(layout, columns, digits, segments)]
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
        n_bytes=sum(source.stamp.size for source in sources),
        precision_digits=digits,
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
) -> tuple[tuple[tuple[str, ...], ...], Ints, str]:
    """Different column lists, which of them each frame has, and the unit style."""
    keys = np.stack([file, entries[:, Entry.LAYOUT]], axis=1)
    _, firsts, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    columns: list[tuple[str, ...]] = []
    which, styles = [], set()
    for t in firsts:
        entry = entries[t].tolist()
        source = sources[file[t]]
        names = source.text(entry[Entry.COLUMNS_AT], entry[Entry.COLUMNS_SIZE]).split()
        style = source.text(entry[Entry.UNITS_AT], entry[Entry.UNITS_SIZE]).strip()
        styles |= {style} - {""}
        if tuple(names) not in columns:
            columns.append(tuple(names))
        which.append(columns.index(tuple(names)))
    header = np.array(which)[inverse.reshape(-1)]
    # The list of the first frame comes first.
    first = int(header[0])
    order = [first, *(k for k in range(len(columns)) if k != first)]
    header = np.argsort(order)[header]
    where = str(sources[0].stamp.path)
    return tuple(columns[k] for k in order), header, _unit_style(styles, options.units, where)


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


def _boxes(kinds: Ints, rows: Floats) -> tuple[Floats, Floats]:
    """Box vectors as rows (t, 3, 3) and corners (t, 3) of all frames.

    LAMMPS writes the bounding box of a restricted triclinic cell; the manual's page
    "Triclinic simulation boxes" gives the way back.
    """
    cells, origins = np.zeros((len(kinds), 3, 3)), np.zeros((len(kinds), 3))
    general = kinds == 4
    abc = rows[general].reshape(-1, 3, 4)
    cells[general], origins[general] = abc[:, :, :3], abc[:, :, 3]
    for width in (2, 3):
        some = kinds == width
        bounds = rows[some, : 3 * width].reshape(-1, 3, width)
        tilt = bounds[:, :, 2] if width == 3 else np.zeros((len(bounds), 3))
        xy, xz, yz = tilt.T
        low, high = bounds[:, :, 0].copy(), bounds[:, :, 1].copy()
        shifts = np.stack([np.zeros_like(xy), xy, xz, xy + xz])
        low[:, 0] -= shifts.min(axis=0)
        high[:, 0] -= shifts.max(axis=0)
        low[:, 1] -= np.minimum(0.0, yz)
        high[:, 1] -= np.maximum(0.0, yz)
        box = np.zeros((len(bounds), 3, 3))
        box[:, [0, 1, 2], [0, 1, 2]] = high - low
        box[:, 1, 0], box[:, 2, 0], box[:, 2, 1] = xy, xz, yz
        cells[some], origins[some] = box, low
    return cells, origins


def _timeline(
    steps: Ints, told: Floats, seams: list[int], options: ReadOptions
) -> tuple[Floats | None, tuple[tuple[int, int], ...]]:
    """Find times in ps and segments, from ITEM: TIME where every frame has it."""
    given = options.timestep_fs
    computed = None if given is None else steps.astype(float) * (given * FEMTOSECOND)
    if not np.isfinite(told).all():
        return computed, uniform_segments(steps, seams)
    if computed is not None and len(steps) > 1:
        ratio = (told[-1] - told[0]) / (computed[-1] - computed[0])
        if not abs(ratio - 1.0) < 1e-3:
            raise UsageError(
                f"a time step of {given:g} fs is given, but the file's own times mean "
                f"{ratio * (given or 0.0):g} fs",
                fix="leave the time step out: the dump has ITEM: TIME",
            )
    return told, uniform_segments(told, seams)


def _advice(
    layout: Layout,
    columns: tuple[tuple[str, ...], ...],
    digits: int,
    segments: tuple[tuple[int, int], ...],
) -> list[str]:
    """Write notes for the user, each with the line that mends it."""
    notes = []
    if digits <= _LOW_PRECISION:
        notes.append(
            f"coordinates have {digits} significant digits only, 5e-4 Å at 150 Å; "
            "mend: dump_modify ID format float %.10g"
        )
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
