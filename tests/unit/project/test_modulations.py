import numpy as np
import pytest

from trajmodes.project.energies.modulations import (
    Populations,
    modulated_sems,
    shared_sem,
    spectral_sem,
)
from trajmodes.project.energies.standard_errors import block_sem, longest_sem

BLOCKS = 64


def _relaxing(rng: np.random.Generator, count: int, lifetimes: float) -> np.ndarray:
    """Block means (b, i) of noise with exponential autocorrelation, of a run of so many."""
    per_block = 16
    kept = np.exp(-lifetimes / (BLOCKS * per_block))
    state, blocks = rng.normal(size=count), np.zeros((BLOCKS, count))
    for frame in range(BLOCKS * per_block):
        blocks[frame // per_block] += state / per_block
        state = kept * state + np.sqrt(1.0 - kept**2) * rng.normal(size=count)
    return blocks


@pytest.mark.parametrize("lifetimes", [10, 20, 30, 100, 1000])
def test_spectral_errors_agree_with_the_scatter(lifetimes: int) -> None:
    blocks = _relaxing(np.random.default_rng(22), 1500, lifetimes)
    z = blocks.mean(axis=0) / spectral_sem(blocks)
    assert 0.85 < z.std() < (1.1 if lifetimes > 10 else 1.3)
    assert 0.9 < (np.abs(z) < 2.0).mean() < 0.985


def test_spectral_errors_of_what_fluctuates_about_a_conserved_quantity() -> None:
    """The mean depends on its ends and on little slow noise; blocks show the fast noise."""
    rng = np.random.default_rng(23)
    ends, slow = rng.normal(size=(BLOCKS + 1, 1500)), 0.3 * rng.normal(size=(BLOCKS, 1500))
    blocks = np.diff(ends, axis=0) + slow
    mean = blocks.mean(axis=0)
    assert 0.7 < (mean / spectral_sem(blocks)).std() < 1.1
    assert (mean / longest_sem(blocks)).std() < 0.35


def _modulated(rng: np.random.Generator, strength: float) -> np.ndarray:
    """Blocks (b, g) about zero, in units of their noise.

    All share a modulation with a correlation time of six blocks.
    """
    kept, noise = np.exp(-1 / 6), rng.normal(size=BLOCKS + 60)
    for t in range(1, len(noise)):
        noise[t] = kept * noise[t - 1] + np.sqrt(1.0 - kept**2) * noise[t]
    shares = rng.uniform(0.3, 1.0, 40)
    return strength * noise[60:, None] * shares + rng.normal(size=(BLOCKS, 40))


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_a_modulation_that_all_sets_share_enters_their_errors(strength: float) -> None:
    """Where the noise of one set conceals it, its error from blocks is too small."""
    rng = np.random.default_rng(23)
    z, plain = [], []
    for _ in range(300):
        blocks = _modulated(rng, strength)
        z.append(blocks.mean(axis=0) / shared_sem(blocks))
        plain.append(blocks.mean(axis=0) / block_sem(blocks))
    assert 0.8 < np.std(z) < 1.25
    assert strength == 0.0 or np.std(plain) > 1.3


SETS, MEMBERS = 24, 10


@pytest.fixture(scope="module", params=[0.5, 1.0, 2.0, 5.0])
def populated(request) -> tuple[float, np.ndarray]:
    """So many lifetimes in a run, on average, and energies (run, b, g) of sets.

    Each set has complex amplitudes with exponential autocorrelation; energies have the mean 1.
    """
    rng = np.random.default_rng(24)
    shape, per_block = (150, SETS, MEMBERS), 2
    rates = request.param * np.geomspace(0.5, 2.0, SETS)[:, None] / (BLOCKS * per_block)
    kept = np.exp(-0.5 * rates)

    def fresh() -> np.ndarray:
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2.0)

    amplitude, blocks = fresh(), np.zeros((150, BLOCKS, SETS))
    for step in range(BLOCKS * per_block):
        blocks[:, step // per_block] += (np.abs(amplitude) ** 2).mean(axis=2) / per_block
        amplitude = kept * amplitude + np.sqrt(1.0 - kept**2) * fresh()
    return request.param, blocks


def test_errors_contain_what_slow_populations_do_in_the_whole_run(populated) -> None:
    """Frequencies and temperature follow energies that hardly change within the run."""
    rng = np.random.default_rng(25)
    lifetimes, runs = populated
    omega, members = np.geomspace(1.0, 4.0, SETS), np.full(SETS, MEMBERS)
    weight = MEMBERS * (omega / omega.mean() - 1.0)
    size = np.sqrt(MEMBERS) * np.linalg.norm(omega / omega.mean() - 1.0)
    shares = rng.uniform(0.5, 1.5, SETS)
    z_of_ratios, z, plain = [], [], []
    for energies in runs:
        wave = energies @ weight / size
        ratios = np.multiply.outer(wave, shares) + 0.3 * rng.normal(size=energies.shape)
        temperature = -wave + 0.3 * rng.normal(size=BLOCKS)
        populations = Populations.of(energies, members, omega)
        sems, sem = modulated_sems(ratios, temperature, populations)
        z_of_ratios.append(ratios.mean(axis=0) / sems)
        z.append(temperature.mean() / sem)
        plain.append(temperature.mean() / spectral_sem(temperature))
    assert 0.75 < np.std(z) < 1.3
    assert 0.75 < np.std(z_of_ratios) < 1.45
    # The error from the spectrum of the temperature alone is too small in a short run.
    assert np.std(plain) > (1.4 if lifetimes < 3.0 else 1.1)


def test_errors_are_those_of_the_noise_where_populations_do_nothing(populated) -> None:
    rng = np.random.default_rng(26)
    omega, members = np.geomspace(1.0, 4.0, SETS), np.full(SETS, MEMBERS)
    z_of_ratios, z = [], []
    for energies in populated[1]:
        ratios, temperature = rng.normal(size=energies.shape), rng.normal(size=BLOCKS)
        populations = Populations.of(energies, members, omega)
        sems, sem = modulated_sems(ratios, temperature, populations)
        z_of_ratios.append(ratios.mean(axis=0) / sems)
        z.append(temperature.mean() / sem)
    assert 0.6 < np.std(z) < 1.2
    assert 0.6 < np.std(z_of_ratios) < 1.2


def test_populations_are_the_energy_in_fast_modes_beyond_that_in_slow_ones() -> None:
    energies = np.ones((BLOCKS, 6))
    energies[:, :2] += 0.1
    energies[:, 4:] -= 0.1
    omega, members = np.array([1.0, 1.0, 2.0, 2.0, 3.0, 3.0]), np.full(6, 5)
    # Ten degrees of freedom at −½, at 0 and at +½ of the mean frequency.
    same = Populations.of(np.ones((BLOCKS, 6)), members, omega).blocks
    assert np.allclose(same, 0.0, atol=1e-12)
    assert np.allclose(Populations.of(energies, members, omega).blocks, -1.0)
    # The order of the sets and sets without energies change nothing.
    order = np.array([3, 0, 5, 1, 4, 2])
    shuffled = Populations.of(energies[:, order], members, omega[order])
    assert np.allclose(shuffled.blocks, -1.0)
    unknown = np.hstack([energies, np.full((BLOCKS, 1), np.nan)])
    more = Populations.of(unknown, np.append(members, 5), np.append(omega, 2.5))
    assert np.allclose(more.blocks, -1.0)


def test_too_few_blocks_give_no_error_bar() -> None:
    populations = Populations(np.zeros(7), np.nan)
    sems, sem = modulated_sems(np.ones((7, 3)), np.ones(7), populations)
    assert np.isnan(sems).all()
    assert np.isnan(sem)


@pytest.mark.parametrize("n_sets", [1, 2, 40])
def test_a_run_without_any_change_has_no_error(n_sets: int) -> None:
    energies = np.ones((BLOCKS, n_sets))
    populations = Populations.of(energies, np.full(n_sets, 2), np.arange(1.0, n_sets + 1.0))
    sems, sem = modulated_sems(np.zeros((BLOCKS, n_sets)), np.full(BLOCKS, 300.0), populations)
    assert (sems < 1e-9).all()
    assert sem < 1e-6
