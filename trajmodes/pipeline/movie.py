"""The command `trajmodes movie`: one period of a mode as extended XYZ."""

from functools import partial
from pathlib import Path

import numpy as np

from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.labels import point
from trajmodes.data.lattice import nearest_neighbour
from trajmodes.data.modes import Modes
from trajmodes.errors import UsageError
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import zone_point
from trajmodes.pipeline.load import read_force_constants
from trajmodes.project.selected_modes import parse_modes
from trajmodes.report.movie import Movie, is_movie, make_movie, wave_of, write_movie
from trajmodes.units import THZ


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
    is_there = path.is_file()
    if is_there and not is_movie(path):
        raise UsageError(
            "the movie would replace a file that is not a movie of trajmodes",
            where=output,
            fix="name another file with -o (--output), or move this one away",
        )
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
    """Index of the branch that is asked for; the modes are those of one q."""
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
    """Note displacements so large that neighbours may pass through each other."""
    apart = nearest_neighbour(movie.wave.crystal)
    largest = float(np.linalg.norm(movie.displacements, axis=2).max())
    if largest <= 0.5 * apart:
        return []
    return [
        f"note: atoms move by up to {largest:.3g} Å, more than half the nearest-neighbour "
        f"distance of {apart:.3g} Å, and may pass through each other; 0.3 Å is usual "
        "(--amplitude 0.3)"
    ]
