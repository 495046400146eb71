"""Laws of the energy correlations: block cuts, order of combination, units, signs, pairs."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajmodes.phonons.modes import modes_at
from trajmodes.project.energies.autocorrelation import AutocorrelationReduction
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.symmetry.translations import build_supercell, half_space

N_FRAMES = 190
RANGES = ((2, 90), (90, 120), (131, 187))


@pytest.fixture(scope="module")
def wandering(crystals, springs):
    crystal = crystals["triclinic"]
    space = half_space(build_supercell(crystal, [[2, 1, 0], [0, 1, 1], [-1, 0, 2]]))
    modes = modes_at(springs(crystal, 4.5), space.qpoints, space.weights)
    rng = np.random.default_rng(5)
    shape = (2, *modes.omega.shape, N_FRAMES, 2)
    q, v = np.cumsum(rng.normal(size=shape), axis=3).view(complex)[..., 0]
    return Projector(space, modes), Amplitudes(0, 0.1 * q, v, None)


def _part(amplitudes: Amplitudes, start: int, stop: int) -> Amplitudes:
    fields = (amplitudes.coordinate, amplitudes.velocity)
    return Amplitudes(start, *(field[..., start:stop] for field in fields), None)


def _same(left, right, rtol: float = 1e-11) -> None:
    for name in left.__dataclass_fields__:
        a, b = getattr(left, name), getattr(right, name)
        scale = np.nanmax(np.abs(a))
        assert np.allclose(a, b, rtol=rtol, atol=rtol * scale, equal_nan=True), name


@given(
    cuts=st.sets(st.integers(1, N_FRAMES - 1), max_size=40),
    seed=st.integers(0, 99),
    interval=st.sampled_from([0.0025, 0.005, 0.01, 0.1]),
)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_block_cuts_and_order_of_combination_do_not_matter(
    wandering, cuts, seed, interval
) -> None:
    projector, amplitudes = wandering
    reduction = AutocorrelationReduction(projector, interval, RANGES, 4)
    whole = reduction.finalize(reduction.chunk(amplitudes))
    edges = [0, *sorted(cuts), N_FRAMES]
    states = [reduction.chunk(_part(amplitudes, a, b)) for a, b in pairwise(edges)]
    rng = np.random.default_rng(seed)
    while len(states) > 1:
        i = int(rng.integers(len(states) - 1))
        states[i : i + 2] = [reduction.combine(states[i], states[i + 1])]
    _same(reduction.finalize(states[0]), whole)


def test_combine_changes_neither_part(wandering) -> None:
    projector, amplitudes = wandering
    reduction = AutocorrelationReduction(projector, 0.005, RANGES, 4)
    parts = [reduction.chunk(_part(amplitudes, *ends)) for ends in ((0, 70), (70, 190))]
    first, again = (reduction.finalize(reduction.combine(*parts)) for _ in range(2))
    for name in ("products", "sums", "mean"):
        assert np.array_equal(getattr(first, name), getattr(again, name), equal_nan=True)


def test_energies_scale_as_squares(wandering) -> None:
    projector, amplitudes = wandering
    reduction = AutocorrelationReduction(projector, 0.005, RANGES, 4)
    twice = replace(
        amplitudes,
        coordinate=2.0 * amplitudes.coordinate,
        velocity=2.0 * amplitudes.velocity,
    )
    one, two = (reduction.finalize(reduction.chunk(x)) for x in (amplitudes, twice))
    assert np.allclose(two.mean, 4.0 * one.mean)
    assert np.allclose(two.products, 16.0 * one.products)
    assert np.allclose(two.omega_ratio, one.omega_ratio)


def test_time_reversal_swaps_the_waves_of_a_pair(wandering) -> None:
    """Q̇ → −Q̇ turns E+ into E−: sums over both directions are unchanged."""
    projector, amplitudes = wandering
    reduction = AutocorrelationReduction(projector, 0.005, RANGES, 4)
    back = replace(amplitudes, velocity=-amplitudes.velocity)
    _same(*(reduction.finalize(reduction.chunk(x)) for x in (amplitudes, back)))


def test_phases_of_the_modes_do_not_matter(wandering) -> None:
    projector, amplitudes = wandering
    reduction = AutocorrelationReduction(projector, 0.005, RANGES, 4)
    shape = amplitudes.coordinate.shape[:2]
    turn = np.exp(2j * np.pi * np.random.default_rng(6).random(shape))[..., None]
    turned = replace(
        amplitudes,
        coordinate=turn * amplitudes.coordinate,
        velocity=turn * amplitudes.velocity,
    )
    _same(*(reduction.finalize(reduction.chunk(x)) for x in (amplitudes, turned)))
