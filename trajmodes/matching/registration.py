"""Registration of a crystal on a run: linear map, supercell matrix, site of each atom.

The lattice is indexed from one atom outwards. Vectors from an anchor atom to atoms of its
species, with the lengths and angles of the primitive vectors, give guesses A of the map r_file
= r_crystal A. The guess with the smallest distances of the nearest atoms from sites is refined
by linear least squares over shells of increasing radius, so that the map is known to a fraction
of a lattice vector before each shell is indexed. Finally box A⁻¹ cell⁻¹ is the integer
supercell matrix, for any rotation and shape of the box.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import (
    AROUND,
    SAME_CRYSTAL,
    deformation,
    layer_of,
    reduced_cell,
    wrap,
)
from trajmodes.symmetry.operations import SpaceGroup

_NOISE = 0.2
"""Tolerated error in Å of a vector between two averaged atoms."""
_FIRST_SHELL = 40
"""Number of atoms by which a guess is judged."""
_LARGE = 20_000
"""Number of atoms above which all neighbours of the anchor are minimum images."""
_MAX_GUESSES = 20_000
_MAX_FAMILIES = 12
_FLAT = 10.0
"""Condition number above which three vectors do not span a primitive cell."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The site and the cell of every atom, and its distance from the site."""

    site: Ints
    """(a,) site of the primitive crystal."""
    lattice: Ints
    """(a, 3) primitive lattice vector of its cell."""
    offset: Floats
    """(a, 3), unit: Å. Atom minus site, in the frame of the file."""


@dataclass(frozen=True, slots=True)
class Registration:
    """Supercell matrix, linear map, shift and site assignment of a crystal in a box."""

    matrix: Ints
    """(3, 3) supercell matrix: box = matrix @ cell @ map."""
    map: Floats
    """(3, 3). r_file = r_crystal @ map + shift: strain and proper rotation."""
    shift: Floats
    """(3,), unit: Å."""
    placement: Placement

    @property
    def residual_rms(self) -> float:
        """Root mean square distance of atoms from their sites in Å."""
        return float(np.sqrt((self.placement.offset**2).sum(axis=1).mean()))


@dataclass(frozen=True, slots=True)
class _Atoms:
    """Averaged atoms in a right-handed box."""

    box: Floats
    positions: Floats
    kinds: Ints
    """(a,) label of the species."""
    most_wrong: float
    """Largest fraction of empty sites, or of atoms without a site."""


@dataclass(frozen=True, slots=True)
class _Cloud:
    """Atoms and their images around an anchor, the nearest first."""

    atoms: _Atoms
    anchor: int
    vectors: Floats
    """(k, 3), unit: Å, from the anchor."""
    kinds: Ints
    """(k,) label of the species."""

    @property
    def kind(self) -> int:
        """Label of the species of the anchor."""
        return int(self.atoms.kinds[self.anchor])


@dataclass(frozen=True, slots=True)
class _Lattice:
    """The crystal in its reduced cell, in which rounding gives the nearest cells."""

    cell: Floats
    basis: Ints
    """(3, 3). cell = basis @ cell of the crystal."""
    sites: Floats
    """(s, 3) in reduced coordinates of this cell."""
    kinds: Ints
    """(s,) label of the species."""


def register(
    group: SpaceGroup,
    box: Floats,
    positions: Floats,
    species: tuple[str, ...],
    *,
    mirrored: bool,
    most_wrong: float = 0.0,
) -> Registration | None:
    """Find the registration of smallest residual; None if the crystal does not match.

    Of the registrations that are equivalent by symmetry, one without a rotation is chosen, or
    else the one with the simplest matrix. The box (3, 3) in Å is right-handed, the positions
    (a, 3) in Å are averages, and the species (a,) have the ratio of the crystal. ``mirrored``
    searches for the mirror image of the crystal instead. ``most_wrong`` is the largest fraction
    of empty sites, or of atoms without a site.
    """
    crystal = group.crystal
    labels = {name: kind for kind, name in enumerate(sorted(set(crystal.species)))}
    kinds = np.array([labels[name] for name in species])
    atoms = _Atoms(box, positions, kinds, most_wrong)
    cell, basis = reduced_cell(crystal.cell)
    sites = crystal.positions @ np.linalg.inv(cell)
    lattice = _Lattice(cell, basis, sites, np.array([labels[x] for x in crystal.species]))
    rarest = int(np.argmin(np.bincount(atoms.kinds)))
    members = np.flatnonzero(atoms.kinds == rarest)
    for anchor in dict.fromkeys(members[[0, len(members) // 2, -1]].tolist()):
        cloud = _cloud(atoms, anchor)
        found = [
            registration
            for guess in _guesses(lattice, cloud, group, mirrored=mirrored)
            if (registration := _refined(lattice, cloud, guess)) is not None
        ]
        if found:
            best = min(found, key=lambda one: round(one.residual_rms, 9))
            if mirrored:
                return best
            return _in_user_basis(group, lattice, cloud, best)
    return None


def place_sites(cell: Floats, sites: Floats, allowed: Bools, points: Floats) -> Placement:
    """Find the nearest allowed site of a lattice for every point.

    The cell (3, 3) in Å is reduced; ``sites`` (s, 3) are reduced coordinates, ``points`` (a, 3)
    in Å from the same origin. ``allowed`` (a, s) states whether a point may be on a site.
    """
    reduced = points @ np.linalg.inv(cell)
    nearest = np.full(len(points), np.inf)
    site = np.zeros(len(points), dtype=np.int64)
    lattice = np.zeros((len(points), 3), dtype=np.int64)
    offset = np.zeros((len(points), 3))
    for s, place in enumerate(sites):
        difference = reduced - place
        cells = np.rint(difference)
        vectors = (difference - cells) @ cell
        distance = np.where(allowed[:, s], (vectors**2).sum(axis=1), np.inf)
        closer = distance < nearest
        nearest[closer] = distance[closer]
        site[closer], lattice[closer], offset[closer] = s, cells[closer], vectors[closer]
    return Placement(site, lattice, offset)


def _cloud(atoms: _Atoms, anchor: int) -> _Cloud:
    """List all atoms and their neighbouring images."""
    box, _ = reduced_cell(atoms.box)
    reduced = wrap((atoms.positions - atoms.positions[anchor]) @ np.linalg.inv(box))
    images = AROUND if len(reduced) <= _LARGE else np.zeros((1, 3), dtype=np.int64)
    vectors = ((reduced[:, None] + images) @ box).reshape(-1, 3)
    order = np.argsort((vectors**2).sum(axis=1), kind="stable")
    return _Cloud(atoms, anchor, vectors[order], np.repeat(atoms.kinds, len(images))[order])


def _guesses(
    lattice: _Lattice, cloud: _Cloud, group: SpaceGroup, *, mirrored: bool
) -> Iterator[tuple[Floats, int]]:
    """Iterate over inequivalent guesses of the map, with the site of the anchor, best first."""
    maps = _metric_fits(lattice, cloud, mirrored=mirrored)
    sites = np.flatnonzero(lattice.kinds == cloud.kind)
    if len(maps) == 0:
        return
    scores = np.stack([_scores(lattice, cloud, maps, int(s)) for s in sites], axis=1)
    scores += _tilts(group.crystal, cloud.atoms, maps)[:, None]
    worst = 2.0 * scores.min() + _NOISE
    taken = np.empty((0, 3, 3))
    # Rounded, so that of guesses with equal scores the least strained is first.
    for flat in np.argsort(np.round(scores, 6), axis=None, kind="stable"):
        g, s = divmod(int(flat), len(sites))
        if scores[g, s] > worst or len(taken) == _MAX_FAMILIES * group.n_operations:
            return
        if (np.abs(taken - maps[g]).max(axis=(1, 2)) < 0.15).any():
            continue
        # Row vectors are rotated by Cᵀ, so Cᵀ A is equivalent to A; the group contains Cᵀ.
        taken = np.concatenate([taken, group.cartesian @ maps[g]])
        yield maps[g], int(sites[s])


def _tilts(crystal: Crystal, atoms: _Atoms, maps: Floats) -> Floats:
    """Displacement (g,) in Å by which maps shift layers along each other; zero in bulk.

    The atoms of a single layer do not determine it, but the box does.
    """
    layer = layer_of(crystal.cell, crystal.sites)
    run = layer_of(atoms.box, atoms.positions @ np.linalg.inv(atoms.box))
    if layer is None or run is None:
        return np.zeros(len(maps))
    images = layer.period * layer.normal @ maps
    along = images - (images @ run.normal)[:, None] * run.normal
    shifts: Floats = np.sqrt((along**2).sum(axis=1))
    return shifts


def _metric_fits(lattice: _Lattice, cloud: _Cloud, *, mirrored: bool) -> Floats:
    """Find maps (g, 3, 3) from the primitive vectors to vectors between atoms of a species."""
    per_atom = np.linalg.det(cloud.atoms.box) / len(cloud.atoms.positions)
    scale = (per_atom * len(lattice.sites) / np.linalg.det(lattice.cell)) ** (1 / 3)
    metric = scale**2 * lattice.cell @ lattice.cell.T
    lengths = np.sqrt(np.diag(metric))
    tolerance = SAME_CRYSTAL.strain + _NOISE / lengths
    vectors = cloud.vectors[cloud.kinds == cloud.kind]
    norms = np.linalg.norm(vectors, axis=1)
    first, second, third = (
        vectors[np.abs(norms - lengths[i]) < tolerance[i] * lengths[i]] for i in range(3)
    )
    ij, ik, jk = (
        np.abs(left @ right.T - metric[i, j])
        / (lengths[i] * lengths[j] * (tolerance[i] + tolerance[j]))
        for left, right, i, j in (
            (first, second, 0, 1),
            (first, third, 0, 2),
            (second, third, 1, 2),
        )
    )
    chains = []
    for i in range(len(first)):
        j = np.flatnonzero(ij[i] < 1.0)
        k = np.flatnonzero(ik[i] < 1.0)
        fits = jk[np.ix_(j, k)]
        at, to = np.nonzero(fits < 1.0)
        cost = ij[i, j[at]] + ik[i, k[to]] + fits[at, to]
        vectors = np.stack(
            [np.broadcast_to(first[i], (len(at), 3)), second[j[at]], third[k[to]]]
        )
        hand = np.linalg.det(vectors.swapaxes(0, 1)) < 0.0
        keep = hand == mirrored
        chains.append((cost[keep], vectors[:, keep]))
    if not chains:
        return np.empty((0, 3, 3))
    costs = np.concatenate([cost for cost, _ in chains])
    triples = np.concatenate([vectors for _, vectors in chains], axis=1).swapaxes(0, 1)
    best = np.argsort(costs, kind="stable")[:_MAX_GUESSES]
    maps: Floats = np.linalg.inv(lattice.cell) @ triples[best]
    # In a liquid two of the three vectors may be one vector.
    solid: Floats = maps[np.linalg.cond(maps) < _FLAT]
    return solid


def _scores(lattice: _Lattice, cloud: _Cloud, maps: Floats, site: int) -> Floats:
    """Rms distance (g,) in Å of the first shell from the nearest sites, for an anchor site."""
    points, kinds = cloud.vectors[:_FIRST_SHELL], cloud.kinds[:_FIRST_SHELL]
    forbidden = kinds[:, None] != lattice.kinds
    scores = np.empty(len(maps))
    step = max(1, 2_000_000 // (forbidden.size * 3))
    for start in range(0, len(maps), step):
        cells = lattice.cell @ maps[start : start + step]
        # (g, k, s, 3): shell atom k from site s, anchor on `site`
        places = points @ np.linalg.inv(cells) + lattice.sites[site]
        reduced = wrap(places[:, :, None] - lattice.sites)
        vectors = np.einsum("gksx,gxy->gksy", reduced, cells)
        distance = np.where(forbidden, np.inf, (vectors**2).sum(axis=-1))
        near = distance.argmin(axis=2)[:, :, None, None]
        offset = np.take_along_axis(vectors, near, axis=2)[:, :, 0]
        scores[start : start + step] = offset.var(axis=1).sum(axis=-1)
    result: Floats = np.sqrt(scores)
    return result


def _refined(
    lattice: _Lattice, cloud: _Cloud, guess: tuple[Floats, int]
) -> Registration | None:
    """Registration by least squares from a guess; None if the box is not a supercell."""
    change, site = guess
    origin, shift = lattice.sites[site] @ lattice.cell, np.zeros(3)
    atoms, n_points = cloud.atoms, _FIRST_SHELL
    while True:
        points, kinds = cloud.vectors[:n_points], cloud.kinds[:n_points]
        if not np.linalg.cond(change) < _FLAT:
            return None
        placed = place_sites(
            lattice.cell @ change,
            lattice.sites,
            kinds[:, None] == lattice.kinds,
            points - shift + origin @ change,
        )
        ideal = (placed.lattice + lattice.sites[placed.site]) @ lattice.cell - origin
        change, shift = _corrected(change, ideal, points)
        if n_points >= min(len(atoms.positions), len(cloud.vectors)):
            break
        n_points *= 2
    exact = atoms.box @ np.linalg.inv(lattice.cell @ change)
    matrix = np.rint(exact).astype(np.int64)
    wrong = round(abs(float(np.linalg.det(matrix)))) * len(lattice.sites) - len(atoms.positions)
    right_size = abs(wrong) <= atoms.most_wrong * len(atoms.positions)
    if np.abs(exact - matrix).max() > 0.2 or not right_size:
        return None
    return _assigned(lattice, cloud, matrix)


def _corrected(change: Floats, ideal: Floats, points: Floats) -> tuple[Floats, Floats]:
    """Map and shift by least squares from ideal to actual points (k, 3).

    Deviations from the given map are weighted as strains of the expected size, so that the map
    is unchanged in a direction in which the points do not extend, such as the normal of a
    layer.
    """
    apart = points - ideal @ change
    centre = ideal.mean(axis=0)
    spread = ideal - centre
    weight = (_NOISE / SAME_CRYSTAL.strain) ** 2
    correction = np.linalg.solve(spread.T @ spread + weight * np.eye(3), spread.T @ apart)
    return change + correction, apart.mean(axis=0) - centre @ correction


def _assigned(lattice: _Lattice, cloud: _Cloud, matrix: Ints) -> Registration:
    """Registration for a known matrix: shift, and the site nearest to each atom."""
    atoms = cloud.atoms
    change = np.linalg.inv(matrix @ lattice.cell) @ atoms.box
    cell = lattice.cell @ change
    allowed = atoms.kinds[:, None] == lattice.kinds
    shell = cloud.vectors[:_FIRST_SHELL]
    shell_allowed = cloud.kinds[:_FIRST_SHELL, None] == lattice.kinds
    shifts = []
    for s in np.flatnonzero(lattice.kinds == cloud.kind):
        offset = place_sites(
            cell, lattice.sites, shell_allowed, shell + lattice.sites[s] @ cell
        ).offset
        origin = atoms.positions[cloud.anchor] - lattice.sites[s] @ cell + offset.mean(axis=0)
        shifts.append((float(offset.var(axis=0).sum()), origin))
    shift = min(shifts, key=lambda pair: round(pair[0], 9))[1]
    for _ in range(3):
        placed = place_sites(cell, lattice.sites, allowed, atoms.positions - shift)
        shift = shift + placed.offset.mean(axis=0)
    placed = replace(placed, offset=placed.offset - placed.offset.mean(axis=0))
    # From the reduced vectors to the user's: n' @ basis, S' @ basis.
    placed = replace(placed, lattice=placed.lattice @ lattice.basis)
    return Registration(matrix @ lattice.basis, change, shift, placed)


def _in_user_basis(
    group: SpaceGroup, lattice: _Lattice, cloud: _Cloud, found: Registration
) -> Registration:
    """Choose the simplest of the registrations that are equivalent by symmetry."""
    proper = np.linalg.det(group.cartesian) > 0.0
    # An operation W maps the lattice vector n to n Wᵀ.
    family = np.unique(found.matrix @ group.rotations[proper].swapaxes(1, 2), axis=0)

    def simplicity(matrix: Ints) -> tuple[bool, int, int, list[int]]:
        change = np.linalg.inv(matrix @ group.crystal.cell) @ cloud.atoms.box
        off_diagonal = int(np.abs(matrix).sum() - np.abs(np.diag(matrix)).sum())
        return (
            deformation(change).angle > 0.02,
            off_diagonal,
            -int(np.trace(matrix)),
            matrix.ravel().tolist(),
        )

    simplest = min(family, key=simplicity)
    inverse = np.rint(np.linalg.inv(lattice.basis)).astype(np.int64)
    return _assigned(lattice, cloud, simplest @ inverse)
