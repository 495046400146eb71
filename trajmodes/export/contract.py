"""What every format gives back, and what the door needs to know of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trajmodes.data import ForceConstants, Supercell

__all__ = ["Export", "Format", "Reader"]


@dataclass(frozen=True, slots=True)
class Export:
    """Files written for another program."""

    paths: tuple[Path, ...]
    """The files, the one to load first."""
    notes: tuple[str, ...] = ()
    """What the files do not hold or a user must know, a sentence each."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How the files of one program are recognised and read."""

    claims: Callable[[Path], bool]
    """Whether a file, by name and content, is one of the program's, damaged or not."""
    constants: Callable[[Path, Supercell | None], ForceConstants]
    """Read a claimed file and those beside it, on a supercell that is given or theirs."""
    supercell: Callable[[Path], Supercell]
    """Read the supercell that belongs to a claimed file."""


@dataclass(frozen=True, slots=True)
class Format:
    """The files of one program."""

    write: Callable[[ForceConstants, Supercell, Path], Export]
    """Write to an existing folder."""
    reader: Reader | None = None
    """None where a format is only written."""
