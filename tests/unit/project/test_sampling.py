"""Every n-th frame, counted from the start of each segment; the effects of the time step.

A velocity Verlet integration here has the predicted frequency and energies.
"""

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.project.sampling import (
    StridedMotion,
    require_sampled,
    verlet_frequency,
    verlet_note,
)
from trajmodes.units import THZ

SEGMENTS = ((0, 10), (10, 17), (17, 18))


def read(start: int, stop: int) -> MotionBlock:
    """Displacements, velocities and forces that encode their frame."""
    frames = np.arange(start, stop, dtype=float)[:, None, None] * np.ones((1, 2, 3))
    return MotionBlock(start, frames, 10.0 * frames, 100.0 * frames)


def test_every_third_frame_of_each_segment_is_used() -> None:
    motion = StridedMotion(read, SEGMENTS, 3)
    assert motion.segments == ((0, 4), (4, 7), (7, 8))
    assert motion.frames.tolist() == [0, 3, 6, 9, 10, 13, 16, 17]
    assert motion.n_frames == 8
    for start, stop in ((0, 4), (1, 3), (4, 7), (6, 7), (7, 8)):
        block = motion(start, stop)
        assert block.first_frame == start
        wanted = motion.frames[start:stop]
        assert block.displacements[:, 0, 0].tolist() == wanted.tolist()
        assert block.velocities[:, 1, 2].tolist() == (10 * wanted).tolist()
        assert block.forces[:, 1, 0].tolist() == (100 * wanted).tolist()


def test_blocks_of_the_run_hold_each_frame_once() -> None:
    motion = StridedMotion(read, SEGMENTS, 3)
    cuts = [(0, 4), (4, 5), (5, 10), (10, 12), (12, 17), (17, 18)]
    blocks = motion.blocks(cuts)
    assert blocks == [(0, 2), (2, 4), (4, 5), (5, 7), (7, 8)]
    frames = [motion(*block).displacements[:, 0, 0] for block in blocks]
    assert np.concatenate(frames).tolist() == motion.frames.tolist()


def test_a_stride_of_one_changes_nothing() -> None:
    motion = StridedMotion(read, SEGMENTS, 1)
    assert motion.segments == SEGMENTS
    assert motion.blocks([(0, 10), (10, 17)]) == [(0, 10), (10, 17)]
    assert np.array_equal(motion(2, 9).displacements, read(2, 9).displacements)


def test_no_block_spans_the_end_of_a_segment() -> None:
    motion = StridedMotion(read, SEGMENTS, 3)
    with pytest.raises(DataError, match="frames 3 to 5 do not lie within one"):
        motion(3, 5)
    with pytest.raises(DataError, match="frames 7 to 9"):
        motion(7, 9)


def _verlet(omega: float, step: float, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    x, v, f = 1.0, 0.0, -(omega**2)
    xs, vs = np.empty(n_steps), np.empty(n_steps)
    for t in range(n_steps):
        xs[t], vs[t] = x, v
        v += 0.5 * step * f
        x += step * v
        f = -(omega**2) * x
        v += 0.5 * step * f
    return xs, vs


@pytest.mark.parametrize(("freq_thz", "step"), [(15.0, 2e-3), (40.0, 2e-3), (5.0, 1e-3)])
def test_a_velocity_verlet_run_has_the_predicted_frequency(
    freq_thz: float, step: float
) -> None:
    omega = freq_thz * THZ
    xs, vs = _verlet(omega, step, 20_000)
    times = step * np.arange(len(xs))
    shifted = float(verlet_frequency(np.array(omega), step))
    assert xs == pytest.approx(np.cos(shifted * times), abs=1e-6)
    taper = np.hanning(len(xs))
    short = 1.0 - (taper @ vs**2) / (omega**2 * (taper @ xs**2))
    note = verlet_note(omega, 1e3 * step)
    assert note is None or f"relative to the potential energy by {short:.2%}" in note.text
    assert (note is None) == (freq_thz == 5.0)


def test_shift_of_a_common_case() -> None:
    """15 THz at 2 fs: +0.15 %."""
    omega = np.array(15.0 * THZ)
    assert verlet_frequency(omega, 2e-3) / omega - 1.0 == pytest.approx(0.0015, abs=2e-5)


def test_the_shift_is_that_of_the_recursion() -> None:
    """x' − 2x + x'' = −(ωh)²x has cos(ω_md h) = 1 − (ωh)²/2."""
    omega = np.array([1e-3, 20.0, 94.0, 300.0])
    shifted = verlet_frequency(omega, 2e-3)
    expected = np.arccos(1.0 - 0.5 * (2e-3 * omega) ** 2) / 2e-3
    assert shifted[1:] == pytest.approx(expected[1:], rel=1e-9)
    assert (shifted[1:] > omega[1:]).all()


def test_an_unstable_time_step_has_no_frequency() -> None:
    assert np.isnan(verlet_frequency(np.array([1001.0]), 2e-3)).all()
    assert "no simulation is stable with this" in str(verlet_note(1001.0, 2.0))


@pytest.mark.parametrize(
    ("freq_thz", "step_fs", "message"),
    [(15.0, 2.0, "by 0.15%"), (15.0, 1.0, None), (15.0, None, None), (-2.0, 1.0, None)],
)
def test_only_noticeable_shifts_are_reported(freq_thz, step_fs, message) -> None:
    note = verlet_note(freq_thz * THZ, step_fs)
    assert (note is None) == (message is None)
    if message is not None:
        assert message in note.text
        assert "potential energy by 0.89%" in note.text


def test_frames_too_far_apart_are_refused() -> None:
    assert require_sampled(16.0 * THZ, 0.005) is None
    assert "little range is left" in str(require_sampled(16.0 * THZ, 0.03))
    with pytest.raises(DataError, match=r"aliased(.|\n)*at most 28\.4 fs apart"):
        require_sampled(16.0 * THZ, 0.032)
