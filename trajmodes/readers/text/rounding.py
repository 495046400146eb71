"""How far coordinates are from what they were before they were printed."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from trajmodes.notes import Note

_COARSE = 1e-4
"""Rounding in Å that is worth a note; atoms of a crystal move by a few hundredths and more."""

_LITERAL = re.compile(r"[+-]?0*(\d*)(?:\.(\d*))?(?:[eEdD]([+-]?\d{1,3}))?")


class Rounding(NamedTuple):
    """What a sample of numbers shows of the format that they were printed with."""

    digits: int
    """Most significant digits of a number."""
    half_unit: float
    """Half a unit in the last place of the largest numbers; 0 where all are zero."""


def rounding_of(literals: Iterable[str]) -> Rounding:
    """Digits of some numbers, and by how much the largest of them may be rounded.

    Formats such as %g fix the number of significant digits, but drop zeros at the end; formats
    such as %.4f fix the decimals, and so give most significant digits to the largest numbers.
    Either way the largest number is printed with as many significant digits as any has.

    Parameters
    ----------
    literals
        Decimal numbers; other text is passed over.
    """
    digits, largest = 0, -400
    for literal in literals:
        found = _LITERAL.fullmatch(literal)
        if found is None:
            continue
        whole, fraction, exponent = found[1], found[2] or "", int(found[3] or 0)
        significant = len((whole + fraction).lstrip("0"))
        if significant:
            # The number is 0.d₁d₂… times ten to this power.
            power = len(whole) + exponent + significant - len(whole + fraction)
            digits, largest = max(digits, significant), max(largest, power)
    return Rounding(digits, 0.5 * 10.0 ** min(largest - digits, 300) if digits else 0.0)


def rounding_notes(rounding: float, digits: int, fix: str) -> tuple[Note, ...]:
    """Say so where coordinates are rounded by more than is harmless.

    Parameters
    ----------
    rounding
        By how much the largest coordinates may be rounded, unit: Å.
    digits
        Most significant digits of a coordinate.
    fix
        How to write more digits.
    """
    if rounding <= _COARSE:
        return ()
    text = f"coordinates are rounded by up to {rounding:.0e} Å, to {digits} significant digits"
    return (Note("warning", text, fix=fix, subject="rounding"),)
