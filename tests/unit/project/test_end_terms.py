from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from trajmodes.data.modes import Modes
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.symmetry.translations import HalfSpace

N_FRAMES, INTERVAL_PS = 400, 0.02


def _motion(modes: Modes, omega: np.ndarray, interval_ps: float, n_frames: int) -> Amplitudes:
    """Harmonic motion of single modes, waves in both directions."""
    rng = np.random.default_rng(31)
    shape = (2, *modes.omega.shape, 1)
    there, back = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    turn = np.exp(1j * omega[..., None] * interval_ps * np.arange(n_frames))
    coordinate = there * turn + back / turn
    velocity = 1j * omega[..., None] * (there * turn - back / turn)
    return Amplitudes(0, coordinate, velocity, None)


def _ratio(reduction: EnergyReduction, amplitudes: Amplitudes, cuts: list[int]) -> np.ndarray:
    """Frequencies from a run that is read in parts."""
    edges = [0, *cuts, reduction.n_frames]
    parts = [reduction.chunk(amplitudes.part(slice(a, b))) for a, b in pairwise(edges)]
    state = parts[0]
    for part in parts[1:]:
        state = reduction.combine(state, part)
    return reduction.finalize(state)


@pytest.fixture
def run(space: HalfSpace, modes: Modes):
    """``run(ranges, cuts=[], interval_ps=…)`` gives energies of the same harmonic motion."""

    def energies(ranges, cuts=(), *, interval_ps=INTERVAL_PS, shift=1.0):
        amplitudes = _motion(modes, shift * modes.omega, interval_ps, N_FRAMES)
        reduction = EnergyReduction(
            Projector(space, modes), N_FRAMES, 16, interval_ps=interval_ps, ranges=ranges
        )
        return _ratio(reduction, amplitudes, list(cuts))

    return energies


WHOLE = ((0, N_FRAMES),)


def test_without_end_terms_harmonic_motion_has_its_frequency_in_any_time(run, modes) -> None:
    """Eight ps are two to seventy periods."""
    expected = modes.omega[modes.sets >= 0]
    found, plain = run(WHOLE), run(())
    np.testing.assert_allclose(found.omega_ratio, expected, rtol=1e-10)
    assert (found.omega_ratio_sem < 1e-6 * expected).all()
    assert np.abs(plain.omega_ratio / expected - 1.0).max() > 1e-3
    assert (plain.omega_ratio_sem > 1e-5 * expected).all()
    # All else is as it is.
    for name in ("kinetic", "potential", "temperature", "single"):
        assert np.array_equal(getattr(found, name), getattr(plain, name), equal_nan=True), name


def test_a_shifted_frequency_is_found(run, modes) -> None:
    """End terms are calculated with the harmonic frequency, 3 % off."""
    expected = 0.97 * modes.omega[modes.sets >= 0]
    np.testing.assert_allclose(run(WHOLE, shift=0.97).omega_ratio, expected, rtol=1e-3)


@pytest.mark.parametrize("cuts", [[25], [1], [399], [150, 151, 152, 300], [100, 200, 300]])
def test_end_terms_do_not_depend_on_where_the_run_is_cut(run, cuts: list[int]) -> None:
    whole, parts = run(WHOLE), run(WHOLE, cuts)
    np.testing.assert_allclose(parts.omega_ratio, whole.omega_ratio, rtol=1e-12)
    np.testing.assert_allclose(
        parts.omega_ratio_sem, whole.omega_ratio_sem, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("cuts", [[], [130], [60, 130, 131], [129, 200]])
def test_every_range_has_its_own_ends(space, modes, cuts: list[int]) -> None:
    """Between the ranges time has passed that nobody knows."""
    ranges = ((0, 130), (130, N_FRAMES))
    amplitudes = _motion(modes, modes.omega, INTERVAL_PS, N_FRAMES + 77)
    kept = np.delete(np.arange(N_FRAMES + 77), slice(130, 207))
    amplitudes = replace(
        amplitudes,
        coordinate=amplitudes.coordinate[..., kept],
        velocity=amplitudes.velocity[..., kept],
    )
    projector = Projector(space, modes)
    reduction = EnergyReduction(projector, N_FRAMES, 16, interval_ps=INTERVAL_PS, ranges=ranges)
    found = _ratio(reduction, amplitudes, cuts).omega_ratio
    np.testing.assert_allclose(found, modes.omega[modes.sets >= 0], rtol=1e-10)


def test_frames_far_apart_have_no_end_terms(run, modes) -> None:
    """Beyond a quarter of a period between frames."""
    interval_ps = 0.05
    found, plain = (run(ranges, interval_ps=interval_ps) for ranges in (WHOLE, ()))
    far = modes.omega[modes.sets >= 0] * interval_ps > 0.5 * np.pi
    assert far.any()
    assert not far.all()
    assert np.array_equal(found.omega_ratio[far], plain.omega_ratio[far])
    assert (found.omega_ratio[~far] != plain.omega_ratio[~far]).all()


def test_a_run_shorter_than_a_period_keeps_its_kinetic_energy(run) -> None:
    """Without its end terms it could be negative."""
    short = run(WHOLE, interval_ps=1e-4)
    assert np.isfinite(short.omega_ratio).all()
    assert (short.omega_ratio > 0.0).all()
