"""Lists of q points and their names: those of a supercell, of a mesh, of a band path.

All are in reduced coordinates of the reciprocal lattice of the user's own primitive cell.
Special points and their names are those of Y. Hinuma et al., Comput. Mater. Sci. 128, 140
(2017), from seekpath.

A path given as text is ``auto``, the standard path of the crystal, or a list of points
separated by blanks. Each point is the name of a special point (``GAMMA`` or ``G`` for Γ), or
three numbers or fractions separated by commas. ``|`` ends a continuous part of the path::

    G X W | 0,0,0 1/2,1/2,1/2
"""

import warnings
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm
from typing import Any

import numpy as np
import numpy.typing as npt
import seekpath
import spglib
from seekpath import SupercellWarning
from seekpath.hpkot import EdgeCaseWarning

from trajmodes.arrays import Floats, Ints
from trajmodes.data.bands import BandPath
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.labels import point
from trajmodes.data.lattice import Layer, equal_modulo_lattice, layer_of
from trajmodes.errors import DataError, TrajmodesWarning, UsageError
from trajmodes.symmetry.stars import point_group, star_images
from trajmodes.symmetry.translations import half_space

# Distance in Å within which a site must meet its image, as in `space_group`.
_TOLERANCE = 1e-4
# Reduced coordinates that differ by less are equal. The corners of a path through a cell given
# with few digits are not exact fractions; q points of a supercell are much farther apart.
_SAME_Q = 1e-4
# Reduced coordinates of a point given by the user are smaller than this.
_FARTHEST = 100.0
_GAMMA = ("G", "Γ", "GAMMA", "Gamma")


def commensurate(supercell: Supercell) -> tuple[Floats, Floats]:
    """One of each pair ±q of a supercell's q points, Γ first, in the order of `half_space`.

    Returns
    -------
    qpoints
        (q, 3) reduced coordinates in [−½, ½).
    weights
        (q,) 2 where −q is another point, 1 where it is the same one.
    """
    space = half_space(supercell)
    return space.qpoints, space.weights


def mesh(crystal: Crystal, divisions: tuple[int, int, int]) -> tuple[Floats, Floats]:
    """Irreducible points of a mesh through Γ, under point group and time reversal.

    ``divisions`` are numbers of points along each reciprocal lattice vector; a `UsageError` is
    raised if one is not positive.

    Returns
    -------
    qpoints
        (q, 3) reduced coordinates in [−½, ½).
    weights
        (q,) number of mesh points that each one represents.
    """
    qpoints, weights, _ = numbered_mesh(crystal, divisions)
    return qpoints, weights


def numbered_mesh(
    crystal: Crystal, divisions: tuple[int, int, int]
) -> tuple[Floats, Floats, Ints]:
    """As `mesh`, and number the whole mesh.

    The third array (n1, n2, n3) holds the index of the irreducible point that represents the
    point (i/n1, j/n2, k/n3).
    """
    counts = np.asarray(divisions, dtype=np.int64)
    if counts.shape != (3,) or (counts < 1).any():
        raise UsageError(f"a mesh has three positive numbers of points, got {divisions}")
    with warnings.catch_warnings():
        # spglib 2 warns about one of its own settings on every call.
        warnings.simplefilter("ignore", DeprecationWarning)
        found = spglib.get_stabilized_reciprocal_mesh(
            counts, point_group(crystal), is_dense=True
        )
    if found is None:
        raise DataError(f"spglib cannot reduce a mesh of {counts.tolist()} points")
    mapping, addresses = found[0], np.asarray(found[1], dtype=np.int64)
    chosen, label, members = np.unique(mapping, return_inverse=True, return_counts=True)
    half = counts // 2
    folded = (addresses[chosen] + half) % counts - half
    index = np.empty(tuple(counts.tolist()), dtype=np.int64)
    index[tuple((addresses % counts).T)] = label
    return folded / counts, members.astype(float), index


def shared_mesh(supercell: Supercell, divisions: tuple[int, int, int]) -> tuple[int, int, int]:
    """Smallest mesh through Γ that contains all q points of any supercell.

    It has at least ``divisions`` points along each reciprocal lattice vector, but one along the
    normal of a layer, and equal numbers along axes that the point group mixes. A `UsageError`
    is raised if a number is not positive.
    """
    if min(divisions) < 1:
        raise UsageError(f"a mesh has three positive numbers of points, got {divisions}")
    divisions = _in_plane(supercell.crystal, divisions)
    # q = S⁻¹ m for integer m, and S⁻¹ is an integer matrix divided by det S.
    n_cells = supercell.n_cells
    rows = np.rint(np.linalg.inv(supercell.matrix) * n_cells).astype(int).tolist()
    needed = [n_cells // gcd(n_cells, *row) for row in rows]
    mesh = [1, 1, 1]
    for group in joined_axes(supercell.crystal):
        unit = lcm(*(needed[axis] for axis in group))
        least = max(divisions[axis] for axis in group)
        for axis in group:
            mesh[axis] = unit * -(-least // unit)
    return mesh[0], mesh[1], mesh[2]


def spaced_mesh(crystal: Crystal, spacing: float) -> tuple[int, int, int]:
    """Mesh whose neighbours are at most ``spacing`` apart, in 1/Å with 2π included.

    The numbers of points are equal along axes that the point group mixes, and one along the
    normal of a layer.
    """
    reciprocal = 2.0 * np.pi * np.linalg.norm(np.linalg.inv(crystal.cell), axis=0)
    counts = np.ceil(reciprocal / spacing).astype(int)
    for axes in map(list, joined_axes(crystal)):
        counts[axes] = counts[axes].max()
    return _in_plane(crystal, (int(counts[0]), int(counts[1]), int(counts[2])))


def joined_axes(crystal: Crystal) -> list[tuple[int, ...]]:
    """Group the lattice vectors that the point group mixes; a mesh divides them equally."""
    mixed = (point_group(crystal) != 0).any(axis=0)
    linked = (
        np.linalg.matrix_power((mixed | mixed.T | np.eye(3, dtype=bool)).astype(int), 2) > 0
    )
    groups = {tuple(int(axis) for axis in np.flatnonzero(row)) for row in linked}
    return sorted(groups)


def special_points(crystal: Crystal) -> tuple[dict[str, Floats], list[tuple[str, str]]]:
    """Find the special points of the zone and the sections of the standard path.

    The cell of the crystal is used, not a standardised one. Sites are distinguished by species
    and mass. For a layer only the points and sections in its plane are returned.

    Returns
    -------
    points
        Name → reduced coordinates (3,).
    sections
        Names of both ends of each section.
    """
    layer = layer_of(crystal.cell, crystal.sites)
    crystal = crystal if layer is None else _upright(crystal, layer)
    kinds = list(zip(crystal.species, crystal.masses.tolist(), strict=True))
    numbers = [kinds.index(kind) + 1 for kind in kinds]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SupercellWarning)
        warnings.simplefilter("ignore", EdgeCaseWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # of spglib, as in `mesh`
        found: dict[str, Any] = seekpath.get_path_orig_cell(
            (crystal.cell, crystal.sites, numbers), symprec=_TOLERANCE
        )
    if any(issubclass(one.category, SupercellWarning) for one in caught):
        warnings.warn(
            "the crystal has a smaller primitive cell: the labels of the band path are those "
            "of that cell, and its bands are folded",
            TrajmodesWarning,
            stacklevel=3,
        )
    points = {
        _short_name(str(name)): np.array(q, dtype=float)
        for name, q in found["point_coords"].items()
    }
    sections = [(_short_name(str(a)), _short_name(str(b))) for a, b in found["path"]]
    if layer is None:
        return points, sections
    points = {name: q for name, q in points.items() if abs(q[layer.axis]) < _SAME_Q}
    return points, [(a, b) for a, b in sections if a in points and b in points]


def _upright(crystal: Crystal, layer: Layer) -> Crystal:
    """Make the lattice vector out of the plane of a layer normal to the plane.

    Reduced coordinates of q points in the plane do not depend on this vector.
    """
    cell = crystal.cell.copy()
    cell[layer.axis] = layer.period * layer.normal
    return replace(crystal, cell=cell, sites=crystal.positions @ np.linalg.inv(cell))


def _in_plane(crystal: Crystal, divisions: tuple[int, int, int]) -> tuple[int, int, int]:
    """Numbers of mesh points, with one along the normal of a layer."""
    layer = layer_of(crystal.cell, crystal.sites)
    n1, n2, n3 = (
        1 if layer is not None and axis == layer.axis else count
        for axis, count in enumerate(divisions)
    )
    return n1, n2, n3


def _short_name(label: str) -> str:
    """Γ for GAMMA, and subscripts without the underscore."""
    return "Γ" if label == "GAMMA" else label.replace("_", "")


def point_names(crystal: Crystal, qpoints: npt.ArrayLike) -> tuple[str, ...]:
    """Name the q points (q, 3) that are equivalent to a special point by symmetry.

    Names are such as ``Γ`` or ``X``, and empty for other q points. If two special points belong
    to one star, such as U and K, the first in their order is used.
    """
    images_gqx = star_images(crystal, qpoints)
    names = [""] * images_gqx.shape[1]
    points, _ = special_points(crystal)
    for name, special in points.items():
        equal = equal_modulo_lattice(images_gqx, special, _SAME_Q).any(axis=0)
        for row in np.flatnonzero(equal):
            names[row] = names[row] or name
    return tuple(names)


def zone_point(crystal: Crystal, text: str) -> Floats:
    """Reduced coordinates (3,) of a point given by its name, or by three numbers or fractions.

    The numbers are separated by blanks or commas. A `UsageError` is raised for other texts.
    """
    points, _ = special_points(crystal)
    return _parse_point(",".join(text.replace(",", " ").split()), points)[0]


def _parse_point(word: str, points: dict[str, Floats]) -> tuple[Floats, str]:
    """Reduced coordinates (3,) and label of one of the named points, or of ``x,y,z``."""
    name = "Γ" if word in _GAMMA else word.replace("_", "")
    if name in points:
        return points[name], name
    try:
        numbers = np.array([float(Fraction(part)) for part in word.split(",")])
    except (ValueError, ZeroDivisionError, OverflowError):
        numbers = np.empty(0)
    if numbers.shape != (3,) or not np.abs(numbers).max() < _FARTHEST:
        raise UsageError(
            f'"{word}" is not a point of the zone',
            fix=f"give three numbers such as 1/2,0,1/2, or one of {' '.join(points)}; separate "
            "points by blanks",
        )
    return numbers, point(numbers)


def is_standard(text: str) -> bool:
    """Whether a path given as text is the standard path of the crystal."""
    return text.strip().lower() == "auto"


def band_path(crystal: Crystal, spacing: float, text: str = "auto") -> BandPath:
    """Make the band path that a text describes, as in the module's docstring.

    Parameters
    ----------
    spacing
        Largest distance of neighbouring points in 1/Å, 2π included.

    Raises
    ------
    UsageError
        If the spacing is not positive, a point is not known, or a part of the path has fewer
        than two points.
    """
    if not spacing > 0.0:
        raise UsageError(f"the spacing of a band path must be positive, got {spacing}")
    points, labels = special_points(crystal)
    if is_standard(text):
        corners = np.array([[points[start], points[end]] for start, end in labels])
    else:
        corners, labels = _sections(text, points)
    reciprocal = 2.0 * np.pi * np.linalg.inv(crystal.cell).T
    starts, steps = corners[:, 0], corners[:, 1] - corners[:, 0]
    lengths = np.linalg.norm(steps @ reciprocal, axis=1)
    before = np.cumsum(lengths) - lengths
    counts = np.ceil(lengths / spacing - 1e-9).astype(np.int64) + 1
    parts = [np.linspace(0.0, 1.0, count) for count in counts]
    q_of = [a + t[:, None] * step for a, t, step in zip(starts, parts, steps, strict=True)]
    at = [d + t * length for d, t, length in zip(before, parts, lengths, strict=True)]
    return BandPath(
        crystal=crystal,
        qpoints=np.concatenate(q_of),
        distance=np.concatenate(at),
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        labels=tuple(labels),
    )


def _sections(text: str, special: dict[str, Floats]) -> tuple[Floats, list[tuple[str, str]]]:
    """Both ends (k, 2, 3) of each section of a path given as text, and their names."""
    corners, labels = [], []
    for part in text.split("|"):
        points = [_parse_point(word, special) for word in part.split()]
        if len(points) < 2:
            raise UsageError(
                f'a part of the path "{text}" has fewer than two points',
                fix=f"give points such as: {' '.join(list(special)[:3])}",
            )
        for (q_start, start), (q_end, end) in pairwise(points):
            if np.allclose(q_start, q_end):
                raise UsageError(f'the path "{text}" has the point {start} twice in a row')
            corners.append([q_start, q_end])
            labels.append((start, end))
    return np.array(corners), labels


@dataclass(frozen=True, slots=True)
class PathHits:
    """Points of a band path that belong to the stars of some q points, by distance."""

    index: Ints
    """(h,) index of the q in the list."""
    distance: Floats
    """(h,), unit: 1/Å, 2π included. Distance along the path."""


def on_path(path: BandPath, qpoints: npt.ArrayLike) -> PathHits:
    """Find where q points (q, 3), or members of their stars, lie on a band path.

    Images of one q at the same distance along the path are counted once.
    """
    images_gqx = star_images(path.crystal, qpoints)
    rows: list[Floats] = []
    for start, end in zip(path.offsets[:-1], path.offsets[1:] - 1, strict=True):
        index, fraction = _on_section(images_gqx, path.qpoints[start], path.qpoints[end])
        near, far = path.distance[start], path.distance[end]
        rows.append(np.stack([near + fraction * (far - near), index], axis=1))
    hits = np.concatenate(rows)
    hits = hits[np.lexsort((hits[:, 0], hits[:, 1]))]
    distinct = np.abs(np.diff(hits, axis=0, prepend=-1.0)).max(axis=1) > _SAME_Q
    hits = hits[distinct]
    hits = hits[np.argsort(hits[:, 0], kind="stable")]
    return PathHits(hits[:, 1].astype(np.int64), hits[:, 0])


def sections_with(path: BandPath, qpoints: npt.ArrayLike) -> BandPath:
    """Keep the sections of a path on which two or more of the q points (q, 3) lie.

    The members of their stars count. If no section has two of them, the whole path is kept.
    """
    images_gqx = star_images(path.crystal, qpoints)
    parts = [slice(*ends) for ends in pairwise(path.offsets.tolist())]
    kept = []
    for k, part in enumerate(parts):
        _, fraction = _on_section(images_gqx, *path.qpoints[part][[0, -1]])
        if fraction.size and np.ptp(fraction) > _SAME_Q:
            kept.append(k)
    if not kept:
        return path
    distance, before = [], 0.0
    for k in kept:
        along = path.distance[parts[k]]
        distance.append(along - along[0] + before)
        before = distance[-1][-1]
    return BandPath(
        crystal=path.crystal,
        qpoints=np.concatenate([path.qpoints[parts[k]] for k in kept]),
        distance=np.concatenate(distance),
        offsets=np.cumsum([0, *map(len, distance)]),
        labels=tuple(path.labels[k] for k in kept),
    )


def _on_section(images_gqx: Floats, start: Floats, end: Floats) -> tuple[Ints, Floats]:
    """Find q and t ∈ [0, 1] where an image of q is start + t (end − start) modulo 1."""
    step = end - start
    axis = int(np.argmax(np.abs(step)))
    # Along the axis of the largest step each integer n gives one candidate for t.
    integers = np.arange(np.ceil(abs(step[axis])) + 1.0) * np.sign(step[axis])
    residue = images_gqx[..., axis] - start[axis]
    residue -= np.floor(residue / np.sign(step[axis]) + _SAME_Q) * np.sign(step[axis])
    t_ngq = (residue + integers[:, None, None]) / step[axis]
    near = equal_modulo_lattice(images_gqx, start + t_ngq[..., None] * step, _SAME_Q)
    inside = (t_ngq > -_SAME_Q) & (t_ngq < 1.0 + _SAME_Q)
    _, _, index = np.nonzero(near & inside)
    return index.astype(np.int64), np.clip(t_ngq[near & inside], 0.0, 1.0)
