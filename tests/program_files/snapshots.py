"""Displacements and forces of a supercell of phonopy, in files of several programs."""

from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.units import Bohr, Rydberg
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms


def atoms_of(cell: PhonopyAtoms) -> Atoms:
    """A cell of phonopy as an object of ASE."""
    return Atoms(cell.symbols, positions=cell.positions, cell=cell.cell, pbc=True)


def as_phonopy(folder: Path, phonon: Phonopy, u_tax, f_tax) -> list[str]:
    """Words of `trajmodes fit` for the file, here and below."""
    force_constants = phonon.force_constants
    phonon.dataset = {"displacements": u_tax, "forces": f_tax}
    # To set the data takes the force constants away.
    phonon.force_constants = force_constants
    settings = {"force_constants": force_constants is not None}
    phonon.save(folder / "phonopy_params.yaml", settings=settings)
    return ["phonopy_params.yaml"]


def as_dfset(folder: Path, phonon: Phonopy, u_tax, f_tax) -> list[str]:
    ase.io.write(folder / "POSCAR", atoms_of(phonon.unitcell), direct=True)
    ase.io.write(folder / "SPOSCAR", atoms_of(phonon.supercell), format="vasp", direct=True)
    rows = np.concatenate([u_tax / Bohr, f_tax * Bohr / Rydberg], axis=2)
    with (folder / "DFSET").open("w") as file:
        for t, frame in enumerate(rows):
            np.savetxt(file, frame, fmt="%.12f", header=f"snapshot {t}")
    return ["DFSET", "--cell", "POSCAR", "--supercell", "SPOSCAR"]


def as_tdep(folder: Path, phonon: Phonopy, u_tax, f_tax) -> list[str]:
    ideal = atoms_of(phonon.supercell)
    unit = atoms_of(phonon.primitive)
    ase.io.write(folder / "infile.ucposcar", unit, format="vasp", direct=True)
    ase.io.write(folder / "infile.ssposcar", ideal, format="vasp", direct=True)
    reduced = (ideal.positions + u_tax) @ np.linalg.inv(ideal.cell.array)
    np.savetxt(folder / "infile.positions", reduced.reshape(-1, 3), fmt="%.14f")
    np.savetxt(folder / "infile.forces", f_tax.reshape(-1, 3), fmt="%.14f")
    (folder / "infile.meta").write_text(f"{len(ideal)}\n{len(u_tax)}\n1.0\n300.0\n")
    return ["infile.positions"]
