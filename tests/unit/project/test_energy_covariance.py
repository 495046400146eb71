from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.project.energies.covariances import EnergyCovarianceReduction
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.symmetry.translations import HalfSpace

N_FRAMES = 300


@pytest.fixture
def motion(space: HalfSpace) -> MotionBlock:
    shape = (N_FRAMES, space.supercell.n_atoms, 3)
    rng = np.random.default_rng(7)
    return MotionBlock(0, *(rng.normal(size=shape) for _ in range(2)), None)


def _energies(projector: Projector, motion: MotionBlock) -> np.ndarray:
    amplitudes = projector.project(motion)
    potential = (projector.modes.omega[..., None] * np.abs(amplitudes.coordinate)) ** 2
    return 0.5 * (potential + np.abs(amplitudes.velocity) ** 2).reshape(-1, N_FRAMES)


def test_covariance_is_that_of_the_energies(
    space: HalfSpace, modes: Modes, motion: MotionBlock
) -> None:
    projector = Projector(space, modes)
    energies = _energies(projector, motion)
    known = (modes.sets >= 0).ravel()
    reduction = EnergyCovarianceReduction(projector, N_FRAMES)
    result = reduction.finalize(reduction.chunk(reduction.projector.project(motion)))
    expected = np.cov(energies[known], bias=True)
    found = result.modes[np.ix_(known, known)]
    assert np.allclose(found, expected, rtol=1e-9, atol=1e-12 * energies.mean() ** 2)
    assert np.isnan(result.modes[~known]).all()
    assert np.isnan(result.modes[:, ~known]).all()


def test_cuts_and_order_of_combination_do_not_matter(
    space: HalfSpace, paired: Modes, motion: MotionBlock
) -> None:
    reduction = EnergyCovarianceReduction(Projector(space, paired), N_FRAMES)
    whole = reduction.finalize(reduction.chunk(reduction.projector.project(motion)))
    one, two, three = (
        reduction.chunk(reduction.projector.project(motion.part(slice(a, b))))
        for a, b in ((0, 50), (50, 51), (51, N_FRAMES))
    )
    before = one.products.copy()
    for state in (
        reduction.combine(reduction.combine(one, two), three),
        reduction.combine(one, reduction.combine(two, three)),
    ):
        parts = reduction.finalize(state)
        assert np.allclose(parts.modes, whole.modes, rtol=1e-10, equal_nan=True)
        assert np.allclose(parts.correlation, whole.correlation, atol=1e-10, equal_nan=True)
    assert np.array_equal(one.products, before)


def test_correlation_of_sets_excludes_a_mode_with_itself(
    space: HalfSpace, paired: Modes, motion: MotionBlock
) -> None:
    omega = paired.omega.copy()
    lonely = np.argwhere(paired.sets == 1)[0]
    omega[tuple(lonely)] *= -1.0
    modes = replace(paired, omega=omega)
    projector = Projector(space, modes)
    reduction = EnergyCovarianceReduction(projector, N_FRAMES)
    result = reduction.finalize(reduction.chunk(reduction.projector.project(motion)))
    labels = np.where(modes.omega > 0.0, modes.sets, -1).ravel()
    covariance = np.cov(_energies(projector, motion), bias=True)
    for g in range(modes.n_sets):
        for h in range(modes.n_sets):
            pairs = [
                covariance[i, j]
                for i in np.flatnonzero(labels == g)
                for j in np.flatnonzero(labels == h)
                if i != j
            ]
            own = [covariance.diagonal()[labels == k].mean() for k in (g, h)]
            expected = np.mean(pairs) / np.sqrt(own[0] * own[1]) if pairs else np.nan
            assert result.correlation[g, h] == pytest.approx(expected, nan_ok=True, abs=1e-12)
    assert np.isnan(result.correlation[1, 1])


def test_modes_that_exchange_energy_are_anticorrelated(space: HalfSpace, modes: Modes) -> None:
    rng = np.random.default_rng(3)
    energies = rng.gamma(2.0, 0.5, (*modes.omega.shape, 4000))
    giver, taker = (np.argwhere(modes.sets == g)[0] for g in (4, 9))
    energies[tuple(taker)] = 6.0 - np.minimum(energies[tuple(giver)], 6.0)
    v_qmt = np.sqrt(2.0 * energies).astype(complex)
    reduction = EnergyCovarianceReduction(Projector(space, modes), 4000)
    amplitudes = Amplitudes(0, np.zeros_like(v_qmt), v_qmt, None)
    correlation = reduction.finalize(reduction.chunk(amplitudes)).correlation.copy()
    assert correlation[4, 9] < -0.95
    correlation[4, 9] = correlation[9, 4] = 0.0
    assert np.nanmax(np.abs(correlation)) < 0.1


def test_too_many_modes_are_refused() -> None:
    projector = SimpleNamespace(n_series=11_586)
    with pytest.raises(DataError, match=r"11586 modes takes 1\.1 GB(.|\n)*1 GiB.*11585 modes"):
        EnergyCovarianceReduction(projector, 10)
    EnergyCovarianceReduction(SimpleNamespace(n_series=11_585), 10)


def test_velocities_are_needed_and_all_frames(
    space: HalfSpace, modes: Modes, motion: MotionBlock
) -> None:
    reduction = EnergyCovarianceReduction(Projector(space, modes), N_FRAMES + 1)
    with pytest.raises(DataError, match="need velocities"):
        reduction.chunk(reduction.projector.project(replace(motion, velocities=None)))
    with pytest.raises(DataError, match="300 of 301 frames"):
        reduction.finalize(reduction.chunk(reduction.projector.project(motion)))
