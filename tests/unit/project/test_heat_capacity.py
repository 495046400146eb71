from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.symmetry.stars import group_sizes
from trajmodes.symmetry.translations import HalfSpace
from trajmodes.units import BOLTZMANN

N_FRAMES = 4000
KT = BOLTZMANN * 250.0


def _amplitudes(modes: Modes, energies: np.ndarray, rng: np.random.Generator) -> Amplitudes:
    """Amplitudes of given standing energies (q, m, t), at random phases of the oscillation."""
    angle = rng.uniform(0, 2 * np.pi, energies.shape)
    root = np.sqrt(2 * energies)
    with np.errstate(divide="ignore", invalid="ignore"):
        coordinate = np.nan_to_num(root * np.sin(angle) / np.abs(modes.omega)[..., None])
    return Amplitudes(0, coordinate + 0j, root * np.cos(angle) + 0j, None)


def _heat(space: HalfSpace, modes: Modes, energies: np.ndarray, n_blocks: int = 64):
    reduction = EnergyReduction(Projector(space, modes), energies.shape[-1], n_blocks)
    amplitudes = _amplitudes(modes, energies, np.random.default_rng(4))
    return reduction.finalize(reduction.chunk(amplitudes))


def _canonical(modes: Modes, rng: np.random.Generator, n_frames: int = N_FRAMES) -> np.ndarray:
    """Exponential energies of each real degree of freedom; for a pair ±q half the sum."""
    weights = modes.weights[:, None, None]
    energies = rng.gamma(weights, KT / weights, (*modes.omega.shape, n_frames))
    energies[modes.sets < 0] = 0.0
    return energies


def test_heat_capacity_factors_with_and_without_a_partner_at_minus_q(
    space: HalfSpace, modes: Modes
) -> None:
    rng = np.random.default_rng(5)
    energies = _canonical(modes, rng)
    result = _heat(space, modes, energies)
    factor = np.repeat(modes.weights[:, None], modes.omega.shape[1], axis=1)[modes.sets >= 0]
    fluctuation = energies.var(axis=2)[modes.sets >= 0] / (BOLTZMANN * result.temperature) ** 2
    # The heat bath is ideal and the run long: the corrections are small.
    assert np.allclose(result.heat_capacity_kb, factor * fluctuation, rtol=0.02)
    z = (result.heat_capacity_kb - 1.0) / result.heat_capacity_kb_sem
    for kind in (1.0, 2.0):
        assert abs(z[factor == kind].mean()) < 3.0 / np.sqrt((factor == kind).sum())
    assert 0.7 < z.std() < 1.3


def test_members_of_a_set_are_pooled(space: HalfSpace, paired: Modes) -> None:
    single = np.arange(paired.sets.size).reshape(paired.sets.shape) - 3
    single[0, :3] = -1
    energies = _canonical(paired, np.random.default_rng(6))
    apart = _heat(space, replace(paired, sets=single), energies)
    pooled = _heat(space, paired, energies)
    known = paired.sets >= 0
    mean = np.zeros(paired.n_sets)
    weights = np.repeat(paired.weights[:, None], paired.omega.shape[1], axis=1)[known]
    np.add.at(mean, paired.sets[known], weights * apart.heat_capacity_kb)
    assert np.allclose(pooled.heat_capacity_kb, mean / pooled.members, rtol=0.1)
    assert pooled.heat_capacity_kb_sem.mean() < 0.85 * apart.heat_capacity_kb_sem.mean()


def test_a_fixed_total_energy_does_not_reduce_the_heat_capacity(
    space: HalfSpace, modes: Modes
) -> None:
    """Microcanonical shares of a fixed energy: a Dirichlet distribution."""
    energies = _canonical(modes, np.random.default_rng(8), 40_000)
    total = np.einsum("q,qmt->t", modes.weights, energies)
    freedom = 3 * space.supercell.n_atoms - 3
    energies *= freedom * KT / total
    result = _heat(space, modes, energies)
    z = (result.heat_capacity_kb - 1.0) / result.heat_capacity_kb_sem
    assert abs(result.heat_capacity_kb @ result.members / freedom - 1.0) < 0.01
    assert 0.6 < z.std() < 1.3
    # The correction is not negligible in a small crystal.
    assert 3.0 / (freedom + 1.0) > 0.04


def test_sizes_of_groups(space: HalfSpace, paired: Modes) -> None:
    sizes = group_sizes(paired)
    for q, weight in enumerate(space.weights):
        for m in range(paired.omega.shape[1]):
            alike = (paired.sets[q] == paired.sets[q, m]).sum()
            if paired.sets[q, m] >= 0:
                assert sizes[q, m] == weight * alike


def test_too_few_blocks_give_no_heat_capacity(space: HalfSpace, modes: Modes) -> None:
    """The fluctuation removed by the run's own mean cannot be estimated without them."""
    energies = _canonical(modes, np.random.default_rng(6), 50)
    result = _heat(space, modes, energies, n_blocks=4)
    assert np.isnan(result.heat_capacity_kb).all()
    assert np.isnan(result.heat_capacity_kb_sem).all()
    assert np.isfinite(result.kinetic).all()


def test_a_crystal_almost_at_rest_has_finite_results(space: HalfSpace, modes: Modes) -> None:
    shape = (32, space.supercell.n_atoms, 3)
    motion = MotionBlock(
        0, *(1e-9 * np.random.default_rng(k).normal(size=shape) for k in (1, 2)), None
    )
    reduction = EnergyReduction(Projector(space, modes), 32, 16)
    result = reduction.finalize(reduction.chunk(reduction.projector.project(motion)))
    assert np.isfinite(result.heat_capacity_kb).all()


@pytest.mark.parametrize("cut", [1, 700, 1999])
def test_fluctuations_do_not_depend_on_cuts(space: HalfSpace, paired: Modes, cut: int) -> None:
    energies = _canonical(paired, np.random.default_rng(9), 2000)
    amplitudes = _amplitudes(paired, energies, np.random.default_rng(1))
    reduction = EnergyReduction(Projector(space, paired), 2000)
    whole = reduction.finalize(reduction.chunk(amplitudes))
    states = [
        reduction.chunk(
            Amplitudes(a, amplitudes.coordinate[..., a:b], amplitudes.velocity[..., a:b], None)
        )
        for a, b in ((0, cut), (cut, 2000))
    ]
    parts = reduction.finalize(reduction.combine(*states))
    assert np.allclose(parts.heat_capacity_kb, whole.heat_capacity_kb, rtol=1e-12)


def test_the_error_of_the_temperature_enters_all_sets(space: HalfSpace, modes: Modes) -> None:
    """One set varies slowly and changes T; the others are constant."""
    energies = np.full((*modes.omega.shape, N_FRAMES), KT)
    energies[modes.sets < 0] = 0.0
    slow = modes.sets == 0
    energies[slow] *= 1.0 + 40.0 * np.sin(np.linspace(0.0, np.pi, N_FRAMES)) ** 2
    result = _heat(space, modes, energies)
    error = result.temperature_sem / result.temperature
    assert (result.heat_capacity_kb_sem > 2.0 * error).all()
    relative = result.omega_displacement_sem / result.omega_displacement
    assert (relative > 0.5 * error).all()
