"""S(Q, ω) of a run: sums over atoms, spectra, elastic part, error bars."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import welch

from trajmodes.data.motion import MotionBlock
from trajmodes.data.spectra import StructureFactor
from trajmodes.errors import DataError
from trajmodes.scattering import density
from trajmodes.scattering.density import density_transform
from trajmodes.scattering.structure_factor import StructureFactorReduction
from trajmodes.scattering.wavevectors import commensurate_on, section
from trajmodes.scattering.weights import weights
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import BOLTZMANN

LENGTH, INTERVAL = 128, 0.008
AMPLITUDES = "Na:3.6 Cl:-1.7"
LINE = ((0, 0, 0), (4, 0, 0), None)
PLANE = ((0, 0, 0), (2, 2, 0), (0, 0, 2))


def _transform(supercell, points, *, currents=False):
    waves = commensurate_on(section(supercell.crystal, *points), supercell)
    amplitudes = weights(AMPLITUDES, waves)
    made = density_transform(supercell, waves, amplitudes, currents=currents)
    return waves, amplitudes, made


def _reduction(supercell, points, ranges, *, currents=False):
    waves, amplitudes, made = _transform(supercell, points, currents=currents)
    return waves, StructureFactorReduction(made, amplitudes, LENGTH, INTERVAL, ranges)


def _random_motion(supercell, n_frames, seed=0):
    rng = np.random.default_rng(seed)
    u, v = rng.normal(size=(2, n_frames, supercell.n_atoms, 3))
    return MotionBlock(0, 0.2 * u, v, None)


@pytest.mark.parametrize("points", [LINE, PLANE, ((1, 1, -1), (-3, 2, 5), (2, 0, 1))])
def test_products_of_phases_are_the_sums_over_atoms(harmonic, points):
    supercell = harmonic.supercell
    waves, amplitudes, made = _transform(supercell, points, currents=True)
    motion = _random_motion(supercell, 3)
    found = made(motion).values
    place = [amplitudes.species.index(name) for name in supercell.species]
    f_a = amplitudes.values[0][place]
    r_tax = supercell.positions + motion.displacements
    phase_kta = f_a * np.exp(-1j * np.einsum("kx,tax->kta", waves.cartesian, r_tax))
    np.testing.assert_allclose(found[0], phase_kta.sum(axis=2), atol=1e-10)
    j_ktx = np.einsum("kta,tax->ktx", phase_kta, motion.velocities)
    moving = waves.lengths > 0.0
    along = waves.cartesian[moving] / waves.lengths[moving, None]
    longitudinal = np.einsum("kx,ktx->kt", along, j_ktx[moving])
    np.testing.assert_allclose(found[1][moving], longitudinal, atol=1e-9)
    whole = (np.abs(found[1:, moving]) ** 2).sum(axis=0)
    np.testing.assert_allclose(whole, (np.abs(j_ktx[moving]) ** 2).sum(axis=2), rtol=1e-9)
    assert np.isnan(found[1:, ~moving]).all()


@pytest.mark.parametrize("points", [LINE, PLANE])
def test_atoms_summed_over_in_parts_give_the_same(harmonic, points, monkeypatch):
    _, _, made = _transform(harmonic.supercell, points, currents=True)
    motion = _random_motion(harmonic.supercell, 2)
    whole = made(motion).values
    for n_bytes in (1, 3000):
        monkeypatch.setattr(density, "_PHASE_BYTES", n_bytes)
        np.testing.assert_allclose(made(motion).values, whole, atol=1e-10)


def test_memory_of_the_phases_does_not_grow_with_the_atoms(harmonic, monkeypatch):
    """In a large supercell the phases of all atoms would take 2.7 MB."""
    cubes = 6 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    supercell = build_supercell(harmonic.supercell.crystal, cubes)
    _, _, made = _transform(supercell, ((0, 0, 0), (4, 4, 0), (4, 0, 4)))
    motion = _random_motion(supercell, 1)
    made(motion)
    monkeypatch.setattr(density, "_PHASE_BYTES", 1 << 16)
    tracemalloc.start()
    found = made(motion)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.values.shape[1] == 49**2
    assert peak < 0.5e6


def test_a_shift_by_a_box_vector_changes_nothing(harmonic):
    supercell = harmonic.supercell
    _, _, made = _transform(supercell, PLANE)
    motion = _random_motion(supercell, 2)
    moved = motion.displacements + np.array([2, -1, 3]) @ supercell.cell
    found = made(MotionBlock(0, moved, None, None)).values
    np.testing.assert_allclose(found, made(motion).values, atol=1e-9)
    # A translation that is none of the lattice changes the phase alone.
    moved = motion.displacements + np.array([0.3, 0.1, -0.2])
    found = made(MotionBlock(0, moved, None, None)).values
    np.testing.assert_allclose(np.abs(found), np.abs(made(motion).values), atol=1e-9)


def _expected(density, n_atoms, square):
    """Welch spectrum by SciPy, of the density without its mean."""
    about = density - density.mean(axis=1, keepdims=True)
    _, power = welch(
        about, 1.0 / INTERVAL, nperseg=LENGTH, return_onesided=False, detrend=False
    )
    half = LENGTH // 2
    even = power[:, : half + 1].copy()
    even[:, 1:half] = 0.5 * (even[:, 1:half] + power[:, :half:-1])
    return even / (2.0 * np.pi) / n_atoms / square


def test_the_spectrum_is_that_of_scipy_without_the_mean_of_the_run(harmonic):
    supercell, n_frames = harmonic.supercell, 500
    waves, reduction = _reduction(supercell, LINE, ((0, n_frames),))
    motion = _random_motion(supercell, n_frames)
    found = reduction.finalize(reduction.chunk(motion))
    density = reduction.transform(motion).values[0]
    square = 0.5 * (3.6**2 + 1.7**2)
    expected = _expected(density, supercell.n_atoms, square)
    # The exact zero at Q = 0 is limited by rounding.
    np.testing.assert_allclose(found.power, expected, rtol=1e-9, atol=1e-12)
    assert waves.lengths[0] == 0.0
    bragg = np.abs(density.mean(axis=1)) ** 2 / supercell.n_atoms / square
    np.testing.assert_allclose(found.bragg, bragg)
    static = np.var(density, axis=1) / supercell.n_atoms / square
    np.testing.assert_allclose(found.static, static, rtol=1e-9, atol=1e-12)


def test_blocks_of_any_length_give_the_same(harmonic):
    ranges = ((0, 300), (300, 590))
    _, reduction = _reduction(harmonic.supercell, PLANE, ranges, currents=True)
    motion = _random_motion(harmonic.supercell, 590)
    whole = stream(
        lambda a, b: motion.part(slice(a, b)), [(0, 300), (300, 590)], reduction, workers=1
    )
    cuts = [0, 7, 130, 200, 300, 301, 480, 590]
    blocks = list(pairwise(cuts))
    cut = stream(lambda a, b: motion.part(slice(a, b)), blocks, reduction, workers=2)
    for name in ("power", "power_sem", "static", "static_sem", "bragg"):
        one, other = getattr(whole, name), getattr(cut, name)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-13)
    for name in ("longitudinal", "transverse", "transverse_sem"):
        np.testing.assert_allclose(getattr(whole, name), getattr(cut, name), rtol=1e-9)


@pytest.fixture(scope="module")
def measured(harmonic) -> tuple[np.ndarray, StructureFactor]:
    """|Q| and the structure factor of 120 independent runs in equilibrium."""
    n_runs = 120
    ranges = tuple((k * LENGTH, (k + 1) * LENGTH) for k in range(n_runs))
    points = ((0, 0.5, 0), (0, 2.5, 0), None)
    waves, reduction = _reduction(harmonic.supercell, points, ranges, currents=True)
    motion = harmonic.motion(n_runs, INTERVAL * np.arange(LENGTH), seed=5)
    blocks = list(ranges)
    found = stream(lambda a, b: motion.part(slice(a, b)), blocks, reduction, workers=1)
    return waves.lengths, found


def test_the_integral_over_frequency_is_the_static_structure_factor(measured):
    _, found = measured
    step = found.omega[1]
    both = 2.0 * found.power.sum(axis=1) - found.power[:, 0] - found.power[:, -1]
    z = (both * step - found.static) / found.static_sem
    assert np.abs(z).max() < 3.0


def test_the_second_moment_is_that_of_free_particles(measured, harmonic):
    """⟨ω²⟩ of the current: ∫ C_L dω = k_BT Σ f²/M / Σ f², the f-sum rule of S(Q, ω)."""
    lengths, found = measured
    f, m = np.array([3.6, 1.7]), np.array([22.99, 35.45]) * 1.036426965e-4
    expected = BOLTZMANN * harmonic.kelvin * (f**2 / m).sum() / (f**2).sum()
    # The drift, which scatters at the Bragg points, has no temperature.
    drift = BOLTZMANN * harmonic.kelvin / harmonic.supercell.masses.sum()
    expected = expected - drift * (found.bragg + found.static)
    step = found.omega[1]
    for current, sem in (
        (found.longitudinal, found.longitudinal_sem),
        (found.transverse, found.transverse_sem),
    ):
        total = 2.0 * step * current.sum(axis=1)
        error = 2.0 * step * np.sqrt((sem**2).sum(axis=1))
        assert np.abs((total - expected) / error).max() < 4.0
    # Continuity: ω² S = Q² C_L.
    moment = 2.0 * step * (found.omega**2 * found.power).sum(axis=1)
    flow = 2.0 * step * found.longitudinal.sum(axis=1)
    np.testing.assert_allclose(moment, lengths**2 * flow, rtol=0.03)


def test_error_bars_are_the_spread_of_repeated_runs(harmonic):
    n_runs, n_repeats = 12, 24
    ranges = tuple((k * LENGTH, (k + 1) * LENGTH) for k in range(n_runs))
    _, reduction = _reduction(harmonic.supercell, ((0, 0.5, 0), (0, 2, 0), None), ranges)
    found = []
    for seed in range(n_repeats):
        motion = harmonic.motion(n_runs, INTERVAL * np.arange(LENGTH), seed)
        found.append(reduction.finalize(reduction.chunk(motion)))
    power, sem = (np.array([getattr(f, n) for f in found]) for n in ("power", "power_sem"))
    strong = power.mean(axis=0) > 0.05 * power.mean(axis=0).max(axis=1, keepdims=True)
    ratio = np.sqrt((sem**2).mean(axis=0)[strong].mean() / power.var(axis=0)[strong].mean())
    assert 0.8 < ratio < 1.25
    static, errors = (
        np.array([getattr(f, n) for f in found]) for n in ("static", "static_sem")
    )
    ratio = np.sqrt((errors**2).mean() / static.var(axis=0, ddof=1).mean())
    assert 0.7 < ratio < 1.4


def test_currents_without_velocities_are_refused(harmonic):
    _, _, made = _transform(harmonic.supercell, LINE, currents=True)
    motion = _random_motion(harmonic.supercell, 2)
    with pytest.raises(DataError, match="currents need velocities"):
        made(MotionBlock(0, motion.displacements, None, None))


def test_a_run_shorter_than_a_segment_is_refused(harmonic):
    with pytest.raises(DataError, match="too short"):
        _reduction(harmonic.supercell, LINE, ((0, 90),))


def test_memory_is_that_of_one_segment(harmonic):
    """However long the run, only frames of open segments are kept."""
    _, reduction = _reduction(harmonic.supercell, LINE, ((0, 900),))
    motion = _random_motion(harmonic.supercell, 900)
    state = reduction.chunk(motion.part(slice(0, 50)))
    for start in range(50, 850, 50):
        state = reduction.combine(state, reduction.chunk(motion.part(slice(start, start + 50))))
        kept = sum(one.values.shape[-1] for one in state["spectra"].pending)
        assert kept < LENGTH
