import numpy as np
import pytest
from scipy import stats

from trajmodes.data.energies import ModeEnergies
from trajmodes.project.energies.ensemble import equipartition
from trajmodes.units import BOLTZMANN

TEMPERATURE = 300.0


def _energies(temperature: np.ndarray, sem: np.ndarray) -> ModeEnergies:
    n_sets = len(temperature)
    nothing = np.zeros(n_sets)
    kinetic, kinetic_sem = (0.5 * BOLTZMANN * x for x in (temperature, sem))
    waves = np.zeros((2, 1, 3))
    return ModeEnergies(
        np.ones(n_sets, int), kinetic, kinetic_sem, *[nothing] * 2, None, None, *[nothing] * 4,
        TEMPERATURE, 1.0, None, None, *[nothing] * 2, *[waves] * 4,
    )  # fmt: skip


def _gamma(rng: np.random.Generator, relative: np.ndarray) -> np.ndarray:
    return TEMPERATURE * rng.gamma(relative**-2.0, relative**2.0)


def test_equal_temperatures_pass_with_skewed_energies() -> None:
    """Errors of 70 %, as for lifetimes longer than the run: some sets are three times as
    hot.
    """
    rng = np.random.default_rng(1)
    relative = np.repeat([0.02, 0.1, 0.3, 0.7], 25)
    results = [
        equipartition(_energies(_gamma(rng, relative), TEMPERATURE * relative))
        for _ in range(200)
    ]
    # Probabilities above 0.05 are 0.95 of all.
    assert 180 < sum(result.holds for result in results) <= 198
    assert sum(len(result.failing) for result in results) <= 1
    z = np.array([result.z for result in results])
    assert abs(z.mean()) < 0.03
    assert 0.95 < z.std() < 1.05
    assert results[0].freedom == 99
    assert results[0].p_value == pytest.approx(
        stats.chi2.sf(results[0].chi_squared, results[0].freedom)
    )
    assert np.allclose(results[0].probability, 2 * stats.norm.sf(np.abs(results[0].z)))


def test_the_common_temperature_is_correlated_with_its_sets() -> None:
    """Two sets deviate by the same number of errors, whatever their errors are."""
    result = equipartition(_energies(np.array([299.0, 304.0]), np.array([1.0, 2.0])))
    assert result.temperature == pytest.approx(300.0)
    assert result.temperature_sem == pytest.approx(np.sqrt(0.8))
    assert result.freedom == 1
    wanted = 5.0 / np.sqrt(5.0)
    student = stats.norm.isf(stats.t.sf(wanted * np.sqrt(8.0 / 6.0), 8.0))
    assert np.abs(result.z) == pytest.approx([student, student], rel=5e-3)


def test_a_fixed_total_energy_removes_one_degree_of_freedom() -> None:
    rng = np.random.default_rng(2)
    freedom = rng.integers(1, 20, 12)
    sem = 60.0 / np.sqrt(freedom)
    chi_squared = []
    for _ in range(400):
        temperature = rng.normal(TEMPERATURE, sem)
        temperature -= freedom @ (temperature - TEMPERATURE) / freedom.sum()
        result = equipartition(_energies(temperature, sem))
        assert result.temperature == pytest.approx(TEMPERATURE)
        chi_squared.append(((temperature - TEMPERATURE) ** 2 / sem**2).sum())
    # Before Student's tails: χ² of 11 degrees of freedom.
    assert np.mean(chi_squared) == pytest.approx(11.0, abs=0.7)


def test_modes_that_keep_their_energies_are_judged_as_a_snapshot() -> None:
    """Their energies are exponential variables; a mode at fifteen times the mean is hot."""
    rng = np.random.default_rng(4)
    relative = np.ones(30)
    z = []
    for _ in range(400):
        result = equipartition(_energies(_gamma(rng, relative), TEMPERATURE * relative))
        z.append(result.z)
    far = np.abs(np.array(z)) > stats.norm.isf(5e-3)
    assert 0.003 < far.mean() < 0.02
    temperature = _gamma(rng, relative)
    temperature[7] = 15.0 * temperature.mean()
    result = equipartition(_energies(temperature, temperature.mean() * relative))
    assert result.failing.tolist() == [7]
    assert not result.holds


def test_hot_and_cold_sets_are_found() -> None:
    rng = np.random.default_rng(3)
    relative = np.full(60, 0.05)
    temperature = _gamma(rng, relative)
    temperature[[7, 40]] = [2.0 * TEMPERATURE, 0.4 * TEMPERATURE]
    result = equipartition(_energies(temperature, TEMPERATURE * relative))
    assert result.failing.tolist() == [7, 40]
    assert not result.holds
    assert result.text.startswith("equipartition fails in sets 7, 40 (χ² = ")
    assert result.z[7] > 4.0
    assert result.z[40] < -4.0


def test_many_small_deviations_fail_together() -> None:
    rng = np.random.default_rng(4)
    relative = np.full(100, 0.05)
    temperature = TEMPERATURE * (1.0 + 0.1 * rng.uniform(-1.0, 1.0, 100) * 1.6)
    result = equipartition(_energies(temperature, TEMPERATURE * relative))
    assert not len(result.failing)
    assert "though in no single set" in result.text
    assert not result.holds


@pytest.mark.parametrize("n_sets", [25, 200])
def test_power_of_the_test_equals_that_of_plain_chi_squared(n_sets: int) -> None:
    """Error bars of 5 %: every second set is 3 % too hot, or none is."""
    rng = np.random.default_rng(6)
    relative = np.full(n_sets, 0.05)
    found, plain = {0.0: 0, 0.03: 0}, 0
    for _ in range(400):
        equal = _gamma(rng, relative)
        for off in found:
            temperature = equal * (1.0 + off * (-1.0) ** np.arange(n_sets))
            result = equipartition(_energies(temperature, TEMPERATURE * relative))
            found[off] += result.p_value < 0.05
        scores = (temperature / temperature.mean() - 1.0) / relative
        plain += stats.chi2.sf((scores**2).sum(), n_sets - 1) < 0.05
    assert found[0.0] < 0.12 * 400
    assert found[0.03] > 0.9 * plain


def test_sets_without_error_bar_are_excluded() -> None:
    temperature = np.array([300.0, 292.0, 308.0, np.nan])
    sem = np.array([np.nan, 10.0, 10.0, 5.0])
    result = equipartition(_energies(temperature, sem))
    assert result.freedom == 1
    assert np.flatnonzero(np.isnan(result.z)).tolist() == [0, 3]
    assert result.holds
    assert result.text.startswith("equipartition holds")


def test_one_error_bar_is_too_few() -> None:
    assert equipartition(_energies(np.array([300.0, 290.0]), np.array([np.nan, 3.0]))) is None
