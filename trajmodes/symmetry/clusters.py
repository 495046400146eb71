"""Orbits of clusters of atoms under the space group and the permutations of their members.

A cluster of order n is a list of n atoms (site, cell), the first one in the home cell. An
operation g moves it, a permutation π reorders it, a lattice translation brings its first
atom home again. The force constants of all clusters of an orbit follow from those of its
representative: Φ(c) = π·C(g)⊗…⊗C(g) Φ(representative). Nothing here depends on the size of a
supercell; the orbits of all pairs of one are in `supercell_pairs`.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.lattice import cells_within, shortest_vector
from trajmodes.errors import UsageError
from trajmodes.notes import Note
from trajmodes.symmetry.cutoffs import Cutoff
from trajmodes.symmetry.operations import SpaceGroup

SHELL_TOLERANCE = 1e-3
"""Distance in Å within which a neighbour shell counts as lying on the cutoff."""

_NOISE = 1e-6
"""A distance nearer than this to the cutoff, in Å, equals it: rounding must not decide."""

_MARGIN = 0.02
"""How far beyond the cutoff clusters are listed, in Å, so that no orbit is cut by noise."""


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
    notes: tuple[Note, ...] = ()
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

    def selected(self, wanted: Bools) -> "Orbits":
        """Keep the orbits that a (o,) mask marks, by ascending radius, and their clusters."""
        # Rounded, so that noise in equal radii does not decide the order.
        chosen = np.argsort(np.round(self.radii, 6), kind="stable")
        chosen = chosen[wanted[chosen]]
        number = np.full(self.n_orbits, len(chosen))
        number[chosen] = np.arange(len(chosen))
        label = number[self.orbit]
        clusters = np.argsort(label, kind="stable")[: int((label < len(chosen)).sum())]
        place = np.empty(self.n_clusters, dtype=np.int64)
        place[clusters] = np.arange(len(clusters))
        return replace(
            self,
            sites=self.sites[clusters],
            lattice=self.lattice[clusters],
            share=self.share[clusters],
            orbit=label[clusters],
            operation=self.operation[clusters],
            permutation=self.permutation[clusters],
            representatives=place[self.representatives[chosen]],
            radii=self.radii[chosen],
            stabilisers=self.stabilisers[chosen],
        )

    def excess(self, cutoff: Cutoff) -> Floats:
        """(o,) by how much the farthest members of each orbit are beyond a cutoff, in Å."""
        crystal = self.group.crystal
        reach = cutoff.matrix(crystal)[self.sites[:, :, None], self.sites[:, None, :]]
        beyond_cij = _distances(crystal, self.sites, self.lattice) - reach
        beyond: Floats = np.bincount(
            self.orbit, beyond_cij.max(axis=(1, 2)), self.n_orbits
        ) / np.bincount(self.orbit, minlength=self.n_orbits)
        return beyond

    def within(self, cutoff: Cutoff) -> Bools:
        """(o,) whether each orbit is nearer than a cutoff; one that lies on it is not."""
        return self.excess(cutoff) < -_NOISE

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
    return shortest_vector(supercell.cell) / 2.0


def pair_orbits(
    group: SpaceGroup, cutoff: float | Cutoff, *, supercell: Supercell | None = None
) -> Orbits:
    """Orbits of all pairs nearer than a cutoff, self terms included; see `cluster_orbits`."""
    return cluster_orbits(group, 2, cutoff, supercell=supercell)


def cluster_orbits(
    group: SpaceGroup,
    order: int,
    cutoff: float | Cutoff,
    *,
    supercell: Supercell | None = None,
) -> Orbits:
    """Orbits of all clusters whose members are nearer to each other than a cutoff.

    Members may repeat: self terms are clusters. Clusters of order 1 are the sites.

    Parameters
    ----------
    group
        Space group of the crystal.
    order
        Number of members of a cluster.
    cutoff
        Radius in Å, or radii for pairs of species. A shell that lies on it within rounding
        noise is left out as a whole.
    supercell
        Supercell of the data, when the constants are to be fitted. Pairs on the boundary of
        its inscribed sphere have several nearest images and are left out.

    Raises
    ------
    UsageError
        If the cutoff is not positive or reaches beyond the inscribed sphere.
    """
    given = cutoff if isinstance(cutoff, Cutoff) else Cutoff(cutoff)
    inside = given if supercell is None else _within_sphere(given, supercell)
    reach = inside.matrix(group.crystal) + _MARGIN
    sites, lattice = _clusters_within(group.crystal, order, reach)
    orbits = classify(group, sites, lattice)
    taken = orbits.within(inside)
    return replace(orbits.selected(taken), notes=_edge_notes(orbits, given, taken))


def _within_sphere(cutoff: Cutoff, supercell: Supercell) -> Cutoff:
    """Bound the cutoff by the sphere inside the supercell, its surface left out."""
    limit = inscribed_radius(supercell)
    if cutoff.largest > limit + 1e-6:
        raise UsageError(
            f"the cutoff of {cutoff.largest:g} Å reaches beyond the supercell's inscribed "
            "sphere",
            why="farther pairs meet their own periodic images",
            fix=f"the largest admissible cutoff is {np.floor(limit * 1e4) / 1e4:.4f} Å; "
            'for everything the supercell can tell of pairs, give "supercell"',
        )
    top = limit - SHELL_TOLERANCE
    return Cutoff(
        min(cutoff.radius, top), {pair: min(r, top) for pair, r in cutoff.by_species.items()}
    )


def _edge_notes(orbits: Orbits, cutoff: Cutoff, taken: Bools) -> tuple[Note, ...]:
    near = np.abs(orbits.excess(cutoff)) < SHELL_TOLERANCE
    labels = orbits.labels()
    texts = (
        f"the {labels[o]} shell at {orbits.radii[o]:.4f} Å lies on the cutoff of "
        f"{cutoff} Å and is {'taken in' if taken[o] else 'left out'}"
        for o in np.flatnonzero(near)
    )
    return tuple(Note("note", text) for text in dict.fromkeys(texts))


def _clusters_within(crystal: Crystal, order: int, reach: Floats) -> tuple[Ints, Ints]:
    """Sites (c, n) and cells (c, n, 3) of clusters with all distances below reach (s, s)."""
    n_sites = crystal.n_sites
    sites = np.arange(n_sites)[:, None]
    lattice = np.zeros((n_sites, 1, 3), dtype=np.int64)
    around = [_neighbours(crystal, first, reach) for first in range(n_sites)]
    for _ in range(order - 1):
        # One more member: any neighbour of the first that is near to all others as well.
        parts = [
            _extend(sites[sites[:, 0] == first], lattice[sites[:, 0] == first], near)
            for first, near in enumerate(around)
        ]
        sites = np.concatenate([part[0] for part in parts])
        lattice = np.concatenate([part[1] for part in parts])
        close = _distances(crystal, sites, lattice)[:, -1, :-1]
        kept = (close < reach[sites[:, -1:], sites[:, :-1]]).all(axis=1)
        sites, lattice = sites[kept], lattice[kept]
    return sites, lattice


def _neighbours(crystal: Crystal, first: int, reach: Floats) -> tuple[Ints, Ints]:
    """Sites (k,) and cells (k, 3) of the atoms nearer to a home site than reach."""
    around = cells_within(crystal.cell, float(reach[first].max()))
    sites, lattice = [], []
    for second in range(crystal.n_sites):
        apart = crystal.sites[second] - crystal.sites[first]
        cells = around - np.rint(apart).astype(int)
        near = np.linalg.norm((apart + cells) @ crystal.cell, axis=1) < reach[first, second]
        lattice.append(cells[near])
        sites.append(np.full(int(near.sum()), second))
    return np.concatenate(sites), np.concatenate(lattice)


def _extend(sites: Ints, lattice: Ints, near: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """All clusters with each of the neighbours added as a last member."""
    n_clusters, n_near = len(sites), len(near[0])
    more_sites = np.column_stack(
        [np.repeat(sites, n_near, axis=0), np.tile(near[0], n_clusters)]
    )
    added = np.tile(near[1], (n_clusters, 1))[:, None]
    return more_sites, np.concatenate([np.repeat(lattice, n_near, axis=0), added], axis=1)


def _distances(crystal: Crystal, sites: Ints, lattice: Ints) -> Floats:
    """(c, n, n) distances in Å between the members."""
    points = (crystal.sites[sites] + lattice) @ crystal.cell
    apart: Floats = np.linalg.norm(points[:, :, None] - points[:, None, :], axis=-1)
    return apart


def classify(
    group: SpaceGroup, sites: Ints, lattice: Ints, wrap: "Wrap | None" = None
) -> Orbits:
    """Sort listed clusters into orbits; an orbit that the list holds only in part is dropped.

    Parameters
    ----------
    group
        The space group.
    sites
        (c, n) site of each member. All orders of the members must be listed.
    lattice
        (c, n, 3) cell of each member; zero for the first.
    wrap
        Turns cells (c, 3) into labels (c, k) that are equal where the cells count as the same;
        by default every cell is one of its own.
    """
    key = _key(group, sites, lattice, wrap)
    ascending = np.argsort(key(sites, lattice), kind="stable")
    sites, lattice = sites[ascending], lattice[ascending]
    keys = key(sites, lattice)
    orders = permutations_of(sites.shape[1])
    # Place in the list of every moved and of every reordered cluster; the last one, c, stands
    # for those that the list lacks.
    moved_gc = np.array(
        [_find(keys, key(*_moved(group, g, sites, lattice))) for g in range(group.n_operations)]
    )
    turned_mc = np.array([_find(keys, key(*_reordered(pi, sites, lattice))) for pi in orders])
    lost = len(keys)
    moved_gc, turned_mc = (
        np.column_stack([places, np.full(len(places), lost)])
        for places in (moved_gc, turned_mc)
    )
    missing = (turned_mc == lost).any(axis=0)[moved_gc].any(axis=0)
    first = turned_mc.min(axis=0)[moved_gc].min(axis=0)[:-1]
    whole = ~missing[:-1]
    heads = np.flatnonzero((first == np.arange(lost)) & whole)
    # (m, g, o) place of every image of the representatives
    images_mgo = turned_mc[:, moved_gc[:, heads]]
    operation, permutation = _first_way(images_mgo, lost)
    orbit = np.searchsorted(heads, first[whole])
    radii = _distances(group.crystal, sites[whole], lattice[whole]).max(axis=(1, 2))
    found = Orbits(
        group=group,
        sites=sites[whole],
        lattice=lattice[whole],
        share=np.ones(len(orbit)),
        orbit=orbit,
        operation=operation[whole],
        permutation=permutation[whole],
        representatives=np.searchsorted(np.flatnonzero(whole), heads),
        radii=np.bincount(orbit, radii) / np.bincount(orbit),
        stabilisers=(images_mgo == heads).transpose(2, 1, 0),
    )
    return found.selected(np.ones(found.n_orbits, dtype=bool))


Wrap = Callable[[Ints], Ints]
Key = Callable[[Ints, Ints], Ints]


def _key(group: SpaceGroup, sites: Ints, lattice: Ints, wrap: Wrap | None) -> Key:
    """Key of a cluster: one integer made of the numbers of its members among all listed."""
    n_sites, order = group.crystal.n_sites, sites.shape[1]
    reach = np.abs(lattice).max(axis=(0, 1), initial=0) + 1
    spans = 2 * reach + 1 if wrap is None else wrap(lattice.reshape(-1, 3)).max(axis=0) + 1

    def atoms_of(sites: Ints, lattice: Ints) -> Ints:
        cells = lattice.reshape(-1, 3)
        # What lies outside the list is brought to its edge, where the list has nothing.
        labels = np.clip(cells + reach, 0, 2 * reach) if wrap is None else wrap(cells)
        atoms: Ints = np.ravel_multi_index((sites.ravel(), *labels.T), (n_sites, *spans))
        return atoms

    known = np.unique(atoms_of(sites, lattice))

    def key(sites: Ints, lattice: Ints) -> Ints:
        numbers = _find(known, atoms_of(sites, lattice)).reshape(sites.shape)
        keys: Ints = np.ravel_multi_index(tuple(numbers.T), (len(known) + 1,) * order)
        return keys

    return key


def _moved(group: SpaceGroup, g: int, sites: Ints, lattice: Ints) -> tuple[Ints, Ints]:
    """Clusters after an operation, brought home."""
    moved = lattice @ group.rotations[g].T + group.shifts[g][sites]
    return group.permutations[g][sites], moved - moved[:, :1]


def _reordered(permutation: Ints, sites: Ints, lattice: Ints) -> tuple[Ints, Ints]:
    """Clusters with their members in another order, brought home."""
    cells = lattice[:, permutation]
    return sites[:, permutation], cells - cells[:, :1]


def _find(keys: Ints, wanted: Ints) -> Ints:
    """Place of each wanted key in ascending keys, their number where it is missing."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, len(keys))


def _first_way(images_mgo: Ints, n_clusters: int) -> tuple[Ints, Ints]:
    """(c,) operation and permutation that lead from the representative to each cluster."""
    n_orders, n_operations, _ = images_mgo.shape
    way = np.full(n_clusters + 1, n_operations * n_orders)
    for k, (g, m) in enumerate(np.ndindex(n_operations, n_orders)):
        np.minimum.at(way, images_mgo[m, g], k)
    return way[:-1] // n_orders, way[:-1] % n_orders
