"""Runs in named arrays: H5MD, and HDF5, zarr or xarray with arrays named after quantities.

H5MD has ``particles/GROUP/position/value`` with ``step`` and ``time`` beside it, and so on
(https://www.nongnu.org/h5md). Other stores have arrays ``positions``, ``cells``,
``velocities``, ``forces``, ``time``, ``step``, ``species``, ``masses``. Units are attributes
``unit`` or ``units`` of the arrays; without them they have to be given.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, TrajmodesError, UnitsError, with_location
from trajmodes.notes import Note
from trajmodes.readers.stores.lazy import (
    LazyArray,
    LazyFrames,
    Opener,
    as_text,
    require_frames,
    rows_by_step,
)
from trajmodes.readers.stores.unit_names import unit_value
from trajmodes.readers.trajectory import ForeignFile, is_symbol
from trajmodes.readers.units import UnitFactors, unit_factors

_QUANTITIES = {"positions": "length", "velocities": "velocity", "forces": "force"}
_PLAIN = {
    "positions": ("positions", "position"),
    "velocities": ("velocities", "velocity"),
    "forces": ("forces", "force"),
    "cells": ("cells", "cell", "box"),
    "species": ("species", "symbols", "numbers"),
    "masses": ("masses", "mass"),
    "time": ("time", "times"),
    "step": ("step", "steps"),
}
_H5MD = {
    "positions": "position",
    "velocities": "velocity",
    "forces": "force",
    "cells": "box/edges",
    "species": "species",
    "masses": "mass",
    "ids": "id",
}
_MOST_DIGITS = 7

Find = Callable[[str], Any]
"""Returns the array of a name, or None."""


@dataclass(frozen=True, slots=True)
class _Names:
    """Names of the arrays of a run."""

    arrays: Mapping[str, str]
    """Quantity → name, for those that there are."""
    of_steps: Mapping[str, str]
    """Quantity → name of its own steps."""
    time: str = ""

    @property
    def base(self) -> str:
        """Quantity that numbers the frames: positions, or else velocities, or else forces."""
        return next((name for name in _QUANTITIES if name in self.arrays), "")


@contextmanager
def located_in(path: Path) -> Iterator[None]:
    """Add the path of a file or folder to the place that an error names."""
    try:
        yield
    except UnitsError as error:
        where = f"{path}, {error.where}"
        raise UnitsError(error.what, where=where, why=error.why, fix=error.fix) from None
    except TrajmodesError as error:
        raise with_location(error, str(path)) from None


def open_store(
    opened: Opener, find: Find, groups: list[str], options: ReadOptions
) -> ForeignFile:
    """Describe a run in arrays.

    Parameters
    ----------
    opened
        Opens the arrays again, for reading frames.
    find
        Finds an array in the open store.
    groups
        Names of the groups of particles of an H5MD file; empty for other stores.

    Raises
    ------
    UnitsError
        If a unit is not given, or unknown.
    DataError
        If there are neither positions nor velocities, or arrays do not fit each other.
    """
    names = _names(find, groups)
    base = names.base
    if not base:
        raise DataError(
            "there are no positions",
            why="an array “positions” (frames, atoms, 3), or particles/…/position of H5MD, is "
            "looked for; velocities alone are enough for trajmodes project",
        )
    arrays = {name: find(place) for name, place in names.arrays.items()}
    n_frames, n_atoms = require_frames(arrays[base], base)
    style = None if options.units is None else unit_factors(options.units, options.lj)
    steps, times = _marks(find, names, n_frames, style)
    made: dict[str, LazyArray] = {}
    for name, quantity in _QUANTITIES.items():
        if name in arrays:
            length, _ = require_frames(arrays[name], name, n_atoms, base)
            rows = _rows(find, names, name, steps, (n_frames, length))
            factor = _factor(arrays[name], quantity, style, names.arrays[name])
            made[name] = LazyArray(names.arrays[name], factor, rows)
    cell = _cells(find, names, steps, style, n_frames, made)
    ids = names.arrays.get("ids", "")
    ordered = not ids or arrays["ids"].shape != (n_frames, n_atoms)
    species, types, masses = _atoms(arrays, n_atoms, style)
    notes = []
    if not ordered:
        notes.append(Note("note", "atoms are sorted by their ids in every frame"))
        species = types = masses = None
    double = np.dtype(arrays[base].dtype).itemsize == 8
    return ForeignFile(
        n_frames=n_frames,
        n_atoms=n_atoms,
        frames=LazyFrames(opened, made, steps, times, cell, ids="" if ordered else ids),
        unit_style=options.units or "arrays",
        precision_digits=16 if double else _MOST_DIGITS,
        species=species,
        types=types,
        masses=masses,
        notes=tuple(notes),
    )


def _names(find: Find, groups: list[str]) -> _Names:
    """Find the names of the arrays."""
    if not groups:
        found = {
            quantity: next((name for name in names if find(name) is not None), "")
            for quantity, names in _PLAIN.items()
        }
        arrays = {name: place for name, place in found.items() if place}
        step, time = arrays.pop("step", ""), arrays.pop("time", "")
        plain = _Names(arrays, {}, time)
        return replace(plain, of_steps={plain.base: step}) if step else plain
    base, chosen = _groups_with_motion(find, groups)
    if len(chosen) > 1:
        raise DataError(
            f"the file has the {base} of {len(chosen)} groups of particles: "
            f"{', '.join(chosen[:5])}",
            fix="write the atoms of the crystal as one group",
        )
    arrays, steps, time = {}, {}, ""
    for group in chosen:
        for quantity, place in _H5MD.items():
            for name in (f"{group}/{place}/value", f"{group}/{place}"):
                if quantity not in arrays and find(name) is not None:
                    arrays[quantity] = name
            if find(f"{group}/{place}/step") is not None:
                steps[quantity] = f"{group}/{place}/step"
        if find(f"{group}/{_H5MD[base]}/time") is not None:
            time = f"{group}/{_H5MD[base]}/time"
    return _Names(arrays, steps, time)


def _groups_with_motion(find: Find, groups: list[str]) -> tuple[str, list[str]]:
    """Find the groups of H5MD with positions, or else velocities or forces, and say which."""
    for name in _QUANTITIES:
        found = [one for one in groups if find(f"{one}/{_H5MD[name]}/value") is not None]
        if found:
            return name, found
    return "positions", []


def _marks(
    find: Find, names: _Names, n_frames: int, style: UnitFactors | None
) -> tuple[Ints | None, Floats | None]:
    """Find the steps and times in ps of the frames; None if there are none."""
    steps = times = None
    if names.base in names.of_steps:
        steps = _series(find(names.of_steps[names.base]), n_frames)
    if names.time:
        array = find(names.time)
        times = _series(array, n_frames)
        unit = _unit(array)
        if times is not None and (unit or style is not None):
            assert style is not None or unit
            factor = unit_value(unit, "time", names.time) if unit else 0.0
            times = times * (factor or (style.time if style is not None else 0.0))
        else:
            times = None
    return None if steps is None else steps.astype(np.int64), times


def _series(array: Any, n_frames: int) -> Floats | None:
    """Numbers of frames: an array, or one interval with an offset; None if they do not fit."""
    if np.dtype(array.dtype).kind not in "fiu":
        return None
    if array.shape == ():
        start = float(np.asarray(array.attrs.get("offset", 0.0)))
        return np.asarray(start + float(np.asarray(array[()])) * np.arange(n_frames))
    if len(array.shape) != 1 or array.shape[0] < n_frames:
        return None
    return np.asarray(array[:n_frames], dtype=float)


def _rows(
    find: Find, names: _Names, name: str, steps: Ints | None, lengths: tuple[int, int]
) -> Ints | None:
    """Row of every frame in the array of a quantity."""
    n_frames, n_rows = lengths
    own = names.of_steps.get(name)
    marks = None if own is None or steps is None else _series(find(own), n_rows)
    if marks is not None and steps is not None:
        return rows_by_step(steps, marks.astype(np.int64), (names.base, name))
    if n_rows != n_frames:
        raise DataError(f"there are {n_frames} frames of {names.base} and {n_rows} of {name}")
    return None


def _cells(
    find: Find,
    names: _Names,
    steps: Ints | None,
    style: UnitFactors | None,
    n_frames: int,
    made: dict[str, LazyArray],
) -> Floats | None:
    """Cell of all frames in Å; that of every frame is added to the arrays ``made``."""
    if "cells" not in names.arrays:
        return None
    place = names.arrays["cells"]
    array = find(place)
    shape = tuple(array.shape)
    if np.dtype(array.dtype).kind not in "fiu" or shape[-1:] != (3,) or len(shape) > 3:
        raise DataError(f"the cells have shape {shape}, expected (frames, 3, 3) or (3, 3)")
    factor = _factor(array, "length", style, place)
    constant = shape in {(3,), (3, 3)} and not place.endswith("/value")
    if constant:
        cell = np.asarray(array[()], dtype=float) * factor
        return np.diag(cell) if cell.ndim == 1 else cell
    rows = _rows(find, names, "cells", steps, (n_frames, shape[0]))
    made["cells"] = LazyArray(place, factor, rows)
    return None


def _unit(array: Any) -> str:
    attributes = getattr(array, "attrs", {})
    return next(
        (as_text(attributes[key]) for key in ("unit", "units") if key in attributes), ""
    )


def _factor(array: Any, quantity: str, style: UnitFactors | None, name: str) -> float:
    unit = _unit(array)
    if unit or style is None:
        return unit_value(unit, quantity, name)
    return float(getattr(style, quantity))


def _atoms(
    arrays: Mapping[str, Any], n_atoms: int, style: UnitFactors | None
) -> tuple[tuple[str, ...] | None, Ints | None, Floats | None]:
    """Species, types and masses; None for those that are missing."""
    species = types = masses = None
    if "species" in arrays:
        array = arrays["species"]
        values = array[0] if len(array.shape) == 2 else array[()]
        if np.shape(values) == (n_atoms,):
            names = _kinds(array, values)
            if all(map(is_symbol, names)):
                species = tuple(names)
            elif np.asarray(values).dtype.kind in "iu":
                types = np.asarray(values, dtype=np.int64)
    if "masses" in arrays and (style is not None or _unit(arrays["masses"])):
        array = arrays["masses"]
        values = array[0] if len(array.shape) == 2 else array[()]
        if np.shape(values) == (n_atoms,) and np.asarray(values).dtype.kind in "fiu":
            factor = _factor(array, "mass", style, "masses")
            masses = np.asarray(values, dtype=float) * factor
    return species, types, masses if masses is None or (masses > 0.0).all() else None


def _kinds(array: Any, values: Any) -> list[str]:
    """Names of species, which are text, members of an enumeration, or numbers."""
    metadata = np.dtype(array.dtype).metadata or {}
    members = {number: name for name, number in metadata.get("enum", {}).items()}
    return [
        members.get(one, "") if members else as_text(one) for one in np.asarray(values).tolist()
    ]
