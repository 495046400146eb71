"""Errors state what, where, why and the fix, and can be pickled for workers."""

import pickle

import pytest

from trajmodes.errors import DataError, LockedError, StorageError, TrajmodesError, UsageError


def test_an_error_reads_as_what_where_why_fix():
    error = DataError("no forces", where="run.xyz", why="dump lacks fx", fix="add fx fy fz")
    assert str(error) == "no forces (run.xyz)\n  why: dump lacks fx\n  fix: add fx fy fz"


def test_an_error_keeps_its_parts_when_pickled():
    error = DataError("no forces", where="run.xyz", fix="add fx fy fz")
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is DataError
    assert (str(twin), twin.fix) == (str(error), error.fix)


@pytest.mark.parametrize(
    ("kind", "code"),
    [(TrajmodesError, 1), (UsageError, 2), (DataError, 3), (StorageError, 4), (LockedError, 5)],
)
def test_exit_codes(kind, code):
    assert kind("x").exit_code == code


def test_further_lines_of_a_fix_are_indented():
    error = DataError("no forces", fix="dump d all\ndump_modify d sort id")
    assert str(error) == "no forces\n  fix: dump d all\n       dump_modify d sort id"
