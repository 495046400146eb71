"""A run at constant energy with a calculator of ASE, written to a file that can be opened."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase
import numpy as np
from ase import units
from ase.io.trajectory import Trajectory
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import Stationary
from ase.md.verlet import VelocityVerlet

from trajmodes.errors import UsageError

_FRICTION_PER_PS = 5.0
"""Friction of the thermostat before the run; kinetic energies relax in 0.2 ps."""


@dataclass(frozen=True, slots=True)
class Dynamics:
    """Conditions of a run."""

    temperature: float
    """In K, of the thermostat before the run; the run itself has constant energy."""
    steps: int = 5000
    """Number of steps of the run."""
    timestep_fs: float = 1.0
    interval: int = 10
    """Steps from frame to frame."""
    equilibration: int = 2000
    """Steps with the thermostat before the run."""
    seed: int = 1

    def __post_init__(self) -> None:
        if not (self.temperature > 0.0 and self.timestep_fs > 0.0):
            raise UsageError(
                f"temperature {self.temperature:g} K and time step {self.timestep_fs:g} fs",
                why="both must be positive",
                fix="give a temperature in K and a time step in fs",
            )
        if min(self.interval, self.steps // max(self.interval, 1)) < 1:
            raise UsageError(
                f"{self.steps} steps with a frame every {self.interval} give no frame",
                why="a run needs at least one interval between frames",
                fix="more steps, or a shorter interval",
            )

    @property
    def frame_fs(self) -> float:
        """Time between frames in fs."""
        return self.interval * self.timestep_fs


def simulate(atoms: ase.Atoms, calculator: Any, dynamics: Dynamics, path: Path) -> None:
    """Equilibrate a supercell, run it at constant energy, and write its frames.

    Positions, momenta and forces are written to a ``.traj`` file of ASE, which is given its
    name when the run is complete. The initial velocities are those of twice the temperature,
    because half of the kinetic energy of atoms that start on their sites becomes potential
    energy.
    """
    moving = atoms.copy()
    moving.calc = calculator
    rng = np.random.default_rng(dynamics.seed)
    thermal = np.sqrt(2.0 * units.kB * dynamics.temperature * moving.get_masses())
    moving.set_momenta(thermal[:, np.newaxis] * rng.normal(size=(len(moving), 3)))
    Stationary(moving)
    step = dynamics.timestep_fs * units.fs
    friction = _FRICTION_PER_PS / (1000.0 * units.fs)
    kelvin = dynamics.temperature
    thermostat = Langevin(
        moving, step, temperature_K=kelvin, friction=friction, fixcm=False, rng=rng
    )
    thermostat.run(dynamics.equilibration)
    Stationary(moving)
    partial = path.with_name(f".{path.name}.part")
    with Trajectory(partial, "w", moving, properties=["energy", "forces"]) as frames:
        run = VelocityVerlet(moving, timestep=step)
        run.attach(frames.write, interval=dynamics.interval)
        run.run(dynamics.steps)
    partial.replace(path)
