"""Water with springs for bonds: from an XYZ file without a box to normal modes and energies.

The run is made here, 8 ps of a molecule that flies and tumbles at 100 K in a thin gas, which
takes the energy of every mode within 0.1 ps and gives it back (Langevin). The modes are those
of its forces; what the run says of each of them stands beside: temperature, line, lifetime.
"""

import sys
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

import trajmodes as tm

STEP_FS, EVERY, N_FRAMES = 0.25, 4, 8_000
KELVIN, LIFETIME_PS = 100.0, 0.1
PAIRS, SPRINGS, LENGTHS = [(0, 1), (0, 2), (1, 2)], [48.0, 48.0, 7.0], [0.96, 0.96, 1.51]


def forces(places):
    total = np.zeros((3, 3))
    for (a, b), spring, length in zip(PAIRS, SPRINGS, LENGTHS, strict=True):
        apart = places[b] - places[a]
        size = np.linalg.norm(apart)
        pull = spring * (size - length) * apart / size
        total[a] += pull
        total[b] -= pull
    return total


def simulate(path):
    height = np.sqrt(0.96**2 - 0.755**2)
    places = np.array([[0.0, 0.0, 0.0], [0.755, 0.0, height], [-0.755, 0.0, height]])
    molecule = Atoms("OHH", places)
    masses, step = molecule.get_masses()[:, None], STEP_FS * units.fs
    thermal = np.sqrt(KELVIN * units.kB / masses)
    rng = np.random.default_rng(1)
    speeds = thermal * rng.normal(size=(3, 3))
    kept = np.exp(-1e-3 * STEP_FS / LIFETIME_PS)
    push, frames = forces(places), []
    for number in range(EVERY * N_FRAMES):
        if number % EVERY == 0:
            frame = Atoms("OHH", places)
            frame.set_velocities(speeds)
            frame.info["step"] = number
            frame.calc = SinglePointCalculator(frame, forces=push)
            frames.append(frame)
        speeds = speeds + 0.5 * step * push / masses
        places = places + 0.5 * step * speeds
        # Friction and kicks, which balance at this temperature.
        speeds = kept * speeds + np.sqrt(1.0 - kept**2) * thermal * rng.normal(size=(3, 3))
        places = places + 0.5 * step * speeds
        push = forces(places)
        speeds = speeds + 0.5 * step * push / masses
    write(path, frames, format="extxyz")


def main(output: str) -> None:
    path = Path(output)
    path.mkdir(parents=True, exist_ok=True)
    simulate(path / "water.xyz")
    found = tm.molecule(path / "water.xyz", timestep_fs=STEP_FS)
    print(found)
    energies = found.projection.energies
    print(
        "harmonic potential over kinetic energy",
        np.round(energies.potential / energies.kinetic, 3),
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "molecule-results")
