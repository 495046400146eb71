"""Frames in arrays that are read in pieces: those of HDF5 and zarr, of xarray and Dask."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError
from trajmodes.readers.trajectory import ForeignFrame

_PIECE = 1 << 23
"""Bytes of an array that are read together."""

Opener = Callable[[], AbstractContextManager[Mapping[str, Any]]]
"""Opens arrays, which are found by their names; picklable, to be called by any worker."""


@dataclass(frozen=True, slots=True, eq=False)
class LazyArray:
    """One quantity of a run."""

    name: str
    factor: float = 1.0
    """To internal units."""
    rows: Ints | None = None
    """(t,) row of each frame; None if they are the same."""

    def read(self, arrays: Mapping[str, Any], start: int, stop: int) -> Floats:
        """Values of frames [start, stop)."""
        array = arrays[self.name]
        if self.rows is None:
            found = np.asarray(array[start:stop], dtype=float)
        else:
            rows = self.rows[start:stop]
            first, last = int(rows[0]), int(rows[-1]) + 1
            found = np.asarray(array[first:last], dtype=float)[rows - first]
        with np.errstate(over="ignore"):
            return np.asarray(found * self.factor)


@dataclass(frozen=True, slots=True, eq=False)
class LazyFrames:
    """Reads frames [start, stop) when it is called."""

    opened: Opener
    arrays: dict[str, LazyArray]
    """Those of positions, velocities, forces and cells that there are."""
    steps: Ints | None
    times_ps: Floats | None
    cell: Floats | None = None
    """(3, 3), unit: Å. That of all frames; None if it changes or is unknown."""
    reduced: bool = False
    """Whether positions are multiples of the box vectors."""
    ids: str = ""
    """Name of the ids (t, a) by which atoms are sorted; empty if their order is constant."""

    def __call__(self, start: int, stop: int) -> Iterator[ForeignFrame]:
        """Read frames [start, stop)."""
        with self.opened() as arrays:
            shapes = [arrays[one.name].shape for one in self.arrays.values()]
            n = max(1, _PIECE // (8 * max(int(np.prod(shape[1:])) for shape in shapes)))
            for low in range(start, stop, n):
                yield from self._frames(arrays, low, min(low + n, stop))

    def _frames(
        self, arrays: Mapping[str, Any], start: int, stop: int
    ) -> Iterator[ForeignFrame]:
        found = {name: one.read(arrays, start, stop) for name, one in self.arrays.items()}
        ids = np.asarray(arrays[self.ids][start:stop]) if self.ids else None
        for t in range(stop - start):
            here = {name: array[t] for name, array in found.items()}
            cell = here.pop("cells", self.cell)
            if cell is not None and cell.ndim == 1:
                cell = np.diag(cell)
            if self.reduced and cell is not None:
                here["positions"] = here["positions"] @ cell
            if ids is not None:
                order = np.argsort(ids[t], kind="stable")
                here = {name: array[order] for name, array in here.items()}
            flat = cell is None or np.linalg.det(cell) == 0.0
            yield ForeignFrame(
                here.get("positions"),
                None if flat else cell,
                None if self.steps is None else int(self.steps[start + t]),
                None if self.times_ps is None else float(self.times_ps[start + t]),
                here.get("velocities"),
                here.get("forces"),
            )


def require_frames(
    array: Any, name: str, width: int | None = None, base: str = "positions"
) -> tuple[int, int]:
    """Return the numbers of frames and of atoms of an array (t, a, 3).

    Raises
    ------
    DataError
        If it has another shape, does not contain numbers, or is not of ``width`` atoms, as the
        array ``base`` is.
    """
    shape = tuple(getattr(array, "shape", ()))
    kind = np.dtype(getattr(array, "dtype", object)).kind
    if len(shape) != 3 or shape[2] != 3 or kind not in "fiu" or 0 in shape:
        raise DataError(f"{name} has shape {shape}, expected (frames, atoms, 3)")
    if width is not None and shape[1] != width:
        raise DataError(f"{name} is of {shape[1]} atoms, the {base} are of {width}")
    return int(shape[0]), int(shape[1])


def rows_by_step(base: Ints, steps: Ints, names: tuple[str, str]) -> Ints | None:
    """Row of each step of one array (t,) among the steps of another; None if all agree.

    ``names`` are those of both, for errors.

    Raises
    ------
    DataError
        If a step is missing.
    """
    if np.array_equal(base, steps):
        return None
    order = np.argsort(steps, kind="stable")
    index = np.minimum(np.searchsorted(steps[order], base), max(len(steps) - 1, 0))
    missing = np.ones(len(base), bool) if not len(steps) else steps[order][index] != base
    if missing.any():
        raise DataError(
            f"step {base[missing.argmax()]} is in the {names[0]}, not in {names[1]}",
            why="they were written at different intervals",
            fix="write all quantities at the same steps",
        )
    return np.asarray(order[index])


def as_text(value: npt.ArrayLike | bytes) -> str:
    """Text of an attribute or a scalar, which libraries give as bytes, arrays or objects."""
    found: Any = np.asarray(value).ravel()[:1].tolist()
    one = found[0] if found else ""
    return one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one)
