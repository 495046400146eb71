"""Geometry of lattices: reduced cells, nearest images, strain; comparison of two crystals.

Rows of a cell are its vectors, and vectors are rows: x = n @ cell. Reduced coordinates contain
no 2π. `wrap` folds by rounding; the result is certainly the nearest image only if it is shorter
than half the shortest lattice vector. In a reduced cell the nearest image is the folded one or
one of its 26 neighbours (`AROUND`); `nearest_images` compares all of them.

A crystal that is periodic in two directions has a cell with empty space (`layer_of`).

The tolerances of a comparison depend on its purpose.
"""

from collections import Counter
from dataclasses import dataclass
from math import gcd, inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import polar

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.data.crystal import Crystal, Supercell

AROUND: Ints = np.indices((3, 3, 3)).reshape(3, -1).T - 1
"""(27, 3) lattice vectors with the components −1, 0 and 1."""

VACUUM = 6.0
"""Å. Least empty space between layers. Layers of bulk crystals, from centre to centre of atoms,
are closer: 3.4 Å in graphite, 5 Å in intercalated crystals."""

_SAME_POINT = 1e-6
"""Distance in Å below which two points coincide."""

_SAME_HEIGHT = 1e-6
"""Difference of reduced coordinates along the normal of a layer below which two heights are
equal."""


class ReducedCell(NamedTuple):
    """The shortest basis of a lattice."""

    cell: Floats
    """(3, 3) rows, ascending in length."""
    change: Ints
    """(3, 3) unimodular: reduced cell = change @ given cell."""


def reduced_cell(cell: npt.ArrayLike) -> ReducedCell:
    """Find the Minkowski-reduced cell."""
    from ase.geometry import minkowski_reduce  # noqa: PLC0415 - ASE takes long to load

    reduced, change = minkowski_reduce(cell)
    return ReducedCell(reduced, np.rint(change).astype(np.int64))


def wrap(reduced: Floats) -> Floats:
    """Fold reduced coordinates (…, 3) to [−½, ½] by whole lattice vectors."""
    return reduced - np.rint(reduced)


def minimum_image(vectors: Floats, cell: Floats) -> Floats:
    """Fold vectors (…, 3) to the parallelepiped about the origin."""
    return wrap(vectors @ np.linalg.inv(cell)) @ cell


def equal_modulo_lattice(one: npt.ArrayLike, other: npt.ArrayLike, tolerance: float) -> Bools:
    """Whether reduced coordinates (…, 3) are equal modulo integers, within a tolerance."""
    apart = wrap(np.asarray(one, dtype=float) - np.asarray(other, dtype=float))
    equal: Bools = np.abs(apart).max(axis=-1) < tolerance
    return equal


def same_lattice(one: Ints, other: Ints) -> bool:
    """Whether the rows of two supercell matrices (3, 3) span the same lattice."""
    change = one @ np.linalg.inv(other)
    whole = np.abs(change - np.rint(change)).max() < 1e-6
    return bool(whole and abs(abs(np.linalg.det(change)) - 1.0) < 1e-6)


def common_shift(reduced: Floats) -> Floats:
    """(3,) circular mean of reduced coordinates (n, 3), modulo lattice translations."""
    shift: Floats = np.angle(np.exp(2j * np.pi * reduced).mean(axis=0)) / (2.0 * np.pi)
    return shift


def relative_displacements(apart: Floats, box: Floats) -> Floats:
    """Fold differences (a, 3) in Å about their common shift, and subtract their mean.

    The common shift is the circular mean over the atoms and may be of any length.
    """
    reduced = apart @ np.linalg.inv(box)
    folded = wrap(reduced - common_shift(reduced)) @ box
    result: Floats = folded - folded.mean(axis=0)
    return result


def cells_within(cell: Floats, radius: float, *, half: float = 0.5) -> Ints:
    """(c, 3) vectors with all n of |(x + n) cell| ≤ radius for some x in [−half, half]³."""
    # Component i of a vector r is r · (column i of the inverse).
    reach = np.ceil(radius * np.linalg.norm(np.linalg.inv(cell), axis=0) + half).astype(int)
    axes = (np.arange(-n, n + 1) for n in reach)
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def shortest_vector(cell: Floats) -> float:
    """Find the length of the shortest lattice vector, in the unit of the cell."""
    shortest = float(np.linalg.norm(cell, axis=1).min())
    lengths = np.linalg.norm(cells_within(cell, shortest) @ cell, axis=1)
    return float(np.sort(lengths)[1])


def nearest_neighbour(crystal: Crystal) -> float:
    """Find the shortest distance between two atoms of a crystal in Å."""
    cell, _ = reduced_cell(crystal.cell)
    inverse = np.linalg.inv(cell)
    nearest = inf
    for place in crystal.positions:
        apart = wrap((crystal.positions - place) @ inverse)
        distance = np.linalg.norm((apart[:, None] + AROUND) @ cell, axis=-1)
        nearest = min(nearest, float(distance[distance > _SAME_POINT].min()))
    return nearest


class Layer(NamedTuple):
    """A crystal that is periodic in a plane only: layers with vacuum between them."""

    axis: int
    """Index of the lattice vector that leads out of the plane."""
    normal: Floats
    """(3,) unit vector along the positive direction of that lattice vector."""
    period: float
    """Length of the cell along the normal in Å."""
    gaps: int
    """Number of empty spaces in one cell."""
    start: float
    """Reduced coordinate of the upper end of the largest empty space."""

    def copies(self, heights: Floats) -> Ints:
        """Find the copy (…) of the layer that atoms at reduced coordinates (…) belong to."""
        return np.floor(heights - self.start + _SAME_HEIGHT).astype(np.int64)


def layer_of(cell: Floats, sites: Floats) -> Layer | None:
    """Find the layer in a cell (3, 3) with sites (s, 3) in reduced coordinates.

    There is a layer if exactly one lattice vector leads through empty space of 6 Å or more, as
    measured between planes spanned by the other two. The result is None for bulk crystals,
    chains and molecules.
    """
    found = []
    columns = np.linalg.inv(cell).T
    for axis, column in enumerate(columns):
        period = 1.0 / float(np.linalg.norm(column))
        places = np.sort(sites[:, axis] - np.floor(sites[:, axis]))
        gaps = np.diff(places, prepend=places[-1] - 1.0)
        n_gaps = int((gaps * period >= VACUUM).sum())
        if n_gaps:
            start = float(places[gaps.argmax()])
            found.append(Layer(axis, column * period, period, n_gaps, start))
    return found[0] if len(found) == 1 else None


class NearestImages(NamedTuple):
    """All nearest images, modulo a supercell, of some vectors (n)."""

    owner: Ints
    """(k,) index of the vector of each image, ascending."""
    shift: Ints
    """(k, 3) lattice vector of the crystal from the vector to the image."""
    distance: Floats
    """(n,), unit: Å. Length of the nearest image."""


def nearest_images(apart: Floats, supercell: Supercell, tolerance: float) -> NearestImages:
    """Find the nearest images, modulo a supercell, of vectors (n, 3) in reduced coordinates.

    Images are equally near if their lengths differ by less than the tolerance in Å.
    """
    cell = supercell.crystal.cell
    box = reduced_cell(supercell.cell).change @ supercell.matrix
    folds = np.rint(apart @ np.linalg.inv(box)).astype(np.int64)
    shift_nix = (AROUND - folds[:, None]) @ box
    length_ni = np.linalg.norm((apart[:, None] + shift_nix) @ cell, axis=-1)
    distance = length_ni.min(axis=1)
    owner, image = np.nonzero(length_ni < distance[:, None] + tolerance)
    return NearestImages(owner, shift_nix[owner, image], distance)


class Deformation(NamedTuple):
    """Polar decomposition of a linear map of row vectors, map = (1 + strain) @ rotation."""

    strain: Floats
    """(3, 3) symmetric; applied first."""
    rotation: Floats
    """(3, 3) orthogonal, improper if the map is."""

    @property
    def stretch(self) -> Floats:
        """(3, 3) 1 + strain."""
        return np.eye(3) + self.strain

    @property
    def largest(self) -> float:
        """Principal strain of the largest magnitude, with its sign."""
        principal = np.linalg.eigvalsh(self.strain)
        return float(principal[np.abs(principal).argmax()])

    @property
    def angle(self) -> float:
        """Angle of a proper rotation in rad."""
        # |1 − R| = 2√2 sin(θ/2) is precise at small angles; the trace is not.
        half = np.linalg.norm(self.rotation - np.eye(3)) / np.sqrt(8.0)
        return 2.0 * float(np.arcsin(min(half, 1.0)))


def deformation(linear: npt.ArrayLike) -> Deformation:
    """Decompose a linear map (3, 3) of row vectors into strain and rotation."""
    rotation, stretch = polar(linear, side="left")
    return Deformation(stretch - np.eye(3), rotation)


@dataclass(frozen=True, slots=True)
class CrystalTolerances:
    """Largest admissible differences of two crystals."""

    strain: float = inf
    """Linear strain between the cells."""
    site: float = inf
    """Distance of a site from its partner in Å."""
    mass: float = inf
    """Relative difference of the masses on a site."""
    angle: float = inf
    """Angle in rad by which one cell is rotated against the other."""


SAME_STRUCTURE = CrystalTolerances(site=1e-5)
"""One structure written twice: the difference is rounding, also in box vectors."""

SAME_VOLUME = CrystalTolerances(strain=1e-3, site=0.02)
"""Runs that may be pooled: a strain of 0.1 % changes frequencies by about 0.5 %, less than
their usual error bars."""

NOTABLE = CrystalTolerances(strain=2e-4, site=0.02, mass=1e-3)
"""Differences to report: a strain that shifts frequencies by about 0.1 %."""

SAME_CRYSTAL = CrystalTolerances(strain=0.06, site=0.3, mass=0.3, angle=1e-3)
"""One crystal at different temperatures or pressures, or from different methods: thermal
expansion is smaller. Cells rotated further have different Cartesian axes."""

EXPANSION = CrystalTolerances(strain=0.02)
"""Largest usual thermal expansion between the cell of a file and that of a run."""

SAME_SUBSTANCE = CrystalTolerances(strain=0.1)
"""Cells of possibly different choice: only lengths and volumes are compared."""


@dataclass(frozen=True, slots=True)
class CrystalDifference:
    """Differences of two crystals with the same species on the same sites."""

    strain: Floats
    """(3, 3) symmetric strain from the first cell to the second."""
    largest_strain: float
    """Principal strain of the largest magnitude, with its sign."""
    angle: float
    """Angle in rad by which the second cell is rotated."""
    shift: Floats
    """(s,), unit: Å. Distance of each site from its partner modulo the lattice, after the
    common shift of all sites is subtracted."""
    cells: Ints
    """(s, 3) lattice vector from each site to its partner."""
    mass: Floats
    """(s,) relative difference of the masses."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, strain="3 3", shift="s", mass="s")
        freeze(self, sizes, np.int64, cells="s 3")


def crystal_difference(one: Crystal, other: Crystal) -> CrystalDifference:
    """Compare two crystals with the same number of sites, site by site.

    The cell of the second is the cell of the first times (1 + strain) times a rotation.
    """
    change = deformation(np.linalg.solve(one.cell, other.cell))
    apart = other.sites - one.sites
    # The circular mean is independent of the cells of the sites; the median removes these.
    rest = apart - common_shift(apart)
    rest -= np.rint(np.median(rest, axis=0))
    cells = np.rint(rest)
    return CrystalDifference(
        strain=change.strain,
        largest_strain=change.largest,
        angle=change.angle,
        shift=np.linalg.norm((rest - cells) @ other.cell, axis=1),
        cells=cells.astype(np.int64),
        mass=other.masses / one.masses - 1.0,
    )


def same_substance(one: Crystal, other: Crystal) -> bool:
    """Whether two crystals can be the same, independent of the choice of the cell.

    Composition and volume per atom must agree, and the shortest lattice vectors too if the
    cells have the same number of sites.
    """
    if _proportions(one) != _proportions(other):
        return False
    pairs = [(one.volume / one.n_sites, other.volume / other.n_sites)]
    if one.n_sites == other.n_sites:
        pairs += zip(shortest_lengths(one), shortest_lengths(other), strict=True)
    return all(abs(x / y - 1.0) < SAME_SUBSTANCE.strain for x, y in pairs)


def shortest_lengths(crystal: Crystal) -> Floats:
    """Find the (3,) lengths of the shortest lattice vectors in Å, whatever the cell."""
    return np.sort(np.linalg.norm(reduced_cell(crystal.cell).cell, axis=1))


def _proportions(crystal: Crystal) -> dict[str, int]:
    counts = Counter(crystal.species)
    common = gcd(*counts.values())
    return {name: count // common for name, count in counts.items()}
