"""Second derivatives from files."""

import numpy as np
import pytest

from trajmodes.errors import DataError, UsageError
from trajmodes.molecules.hessian import read_hessian

HESSIAN = np.random.default_rng(1).normal(size=(6, 6))
HESSIAN = HESSIAN + HESSIAN.T


@pytest.mark.parametrize("name", ["h.npy", "h.txt"])
def test_numpy_and_text_files_are_read(tmp_path, name):
    path = tmp_path / name
    (np.save if name.endswith("npy") else np.savetxt)(path, HESSIAN)
    found = read_hessian(path, 2)
    np.testing.assert_allclose(found.values, HESSIAN, atol=1e-14)
    assert found.notes == ()


def test_arrays_of_four_axes_are_read(tmp_path):
    np.save(tmp_path / "h.npy", HESSIAN.reshape(2, 3, 2, 3))
    np.testing.assert_array_equal(read_hessian(tmp_path / "h.npy", 2).values, HESSIAN)


def test_small_asymmetry_is_noted(tmp_path):
    odd = HESSIAN.copy()
    odd[0, 1] += 1e-4
    np.save(tmp_path / "h.npy", odd)
    found = read_hessian(tmp_path / "h.npy", 2)
    np.testing.assert_array_equal(found.values, found.values.T)
    assert "the Hessian was symmetrised" in str(found.notes[0])


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (HESSIAN[:3], r"shape \(3, 6\) instead of \(6, 6\) for 2 atoms"),
        (np.triu(HESSIAN), "is not symmetric: entries differ"),
        (np.full((6, 6), np.nan), "a number of the Hessian is not finite"),
        (np.zeros((6, 6)), "the Hessian is zero"),
    ],
)
def test_invalid_hessians_are_refused(tmp_path, values, text):
    np.save(tmp_path / "h.npy", values)
    with pytest.raises(DataError, match=text):
        read_hessian(tmp_path / "h.npy", 2)


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        read_hessian(tmp_path / "h.npy", 2)
    for name in ("h.npy", "h.txt"):
        (tmp_path / name).write_text("no numbers\n")
        with pytest.raises(UsageError, match="the Hessian cannot be read"):
            read_hessian(tmp_path / name, 2)
    (tmp_path / "e.npy").write_bytes(b"")
    with pytest.raises(UsageError, match="the Hessian cannot be read"):
        read_hessian(tmp_path / "e.npy", 2)
