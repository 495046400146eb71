"""The packed positions of XTC files.

Positions are integers, multiples of the precision. Most are stored as three numbers combined in
one, with as many bits as the extent of all atoms requires. Neighbours follow as small
differences, with a variable number of bits. The format is that of ``xdr3dfcoord`` of GROMACS by
F. van Hoesel.
"""

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Ints
from trajmodes.kernels import inner_kernel, kernel

_WIDE = 0xFFFFFF
"""Above this extent the three components of a position are stored apart."""
_LARGEST_EXTENT = 2**31 - 1
_SMALL = np.array([
    0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 101, 128, 161, 203,
    256, 322, 406, 512, 645, 812, 1024, 1290, 1625, 2048, 2580, 3250, 4096, 5060, 6501, 8192,
    10321, 13003, 16384, 20642, 26007, 32768, 41285, 52015, 65536, 82570, 104031, 131072,
    165140, 208063, 262144, 330280, 416127, 524287, 660561, 832255, 1048576, 1321122, 1664510,
    2097152, 2642245, 3329021, 4194304, 5284491, 6658042, 8388607, 10568983, 13316085,
    16777216,
])  # fmt: skip
"""Number of values of each of three numbers that are stored in this number of bits."""
_FEWEST, _MOST = 9, len(_SMALL) - 1
_LIMB = 24
"""Bits of a third of a number of up to 72 bits; no extent that is stored so has more."""
_PADDING = 8
"""Bytes after the data that are read, but not used."""


def unpack(data: bytes, lows: Ints, highs: Ints, small: int, n_atoms: int) -> Ints | None:
    """Unpack integer positions (a, 3) between ``lows`` and ``highs`` (3,).

    ``small`` is the number of bits of the first difference. Returns None if the data are
    damaged: they end too early or late, or their extremes are not the given ones.
    """
    extents = highs - lows + 1
    largest = int(extents.max())
    if extents.min() < 1 or largest > _LARGEST_EXTENT or not _FEWEST <= small <= _MOST:
        return None
    if largest > _WIDE:
        widths = np.array([extent.bit_length() for extent in extents.tolist()])
    else:
        a, b, c = extents.tolist()
        widths = np.array([(a * b * c).bit_length(), 0, 0])
    padded = np.frombuffer(data + bytes(_PADDING), dtype=np.uint8)
    found = np.empty((n_atoms, 3), dtype=np.int64)
    used = _unpack(padded, extents, widths, small, found)
    whole = used >= 0 and (used + 7) // 8 == len(data)
    if not whole or found.min(axis=0).any() or (found.max(axis=0) != extents - 1).any():
        return None
    return found + lows


@inner_kernel(error_model="numpy")
def _bits(data: npt.NDArray[np.uint8], at: int, n_bits: int) -> int:
    """Up to 32 bits as a number, the most significant first."""
    byte, word = at >> 3, 0
    for k in range(5):
        word = (word << 8) | int(np.int64(data[byte + k]))
    return (word >> (40 - (at & 7) - n_bits)) & ((1 << n_bits) - 1)


@inner_kernel(error_model="numpy")
def _limb(data: npt.NDArray[np.uint8], at: int, n_bits: int) -> int:
    """Up to 24 bits as a number, in bytes of which the least significant is first."""
    if n_bits >= _LIMB:
        word = _bits(data, at, _LIMB)
        return word >> 16 | (word & 0xFF00) | (word & 0xFF) << 16
    word = 0
    for k in range(0, n_bits, 8):
        word |= _bits(data, at + k, min(8, n_bits - k)) << k
    return word


@inner_kernel(error_model="numpy")
def _three(
    data: npt.NDArray[np.uint8], at: int, n_bits: int, b: int, c: int
) -> tuple[int, int, int]:
    """Three numbers x, y < b, z < c that are stored as (x b + y) c + z."""
    low = _limb(data, at, n_bits)
    middle = _limb(data, at + _LIMB, n_bits - _LIMB)
    high = _limb(data, at + 2 * _LIMB, n_bits - 2 * _LIMB)
    high, rest = high // c, high % c
    rest = (rest << _LIMB) | middle
    middle, rest = rest // c, rest % c
    rest = (rest << _LIMB) | low
    low, z = rest // c, rest % c
    high, rest = high // b, high % b
    rest = (rest << _LIMB) | middle
    middle, rest = rest // b, rest % b
    rest = (rest << _LIMB) | low
    low, y = rest // b, rest % b
    # Only damaged data leave more than one limb: any number beyond all extents shows that.
    return (low if high == middle == 0 else 1 << _LIMB), y, z


@inner_kernel(error_model="numpy")
def _differences(data: npt.NDArray[np.uint8], at: int, small: int, found: Ints) -> None:
    """Fill positions after the first with differences to those before, in bits from ``at``."""
    extent = _SMALL[small]
    for k in range(len(found) - 1):
        step = _three(data, at + k * small, small, extent, extent)
        # The first two atoms are interchanged: water packs better so.
        before = 0 if k <= 1 else k
        for axis in range(3):
            moved = found[before, axis] + step[axis] - extent // 2
            if k == 0:
                found[1, axis], found[0, axis] = found[0, axis], moved
            else:
                found[k + 1, axis] = moved


@kernel(error_model="numpy")
def _unpack(
    data: npt.NDArray[np.uint8], extents: Ints, widths: Ints, small: int, found: Ints
) -> int:
    """Unpack positions into ``found``; return the number of bits, or −1 if they are damaged."""
    n_stored, n_bits = 8 * (len(data) - _PADDING), widths.sum()
    at, atom, run = 0, 0, 0
    while atom < len(found):
        if at + n_bits + 1 > n_stored:
            return -1
        if widths[1]:
            for axis in range(3):
                found[atom, axis] = _bits(data, at, widths[axis])
                at += widths[axis]
        else:
            whole = _three(data, at, n_bits, extents[1], extents[2])
            for axis in range(3):
                found[atom, axis] = whole[axis]
            at += n_bits
        changes, change = _bits(data, at, 1), 0
        at += 1
        if changes:
            if at + 5 > n_stored:
                return -1
            run, change = _bits(data, at, 5) // 3, _bits(data, at, 5) % 3 - 1
            at += 5
        if atom + 1 + run > len(found) or at + run * small > n_stored:
            return -1
        _differences(data, at, small, found[atom : atom + 1 + run])
        at += run * small
        atom += 1 + run
        small += change
        if not _FEWEST <= small <= _MOST:
            return -1
    return at
