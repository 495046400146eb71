"""Displacements and forces that other programs have collected, as one trajectory in memory."""

from collections.abc import Sequence
from pathlib import Path

from trajmodes.config import ReadOptions
from trajmodes.errors import UsageError
from trajmodes.readers.dfset import open_dfset
from trajmodes.readers.displaced import join_snapshots
from trajmodes.readers.phonopy_yaml import open_phonopy
from trajmodes.readers.tdep import open_tdep
from trajmodes.readers.trajectory import Trajectory

__all__ = ["open_snapshots"]


def open_snapshots(
    paths: Sequence[Path], kind: str, options: ReadOptions, supercell: Path | None
) -> Trajectory:
    """Open files of displacements and forces about one ideal structure.

    Parameters
    ----------
    paths
        The files, in the order wanted; of TDEP, folders or any one file of each.
    kind
        phonopy, tdep or dfset.
    options
        What the user tells beyond them.
    supercell
        Cell file of the ideal supercell, for those that do not hold it.

    Raises
    ------
    UsageError
        If a file is missing, or something that only the user knows.
    DataError
        If a file is damaged, or the files are about different structures.
    """
    if options.units is not None and kind != "dfset":
        raise UsageError(
            f"units {options.units} are given, but {kind} files are in units of their own",
            where=str(paths[0]),
            fix="leave the units out",
        )
    if supercell is not None and kind == "phonopy":
        raise UsageError(
            "a supercell is given, but the yaml file holds its own", where=str(paths[0])
        )
    if kind == "phonopy":
        return join_snapshots([open_phonopy(path) for path in paths])
    if kind == "tdep":
        folders = dict.fromkeys(path if path.is_dir() else path.parent for path in paths)
        return join_snapshots([open_tdep(folder, supercell) for folder in folders])
    return join_snapshots([open_dfset(path, supercell, options) for path in paths])
