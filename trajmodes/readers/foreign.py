"""Any other trajectory that ASE or MDAnalysis reads, frame by frame, in internal units."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data import FrameBlock
from trajmodes.errors import DataError, TrajmodesError, UsageError
from trajmodes.readers.foreign_ase import open_ase, open_ase_traj
from trajmodes.readers.foreign_frame import ForeignFrame, ForeignFrames
from trajmodes.readers.foreign_mdanalysis import (
    known_to_mdanalysis,
    open_dcd,
    open_mdanalysis,
    open_xdr,
)
from trajmodes.units import FEMTOSECOND

__all__ = ["ForeignTrajectory", "open_foreign"]

_BY_SUFFIX: dict[str, Callable[[Path], ForeignFrames]] = {
    ".traj": open_ase_traj,
    ".xml": open_ase,
    ".xtc": open_xdr,
    ".trr": open_xdr,
    ".dcd": open_dcd,
}


@dataclass(frozen=True, slots=True)
class ForeignTrajectory:
    """Frames that another library reads; see `trajmodes.readers.trajectory.Trajectory`."""

    paths: tuple[Path, ...]
    n_frames: int
    n_atoms: int
    steps: Ints
    times_ps: Floats | None
    interval_ps: float | None
    segments: tuple[tuple[int, int], ...]
    species: tuple[str, ...] | None
    masses: Floats | None
    unit_style: str
    columns: tuple[str, ...]
    has_velocities: bool
    has_forces: bool
    n_bytes: int
    precision_digits: int
    notes: tuple[str, ...]
    sources: tuple[ForeignFrames, ...] = field(repr=False)
    """One for each file."""
    cell: Floats | None = field(repr=False)
    """(3, 3), unit: Å. The cell where the file has none."""
    ids: Ints | None = None
    types: Ints | None = None
    unwrapped: bool = False

    def read(self, start: int, stop: int) -> FrameBlock:
        """Frames [start, stop).

        Raises
        ------
        UsageError
            If the range lies outside the trajectory.
        DataError
            If a frame cannot be read.
        """
        if not 0 <= start <= stop <= self.n_frames:
            raise UsageError(f"frames {start} … {stop} are asked for of {self.n_frames}")
        shape = (stop - start, self.n_atoms, 3)
        cells, positions = np.empty((stop - start, 3, 3)), np.empty(shape)
        velocities = np.empty(shape) if self.has_velocities else None
        forces = np.empty(shape) if self.has_forces else None
        for t, frame in enumerate(self._frames(start, stop)):
            cells[t] = frame.cell if frame.cell is not None else self.cell
            positions[t] = frame.positions
            if velocities is not None:
                velocities[t] = frame.velocities
            if forces is not None:
                forces[t] = frame.forces
        steps = self.steps[start:stop]
        return FrameBlock(start, steps, cells, positions, velocities, forces, self.unwrapped)

    def _frames(self, start: int, stop: int) -> Iterator[ForeignFrame]:
        first = 0
        for path, source in zip(self.paths, self.sources, strict=True):
            last = first + source.info.n_frames
            low, high = max(start, first), min(stop, last)
            if low < high:
                yield from _guarded(path, source, low - first, high - first)
            first = last


def open_foreign(
    paths: Sequence[Path],
    *,
    timestep_fs: float | None = None,
    cell: Floats | None = None,
) -> ForeignTrajectory:
    """Open files of one format that ASE or MDAnalysis reads.

    Every frame is looked at once, so that a damaged one is found before the work begins.

    Parameters
    ----------
    paths
        The files, in order of time.
    timestep_fs
        Time step in fs, for files that do not tell the time; the time between frames for files
        that do not number their steps either.
    cell
        (3, 3) box vectors in Å, for files that have none.

    Raises
    ------
    UsageError
        If a file is missing, or has no cell and none is given.
    DataError
        If a file cannot be read, or its frames do not all hold the same atoms and fields.
    """
    sources = tuple(_open_one(path) for path in paths)
    survey = _survey(paths, sources, cell)
    ...
