"""What every foreign format comes down to: frames in internal units, one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from trajmodes.arrays import Floats
from trajmodes.notes import Note


class ForeignFrame(NamedTuple):
    """One frame. What a file does not have is None."""

    step: int | None
    """Simulation step."""
    time_ps: float | None
    """Time in ps."""
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
    """What all frames of one file share."""

    n_frames: int
    n_atoms: int
    species: tuple[str, ...] | None
    masses: Floats | None
    """(a,), unit: eV ps²/Å²."""
    precision_digits: int
    """Significant digits of a position."""
    unit_style: str
    """Whose units the file is in."""
    notes: tuple[Note, ...]
    rounding: float | None = None
    """Half a unit in the last place of a position, unit: Å; None where digits decide."""


class ForeignFrames(Protocol):
    """One file of a foreign format; reading is thread-safe."""

    @property
    def info(self) -> ForeignInfo:
        """What all frames share."""
        ...

    def frames(self, start: int, stop: int) -> Iterator[ForeignFrame]:
        """Frames start … stop − 1."""
        ...
