"""A mode of force constants as a movie."""

from pathlib import Path

from trajmodes.errors import UsageError
from trajmodes.export import make_movie, read_constants, wave_of, write_movie
from trajmodes.phonons import modes_at, zone_point
from trajmodes.project import parse_modes
from trajmodes.units import THZ

__all__ = ["movie_job"]


def movie_job(
    constants: str,
    mode: str,
    *,
    output: str = "mode.xyz",
    frames: int = 40,
    amplitude: float | None = None,
    temperature: float | None = None,
) -> str:
    """Write one period of a mode as extended XYZ, and tell about it.

    Parameters
    ----------
    constants
        File or folder with force constants.
    mode
        q and branch, such as "1/2 1/2 0:4" or "X:4"; branches count from 1.
    output
        The file.
    frames
        Frames in a period.
    amplitude
        Largest displacement in Å.
    temperature
        Temperature in K to take the size from instead.

    Raises
    ------
    UsageError
        If there is no such mode, or no constants.
    StorageError
        If the file cannot be written.
    """
    known = read_constants(constants)
    words, _, branches = mode.partition(":")
    qpoint = zone_point(known.crystal, words)
    modes = modes_at(known, [qpoint])
    (chosen, *more) = parse_modes([f"{' '.join(map(str, qpoint))}:{branches}"], modes)
    if more:
        raise UsageError("a movie shows one mode", fix="name one branch")
    movie = make_movie(
        wave_of(modes, 0, chosen.branch),
        n_frames=frames,
        amplitude=amplitude,
        temperature=temperature,
    )
    path = write_movie(movie, Path(output))
    freq_thz = modes.omega[0, chosen.branch] / THZ
    return (
        f"{path}: {frames} frames of {movie.supercell.n_atoms} atoms, "
        f"{freq_thz:.4g} THz, {movie.size}\n"
    )
