"""Modes asked for in words: ``1/2 1/2 0:4`` is the fourth branch at q = (½, ½, 0).

A special point may be called by its name, ``X:4``: it is the very q of that name, or −q, up to
a reciprocal lattice vector, and no other arm of its star.
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
"""Reduced coordinates (3,) of a point of the zone in words; a `UsageError` for what is none."""


@dataclass(frozen=True, slots=True)
class ChosenMode:
    """A mode among those that are listed for one of each pair ±q."""

    row: int
    """Index of q, or of −q."""
    branch: int
    """Index of the branch, counted from 0."""
    opposite: bool
    """Whether −q is what is listed: the amplitude is then the conjugate one."""
    qpoint: tuple[float, float, float]
    """The q that was asked for, reduced coordinates."""


def parse_modes(
    texts: Sequence[str], modes: Modes, point_of: PointOf | None = None
) -> tuple[ChosenMode, ...]:
    """Find the modes that are asked for in words such as ``1/2 1/2 0:4``.

    Parameters
    ----------
    texts
        One text for each q: three numbers or fractions, or a name, then a colon, and the number
        of a branch counted from 1, several with commas between, a range (``4-6``), or ``all``.
    modes
        The modes at the commensurate q points.
    point_of
        Tells where a point is that is called by its name, such as ``X``; without it there are
        numbers only.

    Raises
    ------
    UsageError
        If a text cannot be read, a q is not commensurate with the supercell, or there is no
        such branch.
    """
    chosen = [mode for text in texts for mode in _parse(text, modes, point_of)]
    if not chosen:
        raise UsageError("no mode was chosen", fix='give one such as "1/2 1/2 0:4"')
    return tuple(dict.fromkeys(chosen))


def _parse(text: str, modes: Modes, point_of: PointOf | None) -> list[ChosenMode]:
    words, colon, branches = text.partition(":")
    numbers = _numbers(words)
    if len(numbers) != 3 and colon and words.strip() and point_of is not None:
        numbers = (np.round(point_of(words), 12) + 0.0).tolist()
    if len(numbers) != 3 or not colon:
        raise UsageError(
            f"“{text}” is no mode",
            fix='give q and branch, such as "1/2 1/2 0:4" or "0 0 0:all"',
        )
    q_x = np.array(numbers)
    row, opposite = _listed(q_x, modes)
    n_branches = modes.omega.shape[1]
    qpoint = (numbers[0], numbers[1], numbers[2])
    return [
        ChosenMode(row, branch, opposite, qpoint)
        for branch in _branches(branches, n_branches, text)
    ]


def _numbers(words: str) -> list[float]:
    """Numbers and fractions between blanks or commas; none if a word is something else."""
    try:
        return [float(Fraction(word)) for word in words.replace(",", " ").split()]
    except (ValueError, ZeroDivisionError, OverflowError):
        return []


def _listed(q_x: Floats, modes: Modes) -> tuple[int, bool]:
    """Row of q or −q, up to reciprocal lattice vectors, and whether it is that of −q."""
    for opposite, sign in ((False, 1.0), (True, -1.0)):
        away = np.abs(wrap(modes.qpoints - sign * q_x)).max(axis=1)
        if away.min() < _TOLERANCE:
            return int(away.argmin()), opposite
    steps = wrap(modes.qpoints[:, None] - np.stack([q_x, -q_x]))
    near = np.linalg.norm(steps, axis=-1).min(axis=1)
    names = "; ".join(point(modes.qpoints[row]) for row in np.argsort(near)[:3])
    raise UsageError(
        f"q = {point(q_x)} is not commensurate with the supercell",
        why="the waves of a run are those that fit into its box",
        fix=f"near are {names}",
    )


def _branches(words: str, n_branches: int, text: str) -> list[int]:
    if words.strip() == "all":
        return list(range(n_branches))
    ends = [word.strip().replace("–", "-").split("-") for word in words.split(",")]
    numbers = [number.strip() for pair in ends for number in pair]
    known = all(word.isdecimal() and 1 <= int(word) <= n_branches for word in numbers)
    if not known or max(map(len, ends)) > 2:
        raise UsageError(
            f"“{text}” names no branch that there is",
            fix=f"branches count from 1 to {n_branches}; “all” takes all of them",
        )
    ranges = [range(int(pair[0]) - 1, int(pair[-1])) for pair in ends]
    return [branch for one in ranges for branch in one]
