"""Extended and plain XYZ trajectories, from whichever program, in internal units."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data import FrameBlock
from trajmodes.errors import DataError, UsageError
from trajmodes.readers.compressed import TextSource
from trajmodes.readers.scan import Target, TextFault, fill_rows, padded
from trajmodes.readers.trajectory import Trajectory

__all__ = ["XyzFile", "XyzTrajectory"]

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class XyzTrajectory(Trajectory):
    """Frames of XYZ files."""

    files: tuple[XyzFile, ...] = field(repr=False)
    places: Ints = field(repr=False)
    """(t, 5) file, order of the columns, number of the frame in the file, start and stop of
    its rows."""
    cells: Floats = field(repr=False)
    """(t, 3, 3), unit: Å."""
    factors: tuple[Floats, ...] = field(repr=False)
    """Factors of the positions, velocities and forces that there are, as (1, 1), or as (a, 1)
    where momenta become velocities."""

    def read(self, start: int, stop: int) -> FrameBlock:
        """Frames [start, stop).

        Raises
        ------
        UsageError
            If the range lies outside the trajectory.
        DataError
            If a frame holds what it must not hold, or the file has changed.
        """
        if not 0 <= start <= stop <= self.n_frames:
            raise UsageError(f"frames {start} to {stop} are asked for, out of {self.n_frames}")
        fields = np.empty((len(self.factors), stop - start, self.n_atoms, 3))
        for low, high in self._pieces(start, stop):
            self._parse(low, high, low - start, fields)
        for f, factor in enumerate(self.factors):
            if (factor != 1.0).any():
                fields[f] *= factor
        named = iter(fields)
        return FrameBlock(
            first_frame=start,
            steps=self.steps[start:stop],
            cells=self.cells[start:stop],
            positions=next(named),
            velocities=next(named) if self.has_velocities else None,
            forces=next(named) if self.has_forces else None,
            unwrapped=self.unwrapped,
        )

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
            t = low + fault.frame
            place = f"frame {self.places[t, 2]}, step {self.steps[t]}"
            column = f", column {fault.column + 1}" if fault.column >= 0 else ""
            line = source.line_at(offset + fault.at)
            raise DataError(
                fault.what, where=f"{source.stamp.path}, {place}, line {line}{column}"
            ) from None
