"""Jobs that are refused, and the numbers in their messages."""

from types import SimpleNamespace

import numpy as np
import pytest

import trajmodes as tm
from trajmodes.config.job import Job
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.pipeline.check import warnings_of
from trajmodes.pipeline.projection import plan_spectra


def source(n_frames: int, stride: int) -> SimpleNamespace:
    return SimpleNamespace(
        segments=((0, n_frames // stride),), stride=stride, interval_ps=0.005 * stride
    )


@pytest.mark.parametrize(
    ("stride", "words"),
    [
        (
            2,
            r"of 10 frames without a gap one in 2 is used, .*: 5 frames; .*\(1\.28 ps",
        ),
        (1, r"for spectra: 10 frames without a gap; at least 128 are needed \(0\.64 ps\)"),
    ],
)
def test_a_short_run_is_refused_with_its_frames_and_the_stride(stride, words):
    run = SimpleNamespace(
        trajectory=SimpleNamespace(segments=((0, 10),)),
        job=Job(trajectory=("run",)),
    )
    with pytest.raises(DataError, match=words):
        plan_spectra(run, source(10, stride), 2.0 * np.pi * 15.0, 100)


def test_dump_lines_in_warnings_keep_their_line_breaks():
    known = Note("warning", "odd")
    notes = [
        Note("warning", "too far apart", fix="dump d\ndump_modify d"),
        Note("error", "no forces", fix="add fx"),
        known,
        Note("ok", "fine"),
    ]
    run = SimpleNamespace(diagnosis=SimpleNamespace(verdict=notes), notes=(known,))
    found = tuple(map(str, warnings_of(run)))
    assert found == ("too far apart; fix:\ndump d\ndump_modify d", "no forces; fix: add fx")


def test_a_fit_from_python_refuses_given_force_constants():
    with pytest.raises(UsageError, match="force_constants is not an option of `trajmodes fit`"):
        tm.fit_runs("none.xyz", constants="fit")
