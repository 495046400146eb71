"""Crystals in VASP's POSCAR layout, as TDEP's infile.ucposcar and infile.ssposcar have them."""

from pathlib import Path

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from trajmodes.arrays import Floats, Ints
from trajmodes.data import Crystal
from trajmodes.errors import DataError
from trajmodes.export.text import Numbers
from trajmodes.units import DALTON

__all__ = ["grouped", "read_poscar", "write_poscar"]


def grouped(species: tuple[str, ...]) -> Ints:
    """Order that puts atoms of one species side by side, species as they first appear."""
    first = {name: place for place, name in reversed(list(enumerate(species)))}
    return np.argsort([first[name] for name in species], kind="stable")


def write_poscar(path: Path, cell: Floats, reduced: Floats, species: tuple[str, ...]) -> None:
    """Write a cell whose atoms are grouped by species.

    Parameters
    ----------
    path
        The file.
    cell
        (3, 3) lattice vectors in Å, as rows.
    reduced
        (a, 3) reduced coordinates.
    species
        (a,) chemical symbols, equal ones side by side.
    """
    names = list(dict.fromkeys(species))
    lines = ["trajmodes", "1.0"]
    lines += [" ".join(f"{x:22.16f}" for x in row) for row in cell]
    lines += [" ".join(names), " ".join(str(species.count(name)) for name in names)]
    lines += ["direct coordinates"]
    lines += [" ".join(f"{x:20.16f}" for x in row) for row in reduced]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_poscar(path: Path) -> Crystal:
    """Read a crystal; masses are the standard ones of its elements.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    numbers = Numbers(path)
    numbers.words("a title")
    scale = numbers.floats(1, "the scale of the cell")[0]
    cell = numbers.rows(3, 3, "a lattice vector")
    # A negative number is the volume.
    cell *= scale if scale > 0 else (-scale / abs(np.linalg.det(cell))) ** (1 / 3)
    names = numbers.words("chemical symbols")
    counts = numbers.all_integers("the number of atoms of each species")
    if len(counts) != len(names) or any(name not in atomic_numbers for name in names):
        raise numbers.error(f"a number of atoms for each of {' '.join(names)[:60]} expected")
    kind = numbers.words("“direct” or “Cartesian”")[0][0].lower()
    if kind not in "dc":
        raise numbers.error("“direct” or “Cartesian” expected")
    sites = numbers.rows(sum(counts), 3, "the place of an atom")
    if kind == "c":
        sites = sites @ np.linalg.inv(cell) * (scale if scale > 0 else 1.0)
    numbers.finish(whole=False)
    species = tuple(n for n, count in zip(names, counts, strict=True) for _ in range(count))
    masses = np.array([atomic_masses[atomic_numbers[name]] for name in species]) * DALTON
    try:
        return Crystal(cell, sites, species, masses)
    except DataError as error:
        raise DataError(error.what, where=str(path), why=error.why, fix=error.fix) from error
