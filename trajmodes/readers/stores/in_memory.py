"""Objects of other libraries as runs: xarray, zarr and Dask arrays, and MDAnalysis."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

import numpy as np

from trajmodes.config.groups import ReadOptions
from trajmodes.readers.stores.array_store import open_store
from trajmodes.readers.stores.lazy import Opener
from trajmodes.readers.stores.zarr import require_chunks
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame, is_symbol
from trajmodes.units import DALTON, KILOJOULE_PER_MOLE

_SEEKING = Lock()
"""A trajectory of MDAnalysis has one current frame."""


def source_in_memory(data: object, options: ReadOptions) -> ForeignFile | None:
    """Describe a run in memory; None if it is neither arrays by name nor of MDAnalysis.

    Arrays are those of an `xarray.Dataset`, of a group of zarr, or of a dictionary. Units are
    attributes of the arrays, or ``options.units``.

    Raises
    ------
    UnitsError
        If a unit is not given, or unknown.
    DataError
        If there are neither positions nor velocities, or arrays do not fit each other.
    """
    group = getattr(data, "atoms", None)
    if hasattr(group, "universe"):
        return _source_of_atoms(group)
    if isinstance(data, Mapping) or (hasattr(data, "attrs") and hasattr(data, "__getitem__")):
        arrays: Any = _with_arrays(data)
        opened: Opener = partial(_nothing_to_close, arrays)
        return open_store(opened, partial(_array, arrays), _groups(arrays), options)
    return None


def _nothing_to_close(arrays: Any) -> AbstractContextManager[Mapping[str, Any]]:
    return nullcontext(arrays)


def _with_arrays(data: Any) -> Any:
    """Make arrays of the lists in a dictionary, such as that of species."""
    if not isinstance(data, dict):
        return data
    return {
        name: np.asarray(one) if isinstance(one, list | tuple) else one
        for name, one in data.items()
    }


def _array(data: Any, name: str) -> Any:
    # Dataset.get would also return numbers for a dimension of this name.
    if name not in data:
        return None
    found = data[name]
    if hasattr(found, "nchunks_initialized"):
        return require_chunks(found, name)
    return found if hasattr(found, "shape") else None


def _groups(data: Any) -> list[str]:
    if "particles" not in data or not hasattr(data["particles"], "keys"):
        return []
    return [f"particles/{name}" for name in data["particles"]]


def _source_of_atoms(group: Any) -> ForeignFile:
    """Describe atoms of MDAnalysis, in its units: Å, ps, kJ/(mol Å)."""
    species = tuple(map(str, getattr(group, "elements", ())))
    masses = np.asarray(getattr(group, "masses", ()), dtype=float)
    return ForeignFile(
        n_frames=len(group.universe.trajectory),
        n_atoms=len(group),
        frames=_AtomGroupFrames(group),
        unit_style="MDAnalysis",
        precision_digits=7,
        species=species if species and all(map(is_symbol, species)) else None,
        masses=masses * DALTON if masses.size and (masses > 0.0).all() else None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _AtomGroupFrames:
    """Reads frames [start, stop) when it is called."""

    group: Any

    def __call__(self, start: int, stop: int) -> Iterator[ForeignFrame]:
        """Read frames [start, stop)."""
        for t in range(start, stop):
            yield self._frame(t)

    def _frame(self, number: int) -> ForeignFrame:
        """Read a frame, and leave the current frame of the user unchanged."""
        trajectory = self.group.universe.trajectory
        with _SEEKING:
            before = trajectory.ts.frame
            try:
                now = trajectory[number]
                found = self._fields(trajectory, now)
            finally:
                trajectory[before]
        return found

    def _fields(self, trajectory: Any, now: Any) -> ForeignFrame:
        box = now.triclinic_dimensions
        cell = None if box is None else np.array(box, dtype=float)
        flat = cell is None or np.linalg.det(cell) == 0.0
        timed = bool(trajectory.units.get("time"))
        return ForeignFrame(
            np.array(self.group.positions, dtype=float) if now.has_positions else None,
            None if flat else cell,
            step=int(now.data["step"]) if "step" in now.data else None,
            time_ps=float(now.time) if timed else None,
            velocities=np.array(self.group.velocities, dtype=float)
            if now.has_velocities
            else None,
            forces=np.array(self.group.forces, dtype=float) * KILOJOULE_PER_MOLE
            if now.has_forces
            else None,
        )
