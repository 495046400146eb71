from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import welch

from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.project.sampling import StridedMotion
from trajmodes.project.spectra.plan import default_segment, default_stride, plan_spectra
from trajmodes.project.spectra.welch import WelchReduction
from trajmodes.symmetry.stars import set_mean
from trajmodes.symmetry.translations import HalfSpace
from trajmodes.units import THZ

LENGTH, INTERVAL = 64, 0.01


@pytest.fixture
def projector(space: HalfSpace, modes: Modes) -> Projector:
    return Projector(space, modes)


def _reduction(projector: Projector, *ranges: tuple[int, int]) -> WelchReduction:
    return WelchReduction(projector, LENGTH, INTERVAL, ranges)


def _amplitudes(projector: Projector, n_frames: int, seed: int = 0) -> Amplitudes:
    rng = np.random.default_rng(seed)
    shape = (*projector.modes.omega.shape, n_frames)
    v_qmt = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return Amplitudes(0, v_qmt, v_qmt, None)


def test_spectra_equal_scipys(projector: Projector, modes: Modes) -> None:
    amplitudes = _amplitudes(projector, 300)
    reduction = _reduction(projector, (0, 300))
    spectra = reduction.finalize(reduction.chunk(amplitudes)).modes
    options = {"fs": 1 / INTERVAL, "nperseg": LENGTH, "detrend": False}
    _, two_sided = welch(amplitudes.velocity, return_onesided=False, **options)
    two_sided *= 0.5 / (2 * np.pi)
    folded = two_sided[..., : LENGTH // 2 + 1].copy()
    folded[..., 1:-1] += two_sided[..., : LENGTH // 2 : -1]
    expected = set_mean(np.moveaxis(folded, 2, 0), modes).T
    assert np.allclose(spectra.power, expected, rtol=1e-12)
    assert np.allclose(spectra.omega, THZ * np.fft.rfftfreq(LENGTH, INTERVAL))


def test_both_directions_of_travel_are_pooled(projector: Projector) -> None:
    """e^{−iωt} and e^{+iωt} travel in opposite directions; both are kinetic energy at +ω."""
    times = np.arange(256) * INTERVAL
    results = []
    for sign in (1.0, -1.0):
        v_qmt = np.zeros((*projector.modes.omega.shape, len(times)), dtype=complex)
        v_qmt[2, 1] = np.exp(sign * 2j * np.pi * 12.5 * times)
        reduction = _reduction(projector, (0, len(times)))
        results.append(
            reduction.finalize(reduction.chunk(Amplitudes(0, v_qmt, v_qmt, None))).modes
        )
    assert np.allclose(results[0].power, results[1].power, atol=1e-12)
    label = projector.modes.sets[2, 1]
    assert results[0].omega[results[0].power[label].argmax()] == pytest.approx(12.5 * THZ)
    assert results[0].power[label].sum() * results[0].omega[1] == pytest.approx(0.5)


def test_area_is_the_kinetic_energy(projector: Projector) -> None:
    amplitudes = _amplitudes(projector, 20_000, seed=4)
    reduction = _reduction(projector, (0, 20_000))
    spectra = reduction.finalize(reduction.chunk(amplitudes)).modes
    kinetic = 0.5 * (np.abs(amplitudes.velocity) ** 2).mean(axis=2)
    area = spectra.power.sum(axis=1) * spectra.omega[1]
    assert np.allclose(area, set_mean(kinetic, projector.modes), rtol=5e-2)
    assert area.mean() == pytest.approx(kinetic.mean(), rel=5e-3)


def test_no_product_or_segment_crosses_a_gap(projector: Projector) -> None:
    """No segment crosses a restart, where the phase jumps."""
    amplitudes = _amplitudes(projector, 300)
    whole = _reduction(projector, (0, 300))
    apart = _reduction(projector, (0, 150), (150, 300))
    assert np.array_equal(apart.segments.starts, [0, 32, 64, 150, 182, 214])
    assert np.array_equal(whole.segments.starts, [0, 32, 64, 96, 128, 160, 192, 224])
    cut = apart.finalize(apart.chunk(amplitudes)).modes
    pieces = []
    for first in (0, 150):
        half = replace(amplitudes, velocity=amplitudes.velocity[..., first : first + 150])
        one = _reduction(projector, (0, 150))
        pieces.append(one.finalize(one.chunk(half)).modes)
    assert np.allclose(cut.power, (pieces[0].power + pieces[1].power) / 2, rtol=1e-12)
    assert np.allclose(cut.averages, pieces[0].averages + pieces[1].averages, rtol=1e-12)


def test_memory_is_one_segment(projector: Projector) -> None:
    reduction = _reduction(projector, (0, 5000))
    amplitudes = _amplitudes(projector, 5000)
    state, most = None, 0
    for first in range(0, 5000, 50):
        velocity = amplitudes.velocity[..., first : first + 50]
        later = reduction.chunk(Amplitudes(first, velocity, velocity, None))
        state = later if state is None else reduction.combine(state, later)
        most = max(most, sum(one.values.shape[-1] for one in state.pending))
        assert all(one.values.base is None for one in state.pending[:-1])
    assert most < LENGTH + 50
    assert sum(one.values.shape[-1] for one in state.pending) == 0


def test_missing_frames_are_noticed(projector: Projector) -> None:
    reduction = _reduction(projector, (0, 200))
    first = reduction.chunk(_amplitudes(projector, 100))
    later = reduction.chunk(replace(_amplitudes(projector, 100), first_frame=101))
    with pytest.raises(DataError, match="frames 100 to 101 are missing"):
        reduction.combine(first, later)


def test_invalid_segments_are_refused(projector: Projector) -> None:
    with pytest.raises(DataError, match="65 frames cannot be analysed"):
        WelchReduction(projector, 65, INTERVAL, ((0, 100),))
    with pytest.raises(DataError, match=r"no segment of 64 frames fits .* has 63 frames"):
        _reduction(projector, (0, 40), (40, 103))
    short = _reduction(projector, (0, 64))
    with pytest.raises(DataError, match="only frames 0 to 63 were read"):
        short.finalize(short.chunk(_amplitudes(projector, 63)))
    with pytest.raises(DataError, match="spectra need velocities"):
        short.chunk(Amplitudes(0, np.zeros((1, 1, 1), complex), None, None))


def test_default_stride_reaches_twice_the_highest_frequency() -> None:
    assert default_stride(5e-3, 17.7 * THZ) == 2
    assert default_stride(0.02, 17.7 * THZ) == 1
    assert default_stride(1e-3, 10.0 * THZ) == 25
    assert default_stride(1e-3, -2.0) == 1


@pytest.mark.parametrize(
    ("stride", "words"),
    [
        (
            2,
            r"10 frames without a gap, of which one in 2 is used, .*: 5 frames; .*\(1\.28 ps",
        ),
        (1, r"for spectra: 10 frames without a gap; at least 128 are needed \(0\.64 ps\)"),
    ],
)
def test_a_short_run_is_refused_with_its_frames_and_the_stride(stride, words):
    motion = StridedMotion(lambda *_: None, ((0, 10),), stride)
    with pytest.raises(DataError, match=words):
        plan_spectra(motion, 0.005 * stride, n_series=100, highest=15.0 * THZ)


def test_default_segment() -> None:
    assert default_segment(10_001, 5e-3, 200) == 5000
    assert default_segment(2_000_000, 5e-3, 792) <= (16 << 20) / (16 * 792)
    assert default_segment(2_000_000, 5e-3, 10) == 40_000
    assert default_segment(1001, 5e-3, 10) == 500
    assert default_segment(20_002, 5e-3, 792) % 2 == 0
    # Short runs, large crystals and rare frames still have segments that can be analysed.
    assert default_segment(20, 5e-3, 10) == 16
    assert default_segment(10_000, 5e-3, 150_000) == 128
    assert default_segment(10_000, 50.0, 10) == 16


def test_spectra_of_sites_sum_to_those_of_the_modes(projector: Projector) -> None:
    """Unitary vectors: the trace over sites and directions equals that over branches."""
    amplitudes = _amplitudes(projector, 300)
    modes, n_q = projector.modes, len(projector.modes.omega)
    reduction = replace(_reduction(projector, (0, 300)), points=tuple(range(n_q)))
    spectra = reduction.finalize(reduction.chunk(amplitudes))
    options = {"fs": 1 / INTERVAL, "nperseg": LENGTH, "detrend": False}
    _, two_sided = welch(amplitudes.velocity, return_onesided=False, **options)
    two_sided *= 0.5 / (2 * np.pi)
    folded = two_sided[..., : LENGTH // 2 + 1].copy()
    folded[..., 1:-1] += two_sided[..., : LENGTH // 2 : -1]
    folded[modes.sets < 0] = 0.0
    assert np.allclose(spectra.points.sum(axis=(1, 2)), folded.sum(axis=1), rtol=1e-10)
    total = np.tensordot(modes.weights, folded.sum(axis=1), axes=1) / modes.weights.sum()
    assert np.allclose(spectra.density.sum(axis=(0, 1)), total, rtol=1e-10)
    # At each q the site and direction that all velocities point along has all the power.
    v_qmt = np.zeros_like(amplitudes.velocity)
    wave = np.exp(0.3j * np.arange(300))
    v_qmt[3] = modes.vectors[3, :, 1, 2].conj()[:, None] * wave
    one = reduction.finalize(reduction.chunk(Amplitudes(0, v_qmt, v_qmt, None))).points[3]
    assert one[1, 2].sum() == pytest.approx(one.sum(), rel=1e-10)


def test_maximum_entropy_spectra_have_the_area_of_the_others(projector: Projector) -> None:
    amplitudes = _amplitudes(projector, 2000)
    reduction = replace(_reduction(projector, (0, 2000)), poles=12)
    halves = [replace(amplitudes, velocity=amplitudes.velocity[..., :900])]
    halves.append(Amplitudes(900, amplitudes.coordinate, amplitudes.velocity[..., 900:], None))
    state = reduction.combine(*map(reduction.chunk, halves))
    spectra = reduction.finalize(state)
    assert spectra.entropy is not None
    assert spectra.entropy.order == 12
    assert spectra.entropy.omega[-1] == pytest.approx(spectra.modes.omega[-1])
    area = spectra.entropy.power.sum(axis=1) * spectra.entropy.omega[1]
    kinetic = set_mean(0.5 * (np.abs(amplitudes.velocity) ** 2).mean(axis=2), projector.modes)
    assert np.allclose(area, kinetic, rtol=0.05)
    with pytest.raises(DataError, match="64 poles need longer segments than 64 frames"):
        replace(reduction, poles=64)


def test_maximum_entropy_weights_pairs_of_q_twice(projector: Projector) -> None:
    """A set of one mode with q = −q and one that represents ±q: the second has weight two."""
    modes = projector.modes
    one, two = (int(np.flatnonzero(modes.weights == w)[-1]) for w in (1.0, 2.0))
    sets = np.full(modes.sets.shape, -1)
    sets[one, 3] = sets[two, 3] = 0
    pooled = replace(projector, modes=replace(modes, sets=sets))
    rng = np.random.default_rng(6)
    v_qmt = np.zeros((*modes.omega.shape, 2000), complex)
    # Energies of one and of four; the mean over three degrees of freedom is three.
    v_qmt[one, 3] = rng.normal(size=2000)
    v_qmt[two, 3] = np.sqrt(2.0) * (rng.normal(size=2000) + 1j * rng.normal(size=2000))
    reduction = replace(_reduction(pooled, (0, 2000)), poles=8)
    spectra = reduction.finalize(reduction.chunk(Amplitudes(0, v_qmt, v_qmt, None)))
    area = spectra.entropy.power[0].sum() * spectra.entropy.omega[1]
    assert area == pytest.approx(0.5 * (1.0 + 2.0 * 4.0) / 3.0, rel=0.1)
    plain = spectra.modes.power[0].sum() * spectra.modes.omega[1]
    assert area == pytest.approx(plain, rel=0.1)
