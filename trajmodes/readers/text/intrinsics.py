"""Machine operations that numba lacks: unaligned loads, bit counts, wide products.

The functions are compiled into the kernels that call them and cannot be called from Python.
Words are little-endian, and addresses are those of bytes in memory.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped] # has no stubs
from numba import types
from numba.extending import intrinsic

_BLOCK = 64
_BYTE, _WORD, _WIDE, _BIT = (ir.IntType(bits) for bits in (8, 64, 128, 1))
_TEXT = ir.VectorType(_BYTE, _BLOCK)


def _compiled(result: Any, arguments: tuple[Any, ...], build: Callable[..., Any]) -> Any:
    """Make an intrinsic of a function that builds its LLVM code."""

    def codegen(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return build(builder, *values)

    if len(arguments) == 1:
        return intrinsic(lambda _context, _argument: (result(*arguments), codegen))
    return intrinsic(lambda _context, _first, _second: (result(*arguments), codegen))


def _load(builder: Any, address: Any, kind: Any) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1)


def _high_half(builder: Any, first: Any, second: Any) -> Any:
    product = builder.mul(builder.zext(first, _WIDE), builder.zext(second, _WIDE))
    return builder.trunc(builder.lshr(product, ir.Constant(_WIDE, 64)), _WORD)


def _bytes(value: int) -> Any:
    return ir.Constant(_TEXT, [value] * _BLOCK)


def _solids(builder: Any, address: Any) -> Any:
    text = _load(builder, address, _TEXT)
    # The spaces 9 to 13 become 0 to 4, and all other bytes more.
    control = builder.icmp_unsigned(">", builder.sub(text, _bytes(9)), _bytes(4))
    bits = builder.and_(control, builder.icmp_unsigned("!=", text, _bytes(32)))
    return builder.bitcast(bits, _WORD)


def _newlines(builder: Any, address: Any) -> Any:
    bits = builder.icmp_unsigned("==", _load(builder, address, _TEXT), _bytes(10))
    return builder.bitcast(bits, _WORD)


load_word = _compiled(
    types.uint64, (types.int64,), lambda builder, address: _load(builder, address, _WORD)
)
"""Eight bytes at any address."""

load_byte = _compiled(
    types.int64,
    (types.int64,),
    lambda builder, address: builder.zext(_load(builder, address, _BYTE), _WORD),
)
"""One byte at an address."""

trailing_zeros = _compiled(
    types.int64, (types.uint64,), lambda builder, word: builder.cttz(word, ir.Constant(_BIT, 0))
)
"""Number of zero bits below the lowest set bit of a word; 64 for zero."""

leading_zeros = _compiled(
    types.int64, (types.uint64,), lambda builder, word: builder.ctlz(word, ir.Constant(_BIT, 0))
)
"""Number of zero bits above the highest set bit of a word; 64 for zero."""

high_product = _compiled(types.uint64, (types.uint64, types.uint64), _high_half)
"""Upper 64 bits of the 128-bit product of two words."""

as_double = _compiled(
    types.float64,
    (types.uint64,),
    lambda builder, word: builder.bitcast(word, ir.DoubleType()),
)
"""The double with these bits."""

solids = _compiled(types.uint64, (types.int64,), _solids)
"""Bit k is set where byte k of the 64 at an address is not a space in the sense of C, but part
of a token; zeros and other bytes of damaged text count as such.
"""

newlines = _compiled(types.uint64, (types.int64,), _newlines)
"""Bit k is set where byte k of the 64 at an address is a newline."""
