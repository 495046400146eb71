"""Open the frames of any format, and group files into runs.

The formats of trajectories are those of `trajmodes.readers`; those of displacements and forces
about a known structure are in the registry.

Files are parts of one run if they lie in one folder, contain the same atoms, and each continues
where the others end: its steps follow theirs. A file whose steps start again is another run,
and so is a file in another folder. Where steps occur twice, positions decide: after a restart
they are the same as before at the first common step; in another run they are different. A
restarted run may therefore have written some steps again, and independent runs may overlap in
steps. If a file could continue several runs, it belongs to the run with the nearest last frame.

Snapshots about one known structure have no order in time; they are one run, whatever their
folders.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config.groups import ReadOptions
from trajmodes.config.polar import PolarOptions
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import relative_displacements
from trajmodes.errors import DataError, UnitsError, UsageError, instead_of
from trajmodes.formats.charges import GivenCharges, charges_given, charges_in, read_charges
from trajmodes.formats.registry import SNAPSHOTS
from trajmodes.matching.without_positions.missing_positions import require_motion
from trajmodes.readers.arrays import join_snapshots, same_ideal_structure
from trajmodes.readers.complement import completed
from trajmodes.readers.inputs import input_paths
from trajmodes.readers.lammps.recognise import dump_form
from trajmodes.readers.other_kinds import refuse_folder, refuse_other_kind
from trajmodes.readers.programs.companions import positions_file, positions_files
from trajmodes.readers.stores.zarr import is_zarr
from trajmodes.readers.text.remote import named_path, require_local
from trajmodes.readers.text.source import open_source, read_head, require_text
from trajmodes.readers.text.stamp import stamp_file
from trajmodes.readers.trajectory import Needs, Trajectory, select_frames

PathName = str | os.PathLike[str]

PLAIN = ReadOptions()
_FORMATS = ("lammps", "xyz", *SNAPSHOTS, "other")
_FIRST_ITEMS = re.compile(rb"\n(?:ITEM: UNITS\s*\n\S+\s*\n)?(?:ITEM: TIME\s*\n\S+\s*\n)?\Z")
"""Items that LAMMPS writes above ITEM: TIMESTEP."""
_ITEMS_ABOVE = 200
_SAME_POSITION = 1e-3
"""Å. Distance, beyond rounding, within which atoms are at the same positions."""

Run = list[Trajectory]


def open_trajectory(
    paths: PathName | Iterable[PathName],
    options: ReadOptions = PLAIN,
    *,
    format: str | None = None,  # noqa: A002 - the name of the option
    isolated: bool = False,
    needs: Needs = "positions",
) -> Trajectory:
    """Open one or several files of one run.

    Parameters
    ----------
    paths
        The file, or the files in any order: they are ordered by step.
    format
        lammps, xyz, phonopy (yaml, also of phono3py), tdep, alamode (DFSET), or other (what
        MDAnalysis or ASE reads); recognised from the file by default.
    isolated
        Whether this is a molecule or cluster, whose frames need no box: missing cells are nan.
    needs
        Whether velocities alone, or any field, are enough.

    Raises
    ------
    UsageError
        If a file cannot be read, or an option that it requires is missing.
    DataError
        If a file is invalid.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else paths
    files = positions_files(map(named_path, given))
    if not files:
        raise UsageError("no trajectory file is given")
    if format is not None and format not in _FORMATS:
        raise UsageError(f"there is no format “{format}”", fix=instead_of(format, _FORMATS))
    kind = format or _recognise(files[0])
    box = given_box(options)
    if isolated and box is None and kind in ("xyz", "other"):
        box = np.full((3, 3), np.nan)
    _refuse_unused(kind, files[0], options, has_box=box is not None)
    run = _with_forces(_open(kind, files, options, box, needs), options)
    return select_frames(require_motion(run, needs), *options.frames)


def _with_forces(run: Trajectory, options: ReadOptions) -> Trajectory:
    """Add the fields of further files, if the options name any."""
    if options.forces_from is None:
        return run
    files = input_paths([options.forces_from])
    alone = replace(options, forces_from=None, frames=(0, None, 1))
    return completed(run, open_trajectory(files, alone, needs="anything"))


def _open(
    kind: str, files: list[Path], options: ReadOptions, box: Floats | None, needs: Needs
) -> Trajectory:
    """Open files of a format; imports its reader, because MDAnalysis and ASE load slowly."""
    if kind in SNAPSHOTS:
        reader = SNAPSHOTS[kind]
        places = dict.fromkeys(map(source_path, files)) if reader.is_folder else files
        return join_snapshots([reader.read(require_local(place), options) for place in places])
    if kind == "lammps":
        from trajmodes.readers.lammps.open import open_lammps_dump  # noqa: PLC0415

        return open_lammps_dump(files, options, needs=needs)
    if kind == "xyz":
        from trajmodes.readers.xyz.quantities import open_xyz_files  # noqa: PLC0415

        return open_xyz_files(files, options, cell=box)
    from trajmodes.readers.foreign import open_foreign  # noqa: PLC0415

    return open_foreign(files, options, cell=box)


def given_box(options: ReadOptions) -> Floats | None:
    """Box vectors (3, 3) in Å from three lengths or nine numbers; None if there are none."""
    numbers = options.box
    if numbers is None or isinstance(numbers, str):
        return None
    return np.diag(numbers) if len(numbers) == 3 else np.reshape(numbers, (3, 3))


def source_path(path: Path) -> Path:
    """Find the path to open for a file: its folder, if the format reads folders.

    For a file of CP2K or cp.x with one quantity of a run, it is the file of the positions.
    """
    return path.parent if not path.is_dir() and _folder_format(path) else positions_file(path)


def sibling_cell_file(path: str | os.PathLike[str]) -> Path | None:
    """Cell file that belongs to a file of frames; None if there is none.

    A yaml file of phonopy is its own cell file, and TDEP keeps the cell as infile.ucposcar in
    the same folder.
    """
    file = named_path(path)
    reader = SNAPSHOTS.get(_recognise(file))
    return None if reader is None else reader.cell_file(file)


def sibling_charges(path: str | os.PathLike[str]) -> Path | None:
    """File of Born charges that belongs to a file of frames; None if there is none.

    A yaml file of phonopy may hold them, or have BORN beside it; TDEP has infile.lotosplitting.
    """
    file = named_path(path)
    reader = SNAPSHOTS.get(_recognise(file))
    folder = file if file.is_dir() else file.parent
    return None if reader is None else charges_in(file, *(folder / n for n in reader.charges))


def charges_of_data(
    options: PolarOptions, crystal: Crystal, paths: Sequence[Path]
) -> GivenCharges:
    """Charges that options give, or those in a file that belongs to the data.

    Raises
    ------
    UsageError
        If the file is missing, or a number.
    DataError
        If the charges are damaged or of another crystal.
    """
    if options.are_given or options.no_charges or not paths:
        return charges_given(options, crystal)
    beside = sibling_charges(paths[0])
    return (
        GivenCharges(None) if beside is None else GivenCharges(*read_charges(beside, crystal))
    )


def _refuse_unused(kind: str, path: Path, options: ReadOptions, *, has_box: bool) -> None:
    """Refuse options that would not be used."""
    reader = SNAPSHOTS.get(kind)
    if has_box and (kind == "lammps" or reader is not None):
        name = "a LAMMPS dump has its own" if kind == "lammps" else "the supercell has its own"
        raise UsageError(f"a cell is given, but {name}", where=str(path))
    if options.supercell and reader is None:
        raise UsageError(
            "a supercell is given, but the file contains positions and not displacements",
            where=str(path),
        )
    if options.supercell and reader is not None and reader.holds_supercell:
        raise UsageError("a supercell is given, but the file contains its own", where=str(path))
    if options.units is not None and reader is not None and reader.holds_units:
        raise UsageError(
            f"units {options.units} are given, but {kind} files define their units",
            where=str(path),
            fix="omit the units",
        )


def _folder_format(path: Path) -> str | None:
    """Format of a file or folder, if it is one whose files are read together."""
    folders = (name for name, reader in SNAPSHOTS.items() if reader.is_folder)
    return next((name for name in folders if SNAPSHOTS[name].recognise(path, b"")), None)


def _recognise(path: Path) -> str:
    """Recognise a format by name or first lines; “other” means ASE or MDAnalysis."""
    folder = "other" if is_zarr(path) else _folder_format(path)
    if folder is not None:
        return folder
    if path.is_dir():
        refuse_folder(path, "trajectory")
    stamp_file(path)
    text = read_head(path)
    require_text(path, text)
    head = text.removeprefix(b"\xef\xbb\xbf").lstrip()
    for name, reader in SNAPSHOTS.items():
        if not reader.is_folder and reader.recognise(path, head):
            return name
    lines = head.splitlines()
    first = lines[0].split() if lines else []
    if dump_form(path, text):
        return "lammps"
    refuse_other_kind(path, text, "trajectory")
    is_xyz = len(first) == 1 and first[0].isdigit()
    if b"\nITEM:" in head or not (is_xyz or b"\0" in text):
        _refuse_late_dump(path)
    return "xyz" if is_xyz else "other"


def _refuse_late_dump(path: Path) -> None:
    """Refuse a dump that starts with other lines; ASE would read it without steps and times."""
    source = open_source(path, allow_partial=True)
    at = source.find(b"\nITEM: TIMESTEP")
    if at < 0:
        return
    above = source.data(max(0, at - _ITEMS_ABOVE), min(at, _ITEMS_ABOVE) + 1)
    found = _FIRST_ITEMS.search(above)
    line = source.line_at(at + 1) - (found[0].count(b"\n") - 1 if found else 0)
    raise DataError(
        "the file is a LAMMPS dump, but does not start with a line “ITEM: …”",
        where=f"{path}, first such header in line {line}",
        why="the beginning of the file was cut off, or lines were written above it",
        fix=f"leave them out: tail -n +{line} {path.name} > whole.lammpstrj",
    )


def open_runs(paths: Iterable[Path], options: ReadOptions) -> list[Trajectory]:
    """Open files in any order, one trajectory for each run, runs ordered by their first files.

    ``options.frames`` selects from each run. Errors are those of `open_trajectory`.
    """
    # The input of TDEP is a folder; its files may be given one by one.
    names = dict.fromkeys(map(source_path, paths))
    if not names:
        raise UsageError("no trajectory file is given")
    whole = replace(options, frames=(0, None, 1), forces_from=None)
    if len(names) > 1 and all(_recognise(name) == "xyz" for name in names):
        # As in `_open`.
        from trajmodes.readers.xyz.quantities import has_one_quantity  # noqa: PLC0415

        if all(map(has_one_quantity, names)):
            # The quantities of one run, none of which is a trajectory by itself.
            return [open_trajectory(names, options)]
    # As in `_open`.
    from trajmodes.readers.lammps.pieces import piece_groups  # noqa: PLC0415

    pieces = _open_pieces(piece_groups(list(names)), whole)
    alone = {piece.paths: piece for piece in pieces}
    runs = [alone.get(group) or open_trajectory(group, whole) for group in group_runs(pieces)]
    others = _other_sets(list(names), whole)
    if others:
        # They are read here, so that the note that they are not is dropped.
        notes = [[one for one in run.notes if one.subject != "other-sets"] for run in runs]
        runs = [replace(run, notes=tuple(n)) for run, n in zip(runs, notes, strict=True)]
    runs += others
    if options.forces_from is not None:
        if len(runs) > 1:
            raise UsageError(
                f"forces from other files are given, but the files belong to {len(runs)} runs",
                where=", ".join(run.file_names for run in runs),
                fix="fit each run separately with --forces-from, and join them by --append",
            )
        runs = [_with_forces(runs[0], options)]
    return [select_frames(run, *options.frames) for run in runs]


def _other_sets(paths: Sequence[Path], options: ReadOptions) -> list[Trajectory]:
    """Read the data sets in other supercells; those about one structure are one run."""
    found: list[Run] = []
    for path in paths:
        reader = SNAPSHOTS.get(_recognise(path))
        for piece in () if reader is None else reader.others(path, options):
            same = [run for run in found if same_ideal_structure(run[0], piece)]
            if same:
                same[0].append(piece)
            else:
                found.append([piece])
    return [join_snapshots(run) for run in found]


def _open_pieces(files: Sequence[tuple[Path, ...]], options: ReadOptions) -> list[Trajectory]:
    """Open files one by one; those of the processors of one run are opened together.

    Units of one file are not copied to others that name none: before files are open, it is
    unknown which of them belong to one run.
    """
    pieces: list[Trajectory] = []
    unnamed: list[tuple[Path, UnitsError]] = []
    for group in files:
        try:
            pieces.append(open_trajectory(group, options))
        except UnitsError as error:
            unnamed.append((group[0], error))
    if unnamed and not pieces:
        raise unnamed[0][1]
    if unnamed:
        style, path = pieces[0].unit_style, unnamed[0][0]
        raise UsageError(
            f"{path} does not name its units, and {pieces[0].paths[0]} is in {style}",
            where=str(path),
            why="only some of the files name their units",
            fix=f"--units {style} if all use it; for later runs: dump_modify ID units yes",
        )
    return pieces


def group_runs(pieces: Sequence[Trajectory]) -> list[tuple[Path, ...]]:
    """Group files, opened one by one, into runs; the module docstring gives the rule.

    The files of a run are in the order of time, runs in the order of their first files.
    """
    runs: list[Run] = []
    order = {id(piece): place for place, piece in enumerate(pieces)}
    for piece in sorted(pieces, key=lambda one: (int(one.steps[0]), int(one.steps[-1]))):
        candidates = [run for run in runs if _continues(run, piece)]
        if not candidates:
            runs.append([piece])
        elif len(candidates) == 1:
            candidates[0].append(piece)
        else:
            min(
                candidates,
                key=lambda run: _rms_distance(run[-1], -1, piece, 0),
            ).append(piece)
    runs.sort(key=lambda run: min(order[id(piece)] for piece in run))
    return [tuple(path for piece in run for path in piece.paths) for run in runs]


def _continues(run: Run, piece: Trajectory) -> bool:
    """Whether a file continues a run that starts no later than it."""
    first = run[0]
    if piece.ideal is not None or first.ideal is not None:
        return same_ideal_structure(first, piece)
    if not _same_atoms(first, piece) or _folder(first) != _folder(piece):
        return False
    if piece.steps[0] <= first.steps[0] or piece.steps[-1] <= run[-1].steps[-1]:
        return False
    if piece.steps[0] > run[-1].steps[-1]:
        return True
    for before in reversed(run):
        common, left, right = np.intersect1d(before.steps, piece.steps, return_indices=True)
        if len(common):
            slack = _SAME_POSITION + 2.0 * max(before.rounding, piece.rounding)
            return _rms_distance(before, int(left[0]), piece, int(right[0])) < slack
    return False


def _folder(piece: Trajectory) -> Path:
    return piece.paths[0].resolve().parent


def _same_atoms(one: Trajectory, other: Trajectory) -> bool:
    if one.n_atoms != other.n_atoms or one.species != other.species:
        return False
    labels = ((one.ids, other.ids), (one.types, other.types))
    return all(a is b if a is None or b is None else np.array_equal(a, b) for a, b in labels)


def _rms_distance(one: Trajectory, t: int, other: Trajectory, s: int) -> float:
    """Root mean square distance in Å of atoms in two frames, without a common shift."""
    here, there = (run.read(k, k + 1) for run, k in ((one, t % one.n_frames), (other, s)))
    apart = there.positions_or_raise()[0] - here.positions_or_raise()[0]
    vectors = relative_displacements(apart, here.cells[0])
    return float(np.sqrt((vectors**2).sum(axis=1).mean()))
