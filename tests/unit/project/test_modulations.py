"""Errors of means that slow modes modulate agree with the scatter of many runs."""

import numpy as np
import pytest

from trajmodes.project.energies.modulations import (
    OF_TEMPERATURE,
    lifetimes_in_run,
    relaxation,
    slow_sem,
    temperature_sem,
)
from trajmodes.project.energies.standard_errors import block_sem, longest_sem

BLOCKS, SETS, MEMBERS = 64, 24, 10
UNKNOWN = np.full(SETS, np.nan)


def _energies(rng: np.random.Generator, n_runs: int, lifetimes: float) -> np.ndarray:
    """Mean energies (run, b, g) of sets of oscillators that live so long, within a factor 2.

    Each has a complex amplitude with exponential autocorrelation, and the mean energy 1.
    """
    shape, per_block = (n_runs, SETS, MEMBERS), 2
    rates = lifetimes * np.geomspace(0.5, 2.0, SETS)[:, None] / (BLOCKS * per_block)
    kept = np.exp(-0.5 * rates)

    def fresh() -> np.ndarray:
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2.0)

    amplitude, blocks = fresh(), np.zeros((n_runs, BLOCKS, SETS))
    for step in range(BLOCKS * per_block):
        blocks[:, step // per_block] += (np.abs(amplitude) ** 2).mean(axis=2) / per_block
        amplitude = kept * amplitude + np.sqrt(1.0 - kept**2) * fresh()
    return blocks


@pytest.fixture(scope="module", params=[1.0, 3.0, 10.0, 50.0])
def runs(request) -> tuple[float, np.ndarray]:
    """So many lifetimes in a run, and energies (run, b, g)."""
    return request.param, _energies(np.random.default_rng(24), 150, request.param)


def _relaxing(energies: np.ndarray) -> np.ndarray:
    return relaxation(energies, np.full(SETS, MEMBERS), UNKNOWN)


def _errors(
    ratios: np.ndarray, temperatures: np.ndarray, relaxing: np.ndarray
) -> tuple[np.ndarray, float]:
    """Errors of the means of ratios and of temperatures without end terms."""
    none = np.zeros(len(temperatures))
    return slow_sem(ratios, relaxing), temperature_sem(temperatures, none, relaxing)


def test_errors_contain_what_slow_energies_do_in_the_whole_run(runs) -> None:
    """Frequencies and temperature follow energies that hardly change within the run."""
    rng = np.random.default_rng(25)
    lifetimes, every = runs
    weight = np.linspace(-1.0, 1.0, SETS) * np.sqrt(MEMBERS / 8.0)
    shares = rng.uniform(0.5, 1.5, SETS)
    z_of_ratios, z, plain = [], [], []
    for energies in every:
        wave = (energies - 1.0) @ weight
        ratios = np.multiply.outer(wave, shares) + 0.3 * rng.normal(size=energies.shape)
        temperature = -wave + 0.3 * rng.normal(size=BLOCKS)
        sems, sem = _errors(ratios, temperature, _relaxing(energies))
        z_of_ratios.append(ratios.mean(axis=0) / sems)
        z.append(temperature.mean() / sem)
        plain.append(temperature.mean() / block_sem(temperature[:, None])[0])
    assert 0.7 < np.std(z) < 1.3
    assert 0.7 < np.std(z_of_ratios) < 1.3
    # Blocks alone show too little in a short run.
    assert np.std(plain) > 1.4 or lifetimes > 3.0


def test_errors_of_noise_alone_are_those_of_the_noise(runs) -> None:
    """A run of few lifetimes cannot exclude a modulation that the noise conceals."""
    rng = np.random.default_rng(26)
    lifetimes, every = runs
    z_of_ratios, z = [], []
    for energies in every:
        ratios, temperature = rng.normal(size=energies.shape), rng.normal(size=BLOCKS)
        sems, sem = _errors(ratios, temperature, _relaxing(energies))
        z_of_ratios.append(ratios.mean(axis=0) / sems)
        z.append(temperature.mean() / sem)
    least = 0.7 if lifetimes > 3.0 else 0.25
    assert least < np.std(z_of_ratios) < 1.1
    assert least < np.std(z) < 1.1


def test_errors_of_what_fluctuates_about_a_conserved_quantity() -> None:
    """The mean depends on its ends and on little slow noise; blocks show the fast noise."""
    rng = np.random.default_rng(23)
    ends, slow = rng.normal(size=(BLOCKS + 1, 1500)), 0.3 * rng.normal(size=(BLOCKS, 1500))
    blocks = np.diff(ends, axis=0) + slow
    relaxing = _relaxing(_energies(rng, 1, 50.0)[0])
    mean = blocks.mean(axis=0)
    assert 0.65 < (mean / slow_sem(blocks, relaxing, OF_TEMPERATURE)).std() < 1.1
    assert (mean / longest_sem(blocks)).std() < 0.35


@pytest.mark.parametrize("strength", [0.0, 0.5, 2.0])
def test_sets_show_together_how_strong_modulations_are(strength: float) -> None:
    """One set of a short run cannot distinguish noise and a modulation; 200 sets can."""
    rng, n_sets = np.random.default_rng(29), 200
    together, alone = [], []
    for energies in _energies(rng, 20, 1.0):
        # Every set follows one mode of its own.
        waves = (energies - 1.0)[:, rng.integers(SETS, size=n_sets)] * np.sqrt(MEMBERS)
        ratios = strength * waves + rng.normal(size=(BLOCKS, n_sets))
        relaxing, mean = _relaxing(energies), ratios.mean(axis=0)
        together.append(mean / slow_sem(ratios, relaxing))
        one_by_one = [slow_sem(ratios[:, k : k + 1], relaxing)[0] for k in range(n_sets)]
        alone.append(mean / one_by_one)
    assert 0.75 < np.std(together) < 1.25
    assert abs(np.log(np.std(together))) < 0.6 * abs(np.log(np.std(alone)))


def test_sets_without_values_change_no_error() -> None:
    rng = np.random.default_rng(30)
    energies = _energies(rng, 1, 3.0)[0]
    ratios = energies + rng.normal(size=energies.shape)
    more = np.hstack([np.full((BLOCKS, 1), np.nan), ratios])
    relaxing = _relaxing(energies)
    found = slow_sem(more, relaxing)
    assert np.isnan(found[0])
    assert found[1:] == pytest.approx(slow_sem(ratios, relaxing))


@pytest.mark.parametrize("lifetimes", [1.0, 5.0, 50.0])
def test_lifetimes_of_the_modes_are_found_from_their_energies(lifetimes: float) -> None:
    energies = _energies(np.random.default_rng(27), 1, lifetimes)[0]
    relaxing = _relaxing(energies)
    assert relaxing.sum() == pytest.approx(1.0)
    # Of few lifetimes a run shows that they are few.
    assert 0.5 * lifetimes < lifetimes_in_run(relaxing) < max(2.0 * lifetimes, 5.0)


def test_sets_without_energies_change_nothing() -> None:
    energies = _energies(np.random.default_rng(28), 1, 5.0)[0]
    more = np.hstack([energies, np.full((BLOCKS, 1), np.nan)])
    members = np.full(SETS + 1, MEMBERS)
    found = relaxation(more, members, np.full(SETS + 1, np.nan))
    assert found == pytest.approx(_relaxing(energies))
    unknown = relaxation(np.full((BLOCKS, 1), np.nan), members[:1], UNKNOWN[:1])
    assert unknown == pytest.approx(1.0 / 25)
    assert np.isnan(lifetimes_in_run(unknown))


def test_too_few_blocks_give_no_error_bar() -> None:
    sems, sem = _errors(np.ones((7, 3)), np.ones(7), np.full(25, 0.04))
    assert np.isnan(sems).all()
    assert np.isnan(sem)


@pytest.mark.parametrize("n_blocks", [8, 64])
def test_a_run_without_any_change_has_no_error(n_blocks: int) -> None:
    steady = np.full(n_blocks, 300.0)
    sems, sem = _errors(np.zeros((n_blocks, 3)), steady, np.full(25, 0.04))
    assert (sems < 1e-9).all()
    assert sem < 1e-6
