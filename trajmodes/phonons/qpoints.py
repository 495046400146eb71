"""Lists of q points: what a supercell allows, a band path, a mesh.

All are in reduced coordinates of the reciprocal lattice of the user's own primitive cell.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import seekpath
import spglib
from seekpath import SupercellWarning
from seekpath.hpkot import EdgeCaseWarning

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.bands import BandPath
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.lattice import equal_modulo_lattice
from trajmodes.errors import DataError, TrajmodesWarning, UsageError
from trajmodes.symmetry.stars import point_group, star_images
from trajmodes.symmetry.translations import half_space

# Distance in Å within which a site must meet its image; as `space_group` has it.
_TOLERANCE = 1e-4

SAME_Q = 1e-4
"""Reduced coordinates closer than this are equal: the corners of a path through a cell given
with few digits are no exact fractions, and q points of a supercell lie much farther apart."""


@dataclass(frozen=True, slots=True)
class PathHits:
    """Where the stars of some q points meet a band path, in order of distance."""

    index: Ints
    """(h,) place of the q in the given list."""
    distance: Floats
    """(h,), unit: 1/Å, 2π included. Distance along the path."""
    section: Ints
    """(h,) section of the path."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, index="h", section="h")
        freeze(self, sizes, float, distance="h")


def commensurate(supercell: Supercell) -> tuple[Floats, Floats]:
    """One of each pair ±q of a supercell's q points, Γ first, in the order of `half_space`.

    Parameters
    ----------
    supercell
        The supercell.

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

    Parameters
    ----------
    crystal
        The crystal.
    divisions
        Number of points along each reciprocal lattice vector.

    Returns
    -------
    qpoints
        (q, 3) reduced coordinates in [−½, ½).
    weights
        (q,) number of mesh points each one stands for.

    Raises
    ------
    UsageError
        If a number of points is not positive.
    """
    counts = np.asarray(divisions, dtype=np.int64)
    if counts.shape != (3,) or (counts < 1).any():
        raise UsageError(f"a mesh has three positive numbers of points, got {divisions}")
    found = spglib.get_stabilized_reciprocal_mesh(counts, point_group(crystal), is_dense=True)
    if found is None:
        raise DataError(f"spglib cannot reduce a mesh of {counts.tolist()} points")
    mapping, addresses = found
    chosen, members = np.unique(mapping, return_counts=True)
    half = counts // 2
    folded = (np.asarray(addresses, dtype=np.int64)[chosen] + half) % counts - half
    return folded / counts, members.astype(float)


def band_path(crystal: Crystal, spacing: float) -> BandPath:
    """Lay the path of Hinuma et al., Comput. Mater. Sci. 128, 140 (2017), by seekpath.

    Parameters
    ----------
    crystal
        The crystal; its cell is used as it is, not a standardised one.
    spacing
        Largest distance of neighbouring points in 1/Å, 2π included.

    Raises
    ------
    UsageError
        If the spacing is not positive.
    """
    found = _found(crystal)
    pairs = [(str(start), str(end)) for start, end in found["path"]]
    corners = np.array([[found["point_coords"][name] for name in pair] for pair in pairs])
    return walk(crystal, corners, tuple((_pretty(a), _pretty(b)) for a, b in pairs), spacing)


def special_points(crystal: Crystal) -> dict[str, Floats]:
    """Names of the special points of the zone and their reduced coordinates (3,).

    Parameters
    ----------
    crystal
        The crystal; its cell is used as it is.
    """
    points = _found(crystal)["point_coords"]
    return {_pretty(str(name)): np.array(q, dtype=float) for name, q in points.items()}


def _found(crystal: Crystal) -> dict[str, Any]:
    """Ask seekpath about the crystal."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", SupercellWarning)
        warnings.simplefilter("ignore", EdgeCaseWarning)
        found: dict[str, Any] = seekpath.get_path_orig_cell(
            _as_tuple(crystal), symprec=_TOLERANCE
        )
    if any(issubclass(one.category, SupercellWarning) for one in told):
        warnings.warn(
            "the crystal has a smaller primitive cell: the labels of the band path are those "
            "of that cell, and its bands are folded",
            TrajmodesWarning,
            stacklevel=3,
        )
    return found


def walk(
    crystal: Crystal, corners: Floats, labels: tuple[tuple[str, str], ...], spacing: float
) -> BandPath:
    """Lay points along sections.

    Parameters
    ----------
    crystal
        The crystal.
    corners
        (k, 2, 3) reduced coordinates of both ends of each section.
    labels
        (k,) names of both ends.
    spacing
        Largest distance of neighbouring points in 1/Å, 2π included.

    Raises
    ------
    UsageError
        If the spacing is not positive.
    """
    if not spacing > 0.0:
        raise UsageError(f"the spacing of a band path must be positive, got {spacing}")
    reciprocal = 2.0 * np.pi * np.linalg.inv(crystal.cell).T
    steps = corners[:, 1] - corners[:, 0]
    lengths = np.linalg.norm(steps @ reciprocal, axis=1)
    counts = np.ceil(lengths / spacing - 1e-9).astype(np.int64) + 1
    parts = [np.linspace(0.0, 1.0, count) for count in counts]
    before = np.cumsum(lengths) - lengths
    return BandPath(
        crystal=crystal,
        qpoints=np.concatenate(
            [
                a + t[:, None] * step
                for (a, _), t, step in zip(corners, parts, steps, strict=True)
            ]
        ),
        distance=np.concatenate(
            [d + t * length for d, t, length in zip(before, parts, lengths, strict=True)]
        ),
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        labels=labels,
    )


def _pretty(label: str) -> str:
    """Γ for GAMMA, and subscripts without the underscore."""
    return "Γ" if label == "GAMMA" else label.replace("_", "")


def on_path(path: BandPath, qpoints: npt.ArrayLike) -> PathHits:
    """Where q points, or members of their stars, lie on a band path.

    Parameters
    ----------
    path
        The band path.
    qpoints
        (q, 3) reduced coordinates.

    Returns
    -------
    Every meeting once: images that meet the path at one and the same distance are one.
    """
    images_gqx = star_images(path.crystal, qpoints)
    ends = path.offsets[1:] - 1
    rows: list[Floats] = []
    for k, (start, end) in enumerate(zip(path.offsets[:-1], ends, strict=True)):
        index, fraction = _meet(images_gqx, path.qpoints[start], path.qpoints[end])
        near, far = path.distance[start], path.distance[end]
        place = near + fraction * (far - near)
        rows.append(np.stack([place, index, np.full(len(index), k)], axis=1))
    hits = np.concatenate(rows)
    hits = hits[np.lexsort((hits[:, 0], hits[:, 1]))]
    apart = np.abs(np.diff(hits[:, :2], axis=0, prepend=-1.0)).max(axis=1) > SAME_Q
    hits = hits[apart]
    hits = hits[np.argsort(hits[:, 0], kind="stable")]
    return PathHits(hits[:, 1].astype(np.int64), hits[:, 0], hits[:, 2].astype(np.int64))


def _meet(images_gqx: Floats, start: Floats, end: Floats) -> tuple[Ints, Floats]:
    """Find q and t ∈ [0, 1] where an image of q is start + t (end − start) modulo 1."""
    step = end - start
    lead = int(np.argmax(np.abs(step)))
    # Along the leading axis each whole number n in reach gives one candidate for t.
    reach = np.arange(np.ceil(abs(step[lead])) + 1.0) * np.sign(step[lead])
    residue = images_gqx[..., lead] - start[lead]
    residue -= np.floor(residue / np.sign(step[lead]) + SAME_Q) * np.sign(step[lead])
    t_ngq = (residue + reach[:, None, None]) / step[lead]
    near = equal_modulo_lattice(images_gqx, start + t_ngq[..., None] * step, SAME_Q)
    inside = (t_ngq > -SAME_Q) & (t_ngq < 1.0 + SAME_Q)
    _, _, index = np.nonzero(near & inside)
    return index.astype(np.int64), np.clip(t_ngq[near & inside], 0.0, 1.0)


def _as_tuple(crystal: Crystal) -> tuple[Floats, Floats, list[int]]:
    """Tell seekpath the crystal; sites differ in kind by species and by mass."""
    kinds = list(zip(crystal.species, crystal.masses.tolist(), strict=True))
    numbers = [kinds.index(kind) + 1 for kind in kinds]
    if crystal.n_sites == 0:
        raise DataError("the crystal has no sites")
    return crystal.cell, crystal.sites, numbers
