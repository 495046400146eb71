"""Laws of Grüneisen parameters, on crystals of Morse bonds with exact derivatives."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from trajmodes.data import ClusterConstants, Crystal, ForceConstants
from trajmodes.phonons import (
    dynamical_matrices,
    frequencies_at,
    gruneisen_at,
    mean_gruneisen,
    modes_at,
    strain_derivative,
)
from trajmodes.units import BOLTZMANN, HBAR

NAMES = ["diamond", "rock salt", "wurtzite", "triclinic"]
Q_LIST = np.array([[0.0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0], [0.1, 0.27, -0.4], [0.05, 0, 0]])


@dataclass(frozen=True)
class Bonds:
    """All pairs within a cutoff, kept as they are when the crystal is strained."""

    crystal: Crystal
    first: np.ndarray
    second: np.ndarray
    lattice: np.ndarray
    depth: np.ndarray

    @classmethod
    def within(cls, crystal: Crystal, cutoff: float) -> "Bonds":
        cells = np.array(list(itertools.product(range(-3, 4), repeat=3)))
        s = crystal.n_sites
        first, second, cell = (x.ravel() for x in np.indices((s, s, len(cells))))
        apart = crystal.sites[second] + cells[cell] - crystal.sites[first]
        length = np.linalg.norm(apart @ crystal.cell, axis=1)
        keep = (length < cutoff) & (length > 1e-6)
        depth = 1.0 + 0.1 * np.array([sum(map(ord, name)) % 7 for name in crystal.species])
        return cls(
            crystal, first[keep], second[keep], cells[cell[keep]],
            depth[first[keep]] * depth[second[keep]],
        )  # fmt: skip

    def vectors(self, gradient: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Bond vectors (p, 3) under a displacement gradient and shifts (s, 3) of the sites."""
        sites = self.crystal.sites
        plain = (sites[self.second] + self.lattice - sites[self.first]) @ self.crystal.cell
        return plain @ (np.eye(3) + gradient).T + moved[self.second] - moved[self.first]

    def derivatives(self, vectors: np.ndarray) -> tuple[np.ndarray, ...]:
        """Gradient, Hessian and third derivative of D(1 − e^{−a(r − r0)})² in the bond."""
        a, r0 = 1.3, 2.4
        r = np.linalg.norm(vectors, axis=1)
        n = vectors / r[:, None]
        e = np.exp(-a * (r - r0))
        one = 2 * a * self.depth * (e - e**2)
        two = 2 * a**2 * self.depth * (2 * e**2 - e)
        three = 2 * a**3 * self.depth * (e - 4 * e**2)
        along, unit = np.einsum("pi,pj->pij", n, n), np.eye(3)
        across = unit - along
        hessian = two[:, None, None] * along + (one / r)[:, None, None] * across
        mixed = np.einsum("pij,pk->pijk", across, n)
        mixed = mixed + mixed.transpose(0, 2, 3, 1) + mixed.transpose(0, 3, 1, 2)
        cube = np.einsum("pi,pj,pk->pijk", n, n, n)
        bend = two / r - one / r**2
        third = three[:, None, None, None] * cube + bend[:, None, None, None] * mixed
        return one[:, None] * n, hessian, third

    def forces(self, gradient: np.ndarray, moved: np.ndarray) -> np.ndarray:
        pull = np.zeros((self.crystal.n_sites, 3))
        np.add.at(pull, self.first, self.derivatives(self.vectors(gradient, moved))[0])
        return pull

    def constants(self, gradient: np.ndarray, moved: np.ndarray) -> ForceConstants:
        """Pair and triplet constants of the crystal so strained."""
        _, hessian, third = self.derivatives(self.vectors(gradient, moved))
        s, home = self.crystal.n_sites, np.zeros_like(self.lattice)
        own, zeros = np.arange(s), np.zeros((s, 3), int)
        onsite = np.zeros((s, 3, 3))
        np.add.at(onsite, self.first, hessian)
        onsite3 = np.zeros((s, 3, 3, 3))
        np.add.at(onsite3, self.first, -third)
        i, j, r = self.first, self.second, self.lattice
        sites = [(own, own, own), (i, i, j), (i, j, i), (i, j, j)]
        cells = [(zeros,) * 3, (home, home, r), (home, r, home), (home, r, r)]
        triplets = ClusterConstants(
            np.concatenate([np.stack(x, axis=1) for x in sites]),
            np.concatenate([np.stack(x, axis=1) for x in cells]),
            np.concatenate([onsite3, third, third, -third]),
        )
        cell = self.crystal.cell @ (np.eye(3) + gradient).T
        crystal = replace(self.crystal, cell=cell)
        return ForceConstants(
            crystal, np.concatenate([own, i]), np.concatenate([own, j]),
            np.concatenate([zeros, r]), np.concatenate([onsite, -hessian]), triplets=triplets,
        )  # fmt: skip

    def relax(self, gradient: np.ndarray) -> np.ndarray:
        """Shifts of the sites that leave on each the force it feels unstrained."""
        s = self.crystal.n_sites
        moved, wanted = np.zeros((s, 3)), self.forces(np.zeros((3, 3)), np.zeros((s, 3)))
        for _ in range(8):
            here = self.constants(gradient, moved)
            stiffness = np.zeros((s, s, 3, 3))
            np.add.at(stiffness, (here.first, here.second), here.values)
            matrix = stiffness.swapaxes(1, 2).reshape(3 * s, 3 * s)
            missing = (self.forces(gradient, moved) - wanted).ravel()
            moved = moved + (np.linalg.pinv(matrix, rcond=1e-10) @ missing).reshape(s, 3)
        assert np.abs(self.forces(gradient, moved) - wanted).max() < 1e-12
        return moved


def bonds_of(crystal: Crystal) -> Bonds:
    return Bonds.within(crystal, 3.4 if len(crystal.species) < 3 else 3.1)


def plain(bonds: Bonds) -> ForceConstants:
    return bonds.constants(np.zeros((3, 3)), np.zeros((bonds.crystal.n_sites, 3)))


def square(omega: np.ndarray) -> np.ndarray:
    return omega * np.abs(omega)


def set_means(values: np.ndarray, sets: np.ndarray) -> np.ndarray:
    means = np.empty_like(values)
    for q, labels in enumerate(sets):
        for label in np.unique(labels):
            means[q, labels == label] = values[q, labels == label].mean()
    return means


@pytest.mark.parametrize("relaxed", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_slope_is_what_strained_crystals_show(name, relaxed, crystals):
    bonds = bonds_of(crystals[name])
    constants = plain(bonds)
    found = gruneisen_at(constants, Q_LIST, relaxed=relaxed)
    sets = modes_at(constants, Q_LIST).sets
    scale = square(found.omega).max()
    step = 1e-6
    # volume, a shear, and a stretch that breaks the symmetry
    for strain in (np.eye(3) / 3, np.array([[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]])):
        sides = []
        for sign in (1, -1):
            moved = bonds.relax(sign * step * strain) if relaxed else np.zeros_like(bonds.crystal.sites)
            there = bonds.constants(sign * step * strain, moved)
            sides.append(square(frequencies_at(there, Q_LIST)[0]))
        wanted = set_means((sides[0] - sides[1]) / (2 * step), sets)
        slope = -2 * square(found.omega)[..., None, None] * found.tensor
        ours = np.einsum("qmxy,xy->qm", slope, strain)
        defined = np.isfinite(found.gamma)
        np.testing.assert_allclose(ours[defined], wanted[defined], rtol=0, atol=3e-7 * scale)
        if strain[0, 0] != 0:
            np.testing.assert_allclose(found.slope, wanted, rtol=0, atol=3e-7 * scale)
            np.testing.assert_allclose(
                found.gamma[defined], -0.5 * (wanted / square(found.omega))[defined], rtol=1e-4
            )
