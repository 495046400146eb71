"""Sums over the modes of the zone, and their errors."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from trajmodes.api.force_constants import ForceConstants
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import jackknife_sem
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.symmetry.stars import set_omega
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.thermo import zone_modes
from trajmodes.thermo.debye import ORDERS, debye_capacity, temperatures_of_moments
from trajmodes.thermo.displacements import cif_tensors, displacements_of_sets
from trajmodes.thermo.elasticity import debye_temperature_of_sound
from trajmodes.thermo.thermodynamics import density_of_states, thermodynamics
from trajmodes.thermo.zone_modes import zone_points
from trajmodes.units import BOLTZMANN, DALTON, HBAR, THZ

KELVIN = np.array([0.0, 30.0, 300.0, 3000.0])
NAMES = ["diamond", "rock salt", "wurtzite", "triclinic"]


@pytest.mark.parametrize("name", NAMES)
def test_the_density_integrates_to_the_number_of_branches(name, crystals, springs):
    constants = springs(crystals[name], 4.0)
    for width in (0.0, 0.2 * THZ):
        density = thermodynamics(constants, (6, 6, 6), [300.0], width=width).density
        n_branches = 3 * constants.crystal.n_sites
        assert density.number[-1] == pytest.approx(n_branches, rel=1e-5)
        integral = np.trapezoid(density.total, density.omega)
        assert integral == pytest.approx(n_branches, rel=5e-3)
        np.testing.assert_allclose(density.sites.sum(axis=(0, 1)), density.total, atol=1e-9)
        by_site = np.trapezoid(density.sites, density.omega, axis=2)
        np.testing.assert_allclose(by_site, 1.0, rtol=0.01)


def test_the_density_alone_is_that_of_thermodynamics(crystals, springs):
    constants = springs(crystals["wurtzite"], 4.0)
    whole = thermodynamics(constants, (5, 5, 4), [300.0]).density
    alone = density_of_states(constants, (5, 5, 4))
    for name in ("omega", "total", "number", "sites", "species"):
        np.testing.assert_allclose(getattr(alone, name), getattr(whole, name), atol=1e-12)


# Flat bands of the others are narrower than the grid.
@pytest.mark.parametrize("name", ["diamond", "triclinic"])
def test_the_density_is_the_slope_of_the_number_of_states(name, crystals, springs):
    constants = springs(crystals[name], 4.0)
    density = thermodynamics(constants, (5, 5, 5), [300.0]).density
    between = 0.5 * (density.total[1:] + density.total[:-1]) * np.diff(density.omega)
    # The density has kinks at the vertices of the tetrahedra: equal on average.
    error = np.cumsum(between) - density.number[1:]
    assert np.abs(error).max() < 0.01 * density.number[-1]


def test_tetrahedra_converge_to_the_debye_edge(crystals, springs):
    """At low frequency g = 3 V ω²/(2π² v³), with v of the elastic constants.

    N(ω) on one mesh is not this limit: dispersion raises it by a part ∝ ω² (8 % at a fifth of
    Debye's frequency), and linear tetrahedra lower it by one ∝ 1/n² (16 % at a twentieth, for
    n = 40). Both are taken off here.
    """
    constants = springs(crystals["diamond"], 4.0)
    theta, _ = debye_temperature_of_sound(constants)
    edge = BOLTZMANN * theta / HBAR
    x = np.linspace(0.1, 0.3, 21)
    coarse, fine = (_debye_ratio(constants, n, edge, x) for n in (30, 60))
    terms = np.stack([np.ones_like(x), x**2, x**4], axis=1)
    (limit, rise, _), *_ = np.linalg.lstsq(terms, fine + (fine - coarse) / 3.0, rcond=None)
    assert limit == pytest.approx(1.0, abs=0.004)
    assert 1.0 < rise < 3.0


def _debye_ratio(constants, n, edge, x):
    """N(ω) at ω = x · edge, over that of Debye."""
    density = thermodynamics(constants, (n, n, n), [300.0]).density
    number = np.interp(x, density.omega / edge, np.cbrt(density.number)) ** 3
    return number / (3 * constants.crystal.n_sites * x**3)


@pytest.mark.parametrize("name", NAMES)
def test_displacements_are_those_of_the_whole_mesh(name, crystals, springs):
    constants = springs(crystals[name], 4.0)
    crystal = constants.crystal
    n = (4, 4, 4)
    q_qx = np.stack(np.meshgrid(*(np.arange(k) / k for k in n), indexing="ij"), -1)
    matrices = dynamical_matrices(lattice_sum(constants), q_qx.reshape(-1, 3)[1:])
    inverse = np.linalg.inv(matrices).real.mean(axis=0) * (63 / 64) * BOLTZMANN * 300.0
    s = crystal.n_sites
    blocks = np.einsum("sxsy->sxy", inverse.reshape(s, 3, s, 3))
    gamma = dynamical_matrices(lattice_sum(constants), np.zeros((1, 3)))[0].real
    value, vectors = np.linalg.eigh(gamma)
    optical = (vectors[:, 3:] / value[3:]) @ vectors[:, 3:].T * BOLTZMANN * 300.0 / 64
    blocks += np.einsum("sxsy->sxy", optical.reshape(s, 3, s, 3))
    found = thermodynamics(constants, n, [300.0], fine_at_gamma=False).displacements
    wanted = blocks / crystal.masses[:, None, None]
    np.testing.assert_allclose(found.classical[0], wanted, atol=1e-10 * wanted.max())


@pytest.mark.parametrize("name", ["rock salt", "wurtzite"])
def test_displacements_of_sets_add_up_to_those_of_the_supercell(name, crystals, springs):
    constants = springs(crystals[name], 4.0)
    supercell = build_supercell(constants.crystal, 4 * np.eye(3, dtype=int))
    space = half_space(supercell)
    modes = modes_at(constants, space.qpoints, space.weights)
    of_sets = displacements_of_sets(modes)
    found = np.tensordot(BOLTZMANN * 300.0 / set_omega(modes) ** 2, of_sets, axes=1)
    wanted = thermodynamics(constants, (4, 4, 4), [300.0], fine_at_gamma=False).displacements
    np.testing.assert_allclose(found, wanted.classical[0], atol=1e-10 * found.max())


def test_tensors_of_cif_files_refer_to_reciprocal_lengths(crystals):
    """In an orthogonal cell they are the Cartesian ones; a probability stays the same."""
    tensors = np.diag([1.0, 2.0, 3.0]) + 0.1
    np.testing.assert_allclose(cif_tensors(tensors, crystals["rutile"]), tensors, rtol=1e-12)
    crystal = crystals["triclinic"]
    reciprocal = np.linalg.inv(crystal.cell).T
    plane = np.array([1, 2, -1])
    k = plane @ reciprocal
    lengths = np.linalg.norm(reciprocal, axis=1)
    found = plane * lengths @ cif_tensors(tensors, crystal) @ (plane * lengths)
    assert found == pytest.approx(k @ tensors @ k, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_errors_are_those_of_every_replicate_solved_anew(name, fitted):
    constants = fitted(name)
    mesh = (4, 4, 4)
    found = thermodynamics(constants, mesh, KELVIN)
    singles = [
        thermodynamics(replace(constants, values=values, replicates=None), mesh, KELVIN)
        for values in constants.replicates
    ]
    names = ("free_energy", "energy", "entropy", "heat_capacity")
    for statistics, rest in (("quantum", names), ("classical", names[:3:2])):
        for one in rest:
            anew = jackknife_sem(getattr(getattr(x, statistics), one)[1:] for x in singles)
            error = getattr(getattr(found, statistics), f"{one}_sem")[1:]
            np.testing.assert_allclose(error, anew, rtol=0.02, atol=1e-12)
    for one in ("quantum", "classical", "b_iso", "b_iso_classical"):
        anew = jackknife_sem(getattr(x.displacements, one) for x in singles)
        error = getattr(found.displacements, f"{one}_sem")
        np.testing.assert_allclose(error, anew, rtol=0.02, atol=1e-3 * anew.max())
    anew = jackknife_sem(np.asarray(x.zero_point_energy) for x in singles)
    assert found.zero_point_energy_sem == pytest.approx(float(anew), rel=0.02)
    for one in ("moments", "from_moments"):
        anew = jackknife_sem(getattr(x.debye, one) for x in singles)
        np.testing.assert_allclose(getattr(found.debye, f"{one}_sem"), anew, rtol=0.02)
    anew = jackknife_sem(x.debye.from_capacity[1:3] for x in singles)
    np.testing.assert_allclose(found.debye.from_capacity_sem[1:3], anew, rtol=0.05)


def test_errors_grow_in_proportion_to_the_changes_of_the_replicates(fitted):
    """To first order, also where a change is as large as ⟨ω⁻²⟩ itself."""
    constants = fitted("diamond")
    errors = []
    for scale in (1.0, 1e4):
        values = constants.values + scale * (constants.replicates - constants.values)
        found = thermodynamics(replace(constants, replicates=values), (4, 4, 4), [300.0])
        errors.append((found.debye.from_moments_sem, found.displacements.b_iso_sem))
    assert (errors[1][0] > found.debye.from_moments).any()
    for one, other in zip(*errors, strict=True):
        np.testing.assert_allclose(other, 1e4 * one, rtol=1e-5)


def test_the_error_of_the_density_is_that_of_every_replicate(fitted):
    constants = fitted("rock salt")
    mesh, width = (6, 6, 6), 0.3 * THZ
    found = thermodynamics(constants, mesh, [300.0], width=width).density
    # Frequencies at the irreducible points alone decide a smeared density.
    points = zone_points(constants.crystal, mesh)
    share = points.members / points.members.sum()
    numbers = []
    for values in constants.replicates:
        one = replace(constants, values=values, replicates=None)
        omega, _ = frequencies_at(one, points.qpoints[: points.n_mesh])
        apart = (found.omega - omega[..., None]) / width
        weight = np.exp(-0.5 * apart**2) / (np.sqrt(2 * np.pi) * width)
        numbers.append(np.einsum("q,qmw->w", share, weight))
    anew = jackknife_sem(numbers)
    np.testing.assert_allclose(found.total_sem, anew, rtol=0.05, atol=0.02 * anew.max())


@pytest.mark.parametrize("mesh", [8, 13])
@pytest.mark.parametrize("name", ["diamond", "bcc", "wurtzite", "triclinic"])
def test_a_cold_crystal_is_a_debye_solid(name, mesh, crystals, springs):
    """C_V ∝ T³, F, U and S with the Debye temperature of the elastic constants, within 2 %."""
    constants = springs(crystals[name], 4.0)
    theta, _ = debye_temperature_of_sound(constants)
    ratio = np.geomspace(200.0, 2000.0, 16)
    cold = theta / ratio
    found = thermodynamics(constants, (mesh,) * 3, cold)
    capacity = 2.4 * np.pi**4 * constants.crystal.n_sites * BOLTZMANN / ratio**3
    own, still = found.quantum, found.zero_point_energy
    for value, part in (
        (own.heat_capacity, 1.0),
        (own.entropy, 1.0 / 3.0),
        ((own.energy - still) / cold, 0.25),
        ((still - own.free_energy) / cold, 1.0 / 12.0),
    ):
        np.testing.assert_allclose(value / capacity, part, rtol=0.02)
    np.testing.assert_allclose(found.debye.from_capacity, theta, rtol=0.007)


@pytest.mark.parametrize("name", ["diamond", "triclinic"])
def test_a_hot_crystal_has_the_heat_capacity_of_dulong_and_petit(name, crystals, springs):
    """3N k_B, less 1/12 of the mean of (ħω/k_BT)² to second order (Thirring 1913)."""
    constants = springs(crystals[name], 4.0)
    kelvin = np.array([3000.0, 10000.0])
    found = thermodynamics(constants, (6, 6, 6), kelvin)
    per_mode = found.quantum.heat_capacity / (3 * constants.crystal.n_sites * BOLTZMANN)
    square = found.debye.moments[ORDERS == 2] * (HBAR / (BOLTZMANN * kelvin)) ** 2
    np.testing.assert_allclose(1.0 - per_mode, square / 12.0, rtol=0.02)
    np.testing.assert_allclose(found.classical.heat_capacity, found.classical.heat_capacity[0])


@pytest.mark.parametrize("name", ["rock salt", "wurtzite", "triclinic"])
def test_the_errors_of_sites_are_those_of_every_replicate(name, fitted):
    """Also where polarisation vectors turn, and branches are degenerate."""
    constants = fitted(name, 2e-4)
    mesh, width = (4, 4, 4), 0.5 * THZ
    found = thermodynamics(constants, mesh, [300.0], width=width).density
    shapes = []
    for values in constants.replicates:
        one = replace(constants, values=values, replicates=None)
        density = thermodynamics(one, mesh, [300.0], width=width).density
        parts = (density.sites, density.species)
        shapes.append([CubicSpline(density.omega, x, axis=-1)(found.omega[:-3]) for x in parts])
    for k, name_of in enumerate(("sites_sem", "species_sem")):
        anew = jackknife_sem(one[k] for one in shapes)
        error = getattr(found, name_of)[..., :-3]
        np.testing.assert_allclose(error, anew, rtol=0.1, atol=0.03 * anew.max())


def test_the_sums_do_not_depend_on_the_chunks(fitted, monkeypatch):
    constants = fitted("triclinic")
    wanted = thermodynamics(constants, (4, 4, 4), KELVIN)
    monkeypatch.setattr(zone_modes, "_CHUNK_BYTES", 1)
    found = thermodynamics(constants, (4, 4, 4), KELVIN)
    for name in ("free_energy", "heat_capacity", "free_energy_sem"):
        values = getattr(found.quantum, name), getattr(wanted.quantum, name)
        np.testing.assert_allclose(*values, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(
        found.density.sites, wanted.density.sites, atol=1e-9 * wanted.density.total.max()
    )


def test_a_debye_spectrum_has_one_debye_temperature():
    """Moments of ω² up to a cutoff give the cutoff back, for every order."""
    cutoff = 60.0
    moments = 3.0 / (ORDERS + 3.0) * cutoff ** ORDERS.astype(float)
    moments[ORDERS == 0] = np.log(cutoff) - 1.0 / 3.0
    np.testing.assert_allclose(
        temperatures_of_moments(moments), HBAR * cutoff / BOLTZMANN, rtol=1e-12
    )


def test_the_debye_function_has_its_limits():
    cold = np.array([80.0, 200.0])
    np.testing.assert_allclose(debye_capacity(cold), 0.8 * np.pi**4 / cold**3, rtol=1e-6)
    np.testing.assert_allclose(
        debye_capacity(np.array(0.1)), 1.0 - 0.01 / 20.0 + 1e-4 / 560.0, rtol=1e-9
    )


def test_imaginary_modes_are_left_out_and_counted(crystals, springs):
    constants = springs(crystals["bcc"], 3.0, strength=-1.0)
    with pytest.raises(DataError, match="no mode of the mesh has a positive"):
        thermodynamics(constants, (4, 4, 4), [300.0])
    mixed = constants.values * np.array([1.0, 1.0, 0.5])[:, None]
    flipped = -(mixed + mixed.swapaxes(1, 2)) / 2.0
    flipped[:, 2, 2] *= -1.0
    found = thermodynamics(replace(constants, values=flipped), (4, 4, 4), [300.0])
    assert 0.0 < found.left_out < 1.0
    assert np.isfinite(found.quantum.free_energy).all()


def test_bad_input_is_refused(crystals, springs, fitted):
    constants = springs(crystals["bcc"], 3.0)
    with pytest.raises(UsageError, match="0 K or more"):
        thermodynamics(constants, (4, 4, 4), [-1.0])
    with pytest.raises(UsageError, match="positive numbers of points"):
        thermodynamics(constants, (4, 0, 4), [1.0])
    one = fitted("bcc")
    with pytest.raises(DataError, match="at least two"):
        thermodynamics(replace(one, replicates=one.replicates[:1]), (4, 4, 4), [1.0])


@pytest.mark.parametrize("divisions", [(16, 16, 1), (2, 2, 2)])
def test_no_weight_is_lost_at_gamma(divisions):
    """Layers and coarse meshes have no finer points around Γ, where shifts have no energy."""
    crystal = Crystal(np.diag([3.0, 3.0, 20.0]), [[0.0, 0.0, 0.0]], ("Pb",), [207 * DALTON])
    if divisions[2] > 1:
        crystal = Crystal(3.0 * np.eye(3), [[0.0, 0.0, 0.0]], ("Pb",), [207 * DALTON])
    points = zone_points(crystal, divisions)
    at_gamma = (points.qpoints == 0.0).all(axis=1)
    assert at_gamma.any()
    assert points.weights[~at_gamma].sum() == pytest.approx(3.0, rel=1e-12)


@pytest.mark.slow
def test_debye_waller_factors_are_those_of_every_replicate(fitted):
    """Of a cubic crystal exp(−½ k² ⟨u²⟩), whatever the direction of k."""
    constants = fitted("rock salt")
    own = ForceConstants.of(constants)
    k = np.array([[3.0, 0.0, 0.0], [0.0, 0.0, -3.0], [6.0, 1.0, 2.0]])
    for quantum in (True, False):
        found = own.debye_waller(k, 300.0, quantum=quantum, mesh=5)
        moved = thermodynamics(constants, (5, 5, 5), [300.0]).displacements
        square = (moved.quantum if quantum else moved.classical)[0, :, 0, 0]
        wanted = np.exp(-0.5 * np.array([9.0, 9.0, 41.0])[:, None] * square)
        np.testing.assert_allclose(found.factor, wanted, rtol=1e-10)
        singles = [
            ForceConstants.of(replace(constants, values=one, replicates=None))
            for one in constants.replicates
        ]
        anew = jackknife_sem(
            one.debye_waller(k, 300.0, quantum=quantum, mesh=5).factor for one in singles
        )
        np.testing.assert_allclose(found.factor_sem, anew, rtol=0.02)
    assert own.debye_waller(k[0], 300.0, mesh=5).factor.shape == (2,)
    with pytest.raises(UsageError, match="three finite numbers"):
        own.debye_waller([1.0, 2.0], 300.0, mesh=5)
