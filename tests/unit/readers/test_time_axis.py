"""The time axis: rewritten frames, gaps, steps and times."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajmodes.errors import DataError, UsageError
from trajmodes.readers.restarts import kept_frames
from trajmodes.readers.time_axis import TimeAxis, time_axis


def kept(*parts):
    """Parts of one run, each in a separate file: a, b, …"""
    steps = [np.asarray(list(part)) for part in parts]
    found = kept_frames([chr(97 + k) for k in range(len(parts))], steps)
    return np.concatenate(steps), found


def test_increasing_steps_are_all_kept():
    _, found = kept(range(0, 50, 10), range(50, 100, 5))
    assert found.frames.tolist() == list(range(15))
    assert (found.breaks, found.notes) == ((), ())


def test_a_later_file_is_used_from_its_first_frame():
    steps, found = kept(range(0, 101, 10), range(60, 201, 10))
    assert steps[found.frames].tolist() == list(range(0, 201, 10))
    assert found.frames[6] == 11
    ((frame, twin, note),) = found.breaks
    assert (frame, twin) == (6, 6)
    assert "a and b both have step 60 to step 100 (a restart)" in str(note)
    assert "the later frames, in b, are used, and 5 frames before are left out" in str(note)
    assert "analyse each separately" in str(note)


def test_parts_before_and_after_a_restart_are_not_mixed():
    """A restart at another interval: step 70 of the first part is missing in the second."""
    steps, found = kept(range(0, 101, 10), range(52, 201, 4))
    assert steps[found.frames].tolist() == [*range(0, 51, 10), *range(52, 201, 4)]
    assert (found.frames >= 11).tolist() == [False] * 6 + [True] * 38
    assert "5 frames before are left out" in str(found.breaks[0].note)


def test_a_restart_appended_to_the_same_file():
    steps = np.array([0, 10, 20, 30, 20, 30, 40])
    found = kept_frames(["a"], [steps])
    assert found.frames.tolist() == [0, 1, 4, 5, 6]
    assert "step 20 to step 30 was written again in a (a restart)" in str(found.breaks[0].note)


def test_a_restart_over_two_files_names_both():
    later = [*range(50, 80, 10), *range(30, 200, 10)]
    steps, found = kept(range(0, 50, 10), later)
    assert steps[found.frames].tolist() == list(range(0, 200, 10))
    assert [one.frame for one in found.breaks] == [3]
    assert "a and b both have step 30 to step 70" in str(found.breaks[0].note)


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (
            range(50, 80, 10),
            "steps go back from 100 to 50, and the part that starts there ends earlier, at",
        ),
        (
            range(65, 205, 10),
            "the part that starts there shares no step with the frames before it",
        ),
        (range(0, 201, 10), "a starts at step 0, and so does b"),
        ([*range(110, 130, 10), *range(-10, 201, 10)], "all steps of a are in b again"),
    ],
)
def test_steps_that_go_back_without_a_restart_are_refused(later, message):
    with pytest.raises(DataError, match=message) as caught:
        kept(range(0, 101, 10), later)
    assert caught.value.where.startswith("b, step")
    assert "analyse each run separately" in caught.value.fix


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_steps_are_unique_and_increase(backs):
    parts, start = [], 0
    for back in backs:
        parts.append(range(start, start + 40))
        start = start + 40 - back
    steps, found = kept(*parts)
    assert np.array_equal(steps[found.frames], np.arange(parts[-1][-1] + 1))
    assert len(found.notes) + len(found.breaks) == len(parts) - 1


def test_files_are_ordered_by_their_steps():
    steps, found = kept(range(50, 100, 10), range(0, 50, 10))
    assert steps[found.frames].tolist() == list(range(0, 100, 10))
    assert found.frames[0] == 5


@pytest.mark.parametrize("end", [103, 134])
def test_the_first_frame_of_a_restart_between_two_frames_is_left_out(end):
    """`dump_modify first yes`: the restart at 103 writes this step, then those of the grid."""
    before = range(0, end, 10)
    steps, found = kept(before, [103, *range(110, 201, 10)])
    assert steps[found.frames].tolist() == list(range(0, 201, 10))
    assert "step 103 (b)" in str(found.notes[-1])
    axis_of, _ = time_axis(
        steps[found.frames],
        np.full(len(found.frames), np.nan),
        timestep_fs=1.0,
        breaks=(),
        place=str,
    )
    assert axis_of.segments == ((0, 21),)
    # Where steps were written again, frames of equal steps show whether the motion is one.
    assert [one.twin for one in found.breaks] == ([] if end == 103 else [len(before) - 3])


def test_frames_at_other_intervals_are_kept():
    """A finer or a shifted grid, two extra frames in one interval, and logarithmic steps."""
    for part in (
        [*range(0, 100, 10), *range(100, 120, 2), *range(120, 200, 10)],
        [*range(0, 100, 10), *range(103, 203, 10)],
        [*range(0, 101, 10), 103, 107, *range(110, 200, 10)],
        [1, 2, 4, 8, 16, 32, 64],
        [0, 10, 20, 23],
    ):
        steps, found = kept(part)
        assert steps[found.frames].tolist() == list(part)
        assert found.notes == ()


def test_files_without_steps_keep_their_order():
    nothing = np.full(4, np.nan)
    found = kept_frames(["a", "b"], [nothing, nothing[:3]])
    assert found.frames.tolist() == list(range(7))
    assert found.breaks == ((4, 3, None),)


def axis(steps, times, **given):
    settings = {"timestep_fs": None, "breaks": (), "place": lambda t: f"frame {t}"} | given
    return time_axis(np.asarray(steps), np.asarray(times, dtype=float), **settings)


NONE = [np.nan] * 6


def test_steps_and_a_time_step_give_times():
    found, notes = axis([0, 10, 20, 50, 60, 70], NONE, timestep_fs=2.0)
    assert found.times_ps.tolist() == pytest.approx([0.0, 0.02, 0.04, 0.1, 0.12, 0.14])
    assert found.interval_ps == pytest.approx(0.02)
    assert (found.segments, found.step_stride) == (((0, 3), (3, 6)), 10)
    (note,) = notes
    assert "after step 20 comes step 50" in note.text


def test_frames_without_step_or_time_have_no_times():
    found, notes = axis(NONE, NONE, breaks=(2,))
    assert (found.times_ps, found.interval_ps, notes) == (None, None, ())
    assert found.steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.segments == ((0, 2), (2, 6))


def test_gaps_in_single_precision_times_are_found():
    t = 900.0 + 1e-3 * np.r_[np.arange(100), np.arange(102, 200)]
    found, notes = axis(np.full(len(t), np.nan), t.astype(np.float32), breaks=(7,))
    assert found.segments == ((0, 100), (100, 198))
    assert len(notes) == 1


def test_exact_times_show_a_change_of_the_time_step():
    times = [0.0, 0.01, 0.02, 0.03, 0.05, 0.07]
    assert axis(range(6), times)[0].segments == ((0, 6),)
    exact, _ = axis(range(6), times, exact_times=True)
    assert exact.segments == ((0, 4), (4, 5), (5, 6))
    assert exact.interval_ps == pytest.approx(0.01)


def test_times_that_contradict_steps_or_run_backwards_are_refused():
    times = 0.01 * np.arange(6)
    with pytest.raises(
        UsageError, match=r"2 fs is given, but the times in the file imply 1 fs"
    ):
        axis(range(0, 60, 10), times, timestep_fs=2.0)
    with pytest.raises(DataError, match=r"0.05 ps, then 0 ps \(frame 6\)"):
        axis([np.nan] * 12, [*times, *times])


def test_some_times_are_not_enough():
    times = [0.0, 0.01, 0.02, *NONE[3:]]
    found, (note,) = axis(range(0, 60, 10), times)
    assert found.times_ps is None
    assert "the first is frame 3" in note.text
    assert note.fix == "give --timestep-fs (the others imply 1)"
    found, _ = axis(range(0, 60, 10), times, timestep_fs=1.0)
    assert found.times_ps.tolist() == pytest.approx(0.01 * np.arange(6))


@given(st.integers(0, 5), st.integers(1, 6), st.integers(1, 4))
def test_a_part_equals_the_same_frames_of_the_whole(start, length, stride):
    whole, _ = axis([0, 10, 20, 50, 60, 70], NONE, timestep_fs=1.0)
    stop = min(start + length, 6)
    part = whole.part(start, stop, stride)
    chosen = range(start, stop, stride)
    assert part.steps.tolist() == whole.steps[start:stop:stride].tolist()
    assert part.times_ps.tolist() == whole.times_ps[start:stop:stride].tolist()
    assert part.interval_ps == pytest.approx(stride * whole.interval_ps)
    # The frames of a part are in one segment where those of the whole are.
    segment = [k for k, (a, b) in enumerate(whole.segments) for _ in range(a, b)]
    found = [k for k, (a, b) in enumerate(part.segments) for _ in range(a, b)]
    assert [t for a, b in part.segments for t in range(a, b)] == list(range(len(chosen)))
    expected = [segment[t] for t in chosen]
    assert [a == b for a, b in pairwise(found)] == [a == b for a, b in pairwise(expected)]


def test_uniform_frames():
    found = TimeAxis.uniform(3, 0.5)
    assert found.times_ps.tolist() == [0.0, 0.5, 1.0]
    assert (found.n_frames, found.segments, found.step_stride) == (3, ((0, 3),), 1)
