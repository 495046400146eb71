import numpy as np
import pytest
from scipy.linalg import expm

from trajmodes.project.energies.standard_errors import (
    block_sem,
    energy_sem,
    longest_sem,
    ratio_sem,
)

FRAMES, BLOCKS = 2048, 64


def _oscillators(rng: np.random.Generator, count: int, gamma: float, period: float = 7.3):
    """Block means (b, i) of ½v² and ½ω²x² of damped oscillators at kT = 1, exact propagator."""
    omega = 2 * np.pi / period
    step = expm(np.array([[0.0, 1.0], [-(omega**2), -gamma]]))
    equilibrium = np.diag([omega**-2, 1.0])
    kick = np.linalg.cholesky(equilibrium - step @ equilibrium @ step.T)
    state = np.sqrt(equilibrium) @ rng.normal(size=(2, count))
    kinetic, potential = np.zeros((BLOCKS, count)), np.zeros((BLOCKS, count))
    for t in range(FRAMES):
        kinetic[t * BLOCKS // FRAMES] += 0.5 * state[1] ** 2
        potential[t * BLOCKS // FRAMES] += 0.5 * (omega * state[0]) ** 2
        state = step @ state + kick @ rng.normal(size=(2, count))
    return kinetic * BLOCKS / FRAMES, potential * BLOCKS / FRAMES


@pytest.fixture(scope="module")
def runs():
    """Run length over lifetime → block means of 1800 independent degrees of freedom."""
    rng = np.random.default_rng(20)
    return {x: _oscillators(rng, 1800, x / FRAMES) for x in (0.3, 1.0, 3.0, 10.0, 40.0, 200.0)}


@pytest.mark.parametrize("members", [2, 6, 24])
@pytest.mark.parametrize("ratio", [0.3, 1.0, 3.0, 10.0, 40.0, 200.0])
def test_energy_errors_agree_with_the_scatter_for_any_lifetime(
    runs, members: int, ratio: float
) -> None:
    kinetic, potential = (x.reshape(BLOCKS, -1, members).mean(axis=2) for x in runs[ratio])
    n_sets = kinetic.shape[1]
    total = 0.5 * (kinetic + potential)
    slow = energy_sem(total, np.full(n_sets, members), np.full(n_sets, 0.5))
    # Fewer sets scatter by themselves.
    chance = 1.0 / np.sqrt(n_sets)
    for part in (kinetic, potential):
        z = (part.mean(axis=0) - 0.5) / np.hypot(slow, block_sem(part - total))
        assert abs(z.mean()) < 0.2 + chance
        # The mean of two exponential energies is skewed: its tail outruns any symmetric bar.
        widest = 1.4 if members == 2 else 1.25
        assert 0.8 - chance < z.std() < widest + chance


def test_plain_blocking_fails_for_long_lifetimes(runs) -> None:
    """Without the known size of the fluctuations the error is much too small."""
    kinetic, _ = runs[0.3]
    pooled = kinetic.reshape(BLOCKS, -1, 6).mean(axis=2)
    z = (pooled.mean(axis=0) - 0.5) / block_sem(pooled)
    assert z.std() > 3.0


def test_blocks_may_be_shorter_than_a_period() -> None:
    """The kinetic energy alone would oscillate, and appear to decorrelate within a block."""
    blocks = _oscillators(np.random.default_rng(21), 1800, 0.3 / FRAMES, period=200.0)
    kinetic, potential = (x.reshape(BLOCKS, -1, 6).mean(axis=2) for x in blocks)
    n_sets = kinetic.shape[1]
    limits = (np.full(n_sets, 6), np.full(n_sets, 0.5))
    total = 0.5 * (kinetic + potential)
    sem = np.hypot(energy_sem(total, *limits), block_sem(kinetic - total))
    error = kinetic.mean(axis=0) - 0.5
    assert 0.8 < (error / sem).std() < 1.25
    assert (error / energy_sem(kinetic, *limits)).std() > 3.0


def test_ratio_errors_agree_with_the_scatter(runs) -> None:
    for ratio in (1.0, 10.0, 200.0):
        kinetic, potential = (x.reshape(BLOCKS, -1, 6).mean(axis=2) for x in runs[ratio])
        observed = kinetic.mean(axis=0) / potential.mean(axis=0)
        z = (observed - 1.0) / (observed * ratio_sem(kinetic, potential))
        assert abs(z.mean()) < 0.2
        # Conservative where the mode outlives the run: phases then cancel better than chance.
        assert 0.2 < z.std() < 1.25
        assert ratio < 10.0 or z.std() > 0.8


def test_block_error_of_uncorrelated_numbers() -> None:
    rng = np.random.default_rng(8)
    blocks = rng.normal(size=(64, 4000))
    sem = block_sem(blocks)
    assert (blocks.mean(axis=0) / sem).std() == pytest.approx(1.0, abs=0.2)


def test_too_few_blocks_give_no_error_bar() -> None:
    blocks = np.ones((7, 3))
    assert np.isnan(energy_sem(blocks, np.full(3, 2), np.ones(3))).all()
    assert np.isnan(block_sem(blocks)).all()


def test_a_mode_without_motion_has_zero_error() -> None:
    sem = energy_sem(np.zeros((16, 2)), np.array([2, 4]), np.full(2, 0.5))
    assert (sem > 0.0).all()
    assert np.isfinite(sem).all()


@pytest.mark.parametrize("n_blocks", [63, 62, 64, 40])
def test_the_longest_error_joins_any_number_of_blocks(n_blocks: int) -> None:
    """Correlation over five blocks, 9 to 14 in all: single blocks give a third of the error."""
    rng = np.random.default_rng(21)
    kept, n = 0.8, 400
    series = rng.normal(size=(n_blocks + 100, n))
    for t in range(1, len(series)):
        series[t] = kept * series[t - 1] + np.sqrt(1.0 - kept**2) * series[t]
    blocks = series[100:]
    mean = blocks.mean(axis=0)
    single = blocks.std(axis=0, ddof=1).mean() / np.sqrt(n_blocks)
    assert single < 0.4 * mean.std()
    assert 0.85 < (mean / longest_sem(blocks)).std() < 1.5


@pytest.mark.parametrize("lifetimes", [20, 30, 100, 1000])
def test_the_longest_error_agrees_with_the_scatter(lifetimes: int) -> None:
    """Averages over blocks of a series with exponential autocorrelation."""
    rng = np.random.default_rng(22)
    per_block, n = 16, 1500
    kept = np.exp(-lifetimes / (64 * per_block))
    state, blocks = rng.normal(size=n), np.zeros((64, n))
    for frame in range(64 * per_block):
        blocks[frame // per_block] += state / per_block
        state = kept * state + np.sqrt(1.0 - kept**2) * rng.normal(size=n)
    z = blocks.mean(axis=0) / longest_sem(blocks)
    assert 0.85 < z.std() < 1.1
    assert 0.93 < (np.abs(z) < 2.0).mean() < 0.985
