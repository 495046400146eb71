import pickle
from dataclasses import replace

import numpy as np
import pytest

from trajmodes.errors import DataError
from trajmodes.project.energies.autocorrelation import AutocorrelationReduction
from trajmodes.project.projector import Amplitudes, Projector

N_FRAMES, INTERVAL = 400, 0.0025
RANGES = ((3, 170), (170, 300), (310, 399))


@pytest.fixture
def smooth(modes):
    """Amplitudes that follow a random walk."""
    rng = np.random.default_rng(4)
    shape = (2, *modes.omega.shape, N_FRAMES, 2)
    q, v = np.cumsum(rng.normal(size=shape), axis=3).view(complex)[..., 0]
    return Amplitudes(0, 0.1 * q, v, None)


def _part(amplitudes: Amplitudes, start: int, stop: int) -> Amplitudes:
    fields = (amplitudes.coordinate, amplitudes.velocity)
    return Amplitudes(start, *(field[..., start:stop] for field in fields), None)


def _matrices(modes, amplitudes):
    """Set → matrices M = ½aa† of its levels, (i, j, t), one for each direction of travel."""
    series: dict[int, list[np.ndarray]] = {}
    for q, weight in enumerate(modes.weights):
        for label in np.unique(modes.sets[q]):
            level = np.flatnonzero((modes.sets[q] == label) & (modes.omega[q] > 0.0))
            if label < 0 or len(level) == 0:
                continue
            position = modes.omega[q, level, None] * amplitudes.coordinate[q, level]
            velocity = amplitudes.velocity[q, level]
            waves = [position + i * velocity for i in ((1j, -1j) if weight == 2 else (1j,))]
            found = [0.5 * a[:, None] * a.conj() for a in waves]
            if weight == 1 and len(level) == 1:
                found = [0.5 * (abs(position[None]) ** 2 + abs(velocity[None]) ** 2) + 0j]
            series.setdefault(int(label), []).extend(found)
    return series


def test_sums_are_those_of_all_pairs(space, paired, smooth) -> None:
    modes, n_blocks = paired, 5
    reduction = AutocorrelationReduction(Projector(space, modes), INTERVAL, RANGES, n_blocks)
    found = reduction.finalize(reduction.chunk(smooth))
    series = _matrices(modes, smooth)
    total = sum(stop - start for start, stop in RANGES)
    assert found.lag_ps[1] == pytest.approx(0.01)
    products, sums = np.zeros_like(found.products), np.zeros_like(found.sums)
    counts = np.zeros_like(found.counts)
    for k, (step, size) in enumerate(zip(found.steps, found.average_frames, strict=True)):
        before = 0
        for start, stop in RANGES:
            n = (stop - start) // size
            b = (before + (np.arange(n) + 1) * size - 1)[step:] * n_blocks // total
            counts[:, k] += np.bincount(b, minlength=n_blocks)
            for g, levels in series.items():
                for m_ijt in levels:
                    parts = m_ijt[..., start : start + n * size]
                    x = parts.reshape(*parts.shape[:2], n, size).mean(axis=3)
                    early, late = x[..., : max(n - step, 0)], x[..., step:]
                    both = np.einsum("ijt,ijt->t", early, late.conj()).real
                    products[:, k, g] += np.bincount(b, both, n_blocks)
                    both = np.einsum("iit->t", early + late).real
                    sums[:, k, g] += np.bincount(b, both, n_blocks)
            before += stop - start
    assert np.array_equal(found.counts, counts)
    assert np.allclose(found.products, products, rtol=1e-11)
    assert np.allclose(found.sums, sums, rtol=1e-11)
    for g in range(modes.n_sets):
        levels = series.get(g, [])
        assert found.members[g] == sum(len(m_ijt) for m_ijt in levels)
        assert found.components[g] == sum(len(m_ijt) ** 2 for m_ijt in levels)


def test_the_mean_is_that_of_all_energies(space, modes, smooth) -> None:
    reduction = AutocorrelationReduction(Projector(space, modes), INTERVAL, RANGES, 5)
    found = reduction.finalize(reduction.chunk(smooth))
    used = np.concatenate([np.arange(*frames) for frames in RANGES])
    for g, levels in _matrices(modes, smooth).items():
        energies = np.concatenate([np.einsum("iit->it", m_ijt).real for m_ijt in levels])
        assert found.mean[g] == pytest.approx(energies[:, used].mean())


@pytest.mark.parametrize("seed", [1, 2])
def test_the_basis_of_a_degenerate_level_does_not_matter(space, paired, smooth, seed) -> None:
    """Any unitary mixing at every q, also a complex one where q = −q and the motion is real."""
    rng = np.random.default_rng(seed)
    omega = paired.omega.copy()
    alone = paired.weights == 1
    q, v = smooth.coordinate.copy(), smooth.velocity.copy()
    q[alone], v[alone] = q[alone].real, v[alone].real
    turned = [q.copy(), v.copy()]
    sizes = set()
    for k, labels in enumerate(paired.sets):
        for label in np.unique(labels[labels >= 0]):
            level = np.flatnonzero(labels == label)
            sizes.add((len(level), bool(alone[k])))
            omega[k, level] = abs(omega[k, level]).mean()
            random = rng.normal(size=(2, len(level), len(level)))
            mixing = np.linalg.qr(random[0] + 1j * random[1])[0]
            for field in turned:
                field[k, level] = mixing @ field[k, level]
    assert {(2, False), (3, True)} <= sizes
    projector = Projector(space, replace(paired, omega=omega))
    reduction = AutocorrelationReduction(projector, INTERVAL, RANGES, 5)
    plain, other = (
        reduction.finalize(reduction.chunk(Amplitudes(0, *fields, None)))
        for fields in ((q, v), turned)
    )
    for name in ("products", "sums", "mean", "omega_ratio"):
        one, two = getattr(plain, name), getattr(other, name)
        assert np.allclose(one, two, rtol=1e-10, atol=1e-11 * np.abs(one).max()), name


def test_an_imaginary_mode_has_no_series(space, modes, smooth) -> None:
    omega = modes.omega.copy()
    omega[modes.sets == 1] *= -1.0
    soft = replace(modes, omega=omega)
    reduction = AutocorrelationReduction(Projector(space, soft), INTERVAL, ((0, N_FRAMES),))
    found = reduction.finalize(reduction.chunk(smooth))
    assert found.members[1] == 0
    assert np.isnan([found.mean[1], found.omega[1], found.omega_ratio[1]]).all()
    assert (found.members[[0, 2]] > 0).all()


def test_the_true_frequency_is_found_beside_the_harmonic_one(space, modes, smooth) -> None:
    reduction = AutocorrelationReduction(Projector(space, modes), INTERVAL, ((0, N_FRAMES),))
    found = reduction.finalize(reduction.chunk(smooth))
    g = 2
    members = modes.sets == g
    weights = np.broadcast_to(modes.weights[:, None], members.shape)[members]
    squares = [
        weights @ (np.abs(field[members]) ** 2).sum(axis=1)
        for field in (smooth.velocity, smooth.coordinate)
    ]
    assert found.omega_ratio[g] == pytest.approx(np.sqrt(squares[0] / squares[1]), rel=1e-6)


def test_no_product_or_segment_crosses_a_gap(space, modes, smooth) -> None:
    """The content and the length of a gap do not matter."""
    projector = Projector(space, modes)
    whole = AutocorrelationReduction(projector, INTERVAL, ((0, 128), (192, 320)), 4)
    changed = smooth.velocity.copy()
    changed[..., 128:192] = 1e3
    other = Amplitudes(0, smooth.coordinate, changed, None)
    one, two = (whole.finalize(whole.chunk(x)) for x in (smooth, other))
    assert np.array_equal(one.products, two.products)
    parts = [
        AutocorrelationReduction(projector, INTERVAL, (frames,), 2)
        for frames in ((0, 128), (192, 320))
    ]
    apart = [part.finalize(part.chunk(smooth)) for part in parts]
    joined = np.concatenate([part.products for part in apart])
    assert np.allclose(one.products, joined, rtol=1e-11)


def test_memory_does_not_grow_with_the_run(space, modes, smooth) -> None:
    reduction = AutocorrelationReduction(Projector(space, modes), INTERVAL, ((0, 10**7),))
    state, sizes = reduction.chunk(_part(smooth, 0, 200)), []
    for first in range(200, 20_000, 200):
        block = Amplitudes(
            first, *(x[..., :200] for x in (smooth.coordinate, smooth.velocity)), None
        )
        state = reduction.combine(state, reduction.chunk(block))
        held = [one for piece in state.pieces for one in piece.levels]
        sizes.append(sum(ends.head.size + ends.tail.size for ends in held))
    assert len(state.pieces) == 1
    assert max(sizes) <= 2 * 7 * 24 * len(reduction._waves.sets)
    assert len(state.blocks.by_block) <= 2


def test_missing_frames_are_noticed(space, modes, smooth) -> None:
    reduction = AutocorrelationReduction(Projector(space, modes), INTERVAL, ((0, N_FRAMES),))
    first, last = (reduction.chunk(_part(smooth, *part)) for part in ((0, 100), (120, 400)))
    with pytest.raises(DataError, match="frames 100 to 120 are missing"):
        reduction.combine(first, last)
    with pytest.raises(DataError, match="only frames 0 to 100 were read"):
        reduction.finalize(first)


def test_velocities_are_needed(space, modes, smooth) -> None:
    reduction = AutocorrelationReduction(Projector(space, modes), INTERVAL, ((0, N_FRAMES),))
    with pytest.raises(DataError, match="need velocities"):
        reduction.chunk(Amplitudes(0, smooth.coordinate, None, None))


def test_too_few_frames_are_refused(space, modes) -> None:
    with pytest.raises(DataError, match="longest uninterrupted range has 15 frames"):
        AutocorrelationReduction(Projector(space, modes), INTERVAL, ((0, 15), (20, 30)))


def test_reductions_can_be_pickled(space, modes, smooth) -> None:
    reduction = AutocorrelationReduction(Projector(space, modes), INTERVAL, ((0, N_FRAMES),))
    there = pickle.loads(pickle.dumps(reduction))
    one, two = (x.finalize(x.chunk(smooth)) for x in (reduction, there))
    assert np.array_equal(one.products, two.products)
