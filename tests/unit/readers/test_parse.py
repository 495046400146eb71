"""Numbers are rounded as by Python's float, and rows are written to the index of their id."""

import math
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trajmodes.errors import DataError
from trajmodes.readers.text.floats import (
    DECIDED,
    PADDING,
    UNDECIDED,
    WRONG,
    parse_decimal,
    parse_integer,
    plain_decimal,
    plain_integer,
)
from trajmodes.readers.text.parse import TextFault, fill_rows, padded
from trajmodes.readers.text.rows import ID, SKIP, TYPE, Target
from trajmodes.readers.text.tables import parse_rows

quick = settings(max_examples=400, deadline=None, derandomize=True)
finite = st.floats(allow_nan=False, allow_infinity=False)
styles = st.sampled_from(
    ["%r", "%g", "%.8g", "%.10g", "%20.15g", "%.17g", "%.20g", "%.30e", "%E", "%.7f", "%+.4e"]
)
digits = st.text("0123456789", min_size=1, max_size=60)


def as_text(*parts):
    """Concatenate the parts, with the padding that the kernels need before and behind."""
    body = " ".join(parts).encode() + b"\n"
    text = padded(PADDING + len(body))
    text[:PADDING] = 32
    text[PADDING : PADDING + len(body)] = np.frombuffer(body, np.uint8)
    return text


def same(value, expected):
    return struct.pack("d", value) == struct.pack("d", expected)


def check(literal):
    """Assert that each parser of a literal gives the bits of Python's float."""
    text = as_text(literal)
    stop = PADDING + len(literal)
    value, at, verdict = parse_decimal(text.ctypes.data, PADDING)
    assert verdict != WRONG
    assert at == stop
    assert verdict == UNDECIDED or same(value, float(literal))
    value, plain = plain_decimal(text.ctypes.data, PADDING, stop)
    assert not plain or same(value, float(literal))
    if math.isfinite(float(literal)):
        fields = np.full((1, 1, 3, 3), np.nan)
        rows = as_text(
            f"7 {literal} 1 {literal}\n8 {literal}  2 {literal} \n9", literal, "3", literal
        )
        places = np.array([[PADDING, len(rows) - PADDING]])
        plan = np.array([SKIP, 0, SKIP, 2])
        none = np.empty(0, np.int64)
        fill_rows(rows, places, 0, Target(plan, none, none, fields))
        for value in fields[0, 0, :, [0, 2]].ravel():
            assert same(value, float(literal))


@quick
@given(value=finite, style=styles)
def test_printed_doubles_are_read_back(value, style):
    literal = style % value
    if math.isfinite(float(literal)):
        check(literal.strip())


@quick
@given(value=st.floats(-30, 30), style=styles)
def test_printed_coordinates_are_read_back(value, style):
    check((style % value).strip())


@quick
@given(
    sign=st.sampled_from(["", "-", "+"]),
    whole=digits,
    fraction=digits,
    letter=st.sampled_from("eE"),
    exponent=st.integers(-420, 420),
)
@example("", "9007199254740993", "0", "e", 0)
@example("", "9007199254740992", "99999999999999999999999999999999999", "e", 0)
@example("-", "0", "0", "e", 0)
@example("", "2", "4703282292062327208", "e", -324)
@example("", "2", "4703282292062327209", "e", -324)
@example("", "2", "2250738585072011", "e", -308)
@example("", "1", "7976931348623159", "e", 308)
@example("", "0" * 50 + "1", "0", "e", -10)
def test_any_literal_is_rounded_correctly(sign, whole, fraction, letter, exponent):
    check(f"{sign}{whole}.{fraction}{letter}{exponent:+d}")
    check(f"{sign}{whole}{letter}{exponent}")
    check(f"{sign}.{fraction}")
    check(f"{sign}{whole}.")


@quick
@given(mantissa=st.integers(1 << 52, (1 << 53) - 1), exponent=st.integers(-1126, 900))
def test_ties_between_two_doubles_are_undecided(mantissa, exponent):
    # Half-way points, written in full, are the hardest literals.
    numerator, denominator = (2 * mantissa + 1) << max(exponent, 0), 1 << max(-exponent, 0)
    scale = 10 ** max(-exponent, 0)
    digits_of = str(numerator * scale // denominator)
    if len(digits_of) < 700:
        check(f"{digits_of}e-{max(-exponent, 0)}")


@pytest.mark.parametrize(
    "literal", ["5e-324", "2e-324", "3e-324", "1e-400", "0e999", "1e22", "1e23"]
)
def test_ends_of_the_range(literal):
    check(literal)


@pytest.mark.parametrize("literal", ["1e309", "-1.8e308", "1e99999999999"])
def test_overflow_is_infinite_as_in_python(literal):
    value, _, verdict = parse_decimal(as_text(literal).ctypes.data, PADDING)
    assert (value, verdict) == (float(literal), DECIDED)


@pytest.mark.parametrize("text", ["", "-", ".", "e5", "1e", "1e+", "-.e1", "nan", "inf", "x1"])
def test_invalid_numbers_are_wrong(text):
    _, at, verdict = parse_decimal(as_text(text).ctypes.data, PADDING)
    assert verdict == WRONG
    assert at <= PADDING + len(text)


@quick
@given(text=st.text(" 0123456789.-+eEnaixd,_", min_size=1, max_size=12))
def test_text_that_python_refuses_is_refused(text):
    # Rows of one column: the whole text is one token, or several, or none.
    fields = np.zeros((1, 1, 1, 3))
    rows = as_text(text)
    places = np.array([[PADDING, len(rows) - PADDING]])
    none = np.empty(0, np.int64)
    sound = len(text.split()) == 1 and "_" not in text and "n" not in text.lower()
    try:
        expected = float(text) if sound else math.nan
    except ValueError:
        expected = math.nan
    if math.isfinite(expected):
        fill_rows(rows, places, 0, Target(np.array([0]), none, none, fields))
        assert same(fields[0, 0, 0, 0], expected)
    else:
        with pytest.raises(TextFault, match=r"number|row ends|follows the last"):
            fill_rows(rows, places, 0, Target(np.array([0]), none, none, fields))


@quick
@given(value=st.integers(-(10**18) + 1, 10**18 - 1))
def test_integers(value):
    text = as_text(str(value))
    stop = PADDING + len(str(value))
    assert parse_integer(text.ctypes.data, PADDING) == (value, stop, DECIDED)
    assert plain_integer(text.ctypes.data, PADDING, stop) in {value, -1}


@quick
@given(
    n_atoms=st.integers(1, 40),
    n_frames=st.integers(1, 4),
    gap=st.sampled_from([" ", "  ", "\t", "          "]),
    end=st.sampled_from(["\n", " \n", "\r\n", " \t \r\n"]),
    spread=st.sampled_from([1, 3, 1000]),
    seed=st.integers(0, 2**32 - 1),
)
def test_rows_are_written_to_the_index_of_their_id(n_atoms, n_frames, gap, end, spread, seed):
    random = np.random.default_rng(seed)
    ids = np.sort(random.choice(n_atoms * spread, n_atoms, replace=False)) + 5
    kinds = random.integers(1, 4, n_atoms)
    truth = random.normal(size=(2, n_frames, n_atoms, 3)) * 10.0 ** random.integers(-9, 9)
    body, places = b"\n" * PADDING, []
    for t in range(n_frames):
        start = len(body)
        for a in random.permutation(n_atoms):
            row = [str(kinds[a]), "Si", *map(repr, truth[0, t, a].tolist()), str(ids[a])]
            row += map(repr, truth[1, t, a].tolist())
            body += (gap.join(row) + end).encode()
        places.append((start, len(body)))
        body += b"ITEM: TIMESTEP\n"
    text = padded(len(body))
    text[: len(body)] = np.frombuffer(body, np.uint8)
    plan = np.array([TYPE, SKIP, 0, 1, 2, ID, 3, 4, 5])
    fields = np.full((2, n_frames + 1, n_atoms, 3), 7.0)
    fill_rows(text, np.array(places), 1, Target(plan, ids, kinds, fields))
    assert np.array_equal(fields[:, 1:], truth)
    assert (fields[:, 0] == 7.0).all()


def test_many_undecided_numbers_are_rounded():
    # More than the kernel can store, so that it has to pause and continue.
    literal = str((1 << 53) + 1)
    rows = "".join(f"{literal} {literal} {k}\n" for k in range(700))
    text = as_text(rows)
    fields = np.zeros((1, 1, 700, 3))
    none = np.empty(0, np.int64)
    places = np.array([[PADDING, PADDING + len(rows)]])
    fill_rows(text, places, 0, Target(np.array([0, 1, 2]), none, none, fields))
    assert (fields[0, 0, :, :2] == float(literal)).all()
    assert np.array_equal(fields[0, 0, :, 2], np.arange(700))


@pytest.mark.parametrize(
    ("row", "message", "column"),
    [
        ("2 1 0.5", "the row ends before its 4 columns", 3),
        ("2 1 0.5 0.5 9", "'9' follows the last of 4 columns", 4),
        ("2 1 1.2.3 0.5", "'1.2.3' is not a number", 2),
        ("2 1 0,5 0.5", "'0,5' is not a number: decimals", 2),
        ("2 1 0.5 nan", "'nan' is not a finite number", 3),
        ("2 1 -inf 0.5", "'-inf' is not a finite number", 2),
        ("2 1 1e999 0.5", "'1e999' is not a finite number", 2),
        ("1 1 0.5 0.5", "atom id 1 appears twice", 0),
        ("5 1 0.5 0.5", "atom id 5 does not occur", 0),
        ("2 3 0.5 0.5", "type 3 here", 1),
        ("2 x 0.5 0.5", "'x' is not a number", 1),
        ("2 1 0.5 0.5\n3 1 0.5 0.5", "'3' follows the last announced row", 0),
    ],
)
def test_faults_give_their_position(row, message, column):
    text = as_text("1 1 0.5 0.5\n" + row)
    fields = np.zeros((1, 1, 2, 3))
    target = Target(np.array([ID, TYPE, 0, 1]), np.array([1, 2]), np.array([1, 1]), fields)
    with pytest.raises(TextFault, match=message) as caught:
        fill_rows(text, np.array([[PADDING, len(text) - PADDING]]), 0, target)
    assert caught.value.frame == 0
    assert caught.value.column == column


def test_a_row_that_is_broken_in_two_is_named():
    row = b"0.000000000000 " * 12
    broken = [b"# head", row, b"0 1.0 5.64 0 0 0.00000", b"00000 0 5.64 0 0 0.000 179.4", row]
    with pytest.raises(DataError, match=r"\(cells, line 3\)"):
        parse_rows(broken, 4, "cells, line")
