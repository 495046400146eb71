"""Frames read by MDAnalysis: AMBER NetCDF and its other formats."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import netcdf_file

from trajmodes.errors import DataError, UsageError
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame
from trajmodes.units import KILOJOULE_PER_MOLE

_OTHER_NETCDF = {b"CDF\x05": "NetCDF in the format CDF-5", b"\x89HDF": "NetCDF-4 or HDF5"}
"""Kinds of NetCDF that MDAnalysis does not read, by their first bytes."""
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
        np.asarray(now.positions, dtype=float),
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


def open_netcdf(path: Path) -> ForeignFile:
    """Open an AMBER NetCDF file.

    Raises
    ------
    DataError
        If MDAnalysis does not read its kind of NetCDF, or the file is truncated.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if magic not in {b"CDF\x01", b"CDF\x02"}:
        kind = _OTHER_NETCDF.get(magic)
        raise DataError(
            f"the file is {kind}, which is not read" if kind else "the file is not NetCDF",
            where=str(path),
            why="MDAnalysis reads trajectories in the classic formats of NetCDF only, and of "
            "those only files with AMBER's names and units",
            fix="write the run as extended XYZ or as a LAMMPS text dump",
        )
    # A truncated file fails here; MDAnalysis would open it and fail later.
    with netcdf_file(path, "r", mmap=True):
        return open_mdanalysis(path)
