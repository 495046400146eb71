"""Derivatives of the embedded-atom energy, the parts of its force constants, and the gauge."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum
from trajmodes.potentials.differences import force_constants_by_differences, forces_of
from trajmodes.potentials.eam.embedded_atom import EmbeddedAtom
from trajmodes.potentials.eam.functions import Functions

H = 2e-3
PARTS = ("pair", "e1", "e2", "e3")


def slope_of(function, at=0.0):
    """Derivative with an error of order h⁴."""
    one = function(at + H) - function(at - H)
    two = function(at + 2 * H) - function(at - 2 * H)
    return (8.0 * one - two) / (12.0 * H)


def moved(crystal, site, x, step):
    places = crystal.positions.copy()
    places[site, x] += step
    return replace(crystal, sites=places @ np.linalg.inv(crystal.cell))


def slopes(crystal, function):
    """(s, 3, …) derivative of a function of the crystal along each coordinate."""
    return np.array(
        [
            [
                slope_of(lambda step, s=s, x=x: function(moved(crystal, s, x, step)))
                for x in range(3)
            ]
            for s in range(crystal.n_sites)
        ]
    )


def folded(constants):
    n = constants.crystal.n_sites
    phi = np.zeros((n, n, 3, 3))
    np.add.at(phi, (constants.first, constants.second), constants.values)
    return phi


@pytest.fixture(params=["triclinic", "slab"])
def crystal(request):
    return request.getfixturevalue(request.param)


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-7 * np.abs(expected).max(), rtol=0)


def test_forces_are_the_slope_of_the_energy(alloy, crystal):
    assert_close(
        alloy.state(crystal).forces, -slopes(crystal, lambda one: alloy.state(one).energy)
    )


def test_stress_is_the_slope_of_the_energy_with_strain(alloy, crystal):
    def energy(x, y, strain):
        linear = np.eye(3)
        linear[x, y] += strain
        return alloy.state(replace(crystal, cell=crystal.cell @ linear.T)).energy

    expected = [
        [slope_of(lambda e, x=x, y=y: energy(x, y, e)) for y in range(3)] for x in range(3)
    ]
    assert_close(alloy.state(crystal).stress, np.array(expected) / crystal.volume)


def test_second_order_is_the_slope_of_the_forces(alloy, crystal):
    expected = -slopes(crystal, lambda one: alloy.state(one).forces)
    assert_close(folded(alloy.force_constants(crystal)), expected.transpose(0, 2, 1, 3))


def test_third_order_is_the_slope_of_the_second(alloy, crystal):
    n = crystal.n_sites
    triplets = alloy.force_constants(crystal, 3).triplets
    found = np.zeros((n, n, n, 3, 3, 3))
    np.add.at(found, tuple(triplets.sites.T), triplets.values)
    expected = slopes(crystal, lambda one: folded(alloy.force_constants(one)))
    assert_close(found, expected.transpose(0, 2, 3, 1, 4, 5))


def test_constants_of_each_lattice_vector_are_those_of_a_wide_supercell(alloy):
    crystal = Crystal.from_ase(bulk("NiAl", "cesiumchloride", a=2.9))
    constants = alloy.force_constants(crystal)
    other = force_constants_by_differences(forces_of(alloy), crystal, constants.cutoff)
    reference = {
        (i, j, *n): value
        for i, j, n, value in zip(
            other.first, other.second, map(tuple, other.lattice), other.values, strict=True
        )
    }
    for i, j, n, value in zip(
        constants.first, constants.second, constants.lattice, constants.values, strict=True
    ):
        expected = reference.pop((i, j, *n))
        np.testing.assert_allclose(value, expected, atol=1e-4)
    assert max(np.abs(value).max() for value in reference.values()) < 1e-4


def test_each_part_obeys_the_sum_rule_and_exchange(alloy, crystal):
    parts = alloy.parts(crystal)
    total = parts.total
    members = np.column_stack([total.first, total.second, total.lattice])
    exchanged = np.column_stack([total.second, total.first, -total.lattice])
    here, there = (np.lexsort(rows.T) for rows in (members, exchanged))
    np.testing.assert_array_equal(members[here], exchanged[there])
    for part in PARTS:
        values = getattr(parts, part)
        sums = np.zeros((crystal.n_sites, 3, 3))
        np.add.at(sums, total.first, values)
        np.testing.assert_allclose(sums, 0.0, atol=1e-12)
        np.testing.assert_allclose(values[here], values[there].transpose(0, 2, 1), atol=1e-13)
        assert np.abs(values).max() > 1e-3
    np.testing.assert_allclose(sum(getattr(parts, p) for p in PARTS), total.values, atol=1e-13)


def test_third_order_obeys_the_sum_rule(alloy, triclinic):
    triplets = alloy.force_constants(triclinic, 3).triplets
    keys = np.column_stack([triplets.sites[:, :2], triplets.lattice[:, 1]])
    _, pair = np.unique(keys, axis=0, return_inverse=True)
    sums = np.zeros((pair.max() + 1, 3, 3, 3))
    np.add.at(sums, pair.reshape(-1), triplets.values)
    np.testing.assert_allclose(sums, 0.0, atol=1e-12 * np.abs(triplets.values).max() * 10)


def test_self_terms_of_the_many_body_part_are_sums_of_squares(alloy, triclinic):
    """Σ_m F''_m (∂ρ_m/∂u)(∂ρ_m/∂u)ᵀ, with the slopes of the densities by differences."""
    parts = alloy.parts(triclinic)
    doubled = np.diag([7, 6, 5]) @ triclinic.cell
    cells = np.stack(np.meshgrid(range(7), range(6), range(5), indexing="ij"), -1).reshape(
        -1, 3
    )
    sites = (cells[:, None] + triclinic.sites).reshape(-1, 3) / [7, 6, 5]
    n = len(cells)
    wide = Crystal(doubled, sites, triclinic.species * n, np.tile(triclinic.masses, n))

    def densities(crystal):
        return alloy._at(crystal, 2)

    curvature = densities(wide).embedding[2]
    for site in range(triclinic.n_sites):
        slope = [
            slope_of(lambda h, x=x, s=site: densities(moved(wide, s, x, h)).densities)
            for x in range(3)
        ]
        expected = np.einsum("m,xm,ym->xy", curvature, slope, slope)
        total = parts.total
        own = (total.first == site) & (total.second == site) & ~total.lattice.any(axis=1)
        np.testing.assert_allclose(parts.e3[own][0], expected, atol=1e-8)


def test_the_gauge_moves_only_the_split_of_the_bonds(alloy, crystal):
    plain = alloy.parts(crystal)
    rng = np.random.default_rng(5)
    for gauge in (rng.normal(size=crystal.n_sites), "normalised"):
        other = alloy.parts(crystal, gauge)
        np.testing.assert_allclose(other.total.values, plain.total.values, atol=1e-12)
        np.testing.assert_array_equal(other.e3, plain.e3)
        assert np.abs(other.pair - plain.pair).max() > 1e-2
    assert np.abs(other.e1).max() < 1e-15
    assert np.abs(other.e2).max() < 1e-15
    np.testing.assert_allclose(other.pair, plain.bonds, atol=1e-12)


def test_a_gauge_of_the_functions_is_that_of_the_constants(alloy):
    """A crystal of one species, with A f added twice to φ and A ρ subtracted from F."""
    plain = alloy.functions
    a, pair, density = 0.37, plain.pair["Ni", "Ni"], plain.density["Ni", "Ni"]

    def moved_embedding(rho, n):
        return plain.embedding["Ni"](rho, n) - a * (rho, 1.0, 0.0, 0.0)[n]

    functions = Functions(
        species=("Ni",),
        embedding={"Ni": moved_embedding},
        density={("Ni", "Ni"): density},
        pair={("Ni", "Ni"): lambda r, n: pair(r, n) + 2.0 * a * density(r, n)},
        cutoff=plain.cutoff,
    )
    crystal = Crystal.from_ase(bulk("Ni", a=3.5, cubic=True))
    other = EmbeddedAtom(functions)
    assert other.state(crystal).energy == pytest.approx(alloy.state(crystal).energy)
    theirs, ours = other.parts(crystal), alloy.parts(crystal, np.full(4, a))
    for part in PARTS:
        np.testing.assert_allclose(getattr(theirs, part), getattr(ours, part), atol=1e-12)


def test_a_gauge_of_the_wrong_size_is_refused(alloy, triclinic):
    with pytest.raises(UsageError, match=r"shape \(2,\), and the crystal 3 sites"):
        alloy.parts(triclinic, np.zeros(2))


@pytest.fixture(scope="module")
def nickel():
    return Crystal.from_ase(bulk("Ni", a=3.5))


def test_matrices_without_constants_are_those_of_the_constants(alloy, crystal):
    qpoints = np.random.default_rng(2).uniform(-1, 1, (7, 3))
    expected = dynamical_matrices(lattice_sum(alloy.force_constants(crystal)), qpoints)
    scale = np.abs(expected).max()
    for potential in (alloy, alloy.near(crystal)):
        found = potential.matrices(crystal, qpoints)
        np.testing.assert_allclose(found, expected, atol=1e-12 * scale, rtol=0)


def test_the_many_body_part_has_rank_one_and_leaves_transverse_branches(alloy, nickel):
    to_reduced = nickel.cell.T
    for direction in ([1, 0, 0], [1, 1, 0], [1, 1, 1]):
        k = 0.19 * np.array(direction) / 3.5
        qpoint = (k @ to_reduced)[None]
        bonds, many = (part[0] for part in alloy.dynamical_parts(nickel, qpoint))
        assert np.linalg.matrix_rank(many, tol=1e-10 * np.abs(many).max()) == 1
        along = k / np.linalg.norm(k)
        across = np.eye(3) - np.outer(along, along)
        np.testing.assert_allclose(across @ many, 0.0, atol=1e-12 * np.abs(many).max())
        squares = np.linalg.eigvalsh(across @ (bonds + many) @ across)
        np.testing.assert_allclose(
            squares, np.linalg.eigvalsh(across @ bonds @ across), atol=1e-10
        )


def test_species_that_the_potential_lacks_are_named(alloy):
    with pytest.raises(UsageError, match="has Ni, Al, and the crystal contains Au"):
        alloy.state(Crystal.from_ase(bulk("Au")))


def test_atoms_at_one_place_are_named(alloy, triclinic):
    sites = triclinic.sites.copy()
    sites[2] = sites[1] + [1.0, 0.0, 0.0]
    with pytest.raises(DataError, match="sites 1 and 2 are at the same place"):
        alloy.state(replace(triclinic, sites=sites))
