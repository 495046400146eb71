"""Scattering vectors on a line or in a plane, in reciprocal lattice units.

The units are those of the primitive cell, or of the conventional cell of spglib in the
orientation of the crystal. A supercell with integer matrix S (rows) admits the Q = q + G for
which n = S Q is integer; those on a line or in a plane are found by integer arithmetic.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.spectra import Wavevectors
from trajmodes.errors import UsageError
from trajmodes.symmetry.operations import conventional_vectors

Axes = Literal["primitive", "conventional"]

_NEAR = 1e-3
"""Distance from an integer that is due to rounding of the given numbers, as 0.3333 for 1/3."""
_MOST = 200_000
"""Largest number of Q of one calculation."""


@dataclass(frozen=True, slots=True)
class Section:
    """A straight line or a plane of reciprocal space."""

    crystal: Crystal
    units: Floats
    """(3, 3) reciprocal lattice units: q = hkl @ units in those of the primitive cell."""
    corner: Floats
    """(3,) hkl of its first point."""
    edges: Floats
    """(d, 3) hkl from this point to the end of the line, or to both neighbouring corners."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, units="3 3", corner="3", edges="d 3")

    def at(self, places: Floats) -> Wavevectors:
        """Wavevectors at the places (k, d) along the edges, from 0 to 1."""
        hkl = self.corner + places @ self.edges
        return Wavevectors(self.crystal, hkl, hkl @ self.units, places)


def section(
    crystal: Crystal,
    start: tuple[float, ...],
    end: tuple[float, ...],
    across: tuple[float, ...] | None = None,
    axes: Axes = "primitive",
) -> Section:
    """Make the line from ``start`` to ``end``, or the plane that they span with ``across``.

    Raises
    ------
    UsageError
        If the points coincide, or the three lie on one line.
    """
    corner = np.array(start)
    ends = [end] if across is None else [end, across]
    edges = np.array(ends) - corner
    if np.linalg.matrix_rank(edges, tol=1e-9) < len(edges):
        named = ", ".join(str(list(one)) for one in (start, *ends))
        raise UsageError(
            f"the points {named} span no {'line' if across is None else 'plane'}",
            fix="give different points" if across is None else "give points of a triangle",
        )
    units: Floats = np.eye(3)
    if axes == "conventional":
        # Q·a is an integer h for a conventional vector a = Σ_i n_i a_i: h = n q.
        units = np.array(np.linalg.inv(conventional_vectors(crystal)).T)
    return Section(crystal, units, corner, edges)


def on_grid(one: Section, points: int) -> Wavevectors:
    """Evenly spaced wavevectors: ``points`` on a line, ``points``² in a plane."""
    steps = np.linspace(0.0, 1.0, points)
    if len(one.edges) == 1:
        return one.at(steps[:, None])
    return one.at(np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2))


def commensurate_on(one: Section, supercell: Supercell) -> Wavevectors:
    """Find all Q on the line or in the plane that the supercell admits.

    Raises
    ------
    UsageError
        If there is no Q except zero, or there are too many.
    """
    to_integers = supercell.matrix @ one.units.T
    corner, edges = to_integers @ one.corner, one.edges @ to_integers.T
    places = _integer_places(corner, edges)
    where = ", ".join(f"{x:g}" for x in one.corner)
    if not len(places):
        raise UsageError(
            f"the supercell admits no Q on the {'line' if len(edges) == 1 else 'plane'} "
            f"through ({where})",
            why="a run contains only waves that are periodic in its box",
            fix="choose points that the supercell admits, or a larger supercell",
        )
    if len(places) > _MOST:
        raise UsageError(
            f"there are {len(places)} Q in the plane, but at most {_MOST} are possible",
            fix="choose a smaller part of the plane",
        )
    found = one.at(places)
    if not found.lengths.max() > 1e-6:
        raise UsageError(
            "the supercell admits only Q = 0 there, where there is no scattering",
            fix="choose points farther from the origin",
        )
    # Exactly commensurate, for any rounding of the given points.
    integers = np.rint(found.qpoints @ supercell.matrix.T)
    q = np.linalg.solve(supercell.matrix, integers.T).T
    return Wavevectors(one.crystal, q @ np.linalg.inv(one.units), q, places)


def _integer_places(corner: Floats, edges: Floats) -> Floats:
    """Places (k, d) of the integer points among corner + places @ edges, in ascending order."""
    size = len(edges)
    # The points are numbered along the axes on which the edges are most independent.
    axes = max(
        combinations(range(3), size),
        key=lambda chosen: abs(np.linalg.det(edges[:, chosen])),
    )
    corners = corner[list(axes)] + _corners(size) @ edges[:, axes]
    low = np.ceil(corners.min(axis=0) - _NEAR).astype(int)
    high = np.floor(corners.max(axis=0) + _NEAR).astype(int)
    spans = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    integers = np.stack(np.meshgrid(*spans, indexing="ij"), axis=-1).reshape(-1, size)
    places = (integers - corner[list(axes)]) @ np.linalg.inv(edges[:, axes])
    points = corner + places @ edges
    steps = _NEAR / np.abs(edges).max(axis=1)
    kept = (np.abs(points - np.rint(points)).max(axis=1) < _NEAR) & (
        (places > -steps) & (places < 1.0 + steps)
    ).all(axis=1)
    found = places[kept]
    order: Ints = np.lexsort(found.T[::-1].round(9))
    inside: Floats = np.clip(found[order], 0.0, 1.0)
    return inside


def _corners(size: int) -> Floats:
    corners: Floats = np.indices((2,) * size).reshape(size, -1).T.astype(float)
    return corners
