"""Orbits of clusters of atoms under the space group and the permutations of their members.

A cluster of order n is a list of n atoms (site, cell), the first one in the home cell. An
operation g moves it, a permutation π reorders it, a lattice translation brings its first
atom home again. The force constants of all clusters of an orbit follow from those of its
representative: Φ(c) = π·C(g)⊗…⊗C(g) Φ(representative). Nothing here depends on the supercell
size, except when the orbits of the whole supercell are asked for.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.data import Crystal, Supercell
from trajmodes.errors import UsageError
from trajmodes.symmetry.operations import SpaceGroup, supercell_group
from trajmodes.symmetry.translations import cell_rank

__all__ = [
    "SHELL_TOLERANCE",
    "Orbits",
    "inscribed_radius",
    "pair_orbits",
    "permutations_of",
    "supercell_pair_orbits",
]

SHELL_TOLERANCE = 1e-3
"""Distance in Å within which a neighbour shell counts as lying on the cutoff."""

_MARGIN = 0.02
"""How far beyond the cutoff pairs are listed, in Å, so that no orbit is cut by noise."""


@dataclass(frozen=True, slots=True)
class Orbits:
    """Clusters of one order (c), sorted into orbits (o)."""

    group: SpaceGroup
    sites: Ints
    """(c, n) site of each member."""
    lattice: Ints
    """(c, n, 3) cell of each member; zero for the first."""
    share: Floats
    """(c,) part of the constant that the cluster carries: below 1 for images that are
    equally near in a supercell, else 1."""
    orbit: Ints
    """(c,) orbit of each cluster."""
    operation: Ints
    """(c,) operation that takes the representative to the cluster."""
    permutation: Ints
    """(c,) index into `permutations_of`: the order its members are then taken in."""
    representatives: Ints
    """(o,) cluster that stands for each orbit."""
    radii: Floats
    """(o,) largest distance between members, in Å; ascending."""
    stabilisers: Bools
    """(o, g, m) whether operation and permutation leave the representative as it is."""
    notes: tuple[str, ...] = ()
    """What a user should know about the choice of clusters."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {"g": self.group.n_operations}
        freeze(self, sizes, np.int64, sites="c n", lattice="c n 3", orbit="c")
        freeze(self, sizes, np.int64, operation="c", permutation="c", representatives="o")
        freeze(self, sizes, float, share="c", radii="o")
        freeze(self, sizes, bool, stabilisers="o g m")

    @property
    def order(self) -> int:
        """Number of members of a cluster."""
        _, order = self.sites.shape
        return int(order)

    @property
    def n_orbits(self) -> int:
        """Number of orbits."""
        return len(self.representatives)

    @property
    def n_clusters(self) -> int:
        """Number of clusters listed."""
        return len(self.orbit)

    def labels(self) -> tuple[str, ...]:
        """(o,) species of the representatives, joined by dashes."""
        species = self.group.crystal.species
        members = self.sites[self.representatives]
        return tuple("–".join(species[site] for site in row) for row in members)


def permutations_of(order: int) -> Ints:
    """(order!, order) all orders that the members of a cluster can be taken in."""
    return np.array(list(itertools.permutations(range(order))), dtype=np.int64)


def inscribed_radius(supercell: Supercell) -> float:
    """Radius in Å of the largest sphere inside the Wigner–Seitz cell of a supercell.

    It is half the shortest lattice vector: two atoms nearer than this have one nearest image.
    """
    shortest = np.linalg.norm(supercell.cell, axis=1).min()
    lengths = np.linalg.norm(_cells_within(supercell.cell, shortest) @ supercell.cell, axis=1)
    return float(np.sort(lengths)[1]) / 2.0


def pair_orbits(
    group: SpaceGroup, cutoff: float, *, supercell: Supercell | None = None
) -> Orbits:
    """Orbits of all pairs nearer than a cutoff, self terms included.

    Parameters
    ----------
    group
        Space group of the crystal.
    cutoff
        Radius in Å. A shell that lies on it within rounding noise is left out as a whole.
    supercell
        Supercell of the data, when the pairs are to be fitted. Pairs on the boundary of its
        inscribed sphere have several nearest images and are left out.

    Raises
    ------
    UsageError
        If the cutoff is not positive or reaches beyond the inscribed sphere.
    """
    if not cutoff > 0.0:
        raise UsageError(f"the cutoff is {cutoff:g} Å", fix="give a positive cutoff")
    radius = cutoff
    if supercell is not None:
        limit = inscribed_radius(supercell)
        if cutoff > limit + 1e-6:
            raise UsageError(
                f"the cutoff of {cutoff:g} Å reaches beyond the supercell's inscribed sphere",
                why="farther pairs meet their own periodic images",
                fix=f"the largest admissible cutoff is {np.floor(limit * 1e4) / 1e4:.4f} Å; "
                'for everything the supercell can tell, give cutoff="supercell"',
            )
        radius = min(cutoff, limit - SHELL_TOLERANCE)
    sites, lattice = _pairs_within(group.crystal, radius + _MARGIN)
    span = 2 * int(np.abs(lattice).max(initial=0)) + 3
    n_sites = group.crystal.n_sites

    def key(sites: Ints, lattice: Ints) -> Ints:
        cell = np.clip(lattice[:, 1] + span // 2, 0, span - 1)
        labels = (*sites.T, *cell.T)
        keys: Ints = np.ravel_multi_index(labels, (n_sites, n_sites, span, span, span))
        return keys

    orbits = _classify(group, sites, lattice, key)
    near = np.flatnonzero(np.abs(orbits.radii - cutoff) < SHELL_TOLERANCE)
    labels = orbits.labels()
    notes = tuple(
        f"the {labels[o]} shell at {orbits.radii[o]:.4f} Å lies on the cutoff of "
        f"{cutoff:.4f} Å and is {'taken in' if orbits.radii[o] < radius else 'left out'}"
        for o in near
    )
    return replace(_select(orbits, orbits.radii < radius), notes=notes)


def supercell_pair_orbits(group: SpaceGroup, supercell: Supercell) -> Orbits:
    """Orbits of all pairs of a supercell, each at its nearest image or images.

    Pairs that are equal modulo the supercell are one; where several of its images are equally
    near, each carries an equal share (Wigner–Seitz sharing). Only operations that map the
    supercell on itself are used.

    Parameters
    ----------
    group
        Space group of the crystal.
    supercell
        The supercell.
    """
    group = supercell_group(group, supercell)
    n_sites, n_cells = group.crystal.n_sites, supercell.n_cells
    labels = np.indices((n_sites, n_sites, n_cells)).reshape(3, -1)
    sites = labels[:2].T.astype(np.int64)
    lattice = np.zeros((len(sites), 2, 3), dtype=np.int64)
    lattice[:, 1] = supercell.cells[labels[2]]

    def key(sites: Ints, lattice: Ints) -> Ints:
        cell = cell_rank(supercell, lattice[:, 1])
        return (sites[:, 0] * n_sites + sites[:, 1]) * n_cells + cell

    return _share_images(_classify(group, sites, lattice, key), supercell)


def _cells_within(cell: Floats, radius: float) -> Ints:
    """(c, 3) all n with |(x + n) cell| ≤ radius for some x in [−½, ½]³, and a few more."""
    # Component i of a vector r is r · (column i of the inverse).
    reach = np.ceil(radius * np.linalg.norm(np.linalg.inv(cell), axis=0) + 0.5).astype(int)
    axes = (np.arange(-n, n + 1) for n in reach)
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def _pairs_within(crystal: Crystal, radius: float) -> tuple[Ints, Ints]:
    """(c, 2) sites and (c, 2, 3) cells of the pairs nearer than a radius."""
    around = _cells_within(crystal.cell, radius)
    sites, lattice = [], []
    for first, second in np.ndindex(crystal.n_sites, crystal.n_sites):
        apart = crystal.sites[second] - crystal.sites[first]
        cells = around - np.rint(apart).astype(int)
        near = np.linalg.norm((apart + cells) @ crystal.cell, axis=1) < radius
        lattice.append(cells[near])
        sites.append(np.broadcast_to([first, second], (int(near.sum()), 2)))
    cell = np.concatenate(lattice)
    return np.concatenate(sites), np.stack([np.zeros_like(cell), cell], axis=1)


def _classify(
    group: SpaceGroup, sites: Ints, lattice: Ints, key: Callable[[Ints, Ints], Ints]
) -> Orbits:
    """Orbits of listed clusters; an orbit that the list holds only in part is dropped."""
    ascending = np.argsort(key(sites, lattice), kind="stable")
    sites, lattice = sites[ascending], lattice[ascending]
    keys = key(sites, lattice)
    orders = permutations_of(sites.shape[1])
    # (g, m, c) place of every image in the list, −1 where it is missing
    images = np.array(
        [
            [_find(keys, key(*_image(group, g, pi, sites, lattice))) for pi in orders]
            for g in range(group.n_operations)
        ]
    )
    first = images.min(axis=(0, 1))
    listed = first == np.arange(len(keys))
    representatives = np.flatnonzero(listed)
    operation, permutation = _first_way(images, representatives)
    points = group.crystal.sites[sites] + lattice
    lines = (points[:, :, None] - points[:, None, :]) @ group.crystal.cell
    radii = np.linalg.norm(lines, axis=-1).max(axis=(1, 2))
    whole = first >= 0
    orbit = np.searchsorted(representatives, first[whole])
    found = Orbits(
        group=group,
        sites=sites[whole],
        lattice=lattice[whole],
        share=np.ones(len(orbit)),
        orbit=orbit,
        operation=operation[whole],
        permutation=permutation[whole],
        representatives=np.searchsorted(np.flatnonzero(whole), representatives),
        radii=np.bincount(orbit, radii[whole]) / np.bincount(orbit),
        stabilisers=np.moveaxis(images[:, :, representatives] == representatives, 2, 0),
    )
    return _select(found, np.ones(found.n_orbits, dtype=bool))


def _select(orbits: Orbits, wanted: Bools) -> Orbits:
    """Keep the wanted orbits, by ascending radius, and their clusters, orbit by orbit."""
    # Rounded, so that noise in equal radii does not decide the order.
    chosen = np.argsort(np.round(orbits.radii, 6), kind="stable")
    chosen = chosen[wanted[chosen]]
    number = np.full(orbits.n_orbits, len(chosen))
    number[chosen] = np.arange(len(chosen))
    label = number[orbits.orbit]
    clusters = np.argsort(label, kind="stable")[: int((label < len(chosen)).sum())]
    place = np.empty(orbits.n_clusters, dtype=np.int64)
    place[clusters] = np.arange(len(clusters))
    return replace(
        orbits,
        sites=orbits.sites[clusters],
        lattice=orbits.lattice[clusters],
        share=orbits.share[clusters],
        orbit=label[clusters],
        operation=orbits.operation[clusters],
        permutation=orbits.permutation[clusters],
        representatives=place[orbits.representatives[chosen]],
        radii=orbits.radii[chosen],
        stabilisers=orbits.stabilisers[chosen],
    )


def _image(
    group: SpaceGroup, g: int, permutation: Ints, sites: Ints, lattice: Ints
) -> tuple[Ints, Ints]:
    """Clusters after an operation and a reordering, brought home."""
    moved = lattice @ group.rotations[g].T + group.shifts[g][sites]
    moved = moved[:, permutation]
    return group.permutations[g][sites][:, permutation], moved - moved[:, :1]


def _find(keys: Ints, wanted: Ints) -> Ints:
    """Place of each wanted key in ascending keys, −1 where it is missing."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)


def _first_way(images: Ints, representatives: Ints) -> tuple[Ints, Ints]:
    """(c,) operation and permutation that lead from the representative to each cluster."""
    n_operations, n_orders, n_clusters = images.shape
    way = np.full(n_clusters, n_operations * n_orders)
    for k, (g, m) in enumerate(np.ndindex(n_operations, n_orders)):
        np.minimum.at(way, images[g, m, representatives], k)
    return way // n_orders, way % n_orders


def _share_images(orbits: Orbits, supercell: Supercell) -> Orbits:
    """List every pair at all its nearest images modulo the supercell, with equal shares."""
    crystal = supercell.crystal
    apart = (
        crystal.sites[orbits.sites[:, 1]]
        + orbits.lattice[:, 1]
        - crystal.sites[orbits.sites[:, 0]]
    )
    folds = np.rint(apart @ np.linalg.inv(supercell.matrix)).astype(np.int64)
    folded = (apart - folds @ supercell.matrix) @ crystal.cell
    around = _cells_within(supercell.cell, float(np.linalg.norm(folded, axis=1).max()))
    # (c, image, 3) lattice vectors from the listed pair to its images
    moves = (around - folds[:, None]) @ supercell.matrix
    distances = np.linalg.norm((apart[:, None] + moves) @ crystal.cell, axis=-1)
    nearest = distances.min(axis=1)
    pair, image = np.nonzero(distances < nearest[:, None] + SHELL_TOLERANCE)
    lattice = orbits.lattice[pair].copy()
    lattice[:, 1] += moves[pair, image]
    shared = replace(
        orbits,
        sites=orbits.sites[pair],
        lattice=lattice,
        share=1.0 / np.bincount(pair)[pair],
        orbit=orbits.orbit[pair],
        operation=orbits.operation[pair],
        permutation=orbits.permutation[pair],
        representatives=np.searchsorted(pair, orbits.representatives),
        radii=np.bincount(orbits.orbit, nearest) / np.bincount(orbits.orbit),
    )
    return _select(shared, np.ones(shared.n_orbits, dtype=bool))
