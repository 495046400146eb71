"""The conductivity of crystals whose lifetimes are known."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import constants as codata

from trajmodes.data.anharmonic import Conductivity
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.conductivity import conductivity, dense_mesh, heat_capacities, zone_of
from trajmodes.phonons.lifetime_mesh import ModeLifetimes
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import commensurate, shared_mesh
from trajmodes.symmetry.stars import set_mean
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import BOLTZMANN, DALTON, HBAR, W_MK

KELVIN = 300.0
# ⟨1/(3 − cos x − cos y − cos z)⟩ over a period of each: G. N. Watson, Q. J. Math. 10, 266
# (1939).
WATSON = 0.505462019717326
MESH = (8, 8, 8)


def power_law(modes, strength=2000.0) -> ModeLifetimes:
    """τ = A/ω², with errors of 10 %."""
    lifetime = strength / set_mean(modes.omega**2, modes)
    return ModeLifetimes(modes, lifetime, 0.1 * lifetime)


@pytest.fixture(scope="module")
def scalar() -> ForceConstants:
    """Simple cubic lattice of springs that resist all three directions alike."""
    crystal = Crystal(3.0 * np.eye(3), np.zeros((1, 3)), ("Ar",), np.array([40.0 * DALTON]))
    ends = np.array([n for n in itertools.product((-1, 0, 1), repeat=3) if np.abs(n).sum() < 2])
    strength = np.where(np.abs(ends).any(axis=1), -2.0, 12.0)
    site = np.zeros(len(ends), dtype=int)
    values = strength[:, None, None] * np.eye(3)
    return ForceConstants(crystal, site, site, ends, values, cutoff=3.1)


@pytest.fixture(scope="module")
def silicon(crystals, springs):
    """Constants, supercell and modes of a diamond crystal."""
    constants = springs(crystals["diamond"], 4.0)
    supercell = build_supercell(constants.crystal, np.diag([3, 3, 3]))
    return constants, supercell, modes_at(constants, *commensurate(supercell))


def test_scalar_springs_have_the_conductivity_of_watsons_integral(scalar):
    """ω² = (4k/M) Σ sin²(θ/2), τ = A/ω²: κ = (3k_B A/16a)⟨sin²θ_x/(Σ sin²(θ/2))²⟩.

    By parts the mean is 2⟨1/Σ⟩ − 4/3 with ⟨1/Σ⟩ = 2 Watson's integral.
    """
    supercell = build_supercell(scalar.crystal, np.diag([3, 3, 3]))
    modes = modes_at(scalar, *commensurate(supercell))
    factor = codata.electron_volt / (codata.pico * codata.angstrom)
    wanted = 3.0 * BOLTZMANN * 2000.0 / (16.0 * 3.0) * (4.0 * WATSON - 4.0 / 3.0) * factor
    errors = []
    for n in (8, 16, 24):
        found = conductivity(scalar, supercell, power_law(modes), KELVIN, (n, n, n))
        np.testing.assert_allclose(
            found.classical.kappa, found.classical.isotropic * np.eye(3), atol=1e-12
        )
        errors.append(found.classical.isotropic / W_MK / wanted - 1.0)
    # Without its finer shell about Γ the last mesh would be off by 10 %.
    assert abs(errors[0]) > abs(errors[1]) > abs(errors[2])
    assert abs(errors[2]) < 0.012


def test_heat_capacities_have_their_limits():
    omega = np.array([1e-6, 10.0, 60.0])
    classical, quantum = heat_capacities(omega, KELVIN)
    np.testing.assert_array_equal(classical, BOLTZMANN)
    x = HBAR * omega / (BOLTZMANN * KELVIN)
    wanted = np.append(1.0, (x**2 * np.exp(x) / np.expm1(x) ** 2)[1:])
    np.testing.assert_allclose(quantum / BOLTZMANN, wanted, rtol=1e-9)
    assert heat_capacities(np.array([1e4]), 1.0)[1, 0] < 1e-100


def test_hot_crystals_are_classical_and_cold_ones_do_not_conduct(silicon):
    constants, supercell, modes = silicon
    hot = conductivity(constants, supercell, power_law(modes), 1e5, MESH)
    assert hot.quantum.isotropic == pytest.approx(hot.classical.isotropic, rel=1e-4)
    cold = conductivity(constants, supercell, power_law(modes), 10.0, MESH)
    assert cold.classical.isotropic == pytest.approx(hot.classical.isotropic)
    assert cold.quantum.isotropic < 0.2 * cold.classical.isotropic


def test_spectra_add_up_to_the_conductivity(silicon):
    constants, supercell, modes = silicon
    found = conductivity(constants, supercell, power_law(modes), KELVIN, MESH)
    for flow in (found.classical, found.quantum):
        kappa = flow.kappa
        np.testing.assert_allclose(flow.below_frequency[-1], kappa, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(flow.below_length[-1], kappa, rtol=1e-4, atol=1e-12)
        total = flow.spectral @ np.diff(flow.edges)
        assert total == pytest.approx(flow.isotropic, rel=1e-9)
        assert flow.cumulative[-1] == pytest.approx(flow.isotropic, rel=1e-4)
        for below in (flow.below_frequency, flow.below_length):
            assert (np.diff(np.trace(below, axis1=1, axis2=2)) > -1e-12).all()
        assert len(flow.omega) == len(flow.edges) - 1
        assert flow.below_length[0, 0, 0] < 1e-3 * kappa[0, 0]
        assert flow.isotropic == pytest.approx(np.trace(kappa) / 3.0)
        assert 0.0 < flow.long_wave_share < 1.0
        assert flow.filled_share == 0.0


def test_conductivity_is_linear_in_the_lifetimes(silicon):
    constants, supercell, modes = silicon
    one = conductivity(constants, supercell, power_law(modes), KELVIN, MESH).classical
    two = conductivity(constants, supercell, power_law(modes, 4000.0), KELVIN, MESH).classical
    np.testing.assert_allclose(two.kappa, 2.0 * one.kappa, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(two.kappa_sem, 2.0 * one.kappa_sem, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_missing", [0, 3])
def test_error_bars_are_those_of_the_lifetimes(silicon, n_missing):
    """The squared changes of κ due to the error of each lifetime add up."""
    constants, supercell, modes = silicon
    given = power_law(modes)
    rng = np.random.default_rng(4)
    lifetime = given.lifetime_ps * np.exp(0.3 * rng.normal(size=modes.n_sets))
    lifetime[5 : 5 + n_missing] = np.nan
    sem = lifetime * rng.uniform(0.05, 0.2, modes.n_sets)

    def kappa(tau) -> Conductivity:
        lives = ModeLifetimes(modes, tau, sem)
        return conductivity(constants, supercell, lives, KELVIN, (4, 4, 4))

    found = kappa(lifetime).classical
    variance, step = np.zeros((3, 3)), 1e-4
    for g in np.flatnonzero(np.isfinite(lifetime)):
        moved = lifetime.copy()
        moved[g] *= 1.0 + step
        change = (kappa(moved).classical.kappa - found.kappa) / step
        variance += (change * sem[g] / lifetime[g]) ** 2
    if n_missing == 0:
        np.testing.assert_allclose(found.kappa_sem, np.sqrt(variance), rtol=1e-3, atol=1e-12)
        assert found.filled_share == 0.0
    else:
        # The scatter about the model adds to it.
        assert (found.kappa_sem.diagonal() > np.sqrt(variance.diagonal())).all()
        assert 0.0 < found.filled_share < 0.5
        assert kappa(lifetime).filled.sum() == n_missing


def test_errors_of_the_force_constants_are_included(silicon):
    """κ is proportional to the force constants at fixed linewidths."""
    constants, supercell, modes = silicon
    factors = 1.0 + 0.2 * np.array([-1.0, 1.0, -1.0, 1.0])
    noisy = replace(constants, replicates=constants.values * factors[:, None, None, None])
    sure = power_law(modes)
    sure = ModeLifetimes(modes, sure.lifetime_ps, 1e-9 * sure.lifetime_ps)
    found = conductivity(noisy, supercell, sure, KELVIN, (12, 12, 12)).classical
    assert found.isotropic_sem / found.isotropic == pytest.approx(0.2 * np.sqrt(3.0), rel=0.02)
    quiet = conductivity(constants, supercell, sure, KELVIN, (12, 12, 12)).classical
    assert quiet.isotropic == pytest.approx(found.isotropic, rel=1e-12)
    assert quiet.isotropic_sem < 1e-8 * quiet.isotropic


def test_mean_free_paths_of_sets(silicon):
    constants, supercell, modes = silicon
    lives = power_law(modes)
    lifetime = lives.lifetime_ps.copy()
    lifetime[1] = np.nan
    lives = ModeLifetimes(modes, lifetime, 0.1 * lifetime)
    found = conductivity(constants, supercell, lives, KELVIN, MESH)
    assert np.isnan(found.free_path[1])
    known = np.arange(modes.n_sets) != 1
    np.testing.assert_allclose(
        found.free_path[known], (found.speed * lifetime)[known], rtol=1e-12
    )
    np.testing.assert_allclose(
        found.free_path_sem[known], 0.1 * found.free_path[known], rtol=1e-12
    )
    assert (found.speed < 120.0).all()


def test_too_few_lifetimes_give_no_number(silicon):
    constants, supercell, modes = silicon
    lives = power_law(modes)
    lifetime = np.full(modes.n_sets, np.nan)
    lifetime[-2:] = lives.lifetime_ps[-2:]
    poor = ModeLifetimes(modes, lifetime, 0.1 * lifetime)
    with pytest.raises(DataError, match=r"not resolved: \d+ % of it would come"):
        conductivity(constants, supercell, poor, KELVIN, MESH)


def test_unstable_crystals_give_no_number(silicon):
    constants, supercell, modes = silicon
    lives = power_law(modes)
    soft = replace(constants, values=-constants.values)
    with pytest.raises(DataError, match="is imaginary, -"):
        conductivity(soft, supercell, lives, KELVIN, MESH)


def test_invalid_arguments_are_refused(silicon):
    constants, supercell, modes = silicon
    with pytest.raises(UsageError, match="temperature must be positive"):
        conductivity(constants, supercell, power_law(modes), 0.0, MESH)
    with pytest.raises(UsageError, match="three positive numbers of points"):
        conductivity(constants, supercell, power_law(modes), KELVIN, (0, 4, 4))


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "triclinic"])
def test_weights_of_the_zone_add_up_to_one(name, crystals):
    crystal = crystals[name]
    zone = zone_of(crystal, (6, 6, 4))
    np.testing.assert_allclose(zone.weights[:, 3:].sum(axis=0), 1.0, rtol=1e-12)
    # In the cube around Γ the shell has 1.5 times its weight, so that ∫ 1/q² is correct.
    cube, shell = 27 / 144, 1.5 * 26 / 144
    np.testing.assert_allclose(zone.weights[:, :3].sum(axis=0), 1.0 - cube + shell, rtol=1e-12)
    assert zone.weights.min() > -1e-15


def test_default_mesh_is_fine_and_contains_the_q_points_of_the_supercell(silicon, crystals):
    _, supercell, _ = silicon
    divisions = dense_mesh(supercell)
    assert divisions == shared_mesh(supercell, divisions)
    assert all(n % 3 == 0 and 20 <= n <= 40 for n in divisions)
    a, b, c = dense_mesh(build_supercell(crystals["wurtzite"], np.diag([2, 2, 1])))
    assert a == b > c
