"""Input files of TDEP: a folder with infile.positions, infile.forces and their supercell.

Positions are fractional, of the supercell infile.ssposcar, folded into it or not; forces are in
eV/Å (documentation of TDEP, "files").
"""

from pathlib import Path

import numpy as np

from trajmodes.data.lattice import wrap
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.readers.displaced import displaced_frames
from trajmodes.readers.number_rows import frames_of_rows, read_rows, require_line_end
from trajmodes.readers.supercell_file import read_supercell
from trajmodes.readers.trajectory import Trajectory

__all__ = ["PRIMITIVE_NAME", "is_tdep", "open_tdep"]

PRIMITIVE_NAME = "infile.ucposcar"
_SUPERCELL_NAME = "infile.ssposcar"


def is_tdep(path: Path) -> bool:
    """Whether a path is one of TDEP's input files, or a folder that holds them.

    Parameters
    ----------
    path
        The file or folder.
    """
    folder = path.parent if path.name.startswith("infile.") else path
    return (folder / "infile.positions").is_file()


def open_tdep(path: Path, supercell: Path | None) -> Trajectory:
    """Snapshots of a TDEP folder, as displacements from its ideal supercell.

    Parameters
    ----------
    path
        The folder, or one of its files.
    supercell
        Cell file of the ideal supercell; infile.ssposcar of the folder if not given.

    Raises
    ------
    UsageError
        If a file is missing.
    DataError
        If the files contradict each other, or hold other than numbers.
    """
    folder = path if path.is_dir() else path.parent
    ideal = read_supercell(supercell or folder / _SUPERCELL_NAME)
    places, pushes = folder / "infile.positions", folder / "infile.forces"
    n_atoms = len(ideal.species)
    (s_tax,) = frames_of_rows(read_rows(places, 1), n_atoms, places)
    (f_tax,) = frames_of_rows(read_rows(pushes, 1), n_atoms, pushes)
    if len(s_tax) != len(f_tax):
        raise DataError(
            f"there are {len(s_tax)} frames of positions and {len(f_tax)} of forces",
            where=str(folder),
            why="one of the files is cut",
        )
    notes = _check_meta(folder / "infile.meta", n_atoms, len(s_tax))
    apart = wrap(s_tax - ideal.positions @ np.linalg.inv(ideal.cell))
    return displaced_frames(
        ideal, apart @ ideal.cell, f_tax, places, unit_style="tdep", notes=notes
    )


def _check_meta(path: Path, n_atoms: int, n_frames: int) -> tuple[Note, ...]:
    """Compare with what infile.meta says; a note of its temperature."""
    if not path.is_file():
        return ()
    text = path.read_bytes()
    require_line_end(text, str(path))
    lines = text.decode("utf-8", errors="replace").splitlines()
    try:
        numbers = [float(line.partition("#")[0].split()[0]) for line in lines[:4]]
        told_atoms, told_frames, _, kelvin = numbers
    except (ValueError, IndexError):
        raise DataError(
            "the file does not hold the four numbers that TDEP wants",
            where=str(path),
            fix="numbers of atoms and time steps, time step in fs, temperature in K",
        ) from None
    for name, told, have in (("atoms", told_atoms, n_atoms), ("frames", told_frames, n_frames)):
        if told != have:
            raise DataError(
                f"infile.meta announces {told:g} {name}, the other files hold {have}",
                where=str(path.parent),
                why="a file is cut, or of another run",
            )
    if kelvin == 0.0:
        return ()
    fix = f"--temperature {kelvin:g}, to label the constants"
    return (Note("warning", f"infile.meta says {kelvin:g} K", fix=fix),)
