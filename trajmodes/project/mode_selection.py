"""Selection of modes by text: ``1/2 1/2 0:4`` is the fourth branch at q = (½, ½, 0).

A special point may be given by its label, ``X:4``. It stands for the q of that label or for −q,
up to a reciprocal lattice vector, but not for another arm of its star.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.labels import point
from trajmodes.data.lattice import wrap
from trajmodes.data.modes import Modes
from trajmodes.errors import UsageError

_TOLERANCE = 1e-6

PointOf = Callable[[str], Floats]
"""Returns the reduced coordinates (3,) of a labelled point; raises `UsageError` if unknown."""


@dataclass(frozen=True, slots=True)
class ChosenMode:
    """A mode in a list that contains one q of each pair ±q."""

    row: int
    """Index of q, or of −q."""
    branch: int
    """Index of the branch, counted from 0."""
    opposite: bool
    """Whether −q is listed: the amplitude is then the complex conjugate."""
    qpoint: tuple[float, float, float]
    """The requested q in reduced coordinates."""


def parse_modes(
    texts: Sequence[str], modes: Modes, point_of: PointOf | None = None
) -> tuple[ChosenMode, ...]:
    """Find the modes given by texts such as ``1/2 1/2 0:4``.

    Parameters
    ----------
    texts
        For each q three numbers or fractions, or a label; then a colon, and the number of a
        branch counted from 1, several separated by commas, a range (``4-6``), or ``all``.
    modes
        The modes at the commensurate q points.
    point_of
        Position of a labelled point such as ``X``; without it only numbers are accepted.

    Raises
    ------
    UsageError
        If a text cannot be read, a q is not commensurate with the supercell, or a branch does
        not exist.
    """
    chosen = [mode for text in texts for mode in _parse(text, modes, point_of)]
    if not chosen:
        raise UsageError("no mode was chosen", fix='give one such as "1/2 1/2 0:4"')
    return tuple(dict.fromkeys(chosen))


def _parse(text: str, modes: Modes, point_of: PointOf | None) -> list[ChosenMode]:
    words, colon, branches = str(text).partition(":")
    numbers = _numbers(words)
    if len(numbers) != 3 and colon and words.strip() and point_of is not None:
        numbers = (np.round(point_of(words), 12) + 0.0).tolist()
    if len(numbers) != 3 or not colon:
        raise UsageError(
            f"“{text}” does not name a mode",
            fix='give q and branch, such as "1/2 1/2 0:4" or "0 0 0:all"',
        )
    q_x = np.array(numbers)
    row, opposite = _row_of(q_x, modes)
    n_branches = modes.omega.shape[1]
    qpoint = (numbers[0], numbers[1], numbers[2])
    return [
        ChosenMode(row, branch, opposite, qpoint)
        for branch in _branch_numbers(branches, n_branches, text)
    ]


def _numbers(words: str) -> list[float]:
    """Numbers and fractions separated by blanks or commas; none if a word is neither."""
    try:
        return [float(Fraction(word)) for word in words.replace(",", " ").split()]
    except (ValueError, ZeroDivisionError, OverflowError):
        return []


def _row_of(q_x: Floats, modes: Modes) -> tuple[int, bool]:
    """Row of q or −q, up to reciprocal lattice vectors, and whether it is the row of −q."""
    for opposite, sign in ((False, 1.0), (True, -1.0)):
        away = np.abs(wrap(modes.qpoints - sign * q_x)).max(axis=1)
        if away.min() < _TOLERANCE:
            return int(away.argmin()), opposite
    steps = wrap(modes.qpoints[:, None] - np.stack([q_x, -q_x]))
    near = np.linalg.norm(steps, axis=-1).min(axis=1)
    names = "; ".join(point(modes.qpoints[row]) for row in np.argsort(near)[:3])
    raise UsageError(
        f"q = {point(q_x)} is not commensurate with the supercell",
        why="a run contains only waves that are periodic in its box",
        fix=f"choose a commensurate q nearby: {names}",
    )


def _branch_numbers(words: str, n_branches: int, text: str) -> list[int]:
    if words.strip() == "all":
        return list(range(n_branches))
    ends = [word.strip().replace("–", "-").split("-") for word in words.split(",")]
    numbers = [number.strip() for pair in ends for number in pair]
    known = all(word.isdecimal() and 1 <= int(word) <= n_branches for word in numbers)
    if not known or max(map(len, ends)) > 2:
        raise UsageError(
            f"“{text}” names a branch that does not exist",
            fix=f"branches are numbered from 1 to {n_branches}; “all” selects all of them",
        )
    ranges = [range(int(pair[0]) - 1, int(pair[-1])) for pair in ends]
    return [branch for one in ranges for branch in one]
