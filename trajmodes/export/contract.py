"""What every format gives back, and what the door needs to know of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trajmodes.data import ForceConstants, Supercell

__all__ = ["Export", "Format"]


@dataclass(frozen=True, slots=True)
class Export:
    """Files written for another program."""

    paths: tuple[Path, ...]
    """The files, the one to load first."""
    notes: tuple[str, ...] = ()
    """What the files do not hold or a user must know, a sentence each."""


@dataclass(frozen=True, slots=True)
class Format:
    """How the constants of one program are written, recognised and read."""

    write: Callable[[ForceConstants, Supercell, Path], Export]
    """Write to an existing folder."""
    claims: Callable[[Path], bool] | None = None
    """Whether a file, by name and content, is one that this format reads."""
    read: Callable[[Path, Supercell | None], ForceConstants] | None = None
    """Read a claimed file and those beside it; None where a format is only written."""
