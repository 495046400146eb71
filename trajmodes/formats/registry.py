"""The list of formats: force constants are written and read by the name of a program.

A format is one file in this folder, which ends with its `Format`, and one entry here.
"""

import os
from contextlib import suppress
from pathlib import Path

from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import (
    DataError,
    StorageError,
    UsageError,
    instead_of,
    instead_of_path,
    system_errors,
)
from trajmodes.formats import (
    ConstantsReader,
    Export,
    Format,
    alamode,
    hdf5,
    phono3py,
    phonopy,
    shengbte,
    tdep,
)
from trajmodes.formats.charges import read_charges
from trajmodes.notes import Note

FORMATS: dict[str, Format] = {
    "hdf5": hdf5.FORMAT,
    "phono3py": phono3py.FORMAT,
    "phonopy": phonopy.FORMAT,
    "tdep": tdep.FORMAT,
    "shengbte": shengbte.FORMAT,
    "alamode": alamode.FORMAT,
}

_OWN = "hdf5"

TARGETS = tuple(FORMATS)
"""Formats that can be written."""

SNAPSHOTS = {name: known.snapshots for name, known in FORMATS.items() if known.snapshots}
"""Readers of displacements and forces, by program."""


def write_force_constants(
    constants: ForceConstants, supercell: Supercell, folder: Path, target: str
) -> Export:
    """Write force constants for another program, one of `TARGETS`.

    phonopy, phono3py and ALAMODE store force constants between the atoms of the supercell,
    which may have any integer matrix. The folder is created if it does not exist.

    Raises
    ------
    UsageError
        If the target is unknown.
    DataError
        If the format cannot store the force constants, or requires third order and there is
        none. A folder created for them is removed again.
    StorageError
        If the files cannot be written.
    """
    if target not in FORMATS:
        raise UsageError(f"there is no format “{target}”", fix=instead_of(target, TARGETS))
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return FORMATS[target].write_force_constants(constants, supercell, folder)
    except DataError:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise
    except OSError as error:
        raise StorageError(
            f"the force constants could not be written: {error.strerror or error}",
            where=str(folder),
            fix="check the folder, its permissions and the free disk space",
        ) from error


def read_force_constants(
    path: str | os.PathLike[str], *, supercell: Supercell | None = None
) -> ForceConstants:
    """Read force constants of phonopy, phono3py, TDEP, or trajmodes.

    The path is a file, or a folder with the files of one program under the names that it gives
    them. Files that do not describe their crystal and supercell require the ``supercell``.

    Raises
    ------
    UsageError
        If nothing at the path is recognised, or a folder contains force constants of several
        programs.
    DataError
        If a file is damaged, or does not belong to the supercell.
    """
    reader, file = _recognise(Path(path))
    return reader.read(file, supercell)


def notes_on_charges(path: str | os.PathLike[str], crystal: Crystal) -> tuple[Note, ...]:
    """Note the Born charges that belong to a file of force constants."""
    reader, file = _recognise(Path(path))
    charges = reader.charges(file)
    return () if charges is None else read_charges(charges, crystal)[1]


def read_supercell(path: Path) -> Supercell:
    """Read the supercell of force constants at a path for `read_force_constants`.

    A `DataError` is raised if the files do not describe it.
    """
    reader, file = _recognise(path)
    return reader.read_supercell(file)


def has_force_constants(path: Path) -> bool:
    """Whether a file, or one in a folder, is recognised as force constants of a program."""
    with system_errors(path):
        files = [*path.iterdir()] if path.is_dir() else [path]
    readers = [known.constants for known in FORMATS.values() if known.constants]
    return any(reader.recognise(file) for file in files if file.is_file() for reader in readers)


def _recognise(path: Path) -> tuple[ConstantsReader, Path]:
    """Find the reader of a file, or the reader and first file of a folder."""
    if not path.exists():
        raise UsageError(f"there is no {path}", fix=instead_of_path(path))
    with system_errors(path):
        files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    readers = {name: known.constants for name, known in FORMATS.items() if known.constants}
    found: dict[str, Path] = {}
    for file in files:
        names = [name for name, reader in readers.items() if reader.recognise(file)]
        # The earlier format takes precedence: fc2.hdf5 beside fc3.hdf5 is phono3py's.
        for name in names[:1]:
            found.setdefault(name, file)
    if _OWN in found:
        # In a results folder the other files were written from this one and contain less.
        found = {_OWN: found[_OWN]}
    if len(found) > 1:
        raise UsageError(
            f"the folder contains force constants of several programs: {', '.join(found)}",
            where=str(path),
            fix=f"name the file, for example {next(iter(found.values()))}",
        )
    if not found:
        raise UsageError(
            "no file of force constants is recognised",
            where=str(path),
            why="recognised are FORCE_CONSTANTS, force_constants.hdf5, phonopy_params.yaml, "
            "fc3.hdf5 with fc2.hdf5, outfile.forceconstant and force_constants.h5",
            fix="give one of these files, or a folder with one of them",
        )
    name, file = next(iter(found.items()))
    return readers[name], file
