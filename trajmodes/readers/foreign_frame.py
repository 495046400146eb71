"""The interface of readers based on other libraries: frames in internal units, one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from trajmodes.arrays import Floats
from trajmodes.notes import Note


class ForeignFrame(NamedTuple):
    """One frame; a field that the file lacks is None."""

    step: int | None
    time_ps: float | None
    cell: Floats | None
    """(3, 3), unit: Å. Rows are the box vectors."""
    positions: Floats
    """(a, 3), unit: Å."""
    velocities: Floats | None
    """(a, 3), unit: Å/ps."""
    forces: Floats | None
    """(a, 3), unit: eV/Å."""
    species: tuple[str, ...] | None
    """(a,) chemical symbols."""


@dataclass(frozen=True, slots=True)
class ForeignInfo:
    """Properties shared by all frames of one file."""

    n_frames: int
    n_atoms: int
    species: tuple[str, ...] | None
    masses: Floats | None
    """(a,), unit: eV ps²/Å²."""
    precision_digits: int
    """Significant digits of a position."""
    unit_style: str
    """Name of the units of the file."""
    notes: tuple[Note, ...]
    rounding: float | None = None
    """Half a unit in the last place of a position, unit: Å; None if the digits determine it."""


class ForeignFrames(Protocol):
    """One file read by another library; reading is thread-safe."""

    @property
    def info(self) -> ForeignInfo:
        """Properties shared by all frames."""
        ...

    def frames(self, start: int, stop: int) -> Iterator[ForeignFrame]:
        """Frames start … stop − 1."""
        ...
