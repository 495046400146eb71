"""Thermodynamic functions of oscillators."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.errors import UsageError
from trajmodes.phonons.modes import modes_at
from trajmodes.thermo.functions import (
    checked_temperatures,
    classical_functions,
    mode_functions,
    quantum_functions,
)
from trajmodes.thermo.thermodynamics import thermodynamics
from trajmodes.thermo.zone_modes import zone_points
from trajmodes.units import BOLTZMANN, HBAR, THZ

OMEGA = np.array([0.02, 1.3, 9.0, 40.0]) * THZ
KELVIN = np.array([1.0, 77.0, 300.0, 2000.0])


@pytest.mark.parametrize("functions", [quantum_functions, classical_functions])
def test_free_energy_is_energy_less_temperature_times_entropy(functions):
    f, u, s, _ = functions(OMEGA, KELVIN).values
    np.testing.assert_allclose(f, u - KELVIN[:, None] * s, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("functions", [quantum_functions, classical_functions])
def test_entropy_and_capacity_are_derivatives_by_temperature(functions):
    step = 1e-4 * KELVIN
    ahead, behind = (functions(OMEGA, KELVIN + sign * step).values for sign in (1, -1))
    slope = (ahead - behind) / (2.0 * step[:, None])
    _, _, s, c = functions(OMEGA, KELVIN).values
    np.testing.assert_allclose(slope[0], -s, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(slope[1], c, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("functions", [quantum_functions, classical_functions])
def test_slopes_are_derivatives_by_frequency(functions):
    ahead, behind = (functions(OMEGA * (1 + sign * 1e-5), KELVIN).values for sign in (1, -1))
    slope = (ahead - behind) / 2e-5
    found = functions(OMEGA, KELVIN).slopes
    scale = np.abs(found).max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found, slope, rtol=1e-6, atol=1e-9 * scale.max())


def test_hot_oscillators_are_classical():
    hot = np.array([1e5])
    quantum, classical = (one(OMEGA, hot).values for one in
                          (quantum_functions, classical_functions))  # fmt: skip
    x = (HBAR * OMEGA / (BOLTZMANN * hot)) ** 2
    np.testing.assert_allclose(quantum[3], classical[3] * (1.0 - x / 12.0), rtol=1e-6)
    np.testing.assert_allclose(quantum[1], classical[1] * (1.0 + x / 12.0), rtol=1e-6)
    np.testing.assert_allclose(quantum[2], classical[2], rtol=1e-4)


def test_at_zero_kelvin_there_is_the_zero_point_energy_alone():
    found = quantum_functions(OMEGA, np.zeros(1))
    np.testing.assert_allclose(found.values[:2, 0], np.stack([0.5 * HBAR * OMEGA] * 2))
    np.testing.assert_allclose(found.values[2:, 0], 0.0, atol=1e-290)
    np.testing.assert_allclose(found.slopes[:2, 0], np.stack([0.5 * HBAR * OMEGA] * 2))
    classical = classical_functions(OMEGA, np.zeros(1)).values[:, 0]
    np.testing.assert_array_equal(classical[:2], 0.0)
    assert np.isnan(classical[2]).all()


@pytest.mark.parametrize("wrong", [-1.0, np.nan, [], [[1.0]]])
def test_temperatures_below_zero_are_refused(wrong):
    with pytest.raises(UsageError, match="0 K or more"):
        checked_temperatures(wrong)


def test_functions_of_modes_add_up_to_those_of_the_crystal(crystals, springs):
    constants = springs(crystals["rock salt"], 4.5)
    mesh = (4, 4, 4)
    points = zone_points(constants.crystal, mesh, fine_at_gamma=False)
    found = mode_functions(modes_at(constants, points.qpoints), KELVIN)
    assert found.sem is None
    assert np.isnan(found.entropy[:, 0, :3]).all()  # translations
    wanted = thermodynamics(constants, mesh, KELVIN, fine_at_gamma=False).quantum
    for name in ("free_energy", "energy", "entropy", "heat_capacity"):
        weighted = np.nansum(getattr(found, name) * points.weights, axis=(1, 2))
        np.testing.assert_allclose(weighted, getattr(wanted, name), rtol=1e-9)


def test_errors_of_modes_follow_from_those_of_their_frequencies(fitted):
    modes = modes_at(fitted("diamond"), [[0.2, 0.1, 0.3]])
    found = mode_functions(modes, [200.0])
    shifted = mode_functions(replace(modes, omega=modes.omega + modes.omega_sem), [200.0])
    for k, name in enumerate(("free_energy", "energy", "entropy", "heat_capacity")):
        change = np.abs(getattr(shifted, name) - getattr(found, name))
        np.testing.assert_allclose(found.sem[k], change, rtol=0.02)
