"""Notes: remarks for the user on the input or a result, as values.

A note is created where something is found and converted to text where it is shown or stored.
Code that depends on a note reads its fields, never its text.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

Severity = Literal["error", "warning", "note", "ok"]
Subject = Literal[
    "",
    "fields",
    "rounding",
    "box",
    "temperature",
    "time-step",
    "volume",
    "structure",
    "masses",
    "periodic",
    "net-force",
    "other-sets",
    "not-done",
]
"""Properties of the input on which code depends: missing velocities or forces, rounded
coordinates, the box and its periodicity, the temperatures, the time between frames, the volume
of the cell, the arrangement of the atoms, the masses on equivalent sites, a molecule bonded to
its images, forces that do not add up to zero, data sets of the file that are not read, results
that are not computed."""


@dataclass(frozen=True, slots=True)
class Note:
    """A remark for the user; ``str(note)`` is the text shown."""

    severity: Severity
    """error: the results it concerns cannot be computed; ok: a check passed."""
    text: str
    """The finding, in one sentence."""
    _: KW_ONLY
    why: str = ""
    """The likely reason."""
    fix: str = ""
    """What to do about it; several lines, as of a LAMMPS input, can be copied."""
    concerns: Literal["all", "fit", "spectra"] = "all"
    """The results it concerns: all, the force constants, or those that depend on time."""
    subject: Subject = ""
    """The property of the input it concerns, where code depends on it."""

    def __str__(self) -> str:
        """Join text, reason and fix; a fix of several lines begins on a new line."""
        parts = [self.text]
        parts += [f"why: {self.why}"] if self.why else []
        if self.fix:
            parts.append(f"fix:\n{self.fix}" if "\n" in self.fix else f"fix: {self.fix}")
        return "; ".join(parts)
