"""XTC and TRR files of GROMACS."""

from dataclasses import replace
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.notes import Note
from trajmodes.readers.binary.frames import (
    BinaryFrames,
    damaged,
    find_frames,
    frame_of,
    opened,
)
from trajmodes.readers.binary.packed import unpack
from trajmodes.readers.text.source import open_source
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame
from trajmodes.units import KILOJOULE_PER_MOLE

_NM = 10.0
"""One nm in Å."""

_XTC_MAGIC = 1995
_XTC_HEAD = Struct(">iiif9fi")
"""Magic number, number of atoms, step, time, box, number of atoms again."""
_PACKED_HEAD = Struct(">f3i3iii")
"""Precision, lowest and highest positions, bits of a difference, size of the packed data."""
_XTC_SIZE = _XTC_HEAD.size + _PACKED_HEAD.size
_MOST_PLAIN = 9
"""Up to so many atoms are stored as plain numbers."""
_MOST_BYTES = 13
"""Those of a packed atom: three components of 31 bits each, and 6 bits."""


class _XtcHead(NamedTuple):
    n_atoms: int
    step: int
    time_ps: float
    box: tuple[float, ...]


def _xtc_head(data: bytes) -> _XtcHead:
    magic, n_atoms, step, time_ps, *box, again = _XTC_HEAD.unpack_from(data)
    if magic != _XTC_MAGIC:
        raise damaged(f"the frame begins with the number {magic}, and not with {_XTC_MAGIC}")
    if n_atoms != again or n_atoms < 1:
        raise damaged(f"the numbers of atoms in the frame, {n_atoms} and {again}, are invalid")
    return _XtcHead(n_atoms, step, time_ps, tuple(box))


def _xtc_size(head: bytes) -> int | None:
    if len(head) < _XTC_HEAD.size:
        return None
    n_atoms = _xtc_head(head).n_atoms
    if n_atoms <= _MOST_PLAIN:
        return _XTC_HEAD.size + 12 * n_atoms
    if len(head) < _XTC_SIZE:
        return None
    n_bytes: int = _PACKED_HEAD.unpack_from(head, _XTC_HEAD.size)[-1]
    if not 0 < n_bytes <= _MOST_BYTES * n_atoms + 1:
        raise damaged(f"the positions of {n_atoms} atoms take {n_bytes} bytes")
    return _XTC_SIZE + n_bytes + -n_bytes % 4


def open_xtc(path: Path, *, strict: bool = False) -> ForeignFile:
    """Open an XTC file; ``strict`` makes an incomplete last frame an error.

    Raises
    ------
    DataError
        If the file is damaged, or has no complete frame.
    """
    source = open_source(path)
    edges, notes = find_frames(source, _XTC_SIZE, _xtc_size, strict=strict)
    first = source.data(0, int(edges[1]))
    n_atoms = _xtc_head(first).n_atoms
    found = opened(BinaryFrames(source, edges, _xtc_frame), n_atoms, *notes)
    if n_atoms <= _MOST_PLAIN:
        return found
    packing = _packing(first)
    unit = _NM / packing.precision
    # GROMACS rounds single precision.
    largest = unit * float(np.abs([packing.lows, packing.highs]).max())
    rounding = unit / 2 + largest * float(np.finfo(np.float32).eps)
    text = f"XTC contains neither velocities nor forces, and rounds positions to {unit:.3g} Å"
    note = Note("warning", text, fix="write TRR with positions, velocities and forces")
    return replace(found, precision_digits=4, notes=(*notes, note), rounding=rounding)


def _xtc_frame(data: bytes, _number: int) -> ForeignFrame:
    head = _xtc_head(data)
    if head.n_atoms <= _MOST_PLAIN:
        positions = np.frombuffer(data, ">f4", offset=_XTC_HEAD.size) * np.float64(_NM)
    else:
        positions = _unpacked(data, head.n_atoms)
    box = np.reshape(head.box, (3, 3)) * _NM
    return frame_of(box, positions.reshape(-1, 3), head.step, head.time_ps)


class _Packing(NamedTuple):
    precision: float
    """Units of a position in one nm."""
    lows: Ints
    highs: Ints
    """(3,) smallest and largest position of an atom."""
    small: int
    n_bytes: int


def _packing(data: bytes) -> _Packing:
    precision, *extremes, small, n_bytes = _PACKED_HEAD.unpack_from(data, _XTC_HEAD.size)
    if not 0.0 < precision < np.inf:
        raise damaged(f"the precision of the positions is {precision}")
    lows, highs = np.reshape(np.array(extremes, dtype=np.int64), (2, 3))
    return _Packing(precision, lows, highs, small, n_bytes)


def _unpacked(data: bytes, n_atoms: int) -> Floats:
    """Positions (a, 3) in Å."""
    packing = _packing(data)
    packed = data[_XTC_SIZE : _XTC_SIZE + packing.n_bytes]
    found = unpack(packed, packing.lows, packing.highs, packing.small, n_atoms)
    if found is None:
        raise damaged("the packed positions are damaged")
    return np.asarray(found * _NM / packing.precision)


_TRR_MAGIC = 1993
_TRR_VERSION = b"GMX_trn_file"
_TRR_HEAD = Struct(">3i12s13i")
"""Magic number, two lengths of the version, the version; sizes of ten arrays; number of atoms,
step, and a number without a use. Time and λ follow, in the precision of the arrays."""
_TRR_NUMBERS = {
    "input": 0,
    "energies": 0,
    "box": 9,
    "virial": 9,
    "pressure": 9,
    "topology": 0,
    "symbols": 0,
}
"""Numbers in the arrays before positions, velocities and forces, in the order of the file.
Those without any are not in use.
"""


class _TrrHead(NamedTuple):
    real: np.dtype[np.floating]
    """Of every number in the frame."""
    counts: dict[str, int]
    """Numbers of each array, in the order of the file."""
    n_atoms: int
    step: int

    @property
    def start(self) -> int:
        """Byte at which the arrays begin, after time and λ."""
        return _TRR_HEAD.size + 2 * self.real.itemsize


def _trr_head(data: bytes) -> _TrrHead:
    magic, *lengths, version = _TRR_HEAD.unpack_from(data)[:4]
    if magic != _TRR_MAGIC or version != _TRR_VERSION or lengths != [13, 12]:
        raise damaged(f"the frame does not begin with {_TRR_MAGIC} and {_TRR_VERSION.decode()}")
    *sizes, n_atoms, step, _ = _TRR_HEAD.unpack_from(data)[4:]
    numbers = _TRR_NUMBERS | dict.fromkeys("xvf", 3 * n_atoms)
    for real in (np.dtype(">f4"), np.dtype(">f8")):
        fits = all(
            size in (0, number * real.itemsize)
            for size, number in zip(sizes, numbers.values(), strict=True)
        )
        if n_atoms > 0 and any(sizes) and fits:
            counts = [size // real.itemsize for size in sizes]
            return _TrrHead(real, dict(zip(numbers, counts, strict=True)), n_atoms, step)
    raise damaged(f"the sizes of the arrays, {sizes}, do not fit {n_atoms} atoms")


def _trr_size(head: bytes) -> int | None:
    if len(head) < _TRR_HEAD.size:
        return None
    found = _trr_head(head)
    return found.start + sum(found.counts.values()) * found.real.itemsize


def open_trr(path: Path, *, strict: bool = False) -> ForeignFile:
    """Open a TRR file, in single or double precision; errors are those of `open_xtc`."""
    source = open_source(path)
    edges, notes = find_frames(source, _TRR_HEAD.size, _trr_size, strict=strict)
    first = _trr_head(source.data(0, _TRR_HEAD.size))
    found = opened(BinaryFrames(source, edges, _trr_frame), first.n_atoms, *notes)
    return found if first.real.itemsize == 4 else replace(found, precision_digits=15)


def _trr_frame(data: bytes, _number: int) -> ForeignFrame:
    head = _trr_head(data)
    numbers = np.frombuffer(data, head.real, offset=_TRR_HEAD.size).astype(float)
    starts = np.cumsum([2, *head.counts.values()])[:-1]
    (time_ps, _), *arrays = np.split(numbers, starts)
    parts = dict(zip(head.counts, arrays, strict=True))
    found = {name: part.reshape(-1, 3) for name, part in parts.items() if len(part)}
    return frame_of(
        found["box"] * _NM if "box" in found else None,
        found["x"] * _NM if "x" in found else None,
        head.step,
        float(time_ps),
        velocities=found["v"] * _NM if "v" in found else None,
        forces=found["f"] * (KILOJOULE_PER_MOLE / _NM) if "f" in found else None,
    )
