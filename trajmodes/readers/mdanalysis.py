"""Frames read by MDAnalysis: XTC, TRR, DCD, AMBER NetCDF, H5MD and its other formats.

XTC, TRR and DCD are read by the file classes below MDAnalysis's readers: these return the box
as it was written, and do not write a file of frame offsets beside the trajectory.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import constants
from scipy.io import netcdf_file

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.readers.soundness import require_survivable
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame

_NM = 10.0
"""One nm in Å."""
_KJ_PER_MOL = constants.kilo / (constants.Avogadro * constants.electron_volt)
"""One kJ/mol in eV."""
_HDF5 = b"\x89HDF\r\n\x1a\n"
_OTHER_NETCDF = {b"CDF\x05": "NetCDF in the format CDF-5", b"\x89HDF": "NetCDF-4 or HDF5"}
"""Kinds of NetCDF that MDAnalysis does not read, by their first bytes."""
_REFUSED_BY_MDANALYSIS = {
    "CHEMFILES", "IMD", "MEMORY", "OPENMMAPP", "OPENMMSIMULATION", "PARMED", "RDKIT",
}  # fmt: skip
"""Formats that are Python objects or servers, not files."""


def _file(
    n_frames: int, n_atoms: int, frames: partial[Iterator[ForeignFrame]], *notes: Note
) -> ForeignFile:
    return ForeignFile(
        n_frames=n_frames,
        n_atoms=n_atoms,
        frames=frames,
        unit_style="MDAnalysis",
        precision_digits=7,
        notes=notes,
    )


def _frame(cell: Floats | None, positions: Any, **others: Any) -> ForeignFrame:
    flat = cell is None or np.linalg.det(cell) == 0.0
    return ForeignFrame(np.asarray(positions, dtype=float), None if flat else cell, **others)


def _xdr_file(path: Path) -> AbstractContextManager[Any]:
    from MDAnalysis.lib.formats import libmdaxdr  # noqa: PLC0415 - loads slowly

    kind = libmdaxdr.TRRFile if path.suffix.lower() == ".trr" else libmdaxdr.XTCFile
    file: AbstractContextManager[Any] = kind(str(path))
    return file


def open_xdr(path: Path) -> ForeignFile:
    """Open a GROMACS ``.xtc`` or ``.trr`` file; DataError or OSError if it is damaged."""
    require_survivable(path, "xdr")
    with _xdr_file(path) as file:
        # Byte at which each frame begins.
        offsets = np.array(file.offsets, dtype=np.int64)
        found = _file(len(offsets), file.n_atoms, partial(_xdr_frames, path, offsets))
    if path.suffix.lower() == ".trr":
        return found
    text = (
        "XTC rounds positions, by default to 0.01 Å, and contains neither velocities nor forces"
    )
    note = Note("warning", text, fix="write TRR with positions, velocities and forces")
    return replace(found, precision_digits=4, notes=(note,), rounding=0.005)


def _xdr_frames(path: Path, offsets: Ints, start: int, stop: int) -> Iterator[ForeignFrame]:
    with _xdr_file(path) as file:
        file.set_offsets(offsets)
        file.seek(start)
        for _ in range(start, stop):
            yield _xdr_frame(file.read())


def _xdr_frame(raw: Any) -> ForeignFrame:
    if not getattr(raw, "hasx", True):
        raise DataError(
            f"step {raw.step} has no positions",
            why="GROMACS wrote velocities or forces more often than positions",
            fix="write them at the same steps (nstxout = nstvout = nstfout)",
        )
    return _frame(
        np.asarray(raw.box, dtype=float) * _NM,
        raw.x * np.float64(_NM),
        step=int(raw.step),
        time_ps=float(raw.time),
        velocities=raw.v * np.float64(_NM) if getattr(raw, "hasv", False) else None,
        forces=raw.f * np.float64(_KJ_PER_MOL / _NM) if getattr(raw, "hasf", False) else None,
    )


def open_dcd(path: Path) -> ForeignFile:
    """Open a DCD file; raises OSError or DataError if it is damaged.

    Its time is not used, because programs disagree about its unit.
    """
    from MDAnalysis.lib.formats.libdcd import DCDFile  # noqa: PLC0415 - loads slowly

    require_survivable(path, "dcd")
    text = "DCD contains neither velocities nor forces, and positions to seven digits"
    with DCDFile(str(path)) as file:
        header = file.header
        frames = partial(_dcd_frames, path, int(header["istart"]), max(int(header["nsavc"]), 1))
        return _file(len(file), header["natoms"], frames, Note("warning", text))


def _dcd_frames(
    path: Path, first_step: int, stride: int, start: int, stop: int
) -> Iterator[ForeignFrame]:
    from MDAnalysis.lib.formats.libdcd import DCDFile  # noqa: PLC0415 - loads slowly

    with DCDFile(str(path)) as file:
        file.seek(start)
        for t in range(start, stop):
            raw = file.read()
            yield _frame(_dcd_cell(raw.unitcell), raw.xyz, step=first_step + t * stride)


def _dcd_cell(box: Floats) -> Floats | None:
    """Box vectors, a along x and b in the xy plane; DCD has no other orientation.

    The six numbers are A, γ, B, β, α, C, with the angles in degrees or as cosines.
    """
    from MDAnalysis.lib.mdamath import triclinic_vectors  # noqa: PLC0415 - loads slowly

    lengths, angles = box[[0, 2, 5]], box[[4, 3, 1]]
    if not (box > 0.0).any():
        return None
    if (np.abs(angles) <= 1.0).all():
        angles = np.rad2deg(np.arccos(angles))
    if (lengths <= 0.0).any() or (angles <= 0.0).any() or (angles >= 180.0).any():
        raise DataError(
            f"the box {box.tolist()} is not three lengths and three angles",
            why="newer CHARMM writes a shape matrix, which other programs do not read either",
            fix="convert the file, or give the cell",
        )
    cell: Floats = triclinic_vectors(np.concatenate([lengths, angles]), dtype=np.float64)
    return cell


def open_mdanalysis(path: Path) -> ForeignFile:
    """Open a file with MDAnalysis's reader for its suffix."""
    from MDAnalysis.coordinates.core import reader  # noqa: PLC0415 - loads slowly

    with path.open("rb") as file:
        if file.read(len(_HDF5)) == _HDF5:
            require_survivable(path, "hdf5")
    with reader(str(path)) as source:
        return _file(source.n_frames, source.n_atoms, partial(_frames, path))


def _frames(path: Path, start: int, stop: int) -> Iterator[ForeignFrame]:
    from MDAnalysis.coordinates.core import reader  # noqa: PLC0415 - loads slowly

    with reader(str(path)) as source:
        for t in range(start, stop):
            yield _from_timestep(source, source[t])


def _from_timestep(source: Any, now: Any) -> ForeignFrame:
    return _frame(
        _box(source, now),
        now.positions,
        step=int(now.data["step"]) if "step" in now.data else None,
        time_ps=float(now.time) if source.units.get("time") else None,
        velocities=np.asarray(now.velocities, dtype=float) if now.has_velocities else None,
        forces=np.asarray(now.forces, dtype=float) * _KJ_PER_MOL if now.has_forces else None,
    )


def _box(source: Any, now: Any) -> Floats | None:
    """Box vectors in Å, in the orientation of the positions."""
    if now.dimensions is None:
        return None
    if source.format == "H5MD":
        # The reader keeps only lengths and angles, and loses the orientation of the box.
        edges = _h5md_edges(Path(source.filename), now.frame)
        if edges.shape == (3, 3):
            return np.asarray(edges * (now.dimensions[0] / np.linalg.norm(edges[0])))
    return np.asarray(now.triclinic_dimensions, dtype=float)


def _h5md_edges(path: Path, frame: int) -> Floats:
    """Box edges of a frame as written, in the unit of the file."""
    import h5py  # noqa: PLC0415 - loads slowly

    with h5py.File(path) as file:
        # MDAnalysis reads the first group of particles.
        group = next(iter(file["particles"].values()))
        return np.asarray(group["box/edges/value"][frame], dtype=float)


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
