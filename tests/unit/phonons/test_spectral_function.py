"""Spectral functions: causality, sum rules, and lines whose form is known exactly."""

import numpy as np
import pytest
from scipy.integrate import quad

from trajmodes.data.anharmonic import SelfEnergies
from trajmodes.phonons.anharmonic.spectral_function import real_part, spectral_functions
from trajmodes.units import THZ

TOP = 30.0 * THZ


def bump(omega):
    """Γ of a smooth band of decay processes, odd in ω, that ends at TOP."""
    x = np.asarray(omega) / TOP
    return 0.4 * THZ * x * np.maximum(1.0 - x**2, 0.0) ** 2 * (1.0 + np.sin(7.0 * x) ** 2)


def energies(omegas, gamma, grid) -> tuple[SelfEnergies, np.ndarray]:
    """Self-energies of modes at one q, all with the same Γ."""
    gamma = np.broadcast_to(gamma, (1, len(omegas), len(grid)))
    omega = np.array([omegas])
    return SelfEnergies(
        *(300.0, (1, 1, 1), np.zeros((1, 3)), omega, None, grid, gamma, gamma),
        *(None, None, 0.0),
    ), gamma


def test_the_real_part_is_the_principal_value_of_the_imaginary_part():
    grid = np.linspace(0.0, TOP, 401)
    asked = THZ * np.array([0.0, 3.3, 11.0, 29.0, 31.0, 70.0])
    found = real_part(grid, bump(grid), asked)

    def integral(omega):
        """Compute the principal value with the weight of QUADPACK for Cauchy's integral."""
        if omega > TOP:
            return quad(lambda x: x * bump(x) / (x**2 - omega**2), 0.0, TOP)[0]
        if omega == 0.0:
            return quad(lambda x: bump(x) / x, 1e-12, TOP, limit=200)[0]
        part = lambda x: x * bump(x) / (x + omega)  # noqa: E731 - a formula
        return quad(part, 0.0, TOP, weight="cauchy", wvar=omega, limit=200)[0]

    wanted = [-2.0 / np.pi * integral(omega) for omega in asked]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


def test_the_real_part_of_a_linear_function_is_exact():
    """A triangle, whose principal value is known in closed form."""
    grid = np.array([0.0, 1.0, 2.0])
    omega = 0.4
    # Γ = x on (−1, 1), and 2 − x beyond
    first = quad(lambda x: x, -1.0, 1.0, weight="cauchy", wvar=omega)[0]
    rest = quad(lambda x: (2.0 - x) / (x - omega), 1.0, 2.0)[0]
    rest += quad(lambda x: (-2.0 - x) / (x - omega), -2.0, -1.0)[0]
    found = real_part(grid, np.array([0.0, 1.0, 0.0]), np.array([omega]))
    assert found[0] == pytest.approx(-(first + rest) / np.pi, rel=1e-10)


@pytest.mark.parametrize("remove_static", [True, False])
@pytest.mark.parametrize("strength", [1e-4, 0.3, 3.0])
def test_the_area_of_every_line_is_one(remove_static, strength):
    grid = np.linspace(0.0, TOP, 400)
    found, gamma = energies(THZ * np.array([2.0, 9.0, 14.5]), strength * bump(grid), grid)
    spectra = spectral_functions(found, gamma, None, remove_static=remove_static)
    areas = np.trapezoid(spectra.mean, grid, axis=-1)
    np.testing.assert_allclose(areas, 1.0, rtol=1e-3)


def test_the_static_response_is_that_of_the_force_constants_if_they_contain_it():
    """(2/π) ∫ Im χ/ω dω = χ(0), which is 1/ω_q² of effective force constants."""
    grid, omega_q = np.linspace(0.0, TOP, 1000), 9.0 * THZ
    found, gamma = energies([omega_q], 2.0 * bump(grid), grid)
    static = real_part(grid, gamma[0, 0], np.zeros(1))[0]
    for removed, wanted in ((True, omega_q**2), (False, omega_q**2 + 2.0 * omega_q * static)):
        spectra = spectral_functions(found, gamma, None, remove_static=removed)
        density = spectra.mean[0, 0, 1:] / grid[1:] ** 2
        assert np.trapezoid(density, grid[1:]) == pytest.approx(1.0 / wanted, rel=3e-3)
        assert spectra.static_shift[0, 0] == static


def test_a_response_that_is_not_stable_has_no_spectral_function():
    """The static ω² is negative: the pole is in the upper half of the plane."""
    grid, omega_q = np.linspace(0.0, TOP, 400), THZ * np.array([0.5, 9.0])
    found, gamma = energies(omega_q, 10.0 * bump(grid), grid)
    static = omega_q**2 + 2.0 * omega_q * real_part(grid, gamma[0, 0], np.zeros(1))[0]
    assert static[0] < 0.0 < static[1]
    kept = spectral_functions(found, gamma, None, remove_static=False)
    assert np.isnan(kept.mean[0, 0]).all()
    assert np.isnan(kept.width[0]).tolist() == [True, False]
    removed = spectral_functions(found, gamma, None, remove_static=True)
    assert np.isfinite(removed.width).all()


def test_a_high_maximum_of_small_area_is_not_the_line():
    """Where Γ begins there is a narrow maximum of some per cent, seven times as high."""
    grid = np.linspace(0.0, TOP, 401)
    x = grid / THZ
    gamma = 0.8 * THZ * np.sqrt(np.clip((x - 6.0) * (16.0 - x), 0.0, None))
    found, shared = energies([9.0 * THZ], gamma, grid)
    spectra = spectral_functions(found, shared, None, remove_static=True)
    mean, within = spectra.mean[0, 0], (x > 6.5) & (x < 16.5)
    assert mean[~within].max() > 5.0 * mean[within].max()
    assert mean[within].sum() * grid[1] > 0.8
    assert spectra.width[0, 0] > THZ
    top = np.interp(spectra.peak[0, 0], spectra.line_omega[0, 0], spectra.line[0, 0])
    assert top == pytest.approx(mean[x > 9.0].max(), rel=0.01)


def test_constant_friction_gives_the_damped_oscillator():
    """2ω_qΓ = γω far beyond the line: FWHM γ, also of a strongly damped mode."""
    near = np.linspace(0.0, 10.0, 1000)
    grid = THZ * np.concatenate([near, np.geomspace(10.0, 3000.0, 400)[1:]])
    omega_q = 5.0 * THZ
    for friction in (0.01 * THZ, 1.0 * THZ):
        gamma = friction * grid / (2.0 * omega_q)
        gamma[-1] = 0.0
        found, shared = energies([omega_q], gamma, grid)
        spectra = spectral_functions(found, shared, None, remove_static=True)
        assert spectra.width[0, 0] == pytest.approx(friction, rel=2e-3)
        assert spectra.peak[0, 0] == pytest.approx(omega_q, rel=2e-3)
        assert spectra.golden_rule[0, 0] == pytest.approx(friction, rel=1e-9)


def test_weak_scattering_gives_lines_of_twice_gamma_at_the_shifted_frequency():
    grid = np.linspace(0.0, TOP, 400)
    omega_q, strength = THZ * np.array([4.0, 11.03]), 1e-3
    found, gamma = energies(omega_q, strength * bump(grid), grid)
    relative = np.full((1, 2), 0.1)
    spectra = spectral_functions(found, gamma, relative, remove_static=False)
    np.testing.assert_allclose(spectra.width, spectra.golden_rule, rtol=1e-3)
    np.testing.assert_allclose(spectra.width_sem, 0.1 * spectra.width)
    shift = real_part(grid, gamma[0, 0], omega_q)
    np.testing.assert_allclose(spectra.peak[0] - omega_q, shift, rtol=2e-3)


def test_lines_are_drawn_around_their_maximum_and_at_positive_frequencies():
    grid = np.linspace(0.0, TOP, 400)
    found, gamma = energies(THZ * np.array([1.0, 9.0]), 8.0 * bump(grid), grid)
    spectra = spectral_functions(found, gamma, None, remove_static=True)
    assert (np.diff(spectra.line_omega) > 0.0).all()
    assert (spectra.line_omega >= 0.0).all()
    half = spectra.line.max(axis=-1) / 2.0
    for m in range(2):
        above = spectra.line_omega[0, m][spectra.line[0, m] > half[0, m]]
        assert np.ptp(above) == pytest.approx(spectra.width[0, m], rel=0.1)


def test_unknown_self_energies_have_no_spectral_function():
    grid = np.linspace(0.0, TOP, 50)
    found, gamma = energies([5.0 * THZ], np.full(50, np.nan), grid)
    spectra = spectral_functions(found, gamma, None, remove_static=True)
    for values in (spectra.mean, spectra.peak, spectra.width, spectra.line):
        assert np.isnan(values).all()
