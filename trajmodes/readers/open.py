"""Opening a trajectory of any format."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config import ReadOptions
from trajmodes.errors import UsageError
from trajmodes.readers.compressed import read_head
from trajmodes.readers.compressed import require_text
from trajmodes.readers.dfset import looks_like_dfset
from trajmodes.readers.offsets import stamp_file
from trajmodes.readers.phonopy_yaml import looks_like_phonopy
from trajmodes.readers.tdep import PRIMITIVE_NAME
from trajmodes.readers.tdep import is_tdep
from trajmodes.readers.trajectory import Trajectory
from trajmodes.readers.trajectory import select_frames

__all__ = ["crystal_beside", "open_trajectory"]

PathName = str | os.PathLike[str]

PLAIN = ReadOptions()

_SNAPSHOTS = ("phonopy", "tdep", "dfset")
_FORCES_ALONE = ("FORCE_SETS", "FORCES_FC3")
_FORMATS = ("lammps", "xyz", *_SNAPSHOTS, "other")


def open_trajectory(
    paths: PathName | Iterable[PathName],
    options: ReadOptions = PLAIN,
    *,
    format: str | None = None,  # noqa: A002 - the word users know
    isolated: bool = False,
) -> Trajectory:
    """Open one or several files of one run.

    Parameters
    ----------
    paths
        The file, or the files in any order: they are put in order by time step.
    options
        What the user knows of them.
    format
        lammps, xyz, phonopy (yaml, of phono3py as well), tdep, dfset (of ALAMODE), or other
        (what MDAnalysis or ASE reads); seen from the file where not given.
    isolated
        Whether this is a molecule or cluster, whose frames need no box: cells are nan where
        there is none.

    Raises
    ------
    UsageError
        If a file cannot be read, or something is missing that only the user knows.
    DataError
        If a file is not sound.
    """
    files = [Path(paths)] if isinstance(paths, str | os.PathLike) else [*map(Path, paths)]
    if not files:
        raise UsageError("no trajectory file is given")
    if format is not None and format not in _FORMATS:
        raise UsageError(f"format '{format}' is not one of {', '.join(_FORMATS)}")
    kind = format or _recognise(files[0])
    box = _box(options)
    if isolated and box is None and kind in ("xyz", "other"):
        box = np.full((3, 3), np.nan)
    _refuse_idle(kind, files[0], box=box is not None, supercell=options.supercell is not None)
    return select_frames(_open(kind, files, options, box), *options.frames)


def _open(kind: str, files: list[Path], options: ReadOptions, box: Floats | None) -> Trajectory:
    """Open files of a format; its reader is loaded here, for MDAnalysis and ASE are heavy."""
    if kind in _SNAPSHOTS:
        from trajmodes.readers.snapshots import open_snapshots  # noqa: PLC0415

        given = None if options.supercell is None else Path(options.supercell)
        return open_snapshots(files, kind, options, given)
    if kind == "lammps":
        from trajmodes.readers.lammps.open import open_lammps_dump  # noqa: PLC0415

        return open_lammps_dump(files, options)
    if kind == "xyz":
        from trajmodes.readers.xyz.open import open_xyz  # noqa: PLC0415

        return open_xyz(files, options, cell=box)
    from trajmodes.readers.foreign import open_foreign  # noqa: PLC0415

    return open_foreign(files, options, cell=box)


def _box(options: ReadOptions) -> Floats | None:
    """Box vectors (3, 3) in Å of three lengths or nine numbers; None if there are none."""
    numbers = options.box
    if numbers is None or isinstance(numbers, str):
        return None
    return np.diag(numbers) if len(numbers) == 3 else np.reshape(numbers, (3, 3))


def crystal_beside(path: str | os.PathLike[str]) -> Path | None:
    """Cell file that comes with a trajectory file; None where there is none.

    Parameters
    ----------
    path
        A file that `open_trajectory` opens. A yaml file of phonopy is its own cell file, and
        TDEP keeps the cell as infile.ucposcar in the same folder.
    """
    file = Path(path)
    kind = _recognise(file)
    if kind == "phonopy":
        return file
    beside = (file if file.is_dir() else file.parent) / PRIMITIVE_NAME
    return beside if kind == "tdep" and beside.is_file() else None


def _refuse_idle(kind: str, path: Path, *, box: bool, supercell: bool) -> None:
    """Refuse what is given and would not be used."""
    if box and kind in ("lammps", *_SNAPSHOTS):
        name = "a LAMMPS dump has its own" if kind == "lammps" else "the supercell has its own"
        raise UsageError(f"a cell is given, but {name}", where=str(path))
    if supercell and kind not in _SNAPSHOTS:
        raise UsageError(
            "a supercell is given, but the file holds positions and not displacements",
            where=str(path),
        )


def _recognise(path: Path) -> str:
    """Format of a file by its name or its first lines, or else left to other libraries."""
    if is_tdep(path):
        return "tdep"
    stamp_file(path)
    if path.name.startswith(_FORCES_ALONE):
        raise UsageError(
            "the file holds forces without their supercell",
            where=str(path),
            fix="give the yaml file (phonopy_disp.yaml); the forces beside it are found",
        )
    text = read_head(path)
    require_text(path, text)
    head = text.removeprefix(b"\xef\xbb\xbf").lstrip()
    if looks_like_phonopy(head):
        return "phonopy"
    if looks_like_dfset(head):
        return "dfset"
    lines = head.splitlines()
    first = lines[0].split() if lines else []
    if first[:1] == [b"ITEM:"]:
        return "lammps"
    if len(first) == 1 and first[0].isdigit():
        return "xyz"
    return "other"
