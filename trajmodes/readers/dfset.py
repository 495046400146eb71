"""DFSET files of ALAMODE: rows of a displacement and a force, frame after frame.

ALAMODE defines them in bohr and Ry/bohr (its manual, "How to make a DFSET file"); the files of
other programs that look the same are in Å and eV/Å. The file tells neither that nor its
supercell.
"""

from pathlib import Path

from trajmodes.config import ReadOptions
from trajmodes.errors import UsageError
from trajmodes.notes import Note
from trajmodes.readers.displaced import displaced_frames
from trajmodes.readers.lammps_units import unit_factors
from trajmodes.readers.number_rows import frames_of_rows, read_rows
from trajmodes.readers.supercell_file import read_supercell
from trajmodes.readers.trajectory import Trajectory
from trajmodes.units import BOHR, RYDBERG

__all__ = ["looks_like_dfset", "open_dfset"]


def looks_like_dfset(head: bytes) -> bool:
    """Whether a text starts with a row of six numbers, comments aside.

    Parameters
    ----------
    head
        First bytes of the text.
    """
    rows = (line.partition(b"#")[0].split() for line in head.splitlines())
    first = next(filter(None, rows), [])
    return len(first) == 6 and all(map(_is_number, first))


def _is_number(token: bytes) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def open_dfset(path: Path, supercell: Path | None, options: ReadOptions) -> Trajectory:
    """Displacements and forces of a DFSET file.

    Parameters
    ----------
    path
        The file.
    supercell
        Cell file of the supercell, atoms in the order of the DFSET file.
    options
        ``units`` is the LAMMPS style of lengths and forces; those of ALAMODE if not given.

    Raises
    ------
    UsageError
        If the supercell is not given, or a file cannot be read.
    DataError
        If the rows are no whole number of frames of the supercell, or hold other than numbers.
    """
    if supercell is None:
        raise UsageError(
            "a DFSET file does not tell its supercell",
            where=str(path),
            fix="give the undisplaced supercell, atoms in the same order: --supercell SPOSCAR",
        )
    ideal = read_supercell(supercell)
    u_tax, f_tax = frames_of_rows(read_rows(path, 2), len(ideal.species), path)
    if options.units is None:
        length, force, style = BOHR, RYDBERG / BOHR, "alamode"
        text = f"{path.name} is read in bohr and Ry/bohr, as ALAMODE defines it"
        fix = "--units metal, if it is in Å and eV/Å"
        notes: tuple[Note, ...] = (Note("warning", text, fix=fix),)
    else:
        factors = unit_factors(options.units, options.lj)
        length, force, style, notes = factors.length, factors.force, options.units, ()
    return displaced_frames(
        ideal, u_tax * length, f_tax * force, path, unit_style=style, notes=notes
    )
