"""The angle about the axis of a linear molecule, which positions do not fix.

Its bending vibrations turn about the axis as they please, so a frame that turned along with
them, or jumped about the axis from frame to frame, would smear their spectra. The frame here
is carried along parallel: from one frame of the trajectory to the next it turns by the
shortest way that takes the axis along, and never about the axis. Where the axis stands still,
so does the frame. Angles are found for a whole trajectory at once, so no result depends on
where it is cut into blocks.
"""

from collections.abc import Iterable

import numpy as np

from trajmodes.arrays import Floats

__all__ = ["parallel_turns", "shortest_turns", "turned_about"]

_OPPOSITE = 1e-12
"""1 + cos of the angle between two directions that no shortest way joins."""


def shortest_turns(heads: Floats, line: Floats) -> Floats:
    """Rotations (t, 3, 3) that take vectors (t, 3) to a direction (3,) by the shortest way."""
    units = heads / np.linalg.norm(heads, axis=1, keepdims=True)
    return _between(units, np.broadcast_to(line, units.shape))


def turned_about(line: Floats, angles: Floats) -> Floats:
    """Rotations (t, 3, 3) about a direction (3,) by angles (t,) in rad."""
    one, two = _across(line)
    cosine, sine = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    plane = np.outer(one, one) + np.outer(two, two)
    turn: Floats = (
        np.outer(line, line) + cosine * plane + sine * (np.outer(two, one) - np.outer(one, two))
    )
    return turn


def parallel_turns(heads: Iterable[Floats], line: Floats) -> Floats:
    """Angles (t,) about the line, on top of the shortest turns, that carry a frame parallel.

    Parameters
    ----------
    heads
        Blocks of vectors (t, 3) along the axis of the molecule, in order of time.
    line
        (3,) direction that they are turned to.
    """
    vectors = np.concatenate(list(heads))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    turns = shortest_turns(units, line)
    carried = _between(units[:-1], units[1:])
    # R_t = Z(χ_t) A_t, and R_{t+1} = R_t Pᵀ: A_t Pᵀ A_{t+1}ᵀ turns about the line by δχ.
    steps = turns[:-1] @ carried.swapaxes(1, 2) @ turns[1:].swapaxes(1, 2)
    one, two = _across(line)
    change = np.arctan2(
        np.einsum("x,txy,y->t", two, steps, one), np.einsum("x,txy,y->t", one, steps, one)
    )
    angles: Floats = np.concatenate([[0.0], np.cumsum(change)])
    return angles


def _across(line: Floats) -> tuple[Floats, Floats]:
    """Two directions that make a right-handed frame with the line."""
    start = np.eye(3)[np.abs(line).argmin()]
    one = np.cross(line, start)
    one /= np.linalg.norm(one)
    return one, np.cross(line, one)


def _between(start: Floats, end: Floats) -> Floats:
    """Rotations (t, 3, 3) of unit vectors (t, 3) to others by the shortest way."""
    # With s = a + b the rotation is x − s (s·x)/(½ s²) + 2 b (a·x): a goes to b, and what is
    # across both stays.
    total = start + end
    half = 0.5 * np.einsum("tx,tx->t", total, total)
    turn: Floats = (
        np.eye(3)
        - total[:, :, None] * total[:, None, :] / np.maximum(half, _OPPOSITE)[:, None, None]
        + 2.0 * end[:, :, None] * start[:, None, :]
    )
    for t in np.flatnonzero(half < _OPPOSITE):
        # Half a turn about any axis across: the angle about the line makes up for the choice.
        axis, _ = _across(end[t])
        turn[t] = 2.0 * np.outer(axis, axis) - np.eye(3)
    return turn
