"""Opening the frames of any format: trajectories, or displacements and forces.

The formats of trajectories are those of `trajmodes.readers`, the formats of displacements and
forces about a known structure those of the registry.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config import ReadOptions
from trajmodes.errors import UsageError
from trajmodes.formats.registry import SNAPSHOTS
from trajmodes.formats.snapshots import join_snapshots
from trajmodes.readers.compressed import read_head, require_text
from trajmodes.readers.offsets import stamp_file
from trajmodes.readers.trajectory import Trajectory, select_frames

PathName = str | os.PathLike[str]

PLAIN = ReadOptions()

_FORCES_ALONE = ("FORCE_SETS", "FORCES_FC3")
_FORMATS = ("lammps", "xyz", *SNAPSHOTS, "other")


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
        lammps, xyz, phonopy (yaml, of phono3py as well), tdep, alamode (DFSET), or other (what
        MDAnalysis or ASE reads); recognised from the file where it is not given.
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
    _refuse_unused(kind, files[0], options, has_box=box is not None)
    return select_frames(_open(kind, files, options, box), *options.frames)


def _open(kind: str, files: list[Path], options: ReadOptions, box: Floats | None) -> Trajectory:
    """Open files of a format; its reader is loaded here, for MDAnalysis and ASE are heavy."""
    if kind in SNAPSHOTS:
        reader = SNAPSHOTS[kind]
        places = dict.fromkeys(map(source_path, files)) if reader.is_folder else files
        return join_snapshots([reader.read(place, options) for place in places])
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


def source_path(path: Path) -> Path:
    """Find the path to open for a file: its folder, if all files of that are read together."""
    return path.parent if not path.is_dir() and _folder_format(path) else path


def crystal_beside(path: str | os.PathLike[str]) -> Path | None:
    """Cell file that comes with a file of frames; None where there is none.

    Parameters
    ----------
    path
        A file that `open_trajectory` opens. A yaml file of phonopy is its own cell file, and
        TDEP keeps the cell as infile.ucposcar in the same folder.
    """
    file = Path(path)
    reader = SNAPSHOTS.get(_recognise(file))
    return None if reader is None else reader.cell_file(file)


def _refuse_unused(kind: str, path: Path, options: ReadOptions, *, has_box: bool) -> None:
    """Refuse what is given and would not be used."""
    reader = SNAPSHOTS.get(kind)
    if has_box and (kind == "lammps" or reader is not None):
        name = "a LAMMPS dump has its own" if kind == "lammps" else "the supercell has its own"
        raise UsageError(f"a cell is given, but {name}", where=str(path))
    if options.supercell and reader is None:
        raise UsageError(
            "a supercell is given, but the file holds positions and not displacements",
            where=str(path),
        )
    if options.supercell and reader is not None and reader.holds_supercell:
        raise UsageError("a supercell is given, but the file holds its own", where=str(path))
    if options.units is not None and reader is not None and reader.holds_units:
        raise UsageError(
            f"units {options.units} are given, but {kind} files are in units of their own",
            where=str(path),
            fix="leave the units out",
        )


def _folder_format(path: Path) -> str | None:
    """Format whose files in a folder are read together, of a file or of the folder."""
    folders = (name for name, reader in SNAPSHOTS.items() if reader.is_folder)
    return next((name for name in folders if SNAPSHOTS[name].recognise(path, b"")), None)


def _recognise(path: Path) -> str:
    """Format of a file by its name or its first lines; “other” where no reader here has it."""
    folder = _folder_format(path)
    if folder is not None:
        return folder
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
    for name, reader in SNAPSHOTS.items():
        if not reader.is_folder and reader.recognise(path, head):
            return name
    lines = head.splitlines()
    first = lines[0].split() if lines else []
    if first[:1] == [b"ITEM:"]:
        return "lammps"
    if len(first) == 1 and first[0].isdigit():
        return "xyz"
    return "other"
