"""Frames of extended and plain XYZ files, from whichever program, in internal units."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError
from trajmodes.readers.text.parse import TextFault, fill_rows, padded, row_of
from trajmodes.readers.text.rows import ID, Target
from trajmodes.readers.text.source import TextSource
from trajmodes.readers.trajectory import FrameFields

_PIECE = 1 << 21
"""Bytes that are read and parsed together, if a frame is not larger."""


class XyzFile(NamedTuple):
    """One file, and how its rows are read."""

    source: TextSource
    plans: tuple[Ints, ...]
    """(c,) codes for `scan.fill_rows`, for each order of the columns that occurs."""
    ids: Ints
    """(a,) sorted ids, or empty."""
    types: Ints
    """(a,) types, or empty."""


@dataclass(frozen=True, slots=True, eq=False)
class XyzFrames:
    """Frames of XYZ files."""

    files: tuple[XyzFile, ...]
    places: Ints
    """(t, 5) file, order of the columns, number of the frame in the file, start and stop of
    its rows."""
    steps: Ints
    """(t,) simulation step, for messages."""
    n_atoms: int
    """Number of atoms."""
    cells: Floats
    """(t, 3, 3), unit: Å."""
    factors: tuple[Floats, Floats | None, Floats | None]
    """Factors of the positions, velocities and forces, as (1, 1), or as (a, 1) where momenta
    become velocities; None for what the files have not."""

    def read(self, start: int, stop: int) -> FrameFields:
        """Frames [start, stop).

        Raises
        ------
        DataError
            If a frame holds what it must not hold, or the file has changed.
        """
        n_fields = sum(factor is not None for factor in self.factors)
        fields = np.empty((n_fields, stop - start, self.n_atoms, 3))
        for low, high in self._pieces(start, stop):
            self._parse(low, high, low - start, fields)
        parsed = iter(fields)
        positions, *others = (
            None if factor is None else _scaled(next(parsed), factor) for factor in self.factors
        )
        assert positions is not None
        return FrameFields(self.cells[start:stop], positions, *others)

    def name_of(self, frame: int) -> str:
        """File, number and step of a frame, for messages."""
        file, _, number, _, _ = self.places[frame].tolist()
        return f"{self.files[file].source.stamp.path}, frame {number}, step {self.steps[frame]}"

    def place(self, frame: int, atom: int) -> str:
        """Name file and line of an atom in a frame."""
        file, layout, _, start, stop = self.places[frame].tolist()
        source, plans, ids, _ = self.files[file]
        named = np.flatnonzero(plans[layout] == ID)
        column = int(named[0]) if len(named) and len(ids) else None
        number = atom if column is None else int(ids[atom])
        row = row_of(source.data(start, stop - start), column, number)
        return f"{source.stamp.path}, line {source.line_at(start) + row}"

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Ranges of frames that are read and parsed together."""
        rows = self.places[start:stop].tolist()
        low = 0
        for t in range(1, len(rows) + bool(rows)):
            if (
                t == len(rows)
                or rows[t][:2] != rows[low][:2]
                or rows[t][3] < rows[t - 1][4]
                or rows[t][4] - rows[low][3] > _PIECE
            ):
                yield start + low, start + t
                low = t

    def _parse(self, low: int, high: int, first: int, fields: Floats) -> None:
        file, layout, _, offset, _ = self.places[low].tolist()
        source, plans, ids, types = self.files[file]
        size = int(self.places[high - 1, 4]) - offset
        text = padded(size)
        try:
            with source.reading() as descriptor:
                source.fill(descriptor, text[:size], offset)
                target = Target(plans[layout], ids, types, fields)
                fill_rows(text, self.places[low:high, 3:] - offset, first, target)
        except TextFault as fault:
            column = f", column {fault.column + 1}" if fault.column >= 0 else ""
            line = source.line_at(offset + fault.at)
            where = f"{self.name_of(low + fault.frame)}, line {line}{column}"
            raise DataError(fault.what, where=where) from None


def _scaled(field: Floats, factor: Floats) -> Floats:
    """Multiply a field (t, a, 3) in place by a factor (1, 1) or (a, 1)."""
    if (factor != 1.0).any():
        # Infinities are outliers, and are named as such.
        with np.errstate(over="ignore"):
            field *= factor
    return field
