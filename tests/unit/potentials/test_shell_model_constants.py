"""Force constants of models of terms: phonons are those of the model's own matrices."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from trajmodes.coulomb.charges import symmetric_charges
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.formats.dipoles import without_quadrupoles
from trajmodes.phonons.anharmonic.gruneisen import gruneisen_at
from trajmodes.phonons.modes import frequencies_at
from trajmodes.potentials.relaxation import relaxed
from trajmodes.potentials.shell_model.model import ShellModel
from trajmodes.potentials.shell_model.terms import AngleTerm, PairTerm, Terms
from trajmodes.potentials.terms import functions as of
from trajmodes.potentials.terms.triples import AngularFunction
from trajmodes.symmetry.operations import space_group
from trajmodes.thermo.elasticity import elasticity
from trajmodes.units import THZ, WAVENUMBER


def frequencies(matrices):
    square = np.linalg.eigvalsh(matrices)
    return np.sign(square) * np.sqrt(np.abs(square))


@pytest.fixture(scope="module")
def silica(static_quartz):
    return static_quartz[0]


@pytest.fixture(scope="module")
def crystal(static_quartz):
    return static_quartz[1]


@pytest.fixture(scope="module")
def mesh(silica, crystal):
    return silica.mesh_constants(crystal)


def test_frequencies_of_quartz_are_those_of_the_model(silica, crystal, mesh):
    qpoints = np.random.default_rng(4).uniform(-0.5, 0.5, (6, 3))
    own = frequencies(silica.matrices(crystal, qpoints))
    found, _ = frequencies_at(mesh.constants, qpoints)
    assert np.sqrt(np.mean((found - own) ** 2)) < 2.0 * mesh.error < 0.03 * THZ
    on_mesh = np.array([[1, 0, 0], [2, 1, -1]]) @ np.linalg.inv(mesh.supercell.matrix).T
    own = frequencies(silica.matrices(crystal, on_mesh))
    np.testing.assert_allclose(frequencies_at(mesh.constants, on_mesh)[0], own, atol=1e-5)


def test_longitudinal_modes_of_quartz_are_those_of_the_coulomb_sum(silica, crystal, mesh):
    """Those of Z* and ε∞ and of the model at |q| = 1e-4 along it differ by < 0.03 cm⁻¹."""
    gamma = np.zeros((1, 3))
    for direction in np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.3, -0.5, 0.8]]):
        unit = direction / np.linalg.norm(direction)
        found = frequencies_at(mesh.constants, gamma, unit[None])[0][0, 3:]
        own = frequencies(silica.matrices(crystal, gamma, unit))[0, 3:]
        np.testing.assert_allclose(found, own, atol=1e-6)
        near = 1e-4 * unit @ crystal.cell.T / (2.0 * np.pi)
        close = frequencies(silica.matrices(crystal, near[None]))[0, 3:]
        assert np.abs(found - close).max() < 0.03 * WAVENUMBER
    plain = frequencies_at(mesh.constants, gamma)[0][0, 3:]
    assert (found - plain).max() > 10.0 * WAVENUMBER


def test_quadrupoles_obey_the_symmetry_and_shorten_the_rest(silica, crystal, mesh):
    """Without them frequencies between the points of the same mesh are worse."""
    charges = mesh.constants.charges
    found, _ = symmetric_charges(charges, space_group(crystal))
    np.testing.assert_allclose(found.quadrupoles, charges.quadrupoles, atol=2e-5)
    plain = without_quadrupoles(mesh.constants, mesh.supercell)
    assert plain.charges.quadrupoles is None
    qpoints = np.random.default_rng(8).uniform(-0.5, 0.5, (10, 3))
    own = frequencies(silica.matrices(crystal, qpoints))
    near, far = (
        np.sqrt(np.mean((frequencies_at(one, qpoints)[0] - own) ** 2))
        for one in (mesh.constants, plain)
    )
    assert far > 2.0 * near
    on_mesh = np.array([[1, 0, 0], [2, 1, -1]]) @ np.linalg.inv(mesh.supercell.matrix).T
    own, found = (frequencies_at(one, on_mesh)[0] for one in (mesh.constants, plain))
    np.testing.assert_allclose(found, own, atol=1e-5)


def test_quartz_has_the_elastic_constants_of_long_waves(silica, crystal, mesh):
    """Forces of dipoles on quadrupoles contribute up to 10 GPa."""
    wanted = silica.response(crystal).stiffness
    found = elasticity(mesh.constants)
    np.testing.assert_allclose(found.stiffness, wanted, atol=0.01 * wanted.max())
    assert found.huang < 0.01


def test_positions_relax_with_the_dipole_forces(silica, crystal):
    start = replace(crystal, sites=crystal.sites + 0.003 * np.cos(np.arange(27)).reshape(9, 3))
    near = silica.near(start)
    found = relaxed(near, start)
    assert np.abs(near.state(found).forces).max() < 1e-8
    assert near.state(found).energy < near.state(start).energy


def test_rigid_ions_need_no_mesh():
    """Bonds, and the dipole–dipole forces of the charges themselves, are all."""
    terms = Terms(
        charges={"Zn": 1.4, "S": -1.4},
        springs={},
        pairs=(PairTerm(("Zn", "S"), of.buckingham(700.0, 0.35, 5.0), 6.0),),
    )
    own, zinc_blende = ShellModel(terms), Crystal.from_ase(bulk("ZnS", "zincblende", a=5.4))
    constants = own.force_constants(zinc_blende)
    np.testing.assert_array_equal(constants.charges.dielectric, np.eye(3))
    qpoints = np.random.default_rng(5).uniform(-0.5, 0.5, (4, 3))
    wanted = frequencies(own.matrices(zinc_blende, qpoints))
    np.testing.assert_allclose(frequencies_at(constants, qpoints)[0], wanted, atol=1e-6)


def silicon_model():
    """Pairs, and angles whose energy has the length of both bonds."""
    arm = of.screened(1.0, 1.5, 3.0)
    angle = AngularFunction(arm, arm, of.cosine_harmonic(20.0, 109.47))
    pair = PairTerm(("Si", "Si"), of.morse(2.0, 1.6, 2.35), 3.0)
    return ShellModel(
        Terms({}, {}, (pair,), (AngleTerm("Si", ("Si", "Si"), angle, (3.0, 3.0)),))
    )


def test_bonds_and_angles_have_a_finite_range():
    own, silicon = silicon_model(), Crystal.from_ase(bulk("Si", a=5.43))
    constants = own.force_constants(silicon)
    assert constants.charges is None
    # An angle couples its two ends.
    assert constants.cutoff == pytest.approx(5.43 / np.sqrt(2.0))
    qpoints = np.random.default_rng(6).uniform(-0.5, 0.5, (4, 3))
    wanted = frequencies(own.matrices(silicon, qpoints))
    np.testing.assert_allclose(frequencies_at(constants, qpoints)[0], wanted, atol=1e-6)
    square = frequencies_at(constants, np.zeros((1, 3)))[0][0, -1] ** 2
    highest = np.linalg.eigvalsh(own.hessian(silicon))[-1]
    assert highest == pytest.approx(square * silicon.masses[0])


def test_third_order_is_the_change_of_second_order():
    """By moving an atom of a crystal without symmetry, and by strain at any q."""
    own = silicon_model()
    atoms = bulk("Si", a=5.43)
    atoms.set_cell(
        atoms.cell.array @ [[1.0, 0.03, 0.01], [0.0, 0.98, 0.0], [0.02, 0.0, 1.01]],
        scale_atoms=True,
    )
    crystal = Crystal.from_ase(atoms)
    found, h = own.force_constants(crystal, 3), 1e-3
    triplets = found.triplets
    total = np.zeros((2, 2, 2, 3, 3, 3))
    np.add.at(total, tuple(triplets.sites.T), triplets.values)
    for site, x in ((0, 1), (1, 2)):
        wanted = []
        for step in (-h, h):
            places = crystal.positions.copy()
            places[site, x] += step
            sites = places @ np.linalg.inv(crystal.cell)
            wanted.append(own.hessian(replace(crystal, sites=sites)))
        change = (wanted[1] - wanted[0]) / (2.0 * h)
        mine = total[:, :, site, ..., x].transpose(0, 2, 1, 3).reshape(6, 6)
        np.testing.assert_allclose(mine, change, atol=1e-5 * np.abs(change).max())
    sums = np.zeros((found.n_pairs, 3, 3, 3))
    _, head = np.unique(
        np.column_stack([triplets.sites[:, :2], triplets.lattice[:, 1]]),
        axis=0,
        return_inverse=True,
    )
    np.add.at(sums, head.reshape(-1), triplets.values)
    np.testing.assert_allclose(sums, 0.0, atol=1e-9)


def test_gruneisen_parameters_are_those_of_two_volumes():
    own, qpoints = silicon_model(), np.random.default_rng(7).uniform(-0.5, 0.5, (3, 3))

    def squares(scale):
        crystal = Crystal.from_ase(bulk("Si", a=5.43 * scale))
        return np.linalg.eigvalsh(own.matrices(crystal, qpoints))

    h = 1e-4
    slope = (squares(1.0 + h) - squares(1.0 - h)) / (2.0 * h)
    wanted = -slope / (6.0 * squares(1.0))
    crystal = Crystal.from_ase(bulk("Si", a=5.43))
    found = gruneisen_at(own.force_constants(crystal, 3), qpoints)
    np.testing.assert_allclose(found.gamma, wanted, atol=1e-4)


def test_third_order_of_charges_is_refused(silica, crystal):
    with pytest.raises(DataError, match="third order"):
        silica.force_constants(crystal, 3)
