"""Bytes, tokens and lines of text, compiled: machine operations, and scans built of them.

Numba lacks unaligned loads, bit counts and wide products. Here they are LLVM code that is
compiled into the calling kernels, and cannot be called from Python. Words are little-endian,
and addresses are those of bytes in memory.

The edges of tokens are found from bit masks of 64 bytes, so that tokens can be parsed
independently of each other. Parsing one number after the other is a chain of dependences: the
position of the next is known only when the last has been read. Between known edges a processor
works on several tokens at once (idea: Langdale and Lemire, VLDB J. 28, 941 (2019)).

``text[at:n]`` is searched throughout: ``at`` is where to start and ``n`` where the text stops.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped] # has no stubs
from numba import types
from numba.extending import intrinsic

from trajmodes.arrays import Ints
from trajmodes.kernels import inner_kernel

Bytes = npt.NDArray[np.uint8]

BLOCK = 64
"""Bytes examined together; as many must be readable after the last character."""

_NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)
_LOW_SEVEN = np.uint64(0x7F7F7F7F7F7F7F7F)
_LOW_BITS = np.uint64(0x0101010101010101)
_U0, _U1, _U7, _U56, _U63 = (np.uint64(n) for n in (0, 1, 7, 56, 63))
_BYTE, _HALF, _WORD, _WIDE, _BIT = (ir.IntType(bits) for bits in (8, 32, 64, 128, 1))
_TEXT = ir.VectorType(_BYTE, BLOCK)


def _compiled(result: Any, *arguments: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make an intrinsic of one or two arguments from a function that builds its LLVM code."""

    def made(build: Callable[..., Any]) -> Any:
        def codegen(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            return build(builder, *values)

        if len(arguments) == 1:
            return intrinsic(lambda _context, _argument: (result(*arguments), codegen))
        return intrinsic(lambda _context, _first, _second: (result(*arguments), codegen))

    return made


def _load(builder: Any, address: Any, kind: Any) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1)


def _bytes(value: int) -> Any:
    return ir.Constant(_TEXT, [value] * BLOCK)


@_compiled(types.uint64, types.int64)
def load_word(builder: Any, address: Any) -> Any:
    """Eight bytes at any address."""
    return _load(builder, address, _WORD)


@_compiled(types.int64, types.int64)
def load_byte(builder: Any, address: Any) -> Any:
    """One byte at an address."""
    return builder.zext(_load(builder, address, _BYTE), _WORD)


@_compiled(types.int64, types.int64)
def load_integer(builder: Any, address: Any) -> Any:
    """Load a signed integer of four bytes at any address."""
    return builder.sext(_load(builder, address, _HALF), _WORD)


@_compiled(types.float64, types.int64)
def load_real(builder: Any, address: Any) -> Any:
    """Load a number of double precision at any address."""
    return _load(builder, address, ir.DoubleType())


@_compiled(types.float32, types.int64)
def load_single(builder: Any, address: Any) -> Any:
    """Load a number of single precision at any address."""
    return _load(builder, address, ir.FloatType())


@_compiled(types.int64, types.uint64)
def trailing_zeros(builder: Any, word: Any) -> Any:
    """Count zero bits below the lowest set bit of a word; 64 for zero."""
    return builder.cttz(word, ir.Constant(_BIT, 0))


@_compiled(types.int64, types.uint64)
def leading_zeros(builder: Any, word: Any) -> Any:
    """Count zero bits above the highest set bit of a word; 64 for zero."""
    return builder.ctlz(word, ir.Constant(_BIT, 0))


@_compiled(types.uint64, types.uint64, types.uint64)
def high_product(builder: Any, first: Any, second: Any) -> Any:
    """Upper 64 bits of the 128-bit product of two words."""
    product = builder.mul(builder.zext(first, _WIDE), builder.zext(second, _WIDE))
    return builder.trunc(builder.lshr(product, ir.Constant(_WIDE, 64)), _WORD)


@_compiled(types.float64, types.uint64)
def as_double(builder: Any, word: Any) -> Any:
    """Convert bits to the double that they represent."""
    return builder.bitcast(word, ir.DoubleType())


@_compiled(types.uint64, types.int64)
def _solids(builder: Any, address: Any) -> Any:
    """Bit k is set where byte k of the 64 at an address is not a space in the sense of C.

    Zeros and other bytes of damaged text count as parts of a token.
    """
    text = _load(builder, address, _TEXT)
    # The spaces 9 to 13 become 0 to 4, and all other bytes more.
    control = builder.icmp_unsigned(">", builder.sub(text, _bytes(9)), _bytes(4))
    bits = builder.and_(control, builder.icmp_unsigned("!=", text, _bytes(32)))
    return builder.bitcast(bits, _WORD)


@_compiled(types.uint64, types.int64)
def _newlines(builder: Any, address: Any) -> Any:
    """Bit k is set where byte k of the 64 at an address is a newline."""
    bits = builder.icmp_unsigned("==", _load(builder, address, _TEXT), _bytes(10))
    return builder.bitcast(bits, _WORD)


@inner_kernel(error_model="numpy")
def skip_lines(text: Bytes, at: int, n: int, wanted: int) -> tuple[int, int]:
    """Offset after ``wanted`` line ends, at most n, and how many of them are missing."""
    address: Any = np.int64(text.ctypes.data)
    while wanted > 0 and at + 64 <= n:
        # Each byte of `ends` counts the newlines of one column of eight words.
        ends = np.uint64(0)
        for k in range(8):
            word = load_word(address + at + 8 * k) ^ _NEWLINES
            ends += (~(((word & _LOW_SEVEN) + _LOW_SEVEN) | word) >> _U7) & _LOW_BITS
        count = int((ends * _LOW_BITS) >> _U56)
        if count >= wanted:
            break
        wanted -= count
        at += 64
    while wanted > 0 and at < n:
        wanted -= text[at] == 10
        at += 1
    return at, wanted


@inner_kernel(error_model="numpy")
def line_end(text: Bytes, at: int, n: int) -> int:
    """Offset of the next newline, or n; eight bytes at a time."""
    address: Any = np.int64(text.ctypes.data)
    while at < n:
        # Only newlines become zero bytes, and only zero bytes have no top bit in the sum below.
        other = load_word(address + at) ^ _NEWLINES
        if ~(((other & _LOW_SEVEN) + _LOW_SEVEN) | other | _LOW_SEVEN) != _U0:
            break
        at += 8
    while at < n and text[at] != 10:
        at += 1
    return min(at, n)


@inner_kernel(error_model="numpy")
def skip_blanks(text: Bytes, at: int, n: int) -> int:
    """Offset of the next character that is not a blank, a line end or a zero, or n.

    File systems leave zeros where a crash prevented the text from being written.
    """
    while at < n and text[at] <= 32:
        at += 1
    return at


@inner_kernel(error_model="numpy")
def is_space(byte: Any) -> Any:
    """Whether a byte is a space in the sense of C."""
    return byte == 32 or 9 <= byte <= 13


@inner_kernel(error_model="numpy")
def skip_spaces(text: Bytes, at: int, n: int) -> int:
    """Offset of the next character that is not a space in the sense of C, or n."""
    while at < n and is_space(text[at]):
        at += 1
    return at


@inner_kernel(error_model="numpy")
def starts_with(text: Bytes, at: int, n: int, word: Bytes) -> bool:
    """Whether a word is at an offset, followed by a blank or a line end."""
    size = len(word)
    if at + size > n:
        return False
    for k in range(size):
        if text[at + k] != word[k]:
            return False
    return at + size == n or text[at + size] <= 32


@inner_kernel(error_model="numpy")
def find_edges(address: int, at: int, stop: int, edges: Ints) -> int:
    """Find where tokens begin and end, and newlines that do not end one; return their number.

    A row of c tokens whose newline directly follows the last one has exactly 2c edges, and the
    last edge is the newline. Any other arrangement of spaces has more. The search starts at
    ``at``, as if a space stood before it, stops within a block of ``stop``, and before
    ``edges`` overflows.
    """
    count, carry = 0, _U0
    last = len(edges) - BLOCK
    while at < stop and count <= last:
        solid = _solids(address + at)
        bits = (solid ^ (solid << _U1 | carry)) | _newlines(address + at)
        carry = solid >> _U63
        while bits != _U0:
            edges[count] = at + trailing_zeros(bits)
            count += 1
            bits &= bits - _U1
        at += BLOCK
    return count
