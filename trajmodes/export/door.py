"""One door to all formats: write constants for a program by its name, read them back."""

from pathlib import Path

from trajmodes.data import ForceConstants, Supercell
from trajmodes.errors import StorageError, UsageError
from trajmodes.export import alamode, hdf5, phono3py, phonopy, shengbte, tdep
from trajmodes.export.contract import Export, Format

__all__ = ["TARGETS", "read_constants", "write_constants"]

_FORMATS = {
    "hdf5": Format(hdf5.write, hdf5.claims, hdf5.read),
    "phono3py": Format(phono3py.write, phono3py.claims, phono3py.read),
    "phonopy": Format(phonopy.write, phonopy.claims, phonopy.read),
    "tdep": Format(tdep.write, tdep.claims, tdep.read),
    "shengbte": Format(shengbte.write),
    "alamode": Format(alamode.write),
}

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
        If the format cannot hold the constants, or needs cubic ones and there are none.
    StorageError
        If the files cannot be written.
    """
    if target not in _FORMATS:
        raise UsageError(
            f"no format is called “{target}”", fix=f"take one of {', '.join(TARGETS)}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _FORMATS[target].write(constants, supercell, folder)
    except OSError as error:
        raise StorageError(
            f"the constants could not be written: {error.strerror or error}",
            where=str(folder),
            fix="check the folder, its rights and the space on its disk",
        ) from error


def read_constants(path: Path, *, supercell: Supercell | None = None) -> ForceConstants:
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
    if not path.exists():
        raise UsageError(f"there is no {path}", fix="check the path")
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    found: dict[str, Path] = {}
    for file in files:
        for name, kind in _FORMATS.items():
            if kind.claims is not None and kind.claims(file):
                found.setdefault(name, file)
                break
    if len(found) > 1:
        raise UsageError(
            f"the folder holds constants of several programs: {', '.join(found)}",
            where=str(path),
            fix=f"name the file, for example {next(iter(found.values()))}",
        )
    for name, file in found.items():
        reader = _FORMATS[name].read
        if reader is not None:
            return reader(file, supercell)
    raise UsageError(
        "no file of force constants is recognised",
        where=str(path),
        why="read are FORCE_CONSTANTS, force_constants.hdf5, phonopy_params.yaml, fc3.hdf5 with "
        "fc2.hdf5, outfile.forceconstant and force_constants.h5",
        fix="give one of these files, or a folder with one of them",
    )
