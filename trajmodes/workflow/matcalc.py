"""Phonons at a temperature as a property calculator of matcalc."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ase
import numpy as np
from matcalc import PropCalc
from matcalc.utils import to_ase_atoms

from trajmodes.api.runs import open_run
from trajmodes.workflow.dynamics import Dynamics, simulate


class PhononsAtTemperatureCalc(PropCalc):  # type: ignore[misc] # matcalc may be absent
    """Frequencies, linewidths and lifetimes of a crystal at a temperature.

    Parameters
    ----------
    calculator
        A calculator of ASE, or the name of a model that matcalc knows.
    dynamics
        Temperature, length and time step of the run.
    min_length
        The supercell has at least this length in Å along each lattice vector.
    fit
        Options of `trajmodes.Run.fit`, such as ``{"cutoff2": 5.0}``.
    """

    def __init__(
        self,
        calculator: Any,
        *,
        dynamics: Dynamics,
        min_length: float = 15.0,
        fit: Mapping[str, Any] | None = None,
    ) -> None:
        self.calculator = calculator
        self.dynamics, self.min_length, self.fit = dynamics, min_length, dict(fit or {})

    def calc(self, structure: Any) -> dict[str, Any]:
        """Run, fit and project.

        Parameters
        ----------
        structure
            A structure of pymatgen, atoms of ASE, or a dictionary with either under
            ``final_structure`` or ``structure``.

        Returns
        -------
        The dictionary with ``force_constants``, ``results``, ``phonon`` (of phonopy), ``modes``
        (a table of all sets of symmetry-equivalent modes), ``temperature`` in K, the harmonic
        ``frequencies`` in THz and the ``lifetimes`` in ps of these sets, nan if not resolved.
        """
        result: dict[str, Any] = super().calc(structure)
        atoms: ase.Atoms = to_ase_atoms(result["final_structure"])
        repeats = np.ceil(self.min_length / atoms.cell.lengths()).astype(int)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "run.traj"
            simulate(atoms.repeat(tuple(repeats)), self.calculator, self.dynamics, path)
            run = open_run(path, cell=atoms, timestep_fs=self.dynamics.frame_fs)
            constants = run.fit(**self.fit)
            results = run.project(constants)
        modes = results.modes
        found = {
            "force_constants": constants,
            "results": results,
            "phonon": constants.to_phonopy(),
            "modes": modes,
            "temperature": float(results["temperature"]),
            "frequencies": modes["freq_harmonic_thz"].to_numpy(),
            "lifetimes": modes.reindex(columns=["lifetime_ps"]).to_numpy()[:, 0],
        }
        units = {"temperature": "K", "frequencies": "THz", "lifetimes": "ps"}
        return {**result, **found, "_units": self._merge_units(result, units)}
