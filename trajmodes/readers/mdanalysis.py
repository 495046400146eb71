"""Frames read by MDAnalysis: AMBER NetCDF and its other formats."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trajmodes.errors import UsageError
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame
from trajmodes.units import KILOJOULE_PER_MOLE

_REFUSED_BY_MDANALYSIS = {
    "CHEMFILES", "IMD", "MEMORY", "OPENMMAPP", "OPENMMSIMULATION", "PARMED", "RDKIT",
}  # fmt: skip
"""Formats that are Python objects or servers, not files."""


def open_mdanalysis(path: Path) -> ForeignFile:
    """Open a file with MDAnalysis's reader for its suffix."""
    from MDAnalysis.coordinates.core import reader  # noqa: PLC0415 - loads slowly

    with reader(str(path)) as source:
        return ForeignFile(
            n_frames=source.n_frames,
            n_atoms=source.n_atoms,
            frames=partial(_frames, path),
            unit_style="MDAnalysis",
            precision_digits=7,
        )


def _frames(path: Path, start: int, stop: int) -> Iterator[ForeignFrame]:
    from MDAnalysis.coordinates.core import reader  # noqa: PLC0415 - loads slowly

    with reader(str(path)) as source:
        for t in range(start, stop):
            yield _from_timestep(source, source[t])


def _from_timestep(source: Any, now: Any) -> ForeignFrame:
    box = now.triclinic_dimensions
    cell = None if box is None else np.asarray(box, dtype=float)
    flat = cell is None or np.linalg.det(cell) == 0.0
    return ForeignFrame(
        np.asarray(now.positions, dtype=float) if now.has_positions else None,
        None if flat else cell,
        step=int(now.data["step"]) if "step" in now.data else None,
        time_ps=float(now.time) if source.units.get("time") else None,
        velocities=np.asarray(now.velocities, dtype=float) if now.has_velocities else None,
        forces=np.asarray(now.forces, dtype=float) * KILOJOULE_PER_MOLE
        if now.has_forces
        else None,
    )


def known_to_mdanalysis(path: Path) -> bool:
    """Whether MDAnalysis has a trajectory reader for this file name."""
    from MDAnalysis.coordinates.core import get_reader_for  # noqa: PLC0415 - loads slowly

    try:
        get_reader_for(str(path), format=path.suffix[1:])
    except ValueError:
        return False
    return True


def require_trajectory_format(path: Path) -> None:
    """Raise UsageError for suffixes that MDAnalysis reserves for servers and objects."""
    name = path.suffix[1:].upper()
    if name in _REFUSED_BY_MDANALYSIS:
        raise UsageError(
            f"MDAnalysis's format “{name}” is not read",
            where=str(path),
            why="it denotes a server or objects of another library, not a file",
            fix="rename the file with the suffix of its format",
        )
