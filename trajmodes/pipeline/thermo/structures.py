"""Configurations of a supercell as files of other programs: extended XYZ, LAMMPS data, POSCAR.

LAMMPS data files and POSCARs are written by ASE, one file for each configuration.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Supercell
from trajmodes.report.extended_xyz import inside, write_xyz
from trajmodes.units import ASE_TIME, DALTON

XYZ_FILE = "configurations.xyz"


def structure_writers(
    supercell: Supercell,
    displacements: Floats,
    velocities: Floats,
    comment: str,
    program: str,
) -> Mapping[str, Callable[[Path], None]]:
    """Files of configurations for a program, and the function that writes each.

    Parameters
    ----------
    displacements
        (t, a, 3) in Å, atoms in canonical order.
    velocities
        (t, a, 3) in Å/ps; a POSCAR has none.
    comment
        ``key=value`` pairs of all comment lines of extended XYZ.
    program
        ``xyz``, ``lammps`` or ``vasp``.
    """
    number = len(displacements)
    if program == "xyz":
        comments = [f"{comment} frame={t}" for t in range(number)]
        write = partial(
            write_xyz,
            supercell=supercell,
            displacements=displacements,
            velocities=velocities,
            comments=comments,
        )
        return {XYZ_FILE: write}
    digits = max(3, len(str(number)))
    name = {"lammps": "{:0{}d}.data", "vasp": "POSCAR-{:0{}d}"}[program]
    return {
        name.format(t + 1, digits): partial(
            _write_one,
            supercell=supercell,
            displacements=displacements[t],
            velocities=velocities[t],
            program=program,
        )
        for t in range(number)
    }


def _write_one(
    path: Path,
    supercell: Supercell,
    displacements: Floats,
    velocities: Floats,
    program: str,
) -> None:
    """Write one configuration by ASE; LAMMPS types are numbered as species come first."""
    from ase import Atoms  # noqa: PLC0415 - ase loads slowly
    from ase.io import write  # noqa: PLC0415

    atoms = Atoms(
        supercell.species,
        positions=inside(supercell) + displacements,
        cell=supercell.cell,
        pbc=True,
        masses=supercell.masses / DALTON,
        velocities=velocities * ASE_TIME,
    )
    if program == "vasp":
        write(path, atoms, format="vasp", direct=True, sort=True)
        return
    order = list(dict.fromkeys(supercell.crystal.species))
    write(path, atoms, format="lammps-data", specorder=order, masses=True, velocities=True)
