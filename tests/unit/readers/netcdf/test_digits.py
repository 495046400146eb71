"""Doubles of decimal numbers in fewer bytes: every bit comes back, or the loss is noticed."""

import numpy as np
import pytest

from trajmodes.readers.netcdf.digits import DIGITS, packed, unpack
from trajmodes.readers.netcdf.numbers import SPARE, Pieces

FORMS = {4: ("%.6g", "%.3f"), 5: ("%.8g", "%.7e"), 6: ("%.10g", "%.7f"), 7: ("%.13g",)}


def of_text(form, numbers):
    return np.array([float(form % x) for x in numbers.tolist()])


def unpacked(data, n_bytes, unit, counts):
    """Doubles of pieces of bytes that do not follow each other."""
    room = np.pad(data, (3, SPARE + 2))
    ends = np.cumsum(counts)
    parts = np.split(np.arange(len(data)), n_bytes * ends[:-1])
    begins = np.array([part[0] for part in parts]) + 3
    out = np.empty(ends[-1])
    unpack(out, Pieces(room, begins, np.asarray(counts)), n_bytes, unit)
    return out


def numbers(n=4000):
    rng = np.random.default_rng(0)
    spread = rng.normal(size=n) * 10.0 ** rng.uniform(-5.0, 2.0, n)
    return np.concatenate([spread, [0.0, -0.0, 1.0, -10.0, 9.999999999, 99.999999, 0.1, 1e-5]])


@pytest.mark.parametrize("unit", [1.0, 1000.0, 0.04336410390059322, 0.529177210544])
@pytest.mark.parametrize(("n_bytes", "form"), [(n, f) for n, fs in FORMS.items() for f in fs])
def test_numbers_of_text_come_back_to_the_bit(n_bytes, form, unit):
    """In the units of the text, and times a unit as the readers multiply."""
    values = of_text(form, numbers()) * unit
    data = packed(values, n_bytes, unit)
    assert data is not None
    assert data.nbytes == n_bytes * len(values)
    out = unpacked(data, n_bytes, unit, [1, 1500, len(values) - 1501])
    np.testing.assert_array_equal(out.view(np.int64), values.view(np.int64))


@pytest.mark.parametrize("n_bytes", DIGITS)
def test_numbers_of_more_digits_are_refused(n_bytes):
    for form in (f"%.{DIGITS[n_bytes] + 1}g", "%.17g"):
        assert packed(of_text(form, numbers()), n_bytes, 1.0) is None
    # Powers of ten above 10²² are no doubles.
    assert packed(np.array([1.5, 1.2345e-19]), n_bytes, 1.0) is None
    assert packed(np.array([1.5, np.finfo(float).max]), n_bytes, 1.0) is None


@pytest.mark.parametrize("n_bytes", DIGITS)
def test_the_first_bytes_alone_have_the_digits_of_the_text(n_bytes):
    values = of_text(f"%.{DIGITS[n_bytes]}g", numbers())
    data = packed(values, n_bytes, 1.0).reshape(-1, n_bytes)
    padded = np.pad(data, ((0, 0), (0, 8 - n_bytes)))
    plain = np.ascontiguousarray(padded).view(">f8").ravel()
    np.testing.assert_allclose(plain, values, rtol=0.5 * 10.0 ** -DIGITS[n_bytes])


def test_numbers_of_single_precision_need_no_text():
    values = numbers().astype(np.float32).astype(float)
    assert packed(values, 4, 0.0) is None
    data = packed(values, 5, 0.0)
    out = unpacked(data, 5, 0.0, [len(values)])
    np.testing.assert_array_equal(out, values)
