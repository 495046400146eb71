"""Doubles that were decimal numbers, in four to seven bytes each, and back to the bit.

A number of d significant digits is the only one with as few digits near it. A double that was
read from such a text is therefore known from its first bits: rounded to d digits, they give the
text, and the text gives the double. HDF5 stores the first bytes of doubles, in the order of
their significance, as numbers of less precision with the filter n-bit; so other programs read
numbers that agree in all digits of the text.

A run may be in other units than its text. The number of the text is then ``1 / unit`` times the
double. Doubles that end with zero bits, such as those of single precision, are known from their
first bytes alone; their unit is zero here.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.kernels import kernel
from trajmodes.readers.netcdf.numbers import Bytes
from trajmodes.readers.text.scan import load_word

DIGITS = {4: 6, 5: 8, 6: 10, 7: 13}
"""Bytes of a number → significant decimal digits that they determine."""
_LARGEST_POWER = 22
"""Powers of ten up to this one are doubles; quotients of them and whole numbers are rounded as
text is."""
_PIECE = 1024
_WORD = 8
_BIAS = 1023


class _Powers(NamedTuple):
    """Powers of ten that make whole numbers, by the binary exponent of a double."""

    low: Floats
    """(2048,) for a number below the threshold."""
    high: Floats
    """(2048,) for a number from the threshold on."""
    threshold: Floats
    """(2048,) the power of ten among the numbers of one binary exponent."""


@cache
def _powers(digits: int) -> _Powers:
    exponents = np.arange(2048)
    decades = np.floor((exponents - _BIAS) * np.log10(2.0)).astype(int)
    powers = digits - 1 - decades
    usable = (powers > 0) & (powers <= _LARGEST_POWER)
    whole = np.where(usable, powers, 0)
    threshold = np.array([float(f"1e{decade + 1}") for decade in decades.tolist()])
    return _Powers(10.0**whole, 10.0 ** (whole - usable), threshold)


def packed(values: Floats, n_bytes: int, unit: float) -> Bytes | None:
    """First bytes of each of some doubles (n,); None if they do not give back every bit."""
    data = np.empty(len(values) * n_bytes, dtype=np.uint8)
    _pack(values.view(np.int64), data, n_bytes)
    again = np.empty_like(values)
    unpack(data, n_bytes, unit, again)
    return data if np.array_equal(again.view(np.int64), values.view(np.int64)) else None


def unpack(data: Bytes, n_bytes: int, unit: float, out: Floats) -> None:
    """Fill doubles (n,) from the first bytes of each of them.

    The number of the text is ``1 / unit`` times the double; 0 if there is no text.
    """
    powers = _powers(DIGITS[n_bytes])
    # Eight bytes are loaded for each number.
    n_inside = max(0, min((len(data) - _WORD) // n_bytes + 1, len(out)))
    tail = np.zeros((len(out) - n_inside) * n_bytes + _WORD, dtype=np.uint8)
    tail[:-_WORD] = data[n_inside * n_bytes : len(out) * n_bytes]
    for part, numbers in ((data, out[:n_inside]), (tail, out[n_inside:])):
        address = part.ctypes.data
        _unpack(address, n_bytes, powers, unit, numbers, numbers.view(np.uint64))


@kernel()
def _pack(bits: Any, data: Bytes, n_bytes: int) -> None:
    half = np.int64(1) << np.int64(63 - 8 * n_bytes)
    for i in range(len(bits)):
        value = np.uint64(bits[i] + half)
        for k in range(n_bytes):
            data[n_bytes * i + k] = np.uint8(value >> np.uint64(56 - 8 * k))


@kernel(error_model="numpy")
def _unpack(
    address: int, n_bytes: int, powers: Any, unit: float, out: Floats, bits: Any
) -> None:
    used = ~((np.uint64(1) << np.uint64(64 - 8 * n_bytes)) - np.uint64(1))
    for start in range(0, len(out), _PIECE):
        stop = min(start + _PIECE, len(out))
        for i in range(start, stop):
            word = load_word(address + n_bytes * i)
            word = (
                ((word & np.uint64(0x00000000000000FF)) << np.uint64(56))
                | ((word & np.uint64(0x000000000000FF00)) << np.uint64(40))
                | ((word & np.uint64(0x0000000000FF0000)) << np.uint64(24))
                | ((word & np.uint64(0x00000000FF000000)) << np.uint64(8))
                | ((word >> np.uint64(8)) & np.uint64(0x00000000FF000000))
                | ((word >> np.uint64(24)) & np.uint64(0x0000000000FF0000))
                | ((word >> np.uint64(40)) & np.uint64(0x000000000000FF00))
                | (word >> np.uint64(56))
            )
            bits[i] = word & used
        if unit == 0.0:
            continue
        if unit != 1.0:
            for i in range(start, stop):
                out[i] /= unit
        for i in range(start, stop):
            exponent = (bits[i] >> np.uint64(52)) & np.uint64(0x7FF)
            power = powers.low[exponent]
            if abs(out[i]) >= powers.threshold[exponent]:
                power = powers.high[exponent]
            out[i] = np.rint(out[i] * power) / power
        if unit != 1.0:
            for i in range(start, stop):
                out[i] *= unit
