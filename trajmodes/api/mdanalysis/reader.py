"""A reader of MDAnalysis for every format that trajmodes reads; importing it registers it."""

from typing import Any

import numpy as np
from MDAnalysis.coordinates.base import ReaderBase
from MDAnalysis.lib.mdamath import triclinic_box
from MDAnalysis.lib.util import store_init_arguments

from trajmodes.config.groups import ReadOptions
from trajmodes.config.option import options_in
from trajmodes.data.motion import FrameBlock
from trajmodes.formats.open import open_trajectory
from trajmodes.units import KILOJOULE_PER_MOLE

_BLOCK_BYTES = 1 << 22
"""Size in bytes of the frames that are read at once; at least one frame is."""


class TrajmodesReader(ReaderBase):  # type: ignore[misc] # has no types
    """Frames in Å, Å/ps and kJ/(mol Å), with the step as ``ts.data["step"]``.

    Atoms are in the order of their ids. Options of `trajmodes.open` that say how to read a run,
    such as ``units="metal"`` and ``timestep_fs=1.0``, are keywords of the Universe.

    Raises
    ------
    UsageError
        If a file, or an option that its format requires, is missing.
    DataError
        If the file is damaged.
    """

    format = "TRAJMODES"
    units = {  # noqa: RUF012 - the name and type are those of MDAnalysis
        "time": "ps",
        "length": "Angstrom",
        "velocity": "Angstrom/ps",
        "force": "kJ/(mol*Angstrom)",
    }

    @store_init_arguments
    def __init__(self, filename: str, **kwargs: Any) -> None:
        # MDAnalysis makes a copy of a reader from these arguments, by this name.
        super().__init__(filename, **kwargs)
        names = {one.name for one in options_in(ReadOptions)}
        given = {name: kwargs[name] for name in kwargs.keys() & names}
        self._run = open_trajectory(self.filename, ReadOptions(**given))
        self._block_frames = max(1, _BLOCK_BYTES // (72 * self._run.n_atoms))
        self._block: FrameBlock | None = None
        if self._run.interval_ps is not None:
            self._ts_kwargs.setdefault("dt", self._run.interval_ps)
        self.ts = self._Timestep(
            self._run.n_atoms,
            positions=True,
            velocities=self._run.has_velocities,
            forces=self._run.has_forces,
            **self._ts_kwargs,
        )
        self._read_frame(0)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return self._run.n_atoms

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self._run.n_frames

    def close(self) -> None:
        """Discard the frames that were read ahead; no file is kept open."""
        self._block = None

    def _reopen(self) -> None:
        self.ts.frame = -1

    def _read_next_timestep(self, ts: Any = None) -> Any:  # noqa: ARG002 - MDAnalysis's interface
        if self.ts.frame + 1 >= self.n_frames:
            raise EOFError
        return self._read_frame(self.ts.frame + 1)

    def _read_frame(self, frame: int) -> Any:
        block, ts = self._block, self.ts
        if block is None or not 0 <= frame - block.first_frame < block.n_frames:
            stop = min(frame + self._block_frames, self.n_frames)
            block = self._block = self._run.read(frame, stop)
        t = frame - block.first_frame
        ts.frame = frame
        ts.positions = block.positions_or_raise()[t]
        if block.velocities is not None:
            ts.velocities = block.velocities[t]
        if block.forces is not None:
            ts.forces = block.forces[t] / KILOJOULE_PER_MOLE
        boxed = np.isfinite(block.cells[t]).all()
        ts.dimensions = triclinic_box(*block.cells[t]) if boxed else None
        ts.data["step"] = int(block.steps[t])
        if self._run.times_ps is not None:
            ts.data["time"] = float(self._run.times_ps[frame])
        return ts
