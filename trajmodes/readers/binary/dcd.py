"""DCD files of CHARMM, NAMD, LAMMPS and others."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.errors import DataError, with_location
from trajmodes.notes import Note
from trajmodes.readers.binary.frames import (
    BinaryFrames,
    box_vectors,
    damaged,
    equal_frames,
    frame_of,
    opened,
)
from trajmodes.readers.text.source import TextSource, open_source
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame

_NAME = b"CORD"
_HEAD = 84
"""Bytes of the first record: the name and twenty numbers."""
_N_FRAMES, _FIRST_STEP, _STRIDE, _FIXED, _HAS_BOX, _HAS_FOUR_AXES, _VERSION = (
    0,
    1,
    2,
    8,
    10,
    11,
    19,
)
"""Places of these among the numbers."""
_LONGEST_HEAD = 1 << 20
"""Bytes, most of them lines of text."""
_BOX = 48
"""Bytes of the box, six numbers."""
_MARK = 4
"""Bytes of the size of a record, which stands before and after it."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Properties that all frames of a file have in common."""

    order: Literal["<", ">"]
    """Byte order of all numbers."""
    n_atoms: int
    has_box: bool
    n_axes: int
    """3, or 4 with a component that is not used."""
    first_step: int
    stride: int
    """Steps between frames."""
    start: int
    """Byte at which the first frame begins."""

    @property
    def frame_size(self) -> int:
        box = _BOX + 2 * _MARK if self.has_box else 0
        return box + self.n_axes * (4 * self.n_atoms + 2 * _MARK)

    def __call__(self, data: bytes, number: int) -> ForeignFrame:
        """Convert the bytes of a frame."""
        cell, rest = None, data
        if self.has_box:
            box, rest = _record(data, _BOX, self.order)
            cell = _cell(np.frombuffer(box, self.order + "f8"))
        axes = []
        for _ in range(self.n_axes):
            record, rest = _record(rest, 4 * self.n_atoms, self.order)
            axes.append(np.frombuffer(record, self.order + "f4"))
        positions = np.stack(axes[:3], axis=1).astype(float)
        return frame_of(cell, positions, self.first_step + number * self.stride)


def _number(value: int, order: str) -> bytes:
    return np.array(value, order + "i4").tobytes()


def _record(data: bytes, size: int, order: str) -> tuple[bytes, bytes]:
    """Record of a known size at the beginning of some bytes, and the bytes after it."""
    end = size + 2 * _MARK
    if not 0 <= size <= len(data) - 2 * _MARK:
        raise damaged(f"a record of {size} bytes exceeds the {len(data)} bytes that are left")
    if not data[:_MARK] == data[end - _MARK : end] == _number(size, order):
        raise damaged(f"the marks of a record of {size} bytes are wrong")
    return data[_MARK : end - _MARK], data[end:]


def open_dcd(path: Path, *, strict: bool = False) -> ForeignFile:
    """Open a DCD file; ``strict`` makes an incomplete last frame an error.

    Its time is not used, because programs disagree about its unit.

    Raises
    ------
    DataError
        If the file is damaged, has no complete frame, or omits fixed atoms.
    """
    source = open_source(path)
    try:
        layout, n_announced = _layout(source)
    except DataError as error:
        raise with_location(error, str(path)) from None
    edges, notes = equal_frames(source, layout.start, layout.frame_size, strict=strict)
    texts = ["DCD contains neither velocities nor forces, and positions to seven digits"]
    if n_announced >= len(edges):
        texts.append(f"{path.name} announces {n_announced} frames and has {len(edges) - 1}")
    notes += tuple(Note("warning", text) for text in texts)
    return opened(BinaryFrames(source, edges, layout), layout.n_atoms, *notes)


def _layout(source: TextSource) -> tuple[_Layout, int]:
    """Layout of the frames, and their announced number."""
    data = source.data(0, min(source.size, _LONGEST_HEAD))
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    found = [order for order in orders if data.startswith(_number(_HEAD, order) + _NAME)]
    if not found:
        raise damaged(f"the file does not begin with {_HEAD} and {_NAME.decode()}")
    order = found[0]
    head, rest = _record(data, _HEAD, order)
    numbers = np.frombuffer(head, order + "i4")[1:].tolist()
    title = np.frombuffer(rest[:_MARK].ljust(_MARK), order + "i4")
    _, rest = _record(rest, int(title[0]), order)
    count, rest = _record(rest, 4, order)
    n_atoms = int(np.frombuffer(count, order + "i4")[0])
    if not 0 < n_atoms < source.size:
        raise damaged(f"the number of atoms is {n_atoms}")
    if n_fixed := numbers[_FIXED]:
        raise DataError(
            f"{n_fixed} atoms are fixed: only the first frame contains them",
            why="CHARMM and NAMD leave out atoms that do not move, which have no modes either",
            fix="run without fixed atoms, or write all atoms with another program",
        )
    # X-PLOR, which has no version, used the other numbers for its time step.
    charmm = numbers[_VERSION] != 0
    layout = _Layout(
        order=order,
        n_atoms=n_atoms,
        has_box=charmm and numbers[_HAS_BOX] != 0,
        n_axes=4 if charmm and numbers[_HAS_FOUR_AXES] == 1 else 3,
        first_step=numbers[_FIRST_STEP],
        stride=max(numbers[_STRIDE], 1),
        start=len(data) - len(rest),
    )
    return layout, numbers[_N_FRAMES]


def _cell(box: Floats) -> Floats | None:
    """Box vectors; the six numbers are A, γ, B, β, α, C, angles in degrees or as cosines."""
    return box_vectors(box[[0, 2, 5]], box[[4, 3, 1]]) if box.any() else None
