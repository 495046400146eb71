"""Decimal text to the nearest double, compiled.

A literal is w · 10^q with an integer w. Where w ≤ 2⁵³ and |q| ≤ 22 both factors are doubles,
and one multiplication or division rounds correctly (Clinger, PLDI 1990). Otherwise w is
multiplied by a power of ten known to 128 bits, following Eisel and Lemire (Lemire, Softw.
Pract. Exper. 51, 1700 (2021)). The product lies in an interval two units of its 128th bit wide,
longer by one unit of w where digits were left out. If both ends round to the same double, that
is the value. If not, the literal is undecided, and the caller converts it with Python's float,
which is exact.

Digits are read eight at a time from one 64-bit word: byte k of a little-endian word is the k-th
character. At least `PADDING` readable bytes must therefore follow the text.
"""

from typing import Any

import numpy as np

from trajmodes.kernels import inner_kernel, kernel
from trajmodes.readers.text.scan import (
    as_double,
    high_product,
    leading_zeros,
    load_byte,
    load_word,
    trailing_zeros,
)

Word = np.uint64

DECIDED, UNDECIDED, WRONG = 0, 1, 2
PADDING = 64
"""Bytes that must follow the last character of a text; fill them with newlines."""

_MIN_POWER, _MAX_POWER = -345, 308


def _powers_of_ten() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """10^q as (high, low) 64-bit halves of ⌊10^q 2^{−e}⌋ with its top bit set, and e."""
    halves, exponents = [], []
    for q in range(_MIN_POWER, _MAX_POWER + 1):
        if q >= 0:
            exponent = (10**q).bit_length() - 128
            whole = 10**q >> exponent if exponent > 0 else 10**q << -exponent
        else:
            exponent = -(10**-q).bit_length() - 127
            whole = (1 << -exponent) // 10**-q
            if whole >> 128:
                whole, exponent = whole >> 1, exponent + 1
        halves.append((whole >> 64, whole & 0xFFFF_FFFF_FFFF_FFFF))
        exponents.append(exponent)
    return np.array(halves, dtype=np.uint64), np.array(exponents, dtype=np.int64)


_POWERS, _EXPONENTS = _powers_of_ten()
_EXACT_POWERS = 10.0 ** np.arange(23)
_SIGNED_POWERS = np.outer([1.0, -1.0], _EXACT_POWERS)
_SCALES = 10 ** np.arange(20, dtype=np.uint64)

_ZEROS = np.uint64(0x3030303030303030)
_ABOVE_NINE = np.uint64(0x7676767676767676)
_TOP_BITS = np.uint64(0x8080808080808080)
_PAIRS = np.uint64(0x000000FF000000FF)
_HUNDREDS = np.uint64(0x000F424000000064)
_UNITS = np.uint64(0x0000271000000001)
_U0, _U1, _U2, _U8, _U10, _U16, _U32 = (np.uint64(n) for n in (0, 1, 2, 8, 10, 16, 32))
_U63, _U100, _BYTE = np.uint64(63), np.uint64(100), np.uint64(255)
_EXACT_INTEGERS = np.uint64(1 << 53)
_IMPLICIT = np.uint64(1 << 52)
_INFINITY = np.uint64(0x7FF << 52)
_TOP = np.uint64(1 << 63)


@inner_kernel(error_model="numpy")
def _eight_digits(word: Word) -> Word:
    """Value of eight digits, given as bytes 0 … 9, the first one most significant."""
    word = word * _U10 + (word >> _U8)
    return ((word & _PAIRS) * _HUNDREDS + ((word >> _U16) & _PAIRS) * _UNITS) >> _U32


@inner_kernel(error_model="numpy")
def _four_digits(word: Word) -> Word:
    """Value of four digits, given as the upper four bytes 0 … 9 of a word."""
    word = (word >> _U32) * _U10 + (word >> np.uint64(40))
    return (word & _BYTE) * _U100 + ((word >> _U16) & _BYTE)


@inner_kernel(error_model="numpy")
def _keep_last_bytes(word: Word, count: int) -> Word:
    """Keep the last ``count`` bytes of a word, and set the others to zero."""
    if count == 0:
        return _U0
    shift = np.uint64(64 - 8 * count) & _U63
    return word >> shift << shift


@kernel(error_model="numpy")
def plain_decimal(address: int, start: int, stop: int) -> tuple[float, bool]:
    """Value of a literal of the common form, such as −12.345678; else (0, False).

    The common form has no exponent, up to 4 digits before the point, up to 15 behind it, and at
    most 2⁵³ without the point. Other literals may be valid: `parse_decimal` reads them.
    ``address`` is that of the text in memory, and ``start`` and ``stop`` are offsets. The 16
    bytes before the literal must be readable, which the caller ensures: a text has no padding
    before it.
    """
    sign = int(load_byte(address + start) == 45)
    start += sign
    word = load_word(address + start) ^ _ZEROS
    before = trailing_zeros(((word + _ABOVE_NINE) | word) & _TOP_BITS) >> 3
    behind = stop - start - before - 1
    if (
        (before == 0)
        | (before > 4)
        | (behind < 0)
        | (behind > 15)
        | (load_byte(address + start + before) != 46)
    ):
        return 0.0, False
    whole = _four_digits(word << (np.uint64(64 - 8 * before) & _U63)) * _SCALES[behind]
    # A carry between bytes can only come from a byte that is not a digit, and is thus found.
    word = load_word(address + stop - 8) ^ _ZEROS
    not_digits = _U0
    if behind <= 8:
        word = _keep_last_bytes(word, behind)
    else:
        high = _keep_last_bytes(load_word(address + stop - 16) ^ _ZEROS, behind - 8)
        not_digits = (high + _ABOVE_NINE) | high
        whole += _eight_digits(high) * _SCALES[8]
    not_digits = (not_digits | (word + _ABOVE_NINE) | word) & _TOP_BITS
    whole += _eight_digits(word)
    if not_digits != _U0 or whole > _EXACT_INTEGERS:
        return 0.0, False
    # The divisor carries the sign: a branch on it would be mispredicted every other time.
    return np.float64(whole) / _SIGNED_POWERS[sign, behind], True


@kernel(error_model="numpy")
def plain_integer(address: int, start: int, stop: int) -> np.int64:
    """Value of one to eight digits without a sign, or −1 for `parse_integer`.

    The 8 bytes before the literal must be readable.
    """
    count = stop - start
    if count > 8:
        return np.int64(-1)
    word = _keep_last_bytes(load_word(address + stop - 8) ^ _ZEROS, count)
    if ((word + _ABOVE_NINE) | word) & _TOP_BITS != _U0:
        return np.int64(-1)
    return np.int64(_eight_digits(word))


@kernel(error_model="numpy")
def _digits(address: int, at: int, value: Word) -> tuple[Word, int]:
    """Append the digits at an offset to value, modulo 2⁶⁴; value and offset after them."""
    while True:
        word = load_word(address + at) ^ _ZEROS
        count = trailing_zeros(((word + _ABOVE_NINE) | word) & _TOP_BITS) >> 3
        if count == 0:
            return value, at
        # Shift leading zeros in for the bytes behind the digits: always eight digits.
        value = value * _SCALES[count] + _eight_digits(word << np.uint64(64 - 8 * count))
        at += count
        if count < 8:
            return value, at


@inner_kernel(error_model="numpy")
def _exponent(address: int, at: int) -> tuple[int, int]:
    """Exponent at an offset, limited to ±99 999, and the offset after it (−1 if none)."""
    sign = load_byte(address + at)
    at += (sign == 43) | (sign == 45)
    first, value = at, 0
    digit = load_byte(address + at) - 48
    while 0 <= digit <= 9:
        value = min(10 * value + digit, 99_999)
        at += 1
        digit = load_byte(address + at) - 48
    if at == first:
        return 0, -1
    return (-value if sign == 45 else value), at


@inner_kernel(error_model="numpy")
def _rounded(high: Word, low: Word, exponent: int) -> Word:
    """Bits of the double nearest to (high 2⁶⁴ + low) 2^exponent; the top bit of high is set."""
    top = exponent + 127
    if top > 1023:
        return _INFINITY
    keep = min(53, top + 1075)
    if keep < 0:
        return _U0
    mantissa, rest = _U0, high
    if keep > 0:
        mantissa = high >> np.uint64(64 - keep)
        rest = high << np.uint64(keep)
    # An exact tie rounds down here and up two units later, so it is left undecided.
    if rest > _TOP or (rest == _TOP and low != _U0):
        mantissa += _U1
    # A carry out of the mantissa raises the exponent, up to infinity, without further care.
    if keep == 53:
        return (np.uint64(top + 1023) << np.uint64(52)) + (mantissa - _IMPLICIT)
    return mantissa


@inner_kernel(error_model="numpy")
def _product(whole: Word, power: int) -> tuple[Word, Word, int]:
    """Product whole · 10^power as (high 2⁶⁴ + low) 2^exponent, less than 2 units too low."""
    shift = np.uint64(leading_zeros(whole))
    whole <<= shift
    row = power - _MIN_POWER
    high = high_product(whole, _POWERS[row, 0])
    middle = whole * _POWERS[row, 0]
    low = middle + high_product(whole, _POWERS[row, 1])
    high += np.uint64(low < middle)
    exponent: Any = _EXPONENTS[row] + 64 - np.int64(shift)
    return high, low, exponent


@inner_kernel(error_model="numpy")
def _rounded_product(product: tuple[Word, Word, int], units: Word) -> Word:
    """Bits of the double nearest to a product raised by some units of its low half."""
    high, low, exponent = product
    low += units
    high += np.uint64(low < units)
    if high < _TOP:
        high = (high << _U1) | (low >> _U63)
        low <<= _U1
        exponent -= 1
    return _rounded(high, low, exponent)


@inner_kernel(error_model="numpy")
def _nearest(whole: Word, power: int, cut: bool) -> tuple[float, int]:  # noqa: FBT001 - compiled
    """Round whole · 10^power, up to whole + 1 if digits were cut, to (double, verdict)."""
    if whole == _U0 or power < _MIN_POWER:
        return 0.0, DECIDED
    if power > _MAX_POWER:
        return np.inf, DECIDED
    product = _product(whole, power)
    below = _rounded_product(product, _U0)
    if cut:
        product = _product(whole + _U1, power)
    above = _rounded_product(product, _U2)
    return as_double(below), DECIDED if below == above else UNDECIDED


@inner_kernel(error_model="numpy")
def _nineteen_digits(address: int, at: int) -> tuple[Word, int, bool]:
    """Read 19 significant digits: (whole, missing power of ten, whether digits are cut)."""
    whole, power, cut = _U0, 0, False
    count, point = 0, False
    while True:
        digit = load_byte(address + at) - 48
        at += 1
        if digit == -2 and not point:
            point = True
            continue
        if digit < 0 or digit > 9:
            return whole, power, cut
        if count < 19:
            whole = whole * _U10 + np.uint64(digit)
            count += whole != _U0
            power -= point
        else:
            power += not point
            cut |= digit != 0


@kernel(error_model="numpy")
def parse_decimal(address: int, at: int) -> tuple[float, int, int]:
    """Read a decimal literal: value, offset after it, and verdict.

    The verdict is DECIDED; UNDECIDED where the literal is valid but Python's float has to round
    it; or WRONG, with the offset of the first invalid character. The caller checks what ends
    the literal.
    """
    sign = load_byte(address + at)
    at += (sign == 45) | (sign == 43)
    first = at
    whole, at = _digits(address, at, _U0)
    count, power = at - first, 0
    if load_byte(address + at) == 46:
        point = at + 1
        whole, at = _digits(address, point, whole)
        power = point - at
        count -= power
    if count == 0:
        return 0.0, at, WRONG
    written = 0
    if load_byte(address + at) | 32 == 101:
        written, end = _exponent(address, at + 1)
        if end < 0:
            return 0.0, at, WRONG
        at = end
    verdict = DECIDED
    if count <= 19 and whole <= _EXACT_INTEGERS and -22 <= power + written <= 22:
        power += written
        value: Any = np.float64(whole)
        value = value / _EXACT_POWERS[-power] if power < 0 else value * _EXACT_POWERS[power]
    else:
        cut = False
        if count > 19:
            whole, power, cut = _nineteen_digits(address, first)
        value, verdict = _nearest(whole, power + written, cut)
    return (-value if sign == 45 else value), at, verdict


@kernel(error_model="numpy")
def parse_integer(address: int, at: int) -> tuple[int, int, int]:
    """Read an integer of up to 18 digits: value, offset after it, and DECIDED or WRONG."""
    sign = load_byte(address + at)
    at += (sign == 45) | (sign == 43)
    whole, end = _digits(address, at, _U0)
    if end == at or end - at > 18:
        return 0, end, WRONG
    value: Any = np.int64(whole)
    return (-value if sign == 45 else value), end, DECIDED
