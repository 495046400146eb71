"""LAMMPS text dumps as a trajectory: frames are parsed in parallel from byte ranges.

A read loads the text of a few frames at a time (about `_PIECE` bytes, or one frame if that is
larger), parses it into the returned arrays, and converts these to Cartesian coordinates in
internal units in place. Every read opens the files again, so any number of threads and
processes can read at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.errors import DataError
from trajmodes.kernels import kernel
from trajmodes.readers.lammps.columns import Layout
from trajmodes.readers.text.parse import TextFault, fill_rows, padded, row_of
from trajmodes.readers.text.rows import Target
from trajmodes.readers.text.source import TextSource
from trajmodes.readers.trajectory import AtomTable, FrameFields
from trajmodes.readers.units import UnitFactors

_PIECE = 1 << 21


@dataclass(frozen=True, slots=True, eq=False)
class FramePlaces:
    """Byte ranges of the rows of frames, and their columns."""

    sources: tuple[TextSource, ...]
    columns: tuple[tuple[str, ...], ...]
    """The different lists of column names."""
    file: Ints
    """(t,) index into ``sources``."""
    body: Ints
    """(t,) byte at which the rows start."""
    stop: Ints
    """(t,) byte at which they stop."""
    header: Ints
    """(t,) index into ``columns``."""
    steps: Ints
    """(t,) simulation step."""

    def name_of(self, frame: int) -> str:
        """File, number and step of a frame, for messages."""
        path = self.sources[self.file[frame]].stamp.path
        return f"{path}, frame {frame}, step {self.steps[frame]}"

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Divide frames [start, stop) into ranges that are read and parsed together."""
        first = start
        for t in range(start + 1, stop + 1):
            if (
                t == stop
                or self.file[t] != self.file[first]
                or self.header[t] != self.header[first]
                or self.body[t] < self.stop[t - 1]
                or self.stop[t] - self.body[first] > _PIECE
            ):
                yield first, t
                first = t


def parse_frames(
    places: FramePlaces, start: int, stop: int, target: Target, at: int = 0
) -> None:
    """Parse frames [start, stop), one of `FramePlaces.pieces`, into the fields.

    ``at`` is the index of the first one on the t axis of the fields.

    Raises
    ------
    DataError
        If the text is invalid, or the file has changed.
    """
    source = places.sources[places.file[start]]
    first, size = int(places.body[start]), int(places.stop[stop - 1] - places.body[start])
    text = padded(size)
    spans = np.stack([places.body[start:stop], places.stop[start:stop]], axis=1) - first
    try:
        with source.reading() as descriptor:
            source.fill(descriptor, text[:size], first)
            fill_rows(text, spans, at, target)
    except TextFault as fault:
        raise _with_location(fault, places, start + fault.frame, first + fault.at) from None


def _with_location(fault: TextFault, places: FramePlaces, frame: int, offset: int) -> DataError:
    source = places.sources[places.file[frame]]
    names = places.columns[places.header[frame]]
    column = f", column {names[fault.column]}" if 0 <= fault.column < len(names) else ""
    where = places.name_of(frame)
    return DataError(fault.what, where=f"{where}, line {source.line_at(offset)}{column}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LammpsFrames:
    """Frames of LAMMPS text dumps."""

    layout: Layout
    factors: UnitFactors
    places: FramePlaces
    atoms: AtomTable
    """The atoms; every frame is brought into their order."""
    n_atoms: int
    cells: Floats
    """(t, 3, 3), unit: Å. Rows are the box vectors."""
    origins: Floats
    """(t, 3), unit: Å. Corners of the box."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, cells="t 3 3", origins="t 3")

    def read(self, start: int, stop: int) -> FrameFields:
        """Read frames [start, stop)."""
        fields = np.empty((len(self.layout.fields), stop - start, self.n_atoms, 3))
        plans = [self.layout.plan(names) for names in self.places.columns]
        none = np.empty(0, dtype=np.int64)
        ids = none if self.atoms.ids is None else self.atoms.ids
        types = none if self.atoms.types is None else self.atoms.types
        for first, last in self.places.pieces(start, stop):
            target = Target(plans[self.places.header[first]], ids, types, fields)
            parse_frames(self.places, first, last, target, first - start)
        return self._in_internal_units(start, stop, fields)

    def place(self, frame: int, atom: int) -> str:
        """Name file and line of an atom in a frame."""
        places = self.places
        source, body = places.sources[places.file[frame]], int(places.body[frame])
        text = source.data(body, int(places.stop[frame]) - body)
        names = places.columns[places.header[frame]]
        column = names.index("id") if self.atoms.ids is not None else None
        number = atom if self.atoms.ids is None else int(self.atoms.ids[atom])
        line = source.line_at(body) + row_of(text, column, number)
        return f"{source.stamp.path}, line {line}"

    def _in_internal_units(self, start: int, stop: int, fields: Floats) -> FrameFields:
        """Convert the columns to positions, velocities and forces, in place."""
        cells = self.cells[start:stop]
        form, factors, named = self.layout.coordinates, self.factors, iter(fields)
        positions = next(named)
        velocities = next(named) if self.layout.velocities else None
        forces = next(named) if self.layout.forces else None
        if form.scaled:
            _from_scaled(positions, cells, self.origins[start:stop])
        for array, factor in (
            (None if form.scaled else positions, factors.length),
            (velocities, factors.velocity),
            (forces, factors.force),
        ):
            if array is not None and factor != 1.0:
                # Infinities are reported later, as outliers.
                with np.errstate(over="ignore"):
                    np.multiply(array, factor, out=array)
        if form.images:
            _add_images(positions, next(named), cells)
        return FrameFields(cells, positions, velocities, forces)


@kernel()
def _from_scaled(positions: Floats, cells: Floats, origins: Floats) -> None:
    """Scaled to Cartesian coordinates in place: x = origin + s @ cell."""
    for t in range(positions.shape[0]):
        cell, origin = cells[t], origins[t]
        for a in range(positions.shape[1]):
            s0, s1, s2 = positions[t, a, 0], positions[t, a, 1], positions[t, a, 2]
            for x in range(3):
                shift = s0 * cell[0, x] + s1 * cell[1, x] + s2 * cell[2, x]
                positions[t, a, x] = origin[x] + shift


@kernel()
def _add_images(positions: Floats, images: Floats, cells: Floats) -> None:
    """Unwrap in place: x += image @ cell."""
    for t in range(positions.shape[0]):
        cell = cells[t]
        for a in range(positions.shape[1]):
            i0, i1, i2 = images[t, a, 0], images[t, a, 1], images[t, a, 2]
            for x in range(3):
                positions[t, a, x] += i0 * cell[0, x] + i1 * cell[1, x] + i2 * cell[2, x]
