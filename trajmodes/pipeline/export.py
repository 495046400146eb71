"""The command `trajmodes export`: force constants of a results folder for other programs."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import UsageError
from trajmodes.formats.registry import write_force_constants
from trajmodes.pipeline.job_folder import CONSTANTS_FILE
from trajmodes.pipeline.load import read_force_constants
from trajmodes.results.folder import (
    Writer,
    open_folder,
    require_replaceable,
    whole_results,
    write_files,
)
from trajmodes.results.netcdf import read_results
from trajmodes.symmetry.translations import build_supercell

_SCRATCH = ".trajmodes."


class Exported(NamedTuple):
    """Files that were written, and notes on what they cannot contain."""

    files: Mapping[str, tuple[Path, ...]]
    """Program → its files, the one to load first."""
    notes: tuple[str, ...]


def export_job(source: str, targets: tuple[str, ...], output: str | None = None) -> Exported:
    """Write force constants for the programs of `trajmodes.formats.registry`, or no file.

    Each program has its own folder in `output`; by default ``export`` beside the constants.

    Raises
    ------
    UsageError
        If there are no force constants, the program is unknown, or a file that trajmodes did
        not write would be replaced.
    DataError
        If a format cannot represent the force constants.
    StorageError
        If the files cannot be written.
    """
    constants, supercell, home = _constants(Path(source))
    root = home / "export" if output is None else Path(output)
    folders = {target: root / target for target in dict.fromkeys(targets)}
    return export(constants, supercell, root, folders)


def export(
    constants: ForceConstants, supercell: Supercell, root: Path, folders: Mapping[str, Path]
) -> Exported:
    """Write constants for other programs: all files that are asked for, or none.

    Parameters
    ----------
    root
        Folder that all others lie in, or the only one.
    folders
        Program → the folder of its files.

    Raises
    ------
    UsageError
        If there is no such program, or a file of someone else is in the way.
    DataError
        If a format cannot hold the constants.
    StorageError
        If the files cannot be written.
    """
    files: dict[str, tuple[Path, ...]] = {}
    notes: list[str] = []
    staged: dict[str, tuple[Path, ...]] = {}
    with open_folder(root) as opened, TemporaryDirectory(dir=root, prefix=_SCRATCH) as scratch:
        for target in folders:
            written = write_force_constants(
                constants, supercell, Path(scratch) / target, target
            )
            staged[target] = written.paths
            notes += [f"{target}: {note}" for note in written.notes]
        for target, paths in staged.items():
            require_replaceable(folders[target], [path.name for path in paths])
        for target, paths in staged.items():
            place = folders[target]
            with nullcontext(opened) if place == root else open_folder(place) as folder:
                # Staged on the same disk: moved there, however large.
                write_files(folder, {p.name: Writer(target, p.replace) for p in paths})
            files[target] = tuple(place / path.name for path in paths)
    return Exported(files, tuple(notes))


def show_export(exported: Exported) -> str:
    """List the files that were written, with their notes."""
    lines = [f"{target:10}{path}" for target, paths in exported.files.items() for path in paths]
    lines += [f"note: {note}" for note in exported.notes]
    return "\n".join(lines) + "\n"


def _constants(source: Path) -> tuple[ForceConstants, Supercell, Path]:
    folder = source if source.is_dir() else source.parent
    file = folder / CONSTANTS_FILE
    if not file.is_file():
        raise UsageError(
            "there are no force constants to export",
            where=str(source),
            why=f"there is no {CONSTANTS_FILE}",
            fix="give the folder that `trajmodes fit` or `trajmodes run` wrote",
        )
    with whole_results(folder):
        constants = read_force_constants(file)
        matrix = read_results(folder)["supercell_matrix"].values
    return constants, build_supercell(constants.crystal, matrix), folder
