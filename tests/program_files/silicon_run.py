"""A short harmonic run of silicon in ASE's objects, to be written as each program does."""

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.neighborlist import neighbor_list

N_FRAMES = 24
A = 5.43
_ALONG, _ACROSS = 9.0, 2.0
"""Force constants of a bond in eV/Å²."""


def supercell(scale: float = 1.0) -> Atoms:
    """64 atoms on their sites, with scaled lattice vectors."""
    return bulk("Si", "diamond", a=A * scale, cubic=True) * (2, 2, 2)


def hessian(atoms: Atoms, scale: float = 1.0) -> np.ndarray:
    """Second derivatives (3a, 3a) of springs between nearest neighbours.

    They become softer with the sixth power of the length.
    """
    first, second, vector = neighbor_list("ijD", atoms, 2.6 * scale)
    unit = vector / np.linalg.norm(vector, axis=1)[:, None]
    springs = scale**-6.0 * (
        (_ALONG - _ACROSS) * unit[:, :, None] * unit[:, None, :] + _ACROSS * np.eye(3)
    )
    table = np.zeros((len(atoms), 3, len(atoms), 3))
    np.add.at(table.transpose(0, 2, 1, 3), (first, first), springs)
    np.add.at(table.transpose(0, 2, 1, 3), (first, second), -springs)
    return table.reshape(3 * len(atoms), -1)


def silicon_run(
    interval_fs: float, kelvin: float = 300.0, *, scale: float = 1.0, n_frames: int = N_FRAMES
) -> list[Atoms]:
    """Frames of all modes but translations, each with its thermal energy and any phase."""
    sites = supercell(scale)
    second, mass = hessian(sites, scale), sites.get_masses()[0]
    squares, modes = np.linalg.eigh(second / mass)
    omega, modes = np.sqrt(squares[3:]), modes[:, 3:]
    rng = np.random.default_rng(2)
    energy = units.kB * kelvin * rng.standard_exponential(len(omega))
    amplitude = np.sqrt(2.0 * energy / mass) / omega
    phase = rng.uniform(0.0, 2.0 * np.pi, len(omega))
    images = []
    for t in range(n_frames):
        angle = omega * interval_fs * units.fs * t + phase
        image, u = sites.copy(), modes @ (amplitude * np.cos(angle))
        image.positions += u.reshape(-1, 3)
        image.set_velocities((modes @ (-omega * amplitude * np.sin(angle))).reshape(-1, 3))
        forces = -(second @ u).reshape(-1, 3)
        image.calc = SinglePointCalculator(
            image, forces=forces, energy=-0.5 * forces.ravel() @ u
        )
        images.append(image)
    return images


def kinetic_temperature(images: list[Atoms]) -> float:
    """Mean over the frames in K; translations do not count."""
    mean = np.mean([image.get_kinetic_energy() for image in images])
    return float(2.0 * mean / (3 * (len(images[0]) - 1) * units.kB))
