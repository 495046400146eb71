"""Dumps of which each processor wrote a separate file (``%`` in the name): whole frames.

LAMMPS numbers the files from 0 in place of the ``%``. Files are pieces of one dump if their
names differ in one number alone, and their first frames have one step and no atom in common.
Files of independent runs have the same atoms. A frame of the dump is the header in the first
file, then the rows in all files.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.readers.lammps.forms import Form, form_of
from trajmodes.readers.lammps.header import Entry
from trajmodes.readers.lammps.index import DumpIndex
from trajmodes.readers.lammps.recognise import dump_form
from trajmodes.readers.text.index_cache import cached_index, incomplete_end
from trajmodes.readers.text.rows import SKIP
from trajmodes.readers.text.source import TextSource, open_source, read_head
from trajmodes.readers.text.split import SplitSource

_NUMBER = re.compile(r"\d+")
_STEP = re.compile(rb"ITEM: TIMESTEP\s*\n\s*(\d+)\s*\n")
_FIX = "give all files NAME.0, NAME.1, … of the dump, or the pattern with % in quotes"


def piece_groups(paths: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Group the files that processors wrote by dump, in the order of their numbers.

    Any other file is a group of its own. Groups are in the order of their first files.

    Raises
    ------
    DataError
        If a file between two others is missing.
    """
    groups: list[tuple[Path, ...]] = []
    done: set[Path] = set()
    candidates = _alike(paths)
    for path in paths:
        if path in done:
            continue
        group = next((one for one in candidates[path] if _are_pieces(one)), {0: path})
        if len(group) > 1:
            _require_all(group)
        groups.append(tuple(group[number] for number in sorted(group)))
        done |= set(groups[-1])
    return groups


def _alike(paths: Sequence[Path]) -> dict[Path, list[dict[int, Path]]]:
    """Group each file with those of the same first step whose names differ in one number.

    A file may be in several groups; that of the last number in its name comes first. In a group
    the key of a file is the number.
    """
    named: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for path in paths:
        for one in _NUMBER.finditer(path.name):
            pattern = f"{path.name[: one.start()]}%{path.name[one.end() :]}"
            named[str(path.with_name(pattern))].append((int(one[0]), path))
    several = {path for group in named.values() if len(group) > 1 for _, path in group}
    steps = {path: _first_header(path) for path in several}
    alike: dict[Path, list[dict[int, Path]]] = {path: [] for path in paths}
    for group in named.values():
        by_step: dict[bytes, dict[int, Path]] = defaultdict(dict)
        for number, path in group:
            step = steps.get(path)
            if step is not None:
                by_step[step][number] = path
        for found in by_step.values():
            for path in found.values():
                alike[path].insert(0, found)
    return alike


def _first_header(path: Path) -> bytes | None:
    """Return the beginning that all pieces share, up to the step; None for other files."""
    if not path.is_file():
        return None
    head = read_head(path)
    form = dump_form(path, head)
    if form == "binary":
        # The length of the name, the name, the byte order, the revision and the step.
        return head[: 24 + int(np.abs(np.frombuffer(head[:8], "<i8"))[0] % 32)]
    found = _STEP.search(head) if form == "text" else None
    return found[1] if found else None


def _are_pieces(group: dict[int, Path]) -> bool:
    """Whether the first frames of two files have no atom in common."""
    if len(group) < 2:
        return False
    form = form_of(list(group.values()))
    seen: list[int] = []
    for path in group.values():
        source = open_source(path, allow_partial=True)
        ids = _first_ids(source, _found(source, form, is_piece=True), form)
        if ids is None:
            return False
        seen += ids.tolist()
    return len(set(seen)) == len(seen)


def _first_ids(source: TextSource, index: DumpIndex, form: Form) -> Ints | None:
    """Ids (a,) in the first frame of a file; None without a frame or without ids."""
    if not len(index.entries):
        return None
    entry = index.entries[:1]
    at, size = entry[0, [Entry.COLUMNS_AT, Entry.COLUMNS_SIZE]].tolist()
    columns = tuple(source.text(at, size).split())
    if "id" not in columns:
        return None
    none, first = np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    rows = form.rows(
        sources=(source,),
        columns=(columns,),
        plans=(np.array([0 if name == "id" else SKIP for name in columns]),),
        ids=none,
        types=none,
        file=first,
        order=first,
        numbers=first,
        steps=entry[:, Entry.STEP],
        spans=entry[:, [Entry.BODY, Entry.STOP]],
    )
    fields = np.zeros((1, 1, int(entry[0, Entry.ATOMS]), 3))
    rows.fill(0, 1, fields)
    return fields[0, 0, :, 0].astype(np.int64)


def _require_all(group: dict[int, Path]) -> None:
    """Raise DataError if a number is left out before the last one."""
    missing = sorted(set(range(max(group))) - set(group))
    if missing:
        present = ", ".join(path.name for path in group.values())
        raise DataError(
            f"file {missing[0]} of a dump by single processors is missing",
            where=str(next(iter(group.values())).parent),
            why=f"the atoms of each frame are divided among {present}, and LAMMPS numbers "
            "such files from 0 on",
            fix=_FIX,
        )


def _found(source: TextSource, form: Form, *, is_piece: bool) -> DumpIndex:
    """Frames of a file."""
    kind = f"lammps-{form.name}" + ("-piece" if is_piece else "")
    find = form.find_pieces if is_piece else form.find
    return DumpIndex(**cached_index(source, kind, lambda: find(source)._asdict()))


def indexed(
    pieces: Sequence[Path], form: Form, options: ReadOptions, notes: list[Note]
) -> tuple[TextSource, DumpIndex]:
    """Open one file, or the pieces of one dump, and find the frames.

    An incomplete last frame is added to the notes.

    Raises
    ------
    DataError
        If pieces do not contain the same steps and boxes, or atoms are missing.
    """
    opened: list[tuple[TextSource, DumpIndex]] = []
    for path in pieces:
        source = open_source(path, allow_partial=options.allow_partial)
        index = _found(source, form, is_piece=len(pieces) > 1)
        byte, step = index.incomplete.tolist()
        name = f"step {step}" if step >= 0 else "its header"
        strict = options.strict
        notes += incomplete_end(source, byte, name, len(index.entries), strict=strict)
        opened.append((source, index))
    if len(pieces) == 1:
        return opened[0]
    sources, indices = zip(*opened, strict=True)
    notes += _length_notes(sources, indices, strict=options.strict)
    return _whole(sources, indices, notes)


def _length_notes(
    sources: Sequence[TextSource], indices: Sequence[DumpIndex], *, strict: bool
) -> list[Note]:
    """Note that a piece lacks the last frame; DataError if it lacks more than that."""
    counts = [len(index.entries) for index in indices]
    few, many = min(counts), max(counts)
    if few == many:
        return []
    short, long = (sources[counts.index(n)].stamp.path for n in (few, many))
    what = f"{short.name} ends after {few} whole frames, and {long.name} after {many}"
    if strict or many > few + 1:
        raise DataError(
            what,
            where=str(short),
            why="the file was cut off or not copied to its end, or belongs to another run",
            fix="" if many > few + 1 else "leave out --strict to use the whole frames",
        )
    return [Note("warning", f"{what}: the last frame is not used")]


def _whole(
    sources: Sequence[TextSource], indices: Sequence[DumpIndex], notes: list[Note]
) -> tuple[SplitSource, DumpIndex]:
    """Whole frames of pieces: the header of the first one, then the rows of all."""
    n_frames = min(len(index.entries) for index in indices)
    first = indices[0]
    for source, index in zip(sources[1:], indices[1:], strict=True):
        _require_same(sources[0], first, source, index, n_frames)
    begins = np.stack([index.entries[:n_frames, Entry.BODY] for index in indices], axis=1)
    ends = np.stack([index.entries[:n_frames, Entry.STOP] for index in indices], axis=1)
    begins[:, 0] = first.entries[:n_frames, Entry.START]
    starts = np.concatenate([[0], np.cumsum((ends - begins).ravel())])
    frames = starts[:: len(sources)]
    entries = first.entries[:n_frames].copy()
    shift = frames[:-1] - entries[:, Entry.START]
    for name in (Entry.START, Entry.BODY, Entry.COLUMNS_AT):
        entries[:, name] += shift
    entries[:, Entry.UNITS_AT] += np.where(entries[:, Entry.UNITS_SIZE] > 0, shift, 0)
    entries[:, Entry.STOP] = frames[1:]
    entries[:, Entry.ATOMS] = sum(index.entries[:n_frames, Entry.ATOMS] for index in indices)
    names = [source.stamp.path.name for source in sources]
    path = sources[0].stamp.path.with_name(_pattern(names))
    _require_atoms(entries, path)
    source = SplitSource(
        stamp=replace(
            sources[0].stamp, path=path, size=sum(source.stamp.size for source in sources)
        ),
        size=int(starts[-1]),
        place=sources[0].place,
        files=tuple(sources),
        starts=starts,
        file=np.tile(np.arange(len(sources)), n_frames),
        places=begins.ravel(),
    )
    text = f"{names[0]} … {names[-1]} are {len(names)} files of one dump, joined frame by frame"
    notes.append(Note("note", text))
    return source, DumpIndex(entries, first.reals[:n_frames], np.array([-1, -1]))


def _pattern(names: Sequence[str]) -> str:
    """Name of all pieces, with % for the number in which they differ."""
    found = [list(_NUMBER.finditer(name)) for name in names[:2]]
    number = next(one for one, other in zip(*found, strict=True) if one[0] != other[0])
    return f"{names[0][: number.start()]}%{names[0][number.end() :]}"


def _require_same(
    source: TextSource, index: DumpIndex, other: TextSource, piece: DumpIndex, n_frames: int
) -> None:
    """Raise DataError if a piece differs from the first one in steps, boxes or columns."""
    name, path = source.stamp.path.name, other.stamp.path
    why = "the files belong to different runs, or frames are missing in one of them"
    ours, theirs = index.entries[:n_frames], piece.entries[:n_frames]
    for what, unlike in (
        ("step", ours[:, Entry.STEP] != theirs[:, Entry.STEP]),
        ("list of columns", ours[:, Entry.LAYOUT] != theirs[:, Entry.LAYOUT]),
        ("box or time", ~_equal_rows(index.reals[:n_frames], piece.reals[:n_frames])),
    ):
        if unlike.any():
            t = int(unlike.argmax())
            steps = ours[t, Entry.STEP], theirs[t, Entry.STEP]
            detail = f": {steps[1]}, and {steps[0]} there" if what == "step" else ""
            where = f"{path}, frame {t}, step {steps[1]}"
            raise DataError(f"the {what} is not that of {name}{detail}", where=where, why=why)


def _equal_rows(one: Floats, other: Floats) -> Bools:
    """Whether rows (t, n) are equal, nan where both are."""
    return np.asarray(((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=1))


def _require_atoms(entries: Ints, path: Path) -> None:
    """Raise DataError if the total number of atoms of the pieces changes."""
    atoms = entries[:, Entry.ATOMS]
    other = np.flatnonzero(atoms != atoms[0])
    if len(other):
        t = int(other[0])
        raise DataError(
            f"the files have {atoms[0]} atoms together in the first frame and {atoms[t]} in "
            "another one",
            where=f"{path}, frame {t}, step {entries[t, Entry.STEP]}",
            why="a file is missing whose atoms moved to other processors, most likely the "
            "last one; or atoms were lost",
            fix=_FIX,
        )
