"""Phonons of a calculator at a temperature, with the methods of ``ase.phonons.Phonons``."""

from pathlib import Path
from typing import Any

import ase
import numpy as np
import numpy.typing as npt
from ase.dft.kpoints import BandPath, monkhorst_pack
from ase.spectrum.band_structure import BandStructure
from ase.spectrum.dosdata import RawDOSData

from trajmodes.api.force_constants import ForceConstants
from trajmodes.api.results import Results
from trajmodes.api.runs import Run, open_run
from trajmodes.arrays import Floats
from trajmodes.errors import UsageError
from trajmodes.units import HBAR, THZ
from trajmodes.workflow.dynamics import Dynamics, simulate


class Phonons:
    """Phonons at a temperature, from a run of molecular dynamics with a calculator of ASE.

    Its methods are those of ``ase.phonons.Phonons``: ``run`` moves all atoms instead of one
    at a time, ``read`` fits; bands and densities of states are objects of ASE.

    Parameters
    ----------
    atoms
        Primitive or conventional cell.
    calc
        The calculator; needed by `run` alone.
    supercell
        Cells along each lattice vector.
    dynamics
        Temperature, length and time step of the run.
    name
        The run is written to ``name.traj``, and not repeated if that file exists.
    """

    def __init__(
        self,
        atoms: ase.Atoms,
        calc: Any = None,
        supercell: tuple[int, int, int] = (4, 4, 4),
        *,
        dynamics: Dynamics,
        name: str = "phonon",
    ) -> None:
        self.atoms, self.calc, self.supercell = atoms, calc, supercell
        self.dynamics, self.path = dynamics, Path(f"{name}.traj")
        self._fitted: ForceConstants | None = None

    def run(self) -> None:
        """Run molecular dynamics of the supercell, unless the file of the run exists."""
        if not self.path.exists():
            simulate(self.atoms * self.supercell, self.calc, self.dynamics, self.path)

    def read(self, **options: Any) -> None:
        """Fit force constants to the run; the options are those of `trajmodes.Run.fit`."""
        self._fitted = self._opened().fit(**options)

    def clean(self) -> None:
        """Remove the file of the run."""
        self.path.unlink(missing_ok=True)

    @property
    def force_constants(self) -> ForceConstants:
        """The fitted force constants.

        Raises
        ------
        UsageError
            If nothing was fitted yet.
        """
        if self._fitted is None:
            raise UsageError(
                "there are no force constants yet",
                why="the run has not been fitted",
                fix="call read() after run()",
            )
        return self._fitted

    def project(self, **options: Any) -> Results:
        """Energies, spectra and lifetimes of the modes, by `trajmodes.Run.project`."""
        return self._opened().project(self.force_constants, **options)

    def get_band_structure(self, path: BandPath) -> BandStructure:
        """Bands along a path of ASE; energies in eV, negative where ω is imaginary."""
        return BandStructure(path, energies=self._energies(path.kpts, path.cell)[np.newaxis])

    def get_dos(self, kpts: tuple[int, int, int] = (10, 10, 10)) -> RawDOSData:
        """Density of states on a Monkhorst–Pack mesh; energies in eV, integral 3 per atom."""
        energies = self._energies(monkhorst_pack(kpts), self.force_constants.crystal.cell)
        return RawDOSData(energies.ravel(), np.full(energies.size, 1.0 / len(energies)))

    def _opened(self) -> Run:
        return open_run(self.path, cell=self.atoms, timestep_fs=self.dynamics.frame_fs)

    def _energies(self, kpts: npt.ArrayLike, cell: npt.ArrayLike) -> Floats:
        """(q, m) energies at q points in units of the reciprocal vectors of a cell."""
        constants = self.force_constants
        per_cell = constants.crystal.cell @ np.linalg.inv(np.asarray(cell))
        return constants.frequencies(np.asarray(kpts) @ per_cell.T) * (THZ * HBAR)
