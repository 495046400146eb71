"""Pair, angular, Coulomb and shell energies: derivatives by differences, laws, known sums."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.optimize import minimize

from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.potentials.ewald import ewald_sum
from trajmodes.potentials.shell_model.lists import lists_of
from trajmodes.potentials.shell_model.model import ShellModel
from trajmodes.potentials.shell_model.terms import AngleTerm, PairTerm, Terms
from trajmodes.potentials.terms import functions as of
from trajmodes.potentials.terms.particles import Particles
from trajmodes.potentials.terms.triples import AngularFunction, bending
from trajmodes.units import COULOMB

FUNCTIONS = {
    "buckingham": of.buckingham(1300.0, 0.32, 10.0),
    "lennard_jones": of.lennard_jones(0.01, 2.5),
    "morse": of.morse(0.5, 1.5, 2.4),
    "harmonic": of.harmonic(2.0, 2.5),
    "polynomial": of.polynomial((0.0, 0.0, 70.0, 0.0, 500.0)),
    "screened": of.screened(3.0, 1.2, 3.0),
    "product": of.product(of.power(2.0, -4), of.exponential(1.0, -0.7)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_functions_are_differences(name, order):
    r, h = np.array([1.8, 2.3, 2.6]), 1e-5
    function = FUNCTIONS[name]
    wanted = (function(r + h, order - 1) - function(r - h, order - 1)) / (2.0 * h)
    np.testing.assert_allclose(function(r, order), wanted, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(
    "function", [of.HarmonicAngle(2.1, 109.47), of.cosine_harmonic(1.5, 120.0)]
)
def test_derivatives_by_the_cosine_are_differences(function, order):
    c, h = np.array([-0.7, -0.3, 0.4]), 1e-5
    wanted = (function(c + h, order - 1) - function(c - h, order - 1)) / (2.0 * h)
    np.testing.assert_allclose(function(c, order), wanted, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("degrees", "refused"), [(180.0, True), (179.97, True), (179.0, False)]
)
def test_a_nearly_collinear_triple_is_refused_by_name(degrees, refused):
    """The form in cos θ takes it, and has no force at 180° in equilibrium."""
    bend = np.radians(180.0 - degrees)
    places = [[4, 4, 4], [5.2, 4, 4], [4 - 1.2 * np.cos(bend), 4 + 1.2 * np.sin(bend), 4]]
    crystal = Crystal.from_ase(Atoms("CO2", places, cell=3 * [8.0], pbc=True))

    def forces(h):
        angle = AngleTerm("C", ("O", "O"), bending(h), (1.5, 1.5))
        return ShellModel(Terms({}, {}, (), (angle,))).state(crystal).forces

    harmonic = of.HarmonicAngle(1.0, 180.0)
    if refused:
        text = rf"O of site 1, C of site 0, O of site 2, {degrees:.2f}.*°(.|\n)*cosine_harmonic"
        with pytest.raises(DataError, match=text):
            forces(harmonic)
    else:  # k Δθ/r on each end
        ends = np.linalg.norm(forces(harmonic)[1:], axis=1)
        np.testing.assert_allclose(ends, bend / 1.2, rtol=1e-9)
    assert np.abs(forces(of.cosine_harmonic(1.0, 180.0))).max() <= bend**3


def test_ends_that_are_too_far_apart_make_no_angle():
    """Of a square of neighbours only the four angles of 90° are left, not the two of 180°."""
    places = [[4, 4, 4], [5, 4, 4], [3, 4, 4], [4, 5, 4], [4, 3, 4]]
    crystal = Crystal.from_ase(Atoms("CO4", places, cell=3 * [8.0], pbc=True))
    angle = AngleTerm("C", ("O", "O"), bending(of.constant(1.0)), (1.5, 1.5))
    for apart, count in ((np.inf, 6), (1.9, 4)):
        terms = Terms({}, {}, (), (replace(angle, apart=apart),))
        assert ShellModel(terms).state(crystal).energy == pytest.approx(count)


def test_angles_of_long_cutoffs_are_refused_before_they_fill_the_memory():
    crystal = Crystal.from_ase(bulk("Si"))
    angle = AngleTerm("Si", ("Si", "Si"), bending(of.constant(1.0)), (20.0, 20.0))
    text = r"Si of site 0 is the centre of \d+ angles \(cutoffs of 20"
    with pytest.raises(DataError, match=text):
        ShellModel(Terms({}, {}, (), (angle,))).state(crystal)


def test_strongly_anharmonic_shells_come_to_rest_where_the_energy_is_lowest(oxide):
    """k₄ alone, or with k₂: the same rest as another minimiser finds.

    Without k₄ the first two are unstable.
    """
    for k, quartic in ((0.0, 2e6), (15.0, 1e6), (40.0, 1e7)):
        spring = of.polynomial((0.0, 0.0, k, 0.0, quartic))
        terms = replace(model().terms, springs={"O": spring})
        lists = lists_of(terms, oxide)
        _, shift = lists.relaxed(oxide)

        def energy(x, lists=lists):
            found = lists.derivatives(lists.particles(oxide, x.reshape(-1, 3)))
            return found.energy, found.gradient[oxide.n_sites :].ravel()

        start = 0.01 * np.random.default_rng(5).normal(size=shift.size)
        wanted = minimize(energy, start, jac=True, method="BFGS", options={"gtol": 1e-8})
        np.testing.assert_allclose(shift.ravel(), wanted.x, atol=1e-6)
        assert np.abs(shift).max() > 1e-3


def test_shells_at_a_maximum_of_their_energy_are_refused():
    """Without repulsion springs of a cubic crystal hold if k > 4π z²/3V (Clausius, Mossotti).

    There the shells are on their cores without force, also where the springs lose them.
    """
    crystal = Crystal.from_ase(bulk("MgO", "rocksalt", a=4.2))
    least = 4.0 * np.pi * COULOMB * 2.2**2 / (3.0 * crystal.volume)
    for k, held in ((1.01 * least, True), (0.99 * least, False), (0.0, False)):
        springs = {"O": of.harmonic(k)}
        own = ShellModel(replace(model().terms, springs=springs, pairs=(), angles=()))
        if held:
            assert own.charges(crystal).dielectric[0, 0] > 100.0
        else:
            with pytest.raises(DataError, match="polarisation catastrophe"):
                own.charges(crystal)


def test_rock_salt_has_madelungs_constant():
    """−1.747564594633182 k/r for each pair of ions of charge 1 at a distance r."""
    crystal = bulk("NaCl", "rocksalt", a=5.64)
    particles = Particles(crystal.cell.array, crystal.positions)
    charges = np.array([1.0, -1.0])
    own = np.zeros((0, 2), dtype=np.int64)
    for width in (1.8, 2.6, 3.4):
        energy = ewald_sum(particles, charges, own, width).derivatives(particles).energy
        assert energy == pytest.approx(-1.747564594633182 * COULOMB / 2.82, abs=1e-9)


def model() -> ShellModel:
    """Ions of both signs, one polarisable, with pairs, angles and anharmonic springs."""
    arm = of.exponential(2.0, -0.4)
    angle = AngularFunction(arm, arm, of.HarmonicAngle(1.0, 100.0))
    terms = Terms(
        charges={"Mg": 1.5, "O": 0.7, "O shell": -2.2},
        springs={"O": of.polynomial((0.0, 0.0, 40.0, 0.0, 1000.0))},
        pairs=(
            PairTerm(("Mg", "O shell"), of.buckingham(1200.0, 0.3, 0.0), 6.0),
            PairTerm(("O shell", "O shell"), of.buckingham(20000.0, 0.15, 25.0), 6.0),
        ),
        angles=(AngleTerm("Mg", ("O shell", "O shell"), angle, (2.4, 2.4)),),
    )
    return ShellModel(terms)


@pytest.fixture(scope="module")
def oxide() -> Crystal:
    """Magnesium oxide, sheared and with displaced atoms: no symmetry."""
    atoms = bulk("MgO", "rocksalt", a=4.2, cubic=True)
    shear = np.eye(3) + 0.02 * np.random.default_rng(1).normal(size=(3, 3))
    atoms.set_cell(atoms.cell.array @ shear, scale_atoms=True)
    atoms.positions += 0.08 * np.random.default_rng(2).normal(size=atoms.positions.shape)
    return Crystal.from_ase(atoms)


def moved(crystal, site, axis, step):
    positions = crystal.positions.copy()
    positions[site, axis] += step
    return replace(crystal, sites=positions @ np.linalg.inv(crystal.cell))


def test_forces_and_stress_are_differences_of_the_energy(oxide):
    own = model().near(oxide)
    state, h = own.state(oxide), 1e-4
    for site, axis in ((0, 0), (3, 1), (5, 2)):
        up, down = (own.state(moved(oxide, site, axis, x)).energy for x in (h, -h))
        assert state.forces[site, axis] == pytest.approx(-(up - down) / (2 * h), abs=1e-6)
    for a, b in ((0, 0), (1, 2), (0, 1)):
        unit = np.zeros((3, 3))
        unit[[a, b], [b, a]] = 1.0
        strained = (replace(oxide, cell=oxide.cell @ (np.eye(3) + x * unit)) for x in (h, -h))
        up, down = (own.state(one).energy for one in strained)
        wanted = (up - down) / (2 * h * oxide.volume)
        assert (state.stress * unit).sum() == pytest.approx(wanted, abs=1e-7)
    assert np.abs(state.forces.sum(axis=0)).max() < 1e-7


def test_matrices_are_differences_of_the_forces(oxide):
    """At q = 0, with shells that follow their cores."""
    own, h = model().near(oxide), 1e-4
    found = own.matrices(oxide, np.zeros((1, 3)))[0]
    root = np.repeat(np.sqrt(oxide.masses), 3)
    wanted = []
    for site in range(2, 6, 3):
        for axis in range(3):
            f = [own.state(moved(oxide, site, axis, k * h)).forces for k in (-2, -1, 1, 2)]
            # Without the error of second order (Richardson)
            wanted.append(-(8.0 * (f[2] - f[1]) - (f[3] - f[0])).ravel() / (12 * h))
    rows = [3 * site + axis for site in (2, 5) for axis in range(3)]
    values = (found * root * root[:, None])[rows].real
    np.testing.assert_allclose(values, wanted, atol=2e-6 * np.abs(values).max())


def test_a_shell_on_its_core_is_held_by_its_spring():
    """A spring of zero length: the polarisability of one ion is z²/k if nothing else acts."""
    terms = Terms({"Ne": 2.0, "Ne shell": -2.0}, {"Ne": of.harmonic(50.0)})
    crystal = Crystal.from_ase(bulk("Ne", a=50.0))
    epsilon = ShellModel(terms).charges(crystal).dielectric
    alpha = 4.0 * np.pi * COULOMB * 2.0**2 / 50.0 / crystal.volume
    # Clausius and Mossotti: 3 (ε − 1)/(ε + 2) = 4π α/V
    np.testing.assert_allclose(3.0 * (epsilon[0, 0] - 1.0) / (epsilon[0, 0] + 2.0), alpha)


def test_matrices_are_hermitian_periodic_and_free_of_the_width(oxide):
    own = model()
    q = np.random.default_rng(3).uniform(-0.5, 0.5, (2, 3))
    found = own.matrices(oxide, q)
    np.testing.assert_allclose(
        found, found.conj().swapaxes(1, 2), atol=1e-9 * np.abs(found).max()
    )
    np.testing.assert_allclose(own.matrices(oxide, -q), found.conj(), atol=1e-8)
    folded = own.matrices(oxide, q - np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(
        np.linalg.eigvalsh(folded), np.linalg.eigvalsh(found), atol=1e-7 * np.abs(found).max()
    )


def test_a_supercell_has_the_modes_of_its_q_points(oxide):
    own, twice = model(), Crystal.from_ase(oxide.to_ase() * (2, 1, 1))
    folded = np.linalg.eigvalsh(own.matrices(twice, np.zeros((1, 3)))[0])
    q = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    apart = np.sort(np.linalg.eigvalsh(own.matrices(oxide, q)).ravel())
    np.testing.assert_allclose(folded, apart, atol=1e-8 * apart[-1])


def test_longitudinal_modes_follow_from_born_charges():
    """ω² as q → 0 along x: that of Z* and ε∞, and of the Coulomb sum next to Γ."""
    crystal = Crystal.from_ase(bulk("MgO", "zincblende", a=4.5))
    own = model()
    charges = own.charges(crystal)
    assert np.abs(charges.born.sum(axis=0)).max() < 1e-7
    direction = np.array([1.0, 0.0, 0.0])
    field = own.matrices(crystal, np.zeros((1, 3)), direction)[0]
    near = 1e-4 * direction @ crystal.cell.T / (2.0 * np.pi)
    close = np.linalg.eigvalsh(own.matrices(crystal, near[None])[0])
    np.testing.assert_allclose(np.linalg.eigvalsh(field), close, atol=1e-6 * close[-1])
    plain = own.matrices(crystal, np.zeros((1, 3)))[0]
    z = charges.born @ direction / np.sqrt(crystal.masses)[:, None]
    split = 4.0 * np.pi * COULOMB / crystal.volume * np.outer(z, z) / charges.dielectric[0, 0]
    np.testing.assert_allclose(field, plain + split, atol=1e-8 * np.abs(field).max())


def test_a_charged_cell_and_an_unknown_species_are_refused(oxide):
    charged = replace(model().terms, charges={"Mg": 1.6, "O": 0.7, "O shell": -2.2})
    with pytest.raises(
        DataError, match=r"the cell has a charge of 0.4 e \(4 Mg of 1.6 e, 4 O of 0.7 e"
    ):
        ShellModel(charged).state(oxide)
    other = replace(oxide, species=("Ca",) * oxide.n_sites)
    with pytest.raises(DataError, match="no charge of Ca"):
        model().state(other)
