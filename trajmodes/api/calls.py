"""What the public functions are given: files or data in memory, and the text of the call."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from ase.io import write
from platformdirs import user_cache_path

from trajmodes.config.groups import ReadOptions
from trajmodes.config.job import Job
from trajmodes.errors import StorageError
from trajmodes.formats.open import given_box
from trajmodes.readers.arrays import trajectory_of_atoms
from trajmodes.readers.stores.in_memory import source_in_memory
from trajmodes.readers.trajectory import Trajectory, select_frames
from trajmodes.units import FEMTOSECOND

if TYPE_CHECKING:
    import xarray as xr
    from MDAnalysis import AtomGroup, Universe

    Frames = xr.Dataset | Mapping[str, Any] | Universe | AtomGroup

PathLike = str | os.PathLike[str]
"""A path of a file or folder."""
_MOST_ITEMS = 8
_READING = ("timestep_fs", "units", "lj", "box")
"""Options that say how to read frames in memory."""


def call_text(function: str, *arguments: Any, **keywords: Any) -> str:
    """Write a call, for the provenance of its results: function, arguments, keywords.

    Numbers, words and paths are written out; data in memory are represented by type and size.

    Examples
    --------
    >>> call_text("trajmodes.fit_runs", ["a.xyz", "b.xyz"], cutoff2=5.0)
    "trajmodes.fit_runs(['a.xyz', 'b.xyz'], cutoff2=5.0)"
    """
    shown = [_shown(value) for value in arguments]
    shown += [f"{name}={_shown(value)}" for name, value in keywords.items()]
    return f"{function}({', '.join(shown)})"


class Expression(str):
    """Python expression that `call_text` writes without quotes."""

    __slots__ = ()


def _shown(value: Any) -> str:
    if isinstance(value, Expression):
        return str(value)
    if isinstance(value, str | int | float | os.PathLike) or value is None:
        return repr(os.fspath(value) if isinstance(value, os.PathLike) else value)
    if hasattr(value, "shape"):
        return f"<array {value.shape}>"
    if isinstance(value, list | tuple):
        plain = all(isinstance(one, str | int | float | os.PathLike | None) for one in value)
        if plain and len(value) <= _MOST_ITEMS:
            return f"[{', '.join(map(_shown, value))}]"
        return f"<{len(value)} × {type(value[0]).__name__}>"
    return f"<{type(value).__name__}>"


def in_memory(
    data: object, options: Mapping[str, Any], *, isolated: bool = False
) -> tuple[Trajectory | None, list[str]]:
    """Trajectory in memory and its name, or None and the names of files.

    ``options`` are those of the call; of these, the time step, the units and the box are used.
    """
    if isinstance(data, str | os.PathLike):
        return None, [os.fspath(data)]
    if isinstance(data, Trajectory):
        return data, ["arrays"]
    given = {name: options[name] for name in _READING if options.get(name) is not None}
    reading = ReadOptions(**given)
    source = source_in_memory(data, reading)
    if source is not None:
        from trajmodes.readers.foreign import open_in_memory  # noqa: PLC0415 - loads slowly

        box = given_box(reading)
        cell = np.full((3, 3), np.nan) if isolated and box is None else box
        return open_in_memory(source, reading, cell=cell), ["arrays"]
    items = list(cast("Iterable[Any]", data))
    if items and hasattr(items[0], "get_forces"):
        timestep_fs = reading.timestep_fs
        interval_ps = None if timestep_fs is None else timestep_fs * FEMTOSECOND
        frames = trajectory_of_atoms(items, interval_ps=interval_ps, isolated=isolated)
        return frames, ["arrays"]
    return None, [os.fspath(item) for item in items]


def cell_in_file(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with a cell of ASE Atoms written to a file and replaced by its name.

    The file is in the user's cache and is named by its content, so that the job file of the
    results can be used later.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    cell = options.get("cell")
    if cell is None or not hasattr(cell, "get_positions"):
        return dict(options)
    text = StringIO()
    atoms = cell.copy()
    atoms.set_masses(atoms.get_masses())
    write(text, atoms, format="extxyz", columns=["symbols", "positions", "masses"])
    name = f"cell-{hashlib.sha256(text.getvalue().encode()).hexdigest()[:16]}.xyz"
    path = user_cache_path("trajmodes", appauthor=False) / "cells" / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"the cell cannot be stored: {error.strerror or error}",
            where=str(path),
            fix="write it to a file, and give the name of the file",
        ) from error
    return {**options, "cell": str(path)}


def selected(frames: Trajectory | None, job: Job) -> Trajectory | None:
    """Frames of a trajectory in memory that the job selects."""
    return None if frames is None else select_frames(frames, *job.reading.frames)
