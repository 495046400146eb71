"""The contract that every reader meets: frames by number, and what the file says of itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from trajmodes.arrays import Floats, Ints
from trajmodes.data import FrameBlock
from trajmodes.readers.lammps_units import LennardJonesUnits

__all__ = ["ReadOptions", "Trajectory"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a user may tell a reader beyond the files."""

    units: str | None = None
    """Unit style of LAMMPS, where the file does not name it."""
    timestep_fs: float | None = None
    """Time of one simulation step in fs."""
    lj: LennardJonesUnits | None = None
    """What ε, σ and m are, for the unit style lj."""
    strict: bool = False
    """Whether an incomplete last frame is an error."""
    allow_partial: bool = False
    """Whether frames before damage in compressed data are used."""
    trust_order: bool = False
    """Whether atoms without ids are taken in the order of the file."""


class Trajectory(Protocol):
    """Frames of one or several files, in order of time.

    Implementations are frozen and picklable (a worker reopens the files by their paths), hold
    no open position, and may be read by several threads at once.
    """

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, in order of time."""
        ...

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        ...

    @property
    def n_atoms(self) -> int:
        """Number of atoms, the same in every frame."""
        ...

    @property
    def steps(self) -> Ints:
        """(t,) simulation step of each frame."""
        ...

    @property
    def times_ps(self) -> Floats | None:
        """(t,) time in ps; None where neither the file nor the user gives it."""
        ...

    @property
    def interval_ps(self) -> float | None:
        """Time between frames within a segment, in ps."""
        ...

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """Frame ranges [start, stop) of uniform spacing; a gap or a restart ends one."""
        ...

    @property
    def ids(self) -> Ints | None:
        """(a,) sorted atom ids; None where the file has none."""
        ...

    @property
    def types(self) -> Ints | None:
        """(a,) atom types; None where the file has none."""
        ...

    @property
    def species(self) -> tuple[str, ...] | None:
        """(a,) chemical symbols, where the file names them credibly."""
        ...

    @property
    def masses(self) -> Floats | None:
        """(a,), unit: eV ps²/Å²; None where the file has none."""
        ...

    @property
    def unit_style(self) -> str:
        """Name of the unit style that the file is written in."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the per-atom columns of the first frame."""
        ...

    @property
    def has_velocities(self) -> bool:
        """Whether every frame has velocities."""
        ...

    @property
    def has_forces(self) -> bool:
        """Whether every frame has forces."""
        ...

    @property
    def unwrapped(self) -> bool:
        """Whether positions are continuous in time, or folded into the box."""
        ...

    @property
    def n_bytes(self) -> int:
        """Size of the files together, as they lie on disk."""
        ...

    @property
    def precision_digits(self) -> int:
        """Most significant digits seen in a coordinate."""
        ...

    @property
    def rounding(self) -> float:
        """By how much the largest coordinates may be rounded, unit: Å; 0 if not at all."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings for the user, each with the line that mends it."""
        ...

    def read(self, start: int, stop: int) -> FrameBlock:
        """Frames [start, stop).

        Raises
        ------
        UsageError
            If the range lies outside the trajectory.
        DataError
            If a frame holds what it must not hold, or the file has changed.
        """
        ...
