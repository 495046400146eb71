"""Runs that `trajmodes convert` wrote: NetCDF-4 by AMBER's convention, in Å, ps and eV.

Variables in addition to AMBER's make the run equal to that of the original file, bit by bit:
box vectors, steps, segments, ids, types, elements and masses. Data other than arrays are an
attribute in JSON. Numbers that came from text are packed, see `digits`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import UnitsError
from trajmodes.notes import Note
from trajmodes.readers.binary.frames import damaged
from trajmodes.readers.netcdf.chunks import StoredArray, Wanted, read_arrays, stored_array
from trajmodes.readers.stores.hdf5 import dataset
from trajmodes.readers.stores.lazy import as_text
from trajmodes.readers.text.source import TextSource
from trajmodes.readers.time_axis import TimeAxis
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame, Trajectory

RUN = "trajmodes_run"
"""Attribute of the file: what is no array, in JSON."""
FIELDS = {
    "positions": ("coordinates", "angstrom"),
    "velocities": ("velocities", "angstrom/picosecond"),
    "forces": ("forces", "electronvolt/angstrom"),
}
"""Field → its variable and unit."""
CELLS, STEPS, TIMES, SEGMENTS = "box_vectors", "step", "time", "segment"
ELEMENTS, MASSES, IDS, TYPES = "element", "mass", "atom_id", "atom_type"
_LETTERS = 2
"""Of the symbol of an element."""


def described(run: Trajectory, units: Mapping[str, float]) -> str:
    """Text of the attribute for a run whose fields were read from text in some units."""
    return json.dumps(
        {
            "unit_style": run.unit_style,
            "units": dict(units),
            "unwrapped": run.unwrapped,
            "precision_digits": run.precision_digits,
            "rounding": run.rounding,
            "numbered": run.time.numbered,
            "interval_ps": run.interval_ps,
            "notes": [asdict(note) for note in run.notes],
        }
    )


def letters_of(species: tuple[str, ...]) -> Any:
    """Characters (a, 2) of chemical symbols."""
    return np.array([list(name.ljust(_LETTERS)) for name in species], dtype="S1")


@dataclass(frozen=True, slots=True, eq=False)
class _ConvertedFrames:
    """Fills arrays with frames, or reads them one by one when it is called."""

    source: TextSource
    arrays: dict[str, StoredArray]
    """Field → where its numbers lie; cells are one of them if there is a box."""
    units: dict[str, float]
    time: TimeAxis
    n_atoms: int

    def fill(self, start: int, stop: int, arrays: Mapping[str, Floats]) -> None:
        """Fill arrays of fields and cells with frames [start, stop)."""
        wanted = [
            Wanted(one, 1.0, arrays[name].reshape(stop - start, -1), self.units.get(name, 0.0))
            for name, one in self.arrays.items()
        ]
        with self.source.reading() as opened:
            read_arrays(self.source, opened, wanted, start, stop)

    def __call__(self, start: int, stop: int) -> Iterator[ForeignFrame]:
        """Read frames [start, stop)."""
        times = self.time.times_ps
        for t in range(start, stop):
            one = {
                name: np.empty((1, 3 if name == "cells" else self.n_atoms, 3))
                for name in self.arrays
            }
            self.fill(t, t + 1, one)
            found = {name: array[0] for name, array in one.items()}
            yield ForeignFrame(
                found.get("positions"),
                found.get("cells"),
                int(self.time.steps[t]) if self.time.numbered else None,
                None if times is None else float(times[t]),
                found.get("velocities"),
                found.get("forces"),
            )


def open_converted(source: TextSource, file: Any, options: ReadOptions) -> ForeignFile | None:
    """Open a run that `trajmodes convert` wrote; None if another program has rewritten it.

    ``file`` is the same file, opened by h5py.

    Raises
    ------
    DataError
        If it is damaged.
    UnitsError
        If units are given: the file is in Å, ps and eV.
    """
    if options.units is not None:
        raise UnitsError(
            f"units {options.units} are given, but the file defines its units",
            where=str(source.stamp.path),
            fix="omit the units",
        )
    names = {field: name for field, (name, _) in FIELDS.items()} | {"cells": CELLS}
    found = {field: dataset(file, name) for field, name in names.items()}
    arrays = {field: stored_array(array) for field, array in found.items() if array is not None}
    stored = {field: array for field, array in arrays.items() if array is not None}
    vectors = [array for field, array in stored.items() if field in FIELDS]
    if stored.keys() != arrays.keys() or not vectors:
        return None
    try:
        known = json.loads(as_text(file.attrs[RUN]))
        units = {field: float(unit) for field, unit in known["units"].items()}
        notes = tuple(Note(**note) for note in known["notes"])
        time = _time_axis(file, known)
        n_atoms = vectors[0].width // 3
        _require_shapes(found, len(time.steps), n_atoms)
        frames = _ConvertedFrames(source, stored, units, time, n_atoms)
        return ForeignFile(
            n_frames=len(time.steps),
            n_atoms=n_atoms,
            frames=frames,
            fill=frames.fill,
            time=time,
            unwrapped=bool(known["unwrapped"]),
            unit_style=str(known["unit_style"]),
            precision_digits=int(known["precision_digits"]),
            rounding=float(known["rounding"]),
            species=_species(file),
            types=_whole(file, TYPES),
            masses=_whole(file, MASSES),
            ids=_whole(file, IDS),
            notes=notes,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(f"the description of the run cannot be read: {error}") from None


def _require_shapes(found: Mapping[str, Any], n_frames: int, n_atoms: int) -> None:
    for field, array in found.items():
        shape = (n_frames, 3 if field == "cells" else n_atoms, 3)
        if array is not None and tuple(array.shape) != shape:
            raise damaged(f"{field} have shape {array.shape}, not {shape}")


def _time_axis(file: Any, known: Mapping[str, Any]) -> TimeAxis:
    steps, times = _whole(file, STEPS), _whole(file, TIMES)
    starts = [] if (found := _whole(file, SEGMENTS)) is None else found.tolist()
    if steps is None or not starts:
        raise damaged("the steps of the frames are missing")
    segments = tuple(zip(starts, [*starts[1:], len(steps)], strict=True))
    interval_ps = known["interval_ps"]
    return TimeAxis(
        steps,
        times,
        None if interval_ps is None else float(interval_ps),
        segments,
        numbered=bool(known["numbered"]),
    )


def _whole(file: Any, name: str) -> Any:
    """Numbers of a whole array; None if there is none."""
    found: Ints | Floats | None = dataset(file, name)
    return None if found is None else np.asarray(found[()])


def _species(file: Any) -> tuple[str, ...] | None:
    found = _whole(file, ELEMENTS)
    if found is None:
        return None
    return tuple(b"".join(row).decode("ascii").strip() for row in found.tolist())
