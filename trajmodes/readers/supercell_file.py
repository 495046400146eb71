"""The ideal supercell that displacements are counted from, from a cell file."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trajmodes.readers.crystal_file import read_atoms
from trajmodes.readers.displaced import IdealStructure
from trajmodes.units import DALTON

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["ideal_structure", "read_supercell"]


def read_supercell(path: Path) -> IdealStructure:
    """Supercell of a file, atoms in its order and at its positions.

    Parameters
    ----------
    path
        POSCAR, CIF, or anything else that `trajmodes.readers.crystal_file` reads.

    Raises
    ------
    UsageError
        If the file is missing or of an unknown format.
    DataError
        If it holds no crystal.
    """
    return ideal_structure(read_atoms(path))


def ideal_structure(atoms: "Atoms") -> IdealStructure:
    """Supercell as ASE Atoms have it; masses only where they are given.

    Parameters
    ----------
    atoms
        The supercell.
    """
    masses = np.asarray(atoms.get_masses()) * DALTON if atoms.has("masses") else None
    return IdealStructure(
        atoms.cell.array, atoms.positions, tuple(atoms.get_chemical_symbols()), masses
    )
