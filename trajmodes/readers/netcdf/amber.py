"""AMBER's convention of trajectories in NetCDF, as AMBER, LAMMPS and GPUMD write it.

Units are attributes of the variables, and their ``scale_factor`` multiplies the numbers. LAMMPS
gives units of time and length only, which show its unit style, and stores the step as the time,
with the time step as the scale factor. Atoms with ids come in any order. Source:
https://ambermd.org/netcdf/nctraj.xhtml; LAMMPS src/NETCDF/dump_netcdf.cpp.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UnitsError, with_location
from trajmodes.notes import Note
from trajmodes.readers.binary.frames import box_vectors, damaged
from trajmodes.readers.netcdf.chunks import StoredArray, Wanted, read_arrays, stored_array
from trajmodes.readers.netcdf.classic import Arrays, Rows, is_classic, open_classic
from trajmodes.readers.netcdf.converted import RUN, open_converted
from trajmodes.readers.netcdf.gpumd import PROGRAM, require_box_of_positions
from trajmodes.readers.stores.hdf5 import dataset, is_hdf5, opened, sound
from trajmodes.readers.stores.unit_names import unit_value
from trajmodes.readers.text.index_cache import incomplete_end
from trajmodes.readers.text.source import TextSource, open_source, read_head
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame, order_by_id
from trajmodes.readers.units import unit_factors

_POSITIONS = ("unwrapped_coordinates", "coordinates")
"""By preference."""
_QUANTITIES = {"velocities": "velocity", "forces": "force"}
_BOX = ("cell_lengths", "cell_angles")
_STYLES = {
    ("angstrom", "femtosecond"): "real",
    ("angstrom", "picosecond"): "metal",
    ("bohr", "femtosecond"): "electron",
    ("meter", "second"): "si",
    ("centimeter", "second"): "cgs",
    ("micrometer", "microsecond"): "micro",
    ("nanometer", "nanosecond"): "nano",
}
"""Unit styles of LAMMPS by its names of the units of length and time."""
_USED = ("units", "scale_factor")
"""Attributes of variables."""
_BATCH = 1 << 21
"""Bytes that are read at once, or one frame."""
_DIGITS = {4: 7, 8: 15}
_EXACT_STEPS = 1 << 24
"""Steps below this are whole numbers in single precision."""


def _text(value: Any) -> str:
    """Text of an attribute."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.strip("\0 ")


class _Stored(Protocol):
    """Numbers of the variables with frames."""

    def fill(self, rows: Sequence[Rows], start: int, stop: int) -> None:
        """Fill rows of variables with frames [start, stop)."""
        ...

    def read(self, names: tuple[str, ...], start: int, stop: int) -> Arrays:
        """Read variables in frames [start, stop)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Hdf5:
    """Variables of a NetCDF-4 file."""

    source: TextSource
    arrays: dict[str, StoredArray]
    """Those that are read without the library."""
    shapes: dict[str, tuple[int, ...]]
    """Of one frame of each variable."""

    def fill(self, rows: Sequence[Rows], start: int, stop: int) -> None:
        wanted = [
            Wanted(self.arrays[one.name], one.factor, one.out)
            for one in rows
            if one.name in self.arrays
        ]
        others = [one for one in rows if one.name not in self.arrays]
        with self.source.reading() as place:
            read_arrays(self.source, place, wanted, start, stop)
            if others:
                self._fill_by_library(others, start, stop)

    def _fill_by_library(self, rows: Sequence[Rows], start: int, stop: int) -> None:
        with opened(self.source.stamp.path) as file:
            for name, factor, out in rows:
                found = dataset(file, name)[start:stop].reshape(out.shape)
                with np.errstate(over="ignore", invalid="ignore"):
                    np.multiply(found, factor, out=out, dtype=float)

    def read(self, names: tuple[str, ...], start: int, stop: int) -> Arrays:
        n = stop - start
        found = {name: np.empty((n, *self.shapes[name])) for name in names}
        self.fill(
            [Rows(name, 1.0, out.reshape(n, -1)) for name, out in found.items()], start, stop
        )
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Contents:
    """Contents of a file in either kind of NetCDF."""

    stored: _Stored
    n_frames: int
    program: str
    attributes: dict[str, dict[str, Any]]
    """Of each variable with frames."""
    shapes: dict[str, tuple[int, ...]]
    """Of one frame of each variable."""
    item_sizes: dict[str, int]

    def scale(self, name: str) -> float:
        """Factor of the numbers of a variable."""
        found = np.asarray(self.attributes[name].get("scale_factor", 1.0), dtype=float).ravel()
        if len(found) != 1 or not np.isfinite(found).all() or found[0] == 0.0:
            raise damaged(f"the scale factor of {name} is {found[:3]}")
        return float(found[0])

    def unit(self, name: str) -> str:
        """Name of the unit of a variable; empty if there is none."""
        return _text(self.attributes.get(name, {}).get("units", ""))


@dataclass(frozen=True, slots=True, eq=False)
class _AmberFrames:
    """Reads frames [start, stop) when it is called."""

    contents: _Contents
    names: dict[str, str]
    """Variable of each field."""
    factors: dict[str, float]
    """Value of the number one of each variable, in internal units."""
    counts_steps: bool
    """Whether the time is a number of steps times its scale factor."""
    ids: Ints | None = field(default=None)
    """(a,) sorted ids."""

    def fill(self, start: int, stop: int, arrays: Mapping[str, Floats]) -> None:
        """Fill arrays of fields and cells with frames [start, stop)."""
        for t, cell in enumerate(self._fill(start, stop, arrays)):
            if cell is not None:
                arrays["cells"][t] = cell

    def __call__(self, start: int, stop: int) -> Iterator[ForeignFrame]:
        """Read frames [start, stop), several at once."""
        n_atoms = self.contents.shapes[next(iter(self.names.values()))][0]
        step = max(1, _BATCH // (24 * n_atoms * len(self.names)))
        for low in range(start, stop, step):
            high = min(low + step, stop)
            found = {name: np.empty((high - low, n_atoms, 3)) for name in self.names}
            cells = self._fill(low, high, found)
            times = self._times(low, high)
            for t, cell in enumerate(cells):
                number = None if times is None else float(times[t])
                yield ForeignFrame(
                    found["positions"][t] if "positions" in found else None,
                    cell,
                    self._step(number),
                    None if number is None else number * self.factors["time"],
                    **{name: found[name][t] for name in _QUANTITIES if name in found},
                )

    def _fill(self, start: int, stop: int, arrays: Mapping[str, Floats]) -> list[Floats | None]:
        """Fill arrays of fields with frames [start, stop); return their cells."""
        n = stop - start
        rows = [
            Rows(variable, self.factors[variable], arrays[name].reshape(n, -1))
            for name, variable in self.names.items()
        ]
        box = np.zeros((2, n, 3))
        if all(name in self.factors for name in _BOX):
            rows += [
                Rows(name, self.factors[name], out) for name, out in zip(_BOX, box, strict=True)
            ]
        self.contents.stored.fill(rows, start, stop)
        if self.ids is not None:
            self._sort(start, stop, [arrays[name] for name in self.names])
        return _cells(*box)

    def _sort(self, start: int, stop: int, fields: list[Floats]) -> None:
        """Sort the atoms of frames by id, in place."""
        ids = self.contents.stored.read(("id",), start, stop)["id"]
        in_order = np.arange(ids.shape[1])
        order = in_order
        for t, differs in enumerate(_differs_from_last(ids)):
            if differs:
                order = self._order(ids[t])
            if not np.array_equal(order, in_order):
                for field in fields:
                    field[t] = field[t, order]

    def _times(self, start: int, stop: int) -> npt.NDArray[Any] | None:
        """Read times (t,) in the unit of the file; None if there are none."""
        if "time" not in self.factors:
            return None
        return self.contents.stored.read(("time",), start, stop)["time"]

    def _step(self, number: float | None) -> int | None:
        """Step that the time of a frame stands for; None if it is not a step, or not exact."""
        if number is None or not self.counts_steps:
            return None
        is_step = 0.0 <= number < _EXACT_STEPS and number.is_integer()
        return int(number) if is_step else None

    def _order(self, ids: npt.NDArray[Any]) -> Ints:
        """Permutation (a,) that sorts the atoms of a frame by id."""
        order = np.argsort(ids, kind="stable").astype(np.int64)
        if self.ids is not None and not np.array_equal(ids[order], self.ids):
            raise DataError(
                "the ids of the atoms are not those of the first frame",
                why="atoms were lost, the group of the dump changes, or the file is damaged",
            )
        return order


def open_amber(path: Path, options: ReadOptions) -> ForeignFile:
    """Open a trajectory in NetCDF by AMBER's convention, classic or NetCDF-4.

    Raises
    ------
    DataError
        If the file is damaged, or not such a trajectory.
    UnitsError
        If units are neither in the file nor given.
    """
    notes: tuple[Note, ...] = ()
    try:
        if is_hdf5(path):
            with sound(path) as file:
                found = None
                if RUN in file.attrs:
                    found = open_converted(open_source(path), file, options)
                if found is not None:
                    return found
                contents = _open_hdf5(path, file)
        elif is_classic(read_head(path, 4)):
            contents, notes = _open_classic(path, options)
        else:
            raise damaged("the file is not NetCDF")
        return _described(contents, path, options, notes)
    except DataError as error:
        raise with_location(error, str(path)) from None


def _open_classic(path: Path, options: ReadOptions) -> tuple[_Contents, tuple[Note, ...]]:
    source = open_source(path, allow_partial=options.allow_partial)
    file = open_classic(source)
    end = file.first + file.n_records * file.stride
    cut = end if file.n_records < file.n_announced else -1
    name = f"number {file.n_records} of {file.n_announced}"
    notes = incomplete_end(source, cut, name, file.n_records, strict=options.strict)
    records = {name: one for name, one in file.variables.items() if one.is_record}
    return _Contents(
        file,
        file.n_records,
        _text(file.attributes.get("program", "")),
        {name: one.attributes for name, one in records.items()},
        {name: one.shape for name, one in records.items()},
        {name: one.kind.itemsize for name, one in records.items()},
    ), notes


def _open_hdf5(path: Path, file: Any) -> _Contents:
    wanted = (*_POSITIONS, *_QUANTITIES, *_BOX, "time", "id", "type")
    found = {name: one for name in wanted if (one := dataset(file, name)) is not None}
    lengths = {one.shape[0] for one in found.values() if one.shape}
    places = {name: stored_array(one) for name, one in found.items()}
    stored = {name: one for name, one in places.items() if one is not None}
    shapes = {name: one.shape[1:] for name, one in found.items() if one.shape}
    if len(lengths) > 1:
        raise damaged("the variables have different numbers of frames")
    return _Contents(
        _Hdf5(open_source(path), stored, shapes),
        lengths.pop() if lengths else 0,
        _text(file.attrs.get("program", "")),
        {
            name: {key: one.attrs[key] for key in _USED if key in one.attrs}
            for name, one in found.items()
            if one.shape
        },
        shapes,
        {name: one.dtype.itemsize for name, one in found.items() if one.shape},
    )


def _described(
    contents: _Contents, path: Path, options: ReadOptions, notes: tuple[Note, ...]
) -> ForeignFile:
    """Choose the variables that are read, and their units."""
    shapes = contents.shapes
    place = next((name for name in _POSITIONS if name in shapes), "")
    known = {"positions": place} | {name: name for name in _QUANTITIES}
    fields = {name: variable for name, variable in known.items() if variable in shapes}
    if not fields or not contents.n_frames:
        listed = ", ".join(shapes) or "none"
        raise DataError(
            f"no frame has the variable coordinates; there are {listed}",
            why="only trajectories by AMBER's convention are read",
            fix="dump ID all netcdf N FILE id type xu yu zu vx vy vz fx fy fz",
        )
    leading = next(iter(fields.values()))
    n_atoms = shapes[leading][0] if shapes[leading] else 0
    expected: dict[str, tuple[int, ...]] = dict.fromkeys(fields.values(), (n_atoms, 3))
    expected |= dict.fromkeys(_BOX, (3,))
    expected |= {"time": (), "id": (n_atoms,), "type": (n_atoms,)}
    for name, shape in expected.items():
        if name in shapes and (shapes[name] != shape or not n_atoms):
            raise damaged(f"{name} of a frame has the shape {shapes[name]}, not {shape}")
    lammps = contents.program.upper().startswith("LAMMPS")
    style, factors = _units(contents, fields, options, str(path))
    factors |= {"cell_angles": 1.0} if "cell_angles" in shapes else {}
    first = contents.stored.read(tuple(n for n in ("id", "type") if n in shapes), 0, 1)
    ids = types = None
    order = np.arange(n_atoms)
    if "id" in first:
        order = order_by_id(first["id"][0].astype(np.int64), "frame 0")
        ids = first["id"][0][order].astype(np.int64)
    if "type" in first:
        types = first["type"][0][order].astype(np.int64)
    frames = _AmberFrames(contents, fields, factors, lammps and "time" in shapes, ids)
    unwrapped = place == _POSITIONS[0]
    if contents.program == PROGRAM and not unwrapped:
        require_box_of_positions(next(frames(0, 1)))
    return ForeignFile(
        n_frames=contents.n_frames,
        n_atoms=n_atoms,
        frames=frames,
        fill=frames.fill,
        unwrapped=unwrapped,
        unit_style=style,
        precision_digits=_DIGITS.get(contents.item_sizes[leading], 7),
        ids=ids,
        types=types,
        notes=notes,
    )


def _units(
    contents: _Contents, fields: dict[str, str], options: ReadOptions, where: str
) -> tuple[str, dict[str, float]]:
    """Name of the units, and the value of one of each variable."""
    length = contents.unit(fields.get("positions", "")) or contents.unit("cell_lengths")
    style: str = options.units or ""
    if contents.program.upper().startswith("LAMMPS"):
        named = _STYLES.get((length.lower(), contents.unit("time").lower()), "")
        if length.lower() == "lj":
            named = "lj"
        if named and options.units and options.units != named:
            raise UnitsError(
                f"units {options.units} are requested, but the file is in {named}", where=where
            )
        style = named or style
    known = unit_factors(style, options.lj, where=where) if style else None
    wanted = {name: _QUANTITIES.get(key, "length") for key, name in fields.items()}
    wanted |= {"cell_lengths": "length", "time": "time"}
    factors = {}
    for name, quantity in wanted.items():
        if name not in contents.shapes:
            continue
        text = contents.unit(name)
        if known is not None and text.lower() in {"", "lj"} | {w for k in _STYLES for w in k}:
            value = getattr(known, quantity)
        else:
            text = text or (length if quantity == "length" else "")
            value = unit_value(text, quantity, where)
        factors[name] = value * contents.scale(name)
    return style or "AMBER", factors


def _differs_from_last(rows: npt.NDArray[Any]) -> Bools:
    """Whether each row (t, n) differs from the one before; true for the first."""
    return np.concatenate([[True], (rows[1:] != rows[:-1]).any(axis=1)])


def _cells(lengths: Floats, angles: Floats) -> list[Floats | None]:
    """Box vectors of each frame of lengths and angles (t, 3); None where a length is zero."""
    if not np.isfinite([lengths, angles]).all():
        raise damaged("the box is not finite")
    cells: list[Floats | None] = []
    for t, differs in enumerate(_differs_from_last(np.hstack([lengths, angles]))):
        if not differs:
            cells.append(cells[-1])
        else:
            cells.append(box_vectors(lengths[t], angles[t]) if lengths[t].all() else None)
    return cells
