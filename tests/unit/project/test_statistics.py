import numpy as np
import pytest
from scipy.linalg import expm

from trajmodes.project.statistics import block_sem, energy_sem, ratio_sem

FRAMES, BLOCKS = 2048, 64
OMEGA = 2 * np.pi / 7.3


def _oscillators(rng: np.random.Generator, count: int, gamma: float):
    """Block means (b, i) of ½v² and ½ω²x² of damped oscillators at kT = 1, exact propagator."""
    step = expm(np.array([[0.0, 1.0], [-(OMEGA**2), -gamma]]))
    equilibrium = np.diag([OMEGA**-2, 1.0])
    kick = np.linalg.cholesky(equilibrium - step @ equilibrium @ step.T)
    state = np.sqrt(equilibrium) @ rng.normal(size=(2, count))
    kinetic, potential = np.zeros((BLOCKS, count)), np.zeros((BLOCKS, count))
    for t in range(FRAMES):
        kinetic[t * BLOCKS // FRAMES] += 0.5 * state[1] ** 2
        potential[t * BLOCKS // FRAMES] += 0.5 * (OMEGA * state[0]) ** 2
        state = step @ state + kick @ rng.normal(size=(2, count))
    return kinetic * BLOCKS / FRAMES, potential * BLOCKS / FRAMES


@pytest.fixture(scope="module")
def runs():
    """Run length over lifetime → block means of 1800 independent degrees of freedom."""
    rng = np.random.default_rng(20)
    return {x: _oscillators(rng, 1800, x / FRAMES) for x in (0.3, 1.0, 3.0, 10.0, 40.0, 200.0)}


@pytest.mark.parametrize("members", [2, 6, 24])
@pytest.mark.parametrize("ratio", [0.3, 1.0, 3.0, 10.0, 40.0, 200.0])
def test_energy_errors_are_honest_for_any_lifetime(runs, members: int, ratio: float) -> None:
    for samples in runs[ratio]:
        pooled = samples.reshape(BLOCKS, -1, members).mean(axis=2)
        n_sets = pooled.shape[1]
        sem = energy_sem(pooled, np.full(n_sets, members), np.full(n_sets, 0.5))
        z = (pooled.mean(axis=0) - 0.5) / sem
        # Fewer sets scatter by themselves.
        chance = 2.0 / np.sqrt(n_sets)
        assert abs(z.mean()) < 0.2 + chance / 2
        assert 0.8 - chance / 2 < z.std() < 1.25 + chance / 2


def test_blocks_alone_would_be_wrong_for_long_lifetimes(runs) -> None:
    """Without the known size of the fluctuations the error is far too small."""
    kinetic, _ = runs[0.3]
    pooled = kinetic.reshape(BLOCKS, -1, 6).mean(axis=2)
    z = (pooled.mean(axis=0) - 0.5) / block_sem(pooled)
    assert z.std() > 3.0


def test_exchange_within_a_set_does_not_hide_its_fluctuation() -> None:
    """Members that share their energy look alike, yet the set as a whole fluctuates."""
    rng = np.random.default_rng(4)
    members, n_sets = 12, 2000
    total = rng.gamma(members, 1.0, n_sets) * 0.5
    each = np.broadcast_to(total / members, (BLOCKS, n_sets))
    each = each * (1.0 + 0.02 * rng.normal(size=each.shape))
    sem = energy_sem(each, np.full(n_sets, members), np.full(n_sets, 0.5))
    z = (each.mean(axis=0) - 0.5) / sem
    assert 0.8 < z.std() < 1.25


def test_ratio_errors_are_honest(runs) -> None:
    for ratio in (1.0, 10.0, 200.0):
        kinetic, potential = (x.reshape(BLOCKS, -1, 6).mean(axis=2) for x in runs[ratio])
        observed = kinetic.mean(axis=0) / potential.mean(axis=0)
        z = (observed - 1.0) / (observed * ratio_sem(kinetic, potential))
        assert abs(z.mean()) < 0.2
        assert 0.75 < z.std() < 1.25


def test_block_error_of_uncorrelated_numbers() -> None:
    rng = np.random.default_rng(8)
    blocks = rng.normal(size=(64, 4000))
    sem = block_sem(blocks)
    assert (blocks.mean(axis=0) / sem).std() == pytest.approx(1.0, abs=0.2)


def test_too_few_blocks_give_no_error_bar() -> None:
    blocks = np.ones((7, 3))
    assert np.isnan(energy_sem(blocks, np.full(3, 2), np.ones(3))).all()
    assert np.isnan(block_sem(blocks)).all()


def test_a_dead_mode_gets_no_nonsense() -> None:
    sem = energy_sem(np.zeros((16, 2)), np.array([2, 4]), np.full(2, 0.5))
    assert (sem > 0.0).all()
    assert np.isfinite(sem).all()
