"""Frames and cell files read by ASE: ``.traj`` and its other formats.

Frames of a ``.traj`` file are read by number. Other formats are read once and kept in memory;
these files are small (ab initio runs).

Nothing in a file is executed. ASE recognises some eighty formats. Databases, folders and
servers are refused by name: they are not files of one run, and reading them constructs more
than atoms. ASE's ``.traj`` contains numbers and JSON only; ASE itself refuses the pickled files
of that name from before 2015. The XML of VASP and others must not define entities, which can
expand beyond all memory. The header of a VASP file announces a number of atoms, which is
compared with the size of the file before ASE reserves memory for them.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.errors import DataError, TrajmodesError, UsageError
from trajmodes.notes import Note
from trajmodes.readers.other_kinds import GIVE_TRAJECTORY, beginning
from trajmodes.readers.text.source import open_source, read_head
from trajmodes.readers.text.tables import require_line_end
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame
from trajmodes.units import ASE_TIME, DALTON

if TYPE_CHECKING:
    from ase import Atoms

_REFUSED_BY_ASE = {
    "bundletrajectory": "a folder of files",
    "db": "a database",
    "json": "a database",
    "mysql": "a database server",
    "postgresql": "a database server",
}
_XML = ("vasp-xml", "xsd", "xtd", "qbox")
_PIECE = 1 << 16
_LONGEST_PROLOG = 1 << 20
_WHOLE_NUMBERS = re.compile(rb"^[ \t]*\d+(?:[ \t]+\d+)*[ \t\r]*$", re.MULTILINE)
_SHORTEST_ROW = 6
"""Bytes of the shortest line with three numbers."""
_HEAD, _TAIL = 1 << 16, 1 << 10


def ase_format(path: Path, *, known: str | None = None) -> str:
    """Name of the format in which ASE reads a file, if the file may be opened.

    ``known`` is the format, if ASE need not recognise it.

    Raises
    ------
    UsageError
        If the format is refused.
    DataError
        If the file defines XML entities, or its header contradicts its size.
    """
    from ase.io.formats import filetype  # noqa: PLC0415 - ase loads slowly

    # An absolute path, because ASE treats names that begin with “postgres” as a server.
    name = known or filetype(str(path.resolve()))
    # Text that expands beyond all bounds is refused before ASE decompresses it.
    open_source(path)
    if name in _REFUSED_BY_ASE:
        raise UsageError(
            f"ASE's format “{name}” is not read",
            where=str(path),
            why=f"it is {_REFUSED_BY_ASE[name]}, which may contain several structures",
            fix="write the structure or the frames as extended XYZ: ase convert IN OUT.extxyz",
        )
    check = _CHECKS.get(name)
    if check is not None:
        check(path)
    return str(name)


def read_with_ase(path: Path, *, known: str | None = None) -> "Atoms":
    """Read the last structure of a file with ASE; raises as `ase_format`."""
    from ase.io import read  # noqa: PLC0415 - ase loads slowly

    name = ase_format(path, known=known)
    found: Any = read(str(path.resolve()), format=name, do_not_split_by_at_sign=True)
    atoms: Atoms = found
    return atoms


def _check_xml(path: Path) -> None:
    """Read an XML file up to its first element; entities can only be defined before it."""
    source = open_source(path)
    parser, state = expat.ParserCreate(), {"inside": False}

    def refuse(name: str, *_: Any) -> None:
        raise DataError(
            f"the XML file defines an entity, “{name[:60]}”",
            where=f"{path}, line {parser.CurrentLineNumber}",
            why="no program writes such files, and a few entities can expand beyond all memory",
            fix="do not use the file unless you know who wrote it",
        )

    def enter(*_: Any) -> None:
        state["inside"] = True

    parser.EntityDeclHandler, parser.StartElementHandler = refuse, enter
    try:
        for start in range(0, min(source.size, _LONGEST_PROLOG), _PIECE):
            parser.Parse(source.data(start, min(_PIECE, source.size - start)), False)  # noqa: FBT003
            if state["inside"]:
                return
    except expat.ExpatError as error:
        if state["inside"]:
            return
        raise DataError(f"the file is not XML: {error}", where=str(path)) from None
    raise DataError("the file contains no XML element", where=str(path))


def _check_poscar(path: Path) -> None:
    _check_counts(path)
    source = open_source(path)
    tail = min(_TAIL, source.size)
    require_line_end(source.data(source.size - tail, tail), str(path))


def _check_counts(path: Path) -> None:
    """Compare the number of atoms in the header of a VASP file with the size of the file."""
    source = open_source(path)
    head = source.data(0, min(source.size, _HEAD)).splitlines()
    # The line of symbols before the counts is optional.
    rows = [line.partition(b"!")[0].split() for line in head[5:7]]
    counts = next((row for row in rows if row and all(word.isdigit() for word in row)), [])
    _require_possible(sum(map(float, counts)), source.size, str(path))


def _check_headers(path: Path) -> None:
    """Do the same for all headers of an XDATCAR, which may stand before every frame."""
    source = open_source(path)
    text = source.data(0, source.size)
    for row in _WHOLE_NUMBERS.finditer(text):
        _require_possible(sum(map(float, row[0].split())), source.size, str(path))


def _require_possible(n_atoms: float, size: int, where: str) -> None:
    if n_atoms * _SHORTEST_ROW > size:
        raise DataError(
            f"the header announces {n_atoms:.10g} atoms, but the file has {size} bytes",
            where=where,
            why="the file was truncated or changed",
            fix="write the file again with the program that made it",
        )


def _check_cp2k_restart(path: Path) -> None:
    """Require the section SUBSYS and its end, at whose absence ASE reads for ever."""
    source, depth = open_source(path), 0
    for line in source.data(0, source.size).splitlines():
        word = line.strip()
        if not depth:
            depth = int(b"&SUBSYS" in line)
        elif word.startswith(b"&"):
            depth += -1 if word.startswith(b"&END") else 1
            if not depth:
                return
    raise DataError(
        "the file has no whole section &SUBSYS",
        where=str(path),
        why="it is not a restart file of CP2K, or was cut off",
    )


def _check_gamess_punch(path: Path) -> None:
    """Require that each group ends, without which ASE reads for ever."""
    source = open_source(path)
    words = [line.strip() for line in source.data(0, source.size).splitlines()]
    starts = [k for k, word in enumerate(words) if word in (b"$DATA", b"$GRAD")]
    if starts and b"$END" not in words[starts[-1] :]:
        what = f"the group {words[starts[-1]].decode()} has no $END"
        raise DataError(what, where=str(path), why="the file was cut off")


_CHECKS: dict[str, Callable[[Path], None]] = {
    **dict.fromkeys(_XML, _check_xml),
    "vasp": _check_poscar,
    "vasp-xdatcar": _check_headers,
    "cp2k-restart": _check_cp2k_restart,
    "gamess-us-punch": _check_gamess_punch,
}


def open_ase_traj(path: Path) -> ForeignFile:
    """Open an ASE ``.traj`` file, whose frames are read on demand.

    Raises
    ------
    DataError
        If it contains no frames.
    """
    from ase.io.trajectory import TrajectoryReader  # noqa: PLC0415 - ase loads slowly

    with TrajectoryReader(str(path)) as reader:
        n_frames = len(reader)
        if n_frames == 0:
            raise DataError("the file contains no frames", where=str(path))
        return _file(reader[0], n_frames, 16, partial(_traj_frames, path))


def _traj_frames(path: Path, start: int, stop: int) -> Iterator[ForeignFrame]:
    from ase.io.trajectory import TrajectoryReader  # noqa: PLC0415 - ase loads slowly

    with TrajectoryReader(str(path)) as reader:
        for t in range(start, stop):
            yield _converted(reader[t])


def open_ase(path: Path) -> ForeignFile:
    """Read all frames of any file that ASE recognises into memory.

    Raises
    ------
    DataError
        If ASE does not know the format, or the file contains no frames.
    """
    from ase.io import iread  # noqa: PLC0415 - ase loads slowly

    kind = ase_format(path)
    place = str(path.resolve())
    images = list(iread(place, index=":", format=kind, do_not_split_by_at_sign=True))
    if not images:
        what = f"the file contains no frames; {beginning(read_head(path))}"
        why = f"it is not of the format {kind} that its name suggests"
        raise DataError(what, where=str(path), why=why, fix=GIVE_TRAJECTORY)
    kept = tuple(map(_converted, images))
    made = _file(images[0], len(kept), 8, partial(_kept_frames, kept))
    return replace(made, notes=(Note("note", f"{path.name} is read by ASE, as “{kind}”"),))


def read_ase_energies(path: Path) -> Floats:
    """(t,) potential energy in eV of each frame of a file, as calculators store it in ASE.

    If a file has several energies, that consistent with the forces is taken, such as the free
    energy of the electrons in VASP.

    Raises
    ------
    DataError
        If ASE does not read the file, or a frame has no energy.
    """
    from ase.io import iread  # noqa: PLC0415 - ase loads slowly

    try:
        kind = ase_format(path)
        place = str(path.resolve())
        images = iread(place, index=":", format=kind, do_not_split_by_at_sign=True)
        results = [{} if one.calc is None else one.calc.results for one in images]
    except TrajmodesError:
        raise
    except Exception as error:
        raise DataError(
            "there are no potential energies in the file",
            where=str(path),
            why="it is neither a log of LAMMPS nor extended XYZ, and ASE does not read it: "
            f"{type(error).__name__}: {error}",
            fix="give the file in which the program of the run wrote its energies",
        ) from error
    found = [one.get("free_energy", one.get("energy")) for one in results]
    missing = [t for t, energy in enumerate(found) if energy is None]
    if missing or not found:
        raise DataError(
            f"{len(missing)} of {len(found)} frames have no energy, the first one frame "
            f"{missing[0]}"
            if missing
            else "the file contains no frames",
            where=str(path),
            fix="write frames with the energy of their calculator, or give a file of energies",
        )
    return np.array(found, dtype=float)


def _kept_frames(
    kept: tuple[ForeignFrame, ...], start: int, stop: int
) -> Iterator[ForeignFrame]:
    return iter(kept[start:stop])


def _file(
    atoms: "Atoms", n_frames: int, digits: int, frames: partial[Iterator[ForeignFrame]]
) -> ForeignFile:
    return ForeignFile(
        n_frames=n_frames,
        n_atoms=len(atoms),
        frames=frames,
        unit_style="ase",
        precision_digits=digits,
        species=tuple(atoms.get_chemical_symbols()),
        masses=np.asarray(atoms.get_masses(), dtype=float) * DALTON,
    )


def _converted(atoms: "Atoms") -> ForeignFrame:
    forces = None if atoms.calc is None else atoms.calc.results.get("forces")
    velocities: Floats | None = None
    if atoms.has("momenta"):
        velocities = np.asarray(atoms.get_velocities()) / ASE_TIME
    cell = np.asarray(atoms.cell.array, dtype=float)
    return ForeignFrame(
        np.asarray(atoms.positions, dtype=float),
        cell if np.linalg.det(cell) != 0.0 else None,
        velocities=velocities,
        forces=None if forces is None else np.asarray(forces, dtype=float),
        species=tuple(atoms.get_chemical_symbols()),
    )
