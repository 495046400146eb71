"""Zoom spectra equal the spectra on the whole axis, for any cuts of the run."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.project.spectra.welch import WelchReduction
from trajmodes.project.spectra.zoom import (
    BandPlan,
    ZoomReduction,
    default_bands,
    filter_taps,
    power_response,
)
from trajmodes.symmetry.stars import set_members
from trajmodes.symmetry.translations import HalfSpace
from trajmodes.units import THZ

INTERVAL = 0.01
PLAN = BandPlan(8, (64, 32))


@pytest.fixture
def projector(space: HalfSpace, modes: Modes) -> Projector:
    return Projector(space, modes)


def _series(projector: Projector, n_frames: int, width: float = 0.6) -> Amplitudes:
    """Complex noise in a line around ±ω of each mode, and a little at all frequencies."""
    rng = np.random.default_rng(3)
    modes = projector.modes
    freq = 2 * np.pi * np.fft.fftfreq(n_frames, INTERVAL)
    omega = np.abs(modes.omega)[..., None]
    shape = 1.0 / (((np.abs(freq) - omega) / width) ** 2 + 1.0) + 1e-3
    noise = rng.normal(size=(*modes.omega.shape, n_frames, 2)) @ [1.0, 1.0j]
    series = np.fft.ifft(np.sqrt(shape) * noise, axis=2)
    return Amplitudes(0, series, series, None)


def _part(amplitudes: Amplitudes, start: int, stop: int) -> Amplitudes:
    velocity = amplitudes.velocity[..., start:stop]
    return Amplitudes(start, velocity, velocity, None)


def test_bands_are_parts_of_the_whole_spectrum(projector: Projector) -> None:
    n_frames = 6000
    amplitudes = _series(projector, n_frames)
    bands = ZoomReduction(projector, PLAN, INTERVAL, ((0, n_frames),))
    # An output corresponds to the middle of the frames that it sums over.
    delay = (PLAN.taps - 1) // 2
    shifted = _part(amplitudes, delay, n_frames - delay)
    shifted = replace(shifted, first_frame=0)
    for band in bands.finalize(bands.chunk(amplitudes)):
        stop = shifted.velocity.shape[2]
        length = band.segment_frames
        hops = (stop - length) // (length // 2)
        ends = (0, length + hops * (length // 2))
        welch = WelchReduction(projector, length, INTERVAL, (ends,))
        whole = welch.finalize(welch.chunk(shifted)).modes
        assert np.allclose(band.averages, whole.averages)
        bins = band.first_bin[:, None] + np.arange(band.power.shape[1])
        there = np.isfinite(band.power)
        assert np.array_equal(there, (bins >= 0) & (bins < len(whole.omega)))
        expected = np.take_along_axis(whole.power, np.where(there, bins, 0), axis=1)
        error = np.abs(band.power - expected) / expected.max(axis=1, keepdims=True)
        assert np.nanmax(error) < 5e-3


def test_a_pure_wave_keeps_its_energy_and_frequency(projector: Projector) -> None:
    """In both directions of travel, away from the centre of its band."""
    n_frames, (q, m) = 4000, (2, 1)
    bands = ZoomReduction(projector, PLAN, INTERVAL, ((0, n_frames),))
    label = projector.modes.sets[q, m]
    seen = []
    for sign in (1.0, -1.0):
        omega = np.abs(projector.modes.omega[q, m]) + 0.4 * THZ
        v_qmt = np.zeros((*projector.modes.omega.shape, n_frames), dtype=complex)
        v_qmt[q, m] = np.exp(sign * 1j * omega * INTERVAL * np.arange(n_frames))
        band = bands.finalize(bands.chunk(Amplitudes(0, v_qmt, v_qmt, None)))[0]
        spacing = THZ / (band.segment_frames * INTERVAL)
        assert band.omega[label][np.nanargmax(band.power[label])] == pytest.approx(
            omega, abs=spacing
        )
        seen.append(np.nansum(band.power[label]) * spacing)
    assert seen[0] == pytest.approx(seen[1], rel=1e-6)
    members = set_members(projector.modes)[label]
    assert seen[0] == pytest.approx(0.5 * projector.modes.weights[q] / members, rel=2e-3)


def test_block_cuts_and_order_of_combination_do_not_matter(projector: Projector) -> None:
    n_frames = 5000
    amplitudes = _series(projector, n_frames)
    ranges = ((0, 2100), (2100, n_frames))
    reduction = ZoomReduction(projector, BandPlan(5, (32, 16)), INTERVAL, ranges)
    whole = reduction.finalize(reduction.chunk(amplitudes))
    rng = np.random.default_rng(7)
    for _ in range(6):
        inner = rng.choice(np.arange(1, n_frames), 60, replace=False)
        edges = [0, *sorted(inner.tolist()), n_frames]
        states = [reduction.chunk(_part(amplitudes, a, b)) for a, b in pairwise(edges)]
        while len(states) > 1:
            i = int(rng.integers(len(states) - 1))
            states[i : i + 2] = [reduction.combine(states[i], states[i + 1])]
        for band, same in zip(whole, reduction.finalize(states[0]), strict=True):
            assert np.allclose(band.power, same.power, rtol=1e-9, equal_nan=True)


def test_memory_does_not_grow_with_the_run(projector: Projector) -> None:
    reduction = ZoomReduction(projector, PLAN, INTERVAL, ((0, 40_000),))
    state, most = None, 0
    amplitudes = _series(projector, 40_000)
    for start in range(0, 40_000, 50):
        later = reduction.chunk(_part(amplitudes, start, start + 50))
        state = later if state is None else reduction.combine(state, later)
        most = max(most, sum(y.values.shape[-1] for y in state.pending))
        # A view would keep the whole array that it was cut from.
        assert all(y.values.base is None for y in state.pending[:-1])
    assert most < 64 + 2 * 9 + 50 // 8 + 2


def test_missing_frames_are_an_error(projector: Projector) -> None:
    amplitudes = _series(projector, 2000)
    reduction = ZoomReduction(projector, PLAN, INTERVAL, ((0, 2000),))
    first, last = (
        reduction.chunk(_part(amplitudes, *ends)) for ends in ((0, 500), (501, 2000))
    )
    with pytest.raises(DataError, match="frames 500 to 501 are missing"):
        reduction.combine(first, last)
    with pytest.raises(
        DataError, match=r"too short for spectra: no segment of 577 frames fits"
    ):
        ZoomReduction(projector, PLAN, INTERVAL, ((0, 500),))


def test_filter_passes_the_band_and_stops_aliases() -> None:
    taps = filter_taps(PLAN)
    assert taps.sum() == pytest.approx(1.0)
    assert power_response(PLAN, 64)[32 // 2] == pytest.approx(1.0)
    beyond = np.linspace(0.75, 0.5 * PLAN.decimation, 400) / PLAN.decimation
    leak = np.abs(np.exp(-2j * np.pi * beyond[:, None] * np.arange(len(taps))) @ taps) ** 2
    assert leak.max() < 1e-6


def test_default_bands() -> None:
    plan = default_bands(6667, 0.015, 768, 17.0 * THZ, 1024)
    assert plan is not None
    assert plan.decimation == 19
    longest = plan.outputs[0]
    assert 0.9 < longest * plan.decimation / 6667 < 1.0
    assert all(a == 2 * b and b % 4 == 0 for a, b in pairwise(plan.outputs))
    assert plan.outputs[-1] * plan.decimation > 1024
    # Bounded by memory in a long run, and absent where frames are too far apart for it.
    held = default_bands(10**7, 0.015, 768, 17.0 * THZ, 1024)
    assert held is not None
    assert held.outputs[0] * 32 * 768 <= 24 << 20
    assert default_bands(6667, 0.25, 768, 17.0 * THZ, 1024) is None
    assert default_bands(200, 0.015, 768, 17.0 * THZ, 100) is None


@pytest.mark.parametrize("interval", [0.0025, 0.0037])
def test_the_longest_segment_fits_into_every_run(projector: Projector, interval: float) -> None:
    """Filters of odd and of even decimation; runs of 128 outputs, and one less."""
    long = default_bands(10**5, interval, 10, 60.0 * THZ, 64)
    assert long is not None
    span = 127 * long.decimation + long.taps
    found = []
    for n_frames in (span, span - 1):
        plan = default_bands(n_frames, interval, 10, 60.0 * THZ, 64)
        assert plan is not None
        ZoomReduction(projector, plan, interval, ((0, n_frames),))
        found.append(plan.outputs[0])
    assert found == [128, 120]
