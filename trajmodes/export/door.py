"""One door to all formats: write constants for a program by its name, read them back."""

import os
from contextlib import suppress
from pathlib import Path

from trajmodes.data import ForceConstants, Supercell
from trajmodes.errors import DataError, StorageError, UsageError
from trajmodes.export import alamode, hdf5, phono3py, phonopy, shengbte, tdep
from trajmodes.export.contract import Export, Format, Reader

__all__ = ["TARGETS", "read_constants", "read_supercell", "write_constants"]

_FORMATS = {
    "hdf5": Format(hdf5.write, Reader(hdf5.claims, hdf5.read, hdf5.read_supercell)),
    "phono3py": Format(
        phono3py.write, Reader(phono3py.claims, phono3py.read, phono3py.read_supercell)
    ),
    "phonopy": Format(
        phonopy.write, Reader(phonopy.claims, phonopy.read, phonopy.read_supercell)
    ),
    "tdep": Format(tdep.write, Reader(tdep.claims, tdep.read, tdep.read_supercell)),
    "shengbte": Format(shengbte.write),
    "alamode": Format(alamode.write),
}

_OWN = "hdf5"

TARGETS = tuple(_FORMATS)
"""Names that `write_constants` knows."""


def write_constants(
    constants: ForceConstants, supercell: Supercell, folder: Path, target: str
) -> Export:
    """Write force constants for another program.

    Parameters
    ----------
    constants
        The force constants, of whatever orders there are.
    supercell
        The supercell of the run, any integer matrix. It is what phonopy, phono3py and ALAMODE
        keep constants on.
    folder
        Where to write; made if it is missing.
    target
        One of `TARGETS`.

    Returns
    -------
    The files, and notes on what they do not hold.

    Raises
    ------
    UsageError
        If the target is not known.
    DataError
        If the format cannot hold the constants, or needs cubic ones and there are none; a
        folder that was made for them is gone again.
    StorageError
        If the files cannot be written.
    """
    if target not in _FORMATS:
        raise UsageError(
            f"no format is called “{target}”", fix=f"take one of {', '.join(TARGETS)}"
        )
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _FORMATS[target].write(constants, supercell, folder)
    except DataError:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise
    except OSError as error:
        raise StorageError(
            f"the constants could not be written: {error.strerror or error}",
            where=str(folder),
            fix="check the folder, its rights and the space on its disk",
        ) from error


def read_constants(
    path: str | os.PathLike[str], *, supercell: Supercell | None = None
) -> ForceConstants:
    """Read force constants of phonopy, phono3py, TDEP, or our own.

    Parameters
    ----------
    path
        A file that holds constants, or a folder with those of one program. Files that belong
        together are looked for beside it, under the names their program gives them.
    supercell
        Crystal and supercell that the constants belong to, for files without a description of
        them beside.

    Raises
    ------
    UsageError
        If nothing at the path is recognised, or a folder holds constants of several programs.
    DataError
        If a file is damaged, or does not belong to the supercell.
    """
    reader, file = _recognised(Path(path))
    return reader.constants(file, supercell)


def read_supercell(path: Path) -> Supercell:
    """Read the supercell that constants were fitted on, or are kept on.

    Parameters
    ----------
    path
        As for `read_constants`.

    Raises
    ------
    UsageError
        If nothing at the path is recognised, or a folder holds constants of several programs.
    DataError
        If the files do not say, or are damaged.
    """
    reader, file = _recognised(path)
    return reader.supercell(file)


def _recognised(path: Path) -> tuple[Reader, Path]:
    """Find who reads a file, or who reads a folder and the file of it to begin with."""
    path = Path(path)
    if not path.exists():
        raise UsageError(f"there is no {path}", fix="check the path")
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    readers = {name: kind.reader for name, kind in _FORMATS.items() if kind.reader is not None}
    found: dict[str, Path] = {}
    for file in files:
        claimants = [name for name, reader in readers.items() if reader.claims(file)]
        # The earlier format in the list knows more: fc2.hdf5 beside fc3.hdf5 is phono3py's.
        for name in claimants[:1]:
            found.setdefault(name, file)
    if _OWN in found:
        # A results folder: what stands beside was written from our own file, and holds less.
        found = {_OWN: found[_OWN]}
    if len(found) > 1:
        raise UsageError(
            f"the folder holds constants of several programs: {', '.join(found)}",
            where=str(path),
            fix=f"name the file, for example {next(iter(found.values()))}",
        )
    if not found:
        raise UsageError(
            "no file of force constants is recognised",
            where=str(path),
            why="known are FORCE_CONSTANTS, force_constants.hdf5, phonopy_params.yaml, "
            "fc3.hdf5 with fc2.hdf5, outfile.forceconstant and force_constants.h5",
            fix="give one of these files, or a folder with one of them",
        )
    name, file = next(iter(found.items()))
    return readers[name], file
