"""Notes: what a user should know about the input or a result, as values.

A note is made where something is found out, travels unchanged, and is turned into text where it
is shown or stored. Code that acts on a note looks at its fields, never at its text.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

Severity = Literal["error", "warning", "note", "ok"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a user should know; ``str(note)`` is the text that is shown."""

    severity: Severity
    """error: what it concerns cannot be computed; ok: a check that was passed."""
    text: str
    """What was found, in one sentence."""
    _: KW_ONLY
    why: str = ""
    """The likely reason."""
    fix: str = ""
    """What to do about it; several lines, such as those of a LAMMPS input, are to be copied."""
    concerns: Literal["all", "fit", "spectra"] = "all"
    """Which results it matters for: all, the force constants, or what depends on time."""
    subject: Literal["", "fields", "rounding", "box"] = ""
    """The property of the input it is about, where code needs to know: missing velocities or
    forces, the digits of coordinates, the box and its periodicity."""

    def __str__(self) -> str:
        """Text, reason and remedy; a remedy of several lines begins on a line of its own."""
        parts = [self.text]
        parts += [f"why: {self.why}"] if self.why else []
        if self.fix:
            parts.append(f"fix:\n{self.fix}" if "\n" in self.fix else f"fix: {self.fix}")
        return "; ".join(parts)
