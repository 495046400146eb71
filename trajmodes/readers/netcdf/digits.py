"""Doubles from decimal text in four to seven bytes each, restored bit by bit.

No other number of d or fewer significant digits is near a number of d digits. A double that was
read from such a text is therefore determined by its first bits: rounded to d digits, they give
the text, and the text gives the double. HDF5 stores the first bytes of doubles, in the order of
their significance, as numbers of less precision with the filter n-bit. Other programs therefore
read numbers that agree in all digits of the text.

A run may be in other units than its text. The number of the text is then ``1 / unit`` times the
double. Doubles that end with zero bits, such as those of single precision, are determined by
their first bytes alone; their unit is zero here.
"""

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped] # has no stubs
from numba import types
from numba.extending import intrinsic

from trajmodes.arrays import Floats, Ints
from trajmodes.kernels import inner_kernel, kernel
from trajmodes.readers.netcdf.numbers import SPARE, Bytes, Pieces
from trajmodes.readers.text.scan import load_byte

DIGITS = {4: 6, 5: 8, 6: 10, 7: 13}
"""Bytes of a number → significant decimal digits that they determine."""
_LARGEST_POWER = 22
"""Powers of ten up to this one are doubles; quotients of them and whole numbers are rounded as
text is."""
_PIECE = 1024
_BIAS = 1023


@cache
def _powers(digits: int) -> Floats:
    """Powers of ten (2048,) that make whole numbers, by the binary exponent of a double.

    Between a power of ten and the next power of two, they give one digit more than is
    determined; it is zero.
    """
    decades = np.floor((np.arange(2048) - _BIAS) * np.log10(2.0)).astype(int)
    powers = digits - 1 - decades
    usable = (powers > 0) & (powers <= _LARGEST_POWER)
    return np.asarray(10.0 ** np.where(usable, powers, 0))


def packed(values: Floats, n_bytes: int, unit: float) -> Bytes | None:
    """First bytes of doubles (n,); None if they do not reproduce every bit."""
    size = len(values) * n_bytes
    data = np.empty(size + SPARE, dtype=np.uint8)
    _pack(values.view(np.int64), data, n_bytes)
    again = np.empty_like(values)
    unpack(again, Pieces(data, np.zeros(1, np.int64), np.array([len(values)])), n_bytes, unit)
    same = np.array_equal(again.view(np.int64), values.view(np.int64))
    return data[:size] if same else None


def unpack(out: Floats, pieces: Pieces, n_bytes: int, unit: float) -> None:
    """Fill doubles (n,) from the first bytes of each of them.

    The number of the text is ``1 / unit`` times the double; 0 if there is no text.
    """
    data, begins, counts = pieces
    powers = _powers(DIGITS[n_bytes])
    _unpack(data.ctypes.data, begins, counts, n_bytes, powers, unit, out)


@kernel()
def _pack(bits: Any, data: Bytes, n_bytes: int) -> None:
    half = np.int64(1) << np.int64(63 - 8 * n_bytes)
    for i in range(len(bits)):
        value = np.uint64(bits[i] + half)
        for k in range(n_bytes):
            data[n_bytes * i + k] = np.uint8(value >> np.uint64(56 - 8 * k))


@kernel(error_model="numpy")
def _unpack(  # noqa: PLR0913, PLR0917 - compiled
    address: int, begins: Ints, counts: Ints, n_bytes: int, powers: Floats, unit: float,
    out: Floats,
) -> None:  # fmt: skip
    some = np.empty(_PIECE)
    first = 0
    for piece in range(len(begins)):
        last = first + counts[piece]
        for start in range(first, last, _PIECE):
            numbers = out[start : min(start + _PIECE, last)]
            words = numbers.view(np.uint64)
            _load_words(address + begins[piece] + n_bytes * (start - first), n_bytes, words)
            if unit != 0.0:
                _restore_digits(numbers, words, unit, powers, some)
        first = last


def _loading(n_bytes: int) -> Any:
    """Make an intrinsic that loads eight words from the first bytes of each."""
    # Byte 64 is the first one of zeros.
    places = [
        k * n_bytes + j if j < n_bytes else 64 for k in range(8) for j in range(7, -1, -1)
    ]
    byte, half = ir.IntType(8), ir.IntType(32)
    chosen = ir.Constant(ir.VectorType(half, 64), places)
    eight = ir.VectorType(byte, 64)

    def codegen(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        here, there = (builder.inttoptr(one, eight.as_pointer()) for one in values)
        none = ir.Constant(eight, [0] * 64)
        words = builder.shuffle_vector(builder.load(here, align=1), none, chosen)
        builder.store(words, there, align=1)
        return context.get_dummy_value()

    return intrinsic(
        lambda _context, _here, _there: (types.void(types.int64, types.int64), codegen)
    )


_eight_of_4, _eight_of_5, _eight_of_6, _eight_of_7 = map(_loading, DIGITS)


@inner_kernel()
def _load_words(address: int, n_bytes: int, words: Any) -> None:
    """Fill words (n,) from their first bytes, the highest first."""
    place, whole = words.ctypes.data, len(words) - len(words) % 8
    if n_bytes == 4:
        for i in range(0, whole, 8):
            _eight_of_4(address + 4 * i, place + 8 * i)
    elif n_bytes == 5:
        for i in range(0, whole, 8):
            _eight_of_5(address + 5 * i, place + 8 * i)
    elif n_bytes == 6:
        for i in range(0, whole, 8):
            _eight_of_6(address + 6 * i, place + 8 * i)
    else:
        for i in range(0, whole, 8):
            _eight_of_7(address + 7 * i, place + 8 * i)
    for i in range(whole, len(words)):
        words[i] = 0
        for k in range(n_bytes):
            byte = np.uint64(load_byte(address + n_bytes * i + k))
            words[i] |= byte << np.uint64(56 - 8 * k)


@inner_kernel(error_model="numpy")
def _restore_digits(
    numbers: Floats, words: Any, unit: float, powers: Floats, some: Floats
) -> None:
    """Round doubles (n,), whose bits are the words, to the numbers of their text."""
    if unit != 1.0:
        for i in range(len(numbers)):
            numbers[i] /= unit
    # Alone in its loop, the look-up is fast; the next loops are vectorised.
    for i in range(len(numbers)):
        some[i] = powers[(words[i] >> np.uint64(52)) & np.uint64(0x7FF)]
    if unit != 1.0:
        # The quotient is known less well than the number: by its own digits, and no more.
        largest = powers[_BIAS] * 10.0
        for i in range(len(numbers)):
            some[i] = some[i] if abs(numbers[i] * some[i]) < largest else some[i] / 10.0
    for i in range(len(numbers)):
        numbers[i] = np.rint(numbers[i] * some[i]) / some[i] * unit
