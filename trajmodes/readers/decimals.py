"""Decimal text to the nearest double, compiled.

A literal is w · 10^q with an integer w. Where w ≤ 2⁵³ and |q| ≤ 22 both factors are doubles,
and one multiplication or division rounds correctly (Clinger, PLDI 1990). Otherwise w is
multiplied by a power of ten kept to 128 bits, after the idea of Eisel and Lemire (Lemire,
Softw. Pract. Exper. 51, 1700 (2021)): the product is known to lie in an interval two units of
its 128th bit wide, longer by one unit of w where digits had to be left out. If both ends round
to the same double, that is the answer; if not, the literal is called undecided, and the caller
hands it to Python's float, which is exact.

Digits are read eight at a time out of one 64-bit word: byte k of a little-endian word is the
k-th character. Text must therefore be followed by at least eight bytes that may be read.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["DECIDED", "PADDING", "UNDECIDED", "WRONG", "parse_decimal", "parse_integer"]

DECIDED, UNDECIDED, WRONG = 0, 1, 2
PADDING = 16
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
_SCALES = 10 ** np.arange(20, dtype=np.uint64)

_ZEROS = np.uint64(0x3030303030303030)
_ABOVE_NINE = np.uint64(0x7676767676767676)
_TOP_BITS = np.uint64(0x8080808080808080)
_PAIRS = np.uint64(0x000000FF000000FF)
_HUNDREDS = np.uint64(0x000F424000000064)
_UNITS = np.uint64(0x0000271000000001)
_U0, _U1, _U8, _U10, _U16, _U32, _U64 = (np.uint64(n) for n in (0, 1, 8, 10, 16, 32, 64))
_EXACT_INTEGERS = np.uint64(1 << 53)
_IMPLICIT = np.uint64(1 << 52)
_TOP = np.uint64(1 << 63)


@intrinsic
def _load_word(typing_context: Any, address: Any) -> Any:  # noqa: ARG001 - numba's signature
    """Eight bytes at an address, wherever it is aligned."""

    def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        return builder.load(builder.inttoptr(arguments[0], word.as_pointer()), align=1)

    return types.uint64(types.int64), codegen


@intrinsic
def _load_byte(typing_context: Any, address: Any) -> Any:  # noqa: ARG001 - numba's signature
    """One byte at an address."""

    def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        return builder.zext(builder.load(pointer), ir.IntType(64))

    return types.int64(types.int64), codegen


@intrinsic
def _trailing_zeros(typing_context: Any, word: Any) -> Any:  # noqa: ARG001 - numba's signature
    """Number of zero bits below the lowest set bit; 64 for zero."""

    def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


@intrinsic
def _leading_zeros(typing_context: Any, word: Any) -> Any:  # noqa: ARG001 - numba's signature
    """Number of zero bits above the highest set bit; 64 for zero."""

    def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


@intrinsic
def _high_product(typing_context: Any, first: Any, second: Any) -> Any:  # noqa: ARG001 - as above
    """Upper 64 bits of the 128-bit product."""

    def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(value, wide) for value in arguments))
        shifted = builder.lshr(product, ir.Constant(wide, 64))
        return builder.trunc(shifted, ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), codegen


@intrinsic
def _as_double(typing_context: Any, bits: Any) -> Any:  # noqa: ARG001 - numba's signature
    """The double with these bits."""

    def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.uint64), codegen


@njit(nogil=True, cache=True)
def _digits(address: int, at: int, value: int) -> tuple[int, int]:
    """Append the run of digits at a place to value, modulo 2⁶⁴; value and place after it."""
    while True:
        word = _load_word(address + at) ^ _ZEROS
        count = _trailing_zeros(((word + _ABOVE_NINE) | word) & _TOP_BITS) >> 3
        if count == 0:
            return value, at
        # Zeros before the digits in place of what follows them: always eight digits.
        word <<= np.uint64(64 - 8 * count)
        word = word * _U10 + (word >> _U8)
        word = ((word & _PAIRS) * _HUNDREDS + ((word >> _U16) & _PAIRS) * _UNITS) >> _U32
        value = value * _SCALES[count] + word
        at += count
        if count < 8:
            return value, at


@njit(nogil=True, cache=True)
def _exponent(address: int, at: int) -> tuple[int, int]:
    """Exponent written at a place, held at ±99 999, and the place after it; −1 if none."""
    sign = _load_byte(address + at)
    at += (sign == 43) | (sign == 45)
    first, value = at, 0
    digit = _load_byte(address + at) - 48
    while 0 <= digit <= 9:
        value = min(10 * value + digit, 99_999)
        at += 1
        digit = _load_byte(address + at) - 48
    if at == first:
        return 0, -1
    return (-value if sign == 45 else value), at


@njit(nogil=True, cache=True)
def _rounded(high: int, low: int, exponent: int) -> int:
    """Bits of the double nearest to (high 2⁶⁴ + low) 2^exponent, the top bit of high set."""
    top = exponent + 127
    if top > 1023:
        return np.uint64(0x7FF << 52)
    keep = min(53, top + 1075)
    if keep < 0:
        return _U0
    mantissa, rest = _U0, high
    if keep > 0:
        mantissa = high >> np.uint64(64 - keep)
        rest = high << np.uint64(keep)
    if rest > _TOP or (rest == _TOP and (low != _U0 or mantissa & _U1 == _U1)):
        mantissa += _U1
    # A carry out of the mantissa raises the exponent, up to infinity, all by itself.
    if keep == 53:
        return (np.uint64(top + 1023) << np.uint64(52)) + (mantissa - _IMPLICIT)
    return mantissa


@njit(nogil=True, cache=True)
def _scaled(whole: int, power: int, extra: int) -> int:
    """Bits of the double nearest to whole · 10^power raised by some units of the 128th bit."""
    shift = np.uint64(_leading_zeros(whole))
    whole <<= shift
    row = power - _MIN_POWER
    high = _high_product(whole, _POWERS[row, 0])
    middle = whole * _POWERS[row, 0]
    low = middle + _high_product(whole, _POWERS[row, 1])
    high += np.uint64(low < middle)
    raised = low + extra
    high += np.uint64(raised < low)
    low = raised
    exponent = _EXPONENTS[row] + 64 - np.int64(shift)
    if high < _TOP:
        high = (high << _U1) | (low >> np.uint64(63))
        low <<= _U1
        exponent -= 1
    return _rounded(high, low, exponent)


@njit(nogil=True, cache=True)
def _nearest(whole: int, power: int, cut: bool) -> tuple[float, int]:  # noqa: FBT001 - compiled
    """The double nearest to whole · 10^power (up to whole + 1 if digits were cut), and verdict."""
    if whole == _U0 or power < _MIN_POWER:
        return 0.0, DECIDED
    if power > _MAX_POWER:
        return np.inf, DECIDED
    below = _scaled(whole, power, _U0)
    above = _scaled(whole + np.uint64(cut), power, np.uint64(2))
    return _as_double(below), DECIDED if below == above else UNDECIDED


@njit(nogil=True, cache=True)
def _long(address: int, at: int) -> tuple[int, int, bool]:
    """First 19 significant digits from a place, power of ten they lack, whether some are cut."""
    whole, power, cut = _U0, 0, False
    count, point = 0, False
    while True:
        digit = _load_byte(address + at) - 48
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


@njit(nogil=True, cache=True)
def parse_decimal(address: int, at: int) -> tuple[float, int, int]:
    """Read a decimal literal: value, place after it, and verdict.

    Parameters
    ----------
    address
        Address of the text in memory.
    at
        Place of the literal's first character in it.

    Returns
    -------
    The value, the place of the first character behind it, and DECIDED; UNDECIDED where the
    literal is sound but Python's float has to round it; or WRONG with the place of the first
    character that does not belong. Whatever ends the literal is left to the caller.
    """
    sign = _load_byte(address + at)
    at += (sign == 45) | (sign == 43)
    first = at
    whole, at = _digits(address, at, _U0)
    count, power = at - first, 0
    if _load_byte(address + at) == 46:
        point = at + 1
        whole, at = _digits(address, point, whole)
        power = point - at
        count -= power
    if count == 0:
        return 0.0, at, WRONG
    written = 0
    if _load_byte(address + at) | 32 == 101:
        written, end = _exponent(address, at + 1)
        if end < 0:
            return 0.0, at, WRONG
        at = end
    verdict = DECIDED
    if count <= 19 and whole <= _EXACT_INTEGERS and -22 <= power + written <= 22:
        power += written
        value = np.float64(whole)
        value = value / _EXACT_POWERS[-power] if power < 0 else value * _EXACT_POWERS[power]
    else:
        cut = False
        if count > 19:
            whole, power, cut = _long(address, first)
        value, verdict = _nearest(whole, power + written, cut)
    return (-value if sign == 45 else value), at, verdict


@njit(nogil=True, cache=True)
def parse_integer(address: int, at: int) -> tuple[int, int, int]:
    """Read an integer of up to 18 digits: value, place after it, and DECIDED or WRONG.

    Parameters
    ----------
    address
        Address of the text in memory.
    at
        Place of its first character in it.
    """
    sign = _load_byte(address + at)
    at += (sign == 45) | (sign == 43)
    whole, end = _digits(address, at, _U0)
    if end == at or end - at > 18:
        return 0, end, WRONG
    value = np.int64(whole)
    return (-value if sign == 45 else value), end, DECIDED
