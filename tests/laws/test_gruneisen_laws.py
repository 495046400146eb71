"""Laws of Grüneisen parameters, for pair potentials with exact derivatives."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.phonons.anharmonic.gruneisen import gruneisen_at, mean_gruneisen
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.phonons.strain import triplet_sum
from trajmodes.symmetry.operations import space_group
from trajmodes.units import BOLTZMANN, HBAR

NAMES = ["diamond", "rock salt", "wurtzite", "triclinic"]
Q_LIST = np.array([[0.0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0], [0.1, 0.27, -0.4], [0.05, 0, 0]])


def morse(a: float, r0: float) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """First three derivatives of (1 − e^{−a(r − r0)})²."""

    def radial(r: np.ndarray) -> tuple[np.ndarray, ...]:
        e = np.exp(-a * (r - r0))
        return 2 * a * (e - e**2), 2 * a**2 * (2 * e**2 - e), 2 * a**3 * (e - 4 * e**2)

    return radial


def power(n: float) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """First three derivatives of 400 r^−n."""

    def radial(r: np.ndarray) -> tuple[np.ndarray, ...]:
        phi = 400 * r**-n
        return -n * phi / r, n * (n + 1) * phi / r**2, -n * (n + 1) * (n + 2) * phi / r**3

    return radial


@dataclass(frozen=True)
class Bonds:
    """All pairs within a cutoff; straining the crystal does not change the list."""

    crystal: Crystal
    first: np.ndarray
    second: np.ndarray
    lattice: np.ndarray
    depth: np.ndarray
    radial: Callable[[np.ndarray], tuple[np.ndarray, ...]]

    @classmethod
    def within(cls, crystal: Crystal, cutoff: float) -> "Bonds":
        cells = np.array(list(itertools.product(range(-5, 6), repeat=3)))
        s = crystal.n_sites
        first, second, cell = (x.ravel() for x in np.indices((s, s, len(cells))))
        apart = crystal.sites[second] + cells[cell] - crystal.sites[first]
        length = np.linalg.norm(apart @ crystal.cell, axis=1)
        keep = (length < cutoff) & (length > 1e-6)
        depth = 1.0 + 0.1 * np.array([sum(map(ord, name)) % 7 for name in crystal.species])
        return cls(
            crystal, first[keep], second[keep], cells[cell[keep]],
            depth[first[keep]] * depth[second[keep]], morse(1.3, 2.4),
        )  # fmt: skip

    def vectors(self, gradient: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Bond vectors (p, 3) under a displacement gradient and shifts (s, 3) of the sites."""
        sites = self.crystal.sites
        plain = (sites[self.second] + self.lattice - sites[self.first]) @ self.crystal.cell
        return plain @ (np.eye(3) + gradient).T + moved[self.second] - moved[self.first]

    def derivatives(self, vectors: np.ndarray) -> tuple[np.ndarray, ...]:
        """Gradient, Hessian and third derivative of the energy of each bond."""
        r = np.linalg.norm(vectors, axis=1)
        n = vectors / r[:, None]
        one, two, three = (self.depth * x for x in self.radial(r))
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
        force = np.zeros((self.crystal.n_sites, 3))
        np.add.at(force, self.first, self.derivatives(self.vectors(gradient, moved))[0])
        return force

    def constants(self, gradient: np.ndarray, moved: np.ndarray) -> ForceConstants:
        """Second- and third-order force constants of the strained crystal."""
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
        """Shifts of the sites that restore the forces of the unstrained crystal."""
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
def test_gruneisen_tensors_equal_finite_differences_of_strained_crystals(
    name, relaxed, crystals
):
    bonds = bonds_of(crystals[name])
    constants = plain(bonds)
    found = gruneisen_at(constants, Q_LIST, relaxed=relaxed)
    sets = modes_at(constants, Q_LIST).sets
    scale, step = square(found.omega).max(), 1e-6
    unmoved = np.zeros_like(bonds.crystal.sites)
    # volume, and a shear that breaks the symmetry
    for strain in (np.eye(3) / 3, np.array([[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]])):
        up, down = (
            square(
                frequencies_at(
                    bonds.constants(change, bonds.relax(change) if relaxed else unmoved), Q_LIST
                )[0]
            )
            for change in (step * strain, -step * strain)
        )
        wanted = set_means((up - down) / (2 * step), sets)
        ours = -2 * square(found.omega) * np.einsum("qmxy,xy->qm", found.tensor, strain)
        defined = np.isfinite(found.gamma)
        np.testing.assert_allclose(ours[defined], wanted[defined], rtol=0, atol=2e-6 * scale)
        if strain[0, 0] != 0:
            np.testing.assert_allclose(found.slope, wanted, rtol=0, atol=2e-6 * scale)


def test_internal_relaxation_matters_where_symmetry_allows_it(crystals):
    gammas = {
        (name, relaxed): gruneisen_at(plain(bonds_of(crystals[name])), Q_LIST, relaxed=relaxed)
        for name in ("diamond", "wurtzite")
        for relaxed in (False, True)
    }
    tensor = {key: np.nan_to_num(found.tensor) for key, found in gammas.items()}
    gamma = {key: np.nan_to_num(found.gamma) for key, found in gammas.items()}
    # A change of volume does not shift the sites of diamond, but a shear does.
    np.testing.assert_allclose(
        gamma["diamond", True], gamma["diamond", False], rtol=0, atol=1e-9
    )
    assert np.abs(tensor["diamond", True] - tensor["diamond", False]).max() > 0.05
    assert np.abs(gamma["wurtzite", True] - gamma["wurtzite", False]).max() > 0.05


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [3.0, 9.0])
def test_bonds_of_a_power_law_have_one_gruneisen_parameter(name, n, crystals):
    """Φ2 scales as r^−(n+2) and ω² as V^−(n+2)/3 for all crystals and modes."""
    constants = plain(replace(bonds_of(crystals[name]), radial=power(n)))
    found = gruneisen_at(constants, Q_LIST, relaxed=False)
    defined = np.isfinite(found.gamma)
    assert defined.sum() > defined.size / 4
    np.testing.assert_allclose(found.gamma[defined], (n + 2) / 6, rtol=1e-8)
    # Modes within a millionth of the largest ω² are degenerate.
    wanted = -(n + 2) / 3 * set_means(square(found.omega), modes_at(constants, Q_LIST).sets)
    np.testing.assert_allclose(found.slope, wanted, rtol=1e-7, atol=1e-9 * np.abs(wanted).max())


@pytest.mark.parametrize("name", NAMES)
def test_rotations_are_part_of_the_strain_derivative(name, crystals):
    constants = plain(bonds_of(crystals[name]))
    change = triplet_sum(constants.crystal, constants.triplets)
    changes = change.derivative(constants.triplets.values, None)
    rotation = np.array([[0, 0.3, -0.7], [-0.3, 0, 0.2], [0.7, -0.2, 0]])
    place = {
        key: p
        for p, key in enumerate(
            zip(change.first, change.second, map(tuple, change.lattice), strict=True)
        )
    }
    order = [
        place[key]
        for key in zip(
            constants.first, constants.second, map(tuple, constants.lattice), strict=True
        )
    ]
    found = np.einsum("pabxy,xy->pab", changes, rotation)[order]
    wanted = rotation @ constants.values + constants.values @ rotation.T
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11 * np.abs(wanted).max())
    sums = np.zeros((constants.crystal.n_sites, 3, 3, 3, 3))
    np.add.at(sums, change.first, changes)
    assert np.abs(sums).max() < 1e-11 * np.abs(changes).max()


def random_rotation(seed: int) -> np.ndarray:
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return rotation * np.linalg.det(rotation)


@pytest.mark.parametrize("name", NAMES)
def test_gruneisen_tensors_rotate_with_the_crystal(name, crystals):
    crystal, rotation = crystals[name], random_rotation(3)
    other = replace(crystal, cell=crystal.cell @ rotation.T)
    one = gruneisen_at(plain(bonds_of(crystal)), Q_LIST)
    two = gruneisen_at(plain(bonds_of(other)), Q_LIST)
    scale = np.nanmax(np.abs(one.tensor))
    np.testing.assert_allclose(two.gamma, one.gamma, rtol=0, atol=1e-8 * scale)
    np.testing.assert_allclose(
        two.tensor, rotation @ one.tensor @ rotation.T, rtol=0, atol=1e-8 * scale
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_star_has_one_parameter_and_rotated_tensors(name, crystals):
    crystal = crystals[name]
    group = space_group(crystal)
    images = np.concatenate([Q_LIST[3] @ group.rotations, -Q_LIST[3] @ group.rotations])
    found = gruneisen_at(plain(bonds_of(crystal)), images)
    np.testing.assert_allclose(
        found.gamma, np.broadcast_to(found.gamma[0], found.gamma.shape), atol=1e-7
    )
    # C maps q' = q W back to q, so that the tensor at q is that at q' rotated by C.
    first = list(group.rotations.tolist()).index(np.eye(3, dtype=int).tolist())
    for rotation, tensor in zip(
        group.cartesian, found.tensor[: len(group.cartesian)], strict=True
    ):
        np.testing.assert_allclose(
            rotation @ tensor @ rotation.T, found.tensor[first], rtol=0, atol=1e-7
        )


@pytest.mark.parametrize("name", NAMES)
def test_order_of_sites_and_clusters_does_not_matter(name, crystals):
    crystal = crystals[name]
    rng = np.random.default_rng(5)
    order = rng.permutation(crystal.n_sites)
    basis = np.array([[1, 1, -1], [0, 1, 2], [0, 0, 1]])
    other = Crystal(
        basis @ crystal.cell,
        (crystal.sites @ np.linalg.inv(basis) + rng.integers(-1, 2, 3) + 0.3)[order],
        tuple(crystal.species[s] for s in order),
        crystal.masses[order],
    )
    one = gruneisen_at(plain(bonds_of(crystal)), Q_LIST)
    constants = plain(bonds_of(other))
    triplets = constants.triplets
    shuffle = rng.permutation(triplets.n_clusters)
    mixed = ClusterConstants(
        triplets.sites[shuffle], triplets.lattice[shuffle], triplets.values[shuffle]
    )
    two = gruneisen_at(replace(constants, triplets=mixed), Q_LIST @ basis.T)
    np.testing.assert_allclose(two.tensor, one.tensor, rtol=0, atol=1e-8)


def with_replicates(bonds: Bonds, noise: float, n_blocks: int) -> tuple[ForceConstants, list]:
    """Force constants with replicates from slightly different bonds."""
    rng = np.random.default_rng(2)
    kinds, kind = np.unique(bonds.depth.round(9), return_inverse=True)
    others = []
    for _ in range(n_blocks):
        a, r0 = np.array([1.3, 2.4]) * (1 + noise * rng.normal(size=2))
        depth = bonds.depth * (1 + noise * rng.normal(size=len(kinds)))[kind.ravel()]
        others.append(plain(replace(bonds, depth=depth, radial=morse(a, r0))))
    constants = plain(bonds)
    triplets = replace(
        constants.triplets, replicates=np.array([one.triplets.values for one in others])
    )
    replicates = np.array([one.values for one in others])
    return replace(constants, replicates=replicates, triplets=triplets), others


def spread(replicates: list[np.ndarray]) -> np.ndarray:
    return np.sqrt(len(replicates) - 1) * np.std(replicates, axis=0)


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "triclinic"])
def test_errors_equal_those_of_replicates_solved_separately(name, crystals):
    constants, others = with_replicates(bonds_of(crystals[name]), 1e-5, 6)
    found = gruneisen_at(constants, Q_LIST)
    anew = [gruneisen_at(one, Q_LIST) for one in others]
    ok = np.isfinite(found.gamma) & (np.abs(found.gamma) < 50)
    for field in ("gamma", "tensor", "slope"):
        wanted = spread([getattr(one, field) for one in anew])[ok]
        ours = getattr(found, f"{field}_sem")[ok]
        np.testing.assert_allclose(ours, wanted, rtol=2e-3, atol=1e-3 * np.median(wanted))


def test_the_mean_is_weighted_by_heat_capacity(crystals):
    constants, others = with_replicates(bonds_of(crystals["diamond"]), 1e-5, 5)
    kelvin = np.array([20.0, 300.0, 1e6])
    found = mean_gruneisen(constants, (3, 3, 3), kelvin)
    grid = np.array(list(itertools.product(range(3), repeat=3))) / 3
    whole = gruneisen_at(constants, grid)
    ok = np.isfinite(whole.gamma)
    gamma, omega = whole.gamma[ok], whole.omega[ok]
    assert found.classical == pytest.approx(gamma.mean(), rel=1e-9)
    for temperature, mean in zip(kelvin, found.quantum, strict=True):
        x = HBAR * omega / (BOLTZMANN * temperature)
        capacity = (x / 2 / np.sinh(x / 2)) ** 2
        assert mean == pytest.approx(np.average(gamma, weights=capacity), rel=1e-9)
    assert found.quantum[2] == pytest.approx(found.classical, rel=1e-6)
    anew = [mean_gruneisen(one, (3, 3, 3), kelvin) for one in others]
    np.testing.assert_allclose(
        found.quantum_sem, spread([one.quantum for one in anew]), rtol=2e-3
    )
    assert found.classical_sem == pytest.approx(
        spread([one.classical for one in anew]), rel=2e-3
    )
