"""Frames that a restart wrote again: which count, and what is told of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajmodes.errors import DataError
from trajmodes.readers.restarts import without_rewritten


def course(*parts):
    """Parts of one run, each in a file of its own: a, b, …"""
    steps = np.concatenate([np.asarray(list(part)) for part in parts])
    file = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return steps, without_rewritten(steps, file, [chr(97 + k) for k in range(len(parts))])


def test_rising_steps_are_all_kept():
    _, found = course(range(0, 50, 10), range(50, 100, 5))
    assert found.kept.tolist() == list(range(15))
    assert (found.seams, found.notes) == ((), ())


def test_the_file_that_starts_later_counts_from_its_first_frame_on():
    steps, found = course(range(0, 101, 10), range(60, 201, 10))
    assert steps[found.kept].tolist() == list(range(0, 201, 10))
    assert found.kept[6] == 11
    assert found.seams == (6,)
    (note,) = found.notes
    assert "a and b both have step 60 to step 100 (a restart)" in str(note)
    assert (
        "the frames of b, which starts later, count, and 5 frames before are left out"
        in str(note)
    )
    assert "analyse each by itself" in str(note)


def test_nothing_of_the_earlier_course_is_mixed_into_the_later():
    """A restart at another interval: step 70 of the first is none of the second."""
    steps, found = course(range(0, 101, 10), range(52, 201, 4))
    assert steps[found.kept].tolist() == [*range(0, 51, 10), *range(52, 201, 4)]
    assert (found.kept >= 11).tolist() == [False] * 6 + [True] * 38
    assert "5 frames before are left out" in str(found.notes[0])


def test_a_restart_that_was_appended_to_the_same_file():
    steps = np.array([0, 10, 20, 30, 20, 30, 40])
    found = without_rewritten(steps, np.zeros(7, dtype=int), ["a"])
    assert found.kept.tolist() == [0, 1, 4, 5, 6]
    assert "step 20 to step 30 was written again in a (a restart)" in str(found.notes[0])


def test_a_restart_over_two_files_names_both():
    steps, found = course(range(0, 50, 10), range(50, 100, 10), range(30, 200, 10))
    assert steps[found.kept].tolist() == list(range(0, 200, 10))
    assert found.seams == (3,)
    assert "a and b and c both have" not in str(found.notes[0])
    assert "a, b and c all have step 30 to step 90" in str(found.notes[0])


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (
            range(50, 80, 10),
            "step 50 follows upon step 100, and what it begins ends at step 70",
        ),
        (range(65, 205, 10), "and what it begins has none of its steps from there on"),
        (range(0, 201, 10), "a starts at step 0, and so does b"),
        (range(-10, 201, 10), "all steps of a are in b again"),
    ],
)
def test_what_is_no_restart_is_refused(later, message):
    with pytest.raises(DataError, match=message) as told:
        course(range(0, 101, 10), later)
    assert told.value.where.startswith("b, step")
    assert "analyse each run by itself" in told.value.fix


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_every_step_once_in_rising_order_whatever_was_rewritten(backs):
    parts, start = [], 0
    for back in backs:
        parts.append(range(start, start + 40))
        start = start + 40 - back
    steps, found = course(*parts)
    assert np.array_equal(steps[found.kept], np.arange(parts[-1][-1] + 1))
    assert len(found.notes) == len(parts) - 1
