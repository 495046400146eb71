"""Commands on the folder of a fit: `trajmodes scan`, `movie` and `export`.

`scan` repeats the fit from its normal equations, with other cutoffs, orders, constraints and
lengths of the run; no trajectory is read. `movie` writes one period of a mode as extended XYZ,
`export` the files of other programs.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants, ScanPoint
from trajmodes.data.labels import point
from trajmodes.data.lattice import nearest_neighbour
from trajmodes.data.modes import Modes
from trajmodes.errors import UsageError
from trajmodes.fit.fit import scan_equations
from trajmodes.fit.memory import why_too_large
from trajmodes.fit.model import Scheme
from trajmodes.fit.normal_equations import NormalEquationBlocks, default_scheme
from trajmodes.fit.solution import FitOptions
from trajmodes.formats.registry import write_force_constants
from trajmodes.phonons.modes import modes_at, stability
from trajmodes.phonons.qpoints import zone_point
from trajmodes.pipeline.job_folder import CONSTANTS_FILE, require_no_results, scratch_in
from trajmodes.pipeline.load import read_force_constants
from trajmodes.project.selected_modes import parse_modes
from trajmodes.report.figures.scan import draw_scan
from trajmodes.report.figures.style import save_png
from trajmodes.report.movie import Movie, is_movie, make_movie, wave_of, write_movie
from trajmodes.report.scan import render_scan, scan_table
from trajmodes.report.summary import text_of
from trajmodes.results.folder import (
    Writer,
    open_folder,
    require_replaceable,
    whole_results,
    write_files,
)
from trajmodes.results.netcdf import read_results
from trajmodes.results.storage import is_replaced
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import THZ


def scan_rows(
    equations: NormalEquationBlocks,
    scheme: Scheme | None = None,
    *,
    no_constant_force: bool = False,
) -> list[ScanPoint]:
    """Points of a scan, with the square of the lowest commensurate frequency of each."""
    options = FitOptions(
        scheme=scheme or default_scheme(equations.sources),
        constant_force=not no_constant_force,
    )
    refusal = why_too_large(equations.expansion, options, equations.n_blocks, n_copies=2)
    if refusal is not None:
        raise refusal
    qpoints = half_space(equations.supercell).qpoints
    return [
        replace(one, lowest_squared=_lowest(constants, qpoints))
        for one, constants in scan_equations(equations, options)
    ]


def show_scan(rows: list[ScanPoint]) -> str:
    """Table of a scan for the terminal."""
    return text_of(render_scan(rows))


def write_scan(rows: list[ScanPoint], output: str) -> str:
    """Write the table and the figure of a scan; return a text that lists both files.

    Raises
    ------
    UsageError
        If the folder holds results.
    StorageError
        If the files cannot be written.
    """
    root = Path(output)
    require_no_results(root)
    text = "residuals and the lowest frequency against cutoffs, orders and length of the run"
    writers = {
        "scan.csv": Writer("all fits of the scan", scan_table(rows).write),
        "scan.png": Writer(text, partial(save_png, draw_scan(rows))),
    }
    with open_folder(root) as folder:
        files = write_files(folder, writers)
    return "".join(f"{root / name}: {text}\n" for name, text in files.items())


def _lowest(constants: ForceConstants, qpoints: Floats) -> float:
    modes = modes_at(constants, qpoints)
    return stability(modes).squared if (modes.sets >= 0).any() else np.nan


def movie_job(
    constants: str | ForceConstants,
    mode: str,
    *,
    output: str = "mode.xyz",
    frames: int = 40,
    amplitude: float | None = None,
    temperature: float | None = None,
) -> str:
    """Write one period of a mode, such as "1/2 1/2 0:4" or "X:4"; return a text about the file.

    Branches count from 1. `amplitude` is the largest displacement in Å; by default it is the
    thermal one at `temperature` in K, or 0.3 Å without a temperature. An earlier movie is
    replaced, any other file is not.

    Raises
    ------
    UsageError
        If the mode does not exist or is a translation, there are no force constants, or the
        file exists and is not a movie.
    StorageError
        If the file cannot be written.
    """
    path = Path(output)
    is_there = is_replaced(path, "movie", is_movie)
    known = read_force_constants(constants) if isinstance(constants, str) else constants
    modes = modes_at(known, [zone_point(known.crystal, mode.partition(":")[0])])
    branch = _branch(mode, modes)
    movie = make_movie(
        wave_of(modes, 0, branch),
        n_frames=frames,
        amplitude=amplitude,
        temperature=temperature,
    )
    write_movie(movie, path)
    summary = (
        f"{path}{' (replaced)' if is_there else ''}: {frames} frames of "
        f"{movie.supercell.n_atoms} atoms, {modes.omega[0, branch] / THZ:.4g} THz, {movie.size}"
    )
    return "\n".join([summary, *_size_notes(movie)]) + "\n"


def _branch(mode: str, modes: Modes) -> int:
    """Index of the requested branch among the modes of one q."""
    (chosen, *more) = parse_modes([mode], modes, partial(zone_point, modes.crystal))
    if more:
        raise UsageError("a movie shows one mode", fix="name one branch")
    # Modes that belong to no set are translations of the whole crystal.
    if modes.sets[0, chosen.branch] < 0:
        vibrating = np.flatnonzero(modes.sets[0] >= 0) + 1
        others = f", here {vibrating[0]} to {vibrating[-1]}" if vibrating.size else ""
        raise UsageError(
            f"branch {chosen.branch + 1} at q = {point(modes.qpoints[0])} is a translation of "
            "the whole crystal, not a vibration",
            why="the three acoustic branches at Γ are translations",
            fix=f"choose an optical branch{others}, or another q",
        )
    return chosen.branch


def _size_notes(movie: Movie) -> list[str]:
    """Note if displacements are so large that neighbours may pass through each other."""
    apart = nearest_neighbour(movie.wave.crystal)
    largest = float(np.linalg.norm(movie.displacements, axis=2).max())
    if largest <= 0.5 * apart:
        return []
    return [
        f"note: atoms move by up to {largest:.3g} Å, more than half the nearest-neighbour "
        f"distance of {apart:.3g} Å, and may pass through each other; 0.3 Å is usual "
        "(--amplitude 0.3)"
    ]


class Exported(NamedTuple):
    """Files that were written, and notes on what they do not contain."""

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
    """Write the files of each program into its folder, or no file; see `export_job`.

    `root` is the folder that contains those of the programs, or the only folder.
    """
    files: dict[str, tuple[Path, ...]] = {}
    notes: list[str] = []
    staged: dict[str, tuple[Path, ...]] = {}
    with open_folder(root) as opened, scratch_in(opened.path) as scratch:
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
