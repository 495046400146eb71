"""Free energies of systems whose free energy is known exactly."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from trajmodes.data.energies import EnergyDifferences, FreeEnergy
from trajmodes.errors import DataError
from trajmodes.pipeline.thermo.properties import unstable_warnings
from trajmodes.thermo.free_energy.harmonic import harmonic_free_energy
from trajmodes.thermo.free_energy.terms import free_energy_terms, resolved_order
from trajmodes.thermo.thermodynamics import thermodynamics
from trajmodes.units import BOLTZMANN

KELVIN = 300.0
HEAT = BOLTZMANN * KELVIN


def _quartic_chain(quartic, n_frames, n_atoms=20, seed=0):
    """ΔU of independent oscillators x²/2 + quartic x⁴ about their best x²/2 k, and exact ΔF."""
    grid = np.linspace(-1.5, 1.5, 4001)
    weight = np.exp(-(0.5 * grid**2 + quartic * grid**4) / HEAT)
    cumulative = np.cumsum(weight) / weight.sum()
    rng = np.random.default_rng(seed)
    x_ta = np.interp(rng.random((n_frames, n_atoms)), cumulative, grid)
    # force constant of least squares for the forces −x − 4 quartic x³
    k = 1.0 + 4.0 * quartic * (weight @ grid**4) / (weight @ grid**2)
    difference_t = (0.5 * (1.0 - k) * x_ta**2 + quartic * x_ta**4).sum(axis=1)
    whole, _ = quad(lambda x: np.exp(-(0.5 * x**2 + quartic * x**4) / HEAT), -2, 2)
    harmonic = np.sqrt(2.0 * np.pi * HEAT / k)
    return difference_t, -HEAT * np.log(whole / harmonic)


def test_a_harmonic_crystal_has_no_corrections():
    found = free_energy_terms(np.full(3200, -5.25), KELVIN, 10)
    np.testing.assert_allclose(found.terms, [-0.525, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(found.terms_sem, 0.0, atol=1e-12)
    assert found.converges
    assert resolved_order(found) == 3


@pytest.mark.parametrize("quartic", [0.5, 2.0])
def test_anharmonic_oscillators_have_the_free_energy_of_quadrature(quartic):
    difference_t, exact = _quartic_chain(quartic, 40_000)
    found = free_energy_terms(difference_t, KELVIN, 20)
    total, sem = found.terms[:3].sum(), np.linalg.norm(found.terms_sem[:3])
    assert abs(total - exact) < max(4.0 * sem, 0.05e-3)
    assert abs(total - exact) < abs(found.terms[0] - exact)
    assert found.terms[0] < exact
    assert found.converges


def test_errors_are_those_of_repeated_runs():
    runs = [_quartic_chain(1.0, 2000, seed=seed)[0] for seed in range(100)]
    found = [free_energy_terms(run, KELVIN, 20) for run in runs]
    terms = np.array([one.terms for one in found])
    z = (terms - terms.mean(axis=0)) / [one.terms_sem for one in found]
    # Of so skew a distribution higher cumulants have rare, large errors.
    assert ((z[:, :2].std(axis=0) > 0.85) & (z[:, :2].std(axis=0) < 1.2)).all()


def test_errors_of_sums_contain_the_covariance_of_the_terms():
    """Exponential energies: long tails raise mean and variance together."""
    draws = HEAT * np.random.default_rng(4).exponential(size=(200, 1600))
    found = [free_energy_terms(draw, KELVIN, 1) for draw in draws]
    sums = np.array([one.sums for one in found])
    sem = np.array([one.sums_sem for one in found])
    z = ((sums - sums.mean(axis=0)) / sem).std(axis=0)
    assert ((z[:2] > 0.85) & (z[:2] < 1.2)).all(), z
    apart = np.array([np.linalg.norm(one.terms_sem[:2]) for one in found])
    # Independent terms: var κ₁ = k²T², var κ₂/2kT = 2k²T², twice their covariance 2k²T².
    assert np.median(sem[:, 1] / apart) == pytest.approx(np.sqrt(5.0 / 3.0), rel=0.1)


def test_the_summary_shows_small_errors():
    found = free_energy_terms(np.random.default_rng(1).normal(0.0, 1e-4, 3200), KELVIN, 64)
    errors = np.full((2, 3), 2.3e-6)
    whole = FreeEnergy(
        *(found, (1, 1, 1), np.zeros(2), np.zeros(2), np.zeros(2), errors, 1, 0.0),
        EnergyDifferences(np.zeros(8)),
    )
    assert "± 0.000002 (classical)" in repr(whole)


def test_a_long_tail_is_no_converging_expansion():
    rng = np.random.default_rng(1)
    difference_t = np.where(rng.random(32_000) < 0.02, 0.6, 0.0) + 0.001 * rng.normal(
        size=32_000
    )
    assert not free_energy_terms(difference_t, KELVIN, 1).converges


def test_few_blocks_and_no_temperature_raise():
    with pytest.raises(DataError, match="need 8 frames"):
        free_energy_terms(np.arange(5.0), KELVIN, 1)
    with pytest.raises(DataError, match="temperature of the run is 0 K"):
        free_energy_terms(np.arange(100.0), 0.0, 1)


def test_modes_that_are_left_out_are_those_of_thermodynamics(crystals, springs):
    constants = springs(crystals["bcc"], 3.3)
    at_home = (constants.first == constants.second) & ~constants.lattice.any(axis=1)
    # All ω² are lower by the same amount: the softest modes become imaginary.
    values = constants.values.copy()
    values[at_home] -= 0.1 * np.trace(values[at_home][0]) / 3.0 * np.eye(3)
    soft = replace(constants, values=values)
    found = harmonic_free_energy(soft, (6, 6, 6), KELVIN)
    whole = thermodynamics(soft, (6, 6, 6), [KELVIN])
    assert found.left_out == pytest.approx(whole.left_out)
    assert 0.001 < found.left_out < 0.5
    expected = [whole.classical.free_energy[0], whole.quantum.free_energy[0]]
    np.testing.assert_allclose(found.values, expected, rtol=1e-10)
    (warning,) = unstable_warnings(found.left_out, soft)
    assert "of the modes are imaginary and left out" in str(warning)
