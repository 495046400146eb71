"""Jobs that are refused, and the numbers in their messages."""

from types import SimpleNamespace

import pytest

import trajmodes as tm
from trajmodes.errors import UsageError
from trajmodes.notes import Note
from trajmodes.pipeline.check.requirements import warnings_of


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
