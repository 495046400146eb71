"""Which formats of other libraries are opened, and that nothing in a file is executed.

ASE recognises some eighty formats. Those that are databases, folders or servers are refused by
name: they are not files of one run, and reading them constructs more than atoms. ASE's own
``.traj`` holds numbers and JSON only; the pickled files of that name, from before 2015, are not
opened by ASE either. The XML of VASP and others must not define entities, which can grow beyond
all memory. A header of VASP announces a number of atoms: it is compared with the size of the
file before ASE reserves memory for them. NumPy and HDF5 files are read without pickled objects
wherever they are read.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from trajmodes.errors import DataError, UsageError
from trajmodes.readers.text.source import TextSource, open_source
from trajmodes.readers.text.tables import require_line_end

if TYPE_CHECKING:
    from ase import Atoms


_REFUSED_BY_ASE = {
    "bundletrajectory": "a folder of files",
    "db": "a database",
    "json": "a database",
    "mysql": "a database server",
    "postgresql": "a database server",
}
_REFUSED_BY_MDANALYSIS = {
    "CHEMFILES", "IMD", "MEMORY", "OPENMMAPP", "OPENMMSIMULATION", "PARMED", "RDKIT",
}  # fmt: skip
"""Not files: objects of Python, and servers."""
_XML = ("vasp-xml", "xsd", "xtd", "qbox")
_PIECE = 1 << 16
_LONGEST_PROLOG = 1 << 20
_SHORTEST_ROW = 6
"""Bytes of a line with three numbers."""
_HEAD, _TAIL = 1 << 16, 1 << 10


def ase_format(path: Path, *, known: str | None = None) -> str:
    """Name of the format that ASE would read a file as, if the file may be opened.

    Parameters
    ----------
    path
        An existing file.
    known
        The format, where ASE need not recognise it.

    Raises
    ------
    UsageError
        If the format is refused.
    DataError
        If the file defines entities of XML, or its header contradicts its size.
    """
    from ase.io.formats import filetype  # noqa: PLC0415 - ase loads slowly

    # An absolute path: ASE takes names that begin with “postgres” for a server.
    name = known or filetype(str(path.resolve()))
    if name in _REFUSED_BY_ASE:
        raise UsageError(
            f"ASE's format “{name}” is not read",
            where=str(path),
            why=f"it is {_REFUSED_BY_ASE[name]}, which can hold more than one structure or run",
            fix="write the structure or the frames as extended XYZ: ase convert IN OUT.extxyz",
        )
    check = _CHECKS.get(name)
    if check is not None:
        check(path)
    return str(name)


def read_with_ase(path: Path, *, known: str | None = None) -> "Atoms":
    """Last structure of a file, by ASE; see `ase_format`."""
    from ase.io import read  # noqa: PLC0415 - ase loads slowly

    name = ase_format(path, known=known)
    found: Any = read(str(path.resolve()), format=name, do_not_split_by_at_sign=True)
    atoms: Atoms = found
    return atoms


def require_trajectory_format(path: Path) -> None:
    """Refuse suffixes that MDAnalysis takes for what is not a file.

    Raises
    ------
    UsageError
        If the suffix is one of them.
    """
    name = path.suffix[1:].upper()
    if name in _REFUSED_BY_MDANALYSIS:
        raise UsageError(
            f"MDAnalysis's format “{name}” is not read",
            where=str(path),
            why="it stands for a server or for objects of another library, not for a file",
            fix="give the file the suffix of its format",
        )


def _check_xml(path: Path) -> None:
    """Read an XML file up to its first element: only before it can entities be defined."""
    source = open_source(path)
    parser, state = expat.ParserCreate(), {"inside": False}

    def refuse(name: str, *_: Any) -> None:
        raise DataError(
            f"the XML file defines an entity, “{name[:60]}”",
            where=f"{path}, line {parser.CurrentLineNumber}",
            why="no program writes such files, and a few entities can grow beyond all memory",
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
    raise DataError("the file holds no element of XML", where=str(path))


def _check_poscar(path: Path) -> None:
    source = open_source(path)
    _check_counts(source, path)
    tail = min(_TAIL, source.size)
    require_line_end(source.data(source.size - tail, tail), str(path))


def _check_xdatcar(path: Path) -> None:
    _check_counts(open_source(path), path)


def _check_counts(source: TextSource, path: Path) -> None:
    """Compare the number of atoms that VASP's header announces with the size of the file."""
    head = source.data(0, min(source.size, _HEAD)).splitlines()
    # The line of symbols before the counts is optional.
    counts = next(
        (
            words
            for line in head[5:7]
            if (words := line.partition(b"!")[0].split())
            if _whole(words)
        ),
        [],
    )
    n_atoms = sum(map(float, counts))
    if n_atoms * _SHORTEST_ROW > source.size:
        raise DataError(
            f"the header announces {n_atoms:.10g} atoms, and the file has {source.size} bytes",
            where=str(path),
            why="the file was cut off or changed",
            fix="write the file again with the program that made it",
        )


def _whole(words: list[bytes]) -> bool:
    return bool(words) and all(word.isdigit() for word in words)


_CHECKS: dict[str, Callable[[Path], None]] = {
    **dict.fromkeys(_XML, _check_xml),
    "vasp": _check_poscar,
    "vasp-xdatcar": _check_xdatcar,
}
