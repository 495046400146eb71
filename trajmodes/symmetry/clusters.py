"""Orbits of clusters of atoms under the space group and the permutations of their members.

A cluster of order n is a list of n atoms (site, cell), the first one in the home cell. An
operation g maps it, a permutation π reorders it, and a lattice translation brings the first
atom back to the home cell. The force constants of all clusters of an orbit follow from those of
its representative: Φ(c) = π·C(g)⊗…⊗C(g) Φ(representative).
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.lattice import cells_within, shortest_vector
from trajmodes.errors import UsageError
from trajmodes.notes import Note
from trajmodes.symmetry.cutoffs import Cutoff, admissible_radius, single_layer
from trajmodes.symmetry.images import Images
from trajmodes.symmetry.operations import SpaceGroup
from trajmodes.symmetry.translations import cell_rank

SHELL_TOLERANCE = 1e-3
"""Distance in Å within which a neighbour shell counts as lying on the cutoff."""

_NOISE = 1e-6
"""Distances that differ from the cutoff by less than this, in Å, are equal to it up to
rounding."""

MARGIN = 0.02
"""Distance in Å beyond the cutoff to which clusters are listed, so that orbits are complete."""


@dataclass(frozen=True, slots=True)
class Orbits:
    """Clusters of one order (c), sorted into orbits (o)."""

    group: SpaceGroup
    sites: Ints
    """(c, n) site of each member."""
    lattice: Ints
    """(c, n, 3) cell of each member; zero for the first."""
    share: Floats
    """(c,) weight of the cluster: below 1 for equally near images in a supercell, else 1."""
    orbit: Ints
    """(c,) orbit of each cluster."""
    operation: Ints
    """(c,) operation that maps the representative to the cluster."""
    permutation: Ints
    """(c,) index into `permutations_of` of the reordering that follows."""
    representatives: Ints
    """(o,) representative cluster of each orbit."""
    radii: Floats
    """(o,) largest distance between members, in Å; ascending."""
    stabilisers: Bools
    """(o, g, m) whether operation and permutation leave the representative invariant."""
    images: Images | None = None
    """Nearest images, if clusters consist of atoms of a supercell. Cells are then defined
    modulo the supercell, and distances are those of nearest images."""
    notes: tuple[Note, ...] = ()
    """Remarks for the user on the choice of clusters."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {"g": self.group.n_operations}
        freeze(self, sizes, np.int64, sites="c n", lattice="c n 3", orbit="c")
        freeze(self, sizes, np.int64, operation="c", permutation="c", representatives="o")
        freeze(self, sizes, float, share="c", radii="o")
        freeze(self, sizes, bool, stabilisers="o g m")

    @property
    def order(self) -> int:
        """Number of members of a cluster."""
        return len(self.sites.T)

    @property
    def n_orbits(self) -> int:
        """Number of orbits."""
        return len(self.representatives)

    @property
    def n_clusters(self) -> int:
        """Number of clusters listed."""
        return len(self.orbit)

    def selected(self, wanted: Bools) -> "Orbits":
        """Keep the orbits of a (o,) mask, by ascending radius, and their clusters."""
        # Rounded: noise in equal radii must not decide the order.
        chosen = np.argsort(np.round(self.radii, 6), kind="stable")
        chosen = chosen[wanted[chosen]]
        number = np.full(self.n_orbits, len(chosen))
        number[chosen] = np.arange(len(chosen))
        label = number[self.orbit]
        clusters = np.argsort(label, kind="stable")[: int((label < len(chosen)).sum())]
        place = np.empty(self.n_clusters, dtype=np.int64)
        place[clusters] = np.arange(len(clusters))
        return replace(
            self.listed(clusters),
            orbit=label[clusters],
            representatives=place[self.representatives[chosen]],
            radii=self.radii[chosen],
            stabilisers=self.stabilisers[chosen],
        )

    def listed(self, clusters: Ints) -> "Orbits":
        """List the clusters (c,) in this order; representatives keep their numbers."""
        return replace(
            self,
            sites=self.sites[clusters],
            lattice=self.lattice[clusters],
            share=self.share[clusters],
            orbit=self.orbit[clusters],
            operation=self.operation[clusters],
            permutation=self.permutation[clusters],
        )

    def excess(self, cutoff: Cutoff) -> Floats:
        """(o,) largest distance between members in excess of a cutoff, in Å."""
        crystal = self.group.crystal
        reach = cutoff.matrix(crystal)[self.sites[:, :, None], self.sites[:, None, :]]
        beyond_cij = distances_of(crystal, self.sites, self.lattice, self.images) - reach
        return _means(self.orbit, beyond_cij.max(axis=(1, 2)))

    def within(self, cutoff: Cutoff) -> Bools:
        """(o,) whether each orbit lies inside a cutoff; an orbit on the cutoff does not."""
        return self.excess(cutoff) < -_NOISE

    def labels(self) -> tuple[str, ...]:
        """(o,) species of the representatives, joined by dashes."""
        species = self.group.crystal.species
        members = self.sites[self.representatives]
        return tuple("–".join(species[site] for site in row) for row in members)


def _means(orbit: Ints, values: Floats) -> Floats:
    """(o,) mean over the clusters of each orbit of (c,) values."""
    means: Floats = np.bincount(orbit, values) / np.bincount(orbit)
    return means


def permutations_of(order: int) -> Ints:
    """(order!, order) all permutations of the members of a cluster."""
    return np.array(list(itertools.permutations(range(order))), dtype=np.int64)


def inscribed_radius(supercell: Supercell) -> float:
    """Radius in Å of the largest sphere inside the Wigner–Seitz cell of a supercell.

    It is half the shortest lattice vector: closer pairs have a single nearest image.
    """
    return shortest_vector(supercell.cell) / 2.0


def cluster_orbits(
    group: SpaceGroup,
    order: int,
    cutoff: float | Cutoff,
    *,
    supercell: Supercell | None = None,
) -> Orbits:
    """Find the orbits of all clusters whose members lie within a cutoff of each other.

    Members may repeat, so that self terms are clusters. Clusters of order 1 are the sites.
    Clusters of a layer do not extend across its empty space.

    Parameters
    ----------
    cutoff
        A shell on the cutoff within rounding is left out as a whole.
    supercell
        Supercell of the data, if force constants are to be fitted. Pairs on the surface of its
        inscribed sphere have several nearest images and are left out.

    Raises
    ------
    UsageError
        If the cutoff is not positive or exceeds the radius of the inscribed sphere.
    """
    given = cutoff if isinstance(cutoff, Cutoff) else Cutoff(cutoff)
    inside = given if supercell is None else _inside_sphere(given, supercell)
    reach = inside.matrix(group.crystal) + MARGIN
    sites, lattice = _clusters_within(group.crystal, order, reach)
    orbits = classify(group, sites, lattice)
    included = orbits.within(inside)
    return replace(orbits.selected(included), notes=cutoff_notes(orbits, given, included))


def _inside_sphere(cutoff: Cutoff, supercell: Supercell) -> Cutoff:
    """Limit the cutoff to the interior of the inscribed sphere of the supercell."""
    limit = admissible_radius(supercell)
    if cutoff.largest > limit + 1e-6:
        raise UsageError(
            f"the cutoff of {cutoff.largest:g} Å extends beyond the supercell's inscribed "
            "sphere",
            why="more distant pairs interact with their own periodic images",
            fix=f"the largest admissible cutoff is {np.floor(limit * 1e4) / 1e4:.4f} Å; "
            '"supercell" includes all pairs of the supercell',
        )
    return cutoff.limited(limit - SHELL_TOLERANCE)


def cutoff_notes(orbits: Orbits, cutoff: Cutoff, included: Bools) -> tuple[Note, ...]:
    """Note shells that lie on a cutoff, of which a (o,) mask includes some."""
    near = np.abs(orbits.excess(cutoff)) < SHELL_TOLERANCE
    labels = orbits.labels()
    texts = dict.fromkeys(
        f"the {labels[o]} shell at {orbits.radii[o]:.4f} Å lies on the cutoff of "
        f"{cutoff} Å and is {'included' if included[o] else 'left out'}"
        for o in np.flatnonzero(near)
    )
    return tuple(Note("note", text) for text in texts)


def _clusters_within(crystal: Crystal, order: int, reach: Floats) -> tuple[Ints, Ints]:
    """Sites (c, n) and cells (c, n, 3) of clusters with all distances below reach (s, s)."""
    n_sites = crystal.n_sites
    sites = np.arange(n_sites)[:, None]
    lattice = np.zeros((n_sites, 1, 3), dtype=np.int64)
    around = _neighbours(crystal, reach)
    for _ in range(order - 1):
        # Add a member: any neighbour of the first that is also within reach of all others.
        parts = [
            extended(sites[sites[:, 0] == first], lattice[sites[:, 0] == first], near)
            for first, near in enumerate(around)
        ]
        sites = np.concatenate([part[0] for part in parts])
        lattice = np.concatenate([part[1] for part in parts])
        close = distances_of(crystal, sites, lattice)[:, -1, :-1]
        kept = (close < reach[sites[:, -1:], sites[:, :-1]]).all(axis=1)
        sites, lattice = sites[kept], lattice[kept]
    return sites, lattice


def _neighbours(crystal: Crystal, reach: Floats) -> list[tuple[Ints, Ints]]:
    """Sites (k,) and cells (k, 3) of atoms within reach (s, s) of each site, in its layer."""
    folds = np.floor(crystal.sites).astype(np.int64)
    inside, largest = crystal.sites - folds, float(reach.max())
    cells = cells_within(crystal.cell, largest, half=1.0)
    atoms = (cells[:, None] + inside).reshape(-1, 3) @ crystal.cell
    near = cKDTree(atoms).query_ball_point(inside @ crystal.cell, largest, return_sorted=True)
    layer = single_layer(crystal)
    copies = None if layer is None else layer.copies(crystal.sites[:, layer.axis])
    found = []
    for first, atoms_near in enumerate(near):
        cell, second = np.divmod(np.array(atoms_near, dtype=np.int64), crystal.n_sites)
        lattice = cells[cell] + folds[first] - folds[second]
        apart = (crystal.sites[second] + lattice - crystal.sites[first]) @ crystal.cell
        kept = np.linalg.norm(apart, axis=1) < reach[first, second]
        if layer is not None and copies is not None:
            kept &= copies[second] + lattice[:, layer.axis] == copies[first]
        found.append((second[kept], lattice[kept]))
    return found


def extended(sites: Ints, lattice: Ints, near: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Append each of the neighbours to each cluster as a last member."""
    old, new = (place.ravel() for place in np.indices((len(sites), len(near[0]))))
    return (
        np.column_stack([sites[old], near[0][new]]),
        np.concatenate([lattice[old], near[1][new, None]], axis=1),
    )


def distances_of(
    crystal: Crystal, sites: Ints, lattice: Ints, images: Images | None = None
) -> Floats:
    """(c, n, n) distances in Å between the members, or their nearest images."""
    if images is not None:
        return images.distances(sites, lattice)
    points = (crystal.sites[sites] + lattice) @ crystal.cell
    apart: Floats = np.linalg.norm(points[:, :, None] - points[:, None, :], axis=-1)
    return apart


def classify(
    group: SpaceGroup, sites: Ints, lattice: Ints, images: Images | None = None
) -> Orbits:
    """Sort listed clusters into orbits; orbits that are not listed completely are dropped.

    Parameters
    ----------
    sites, lattice
        (c, n) and (c, n, 3) as in `Orbits`, with all permutations of the members.
    images
        Images of a supercell, if the clusters consist of its atoms. Cells that are equal modulo
        the supercell are then identified; by default all cells are distinct.
    """
    key = _key(group, sites, lattice, None if images is None else images.supercell)
    ascending = np.argsort(key(sites, lattice), kind="stable")
    sites, lattice = sites[ascending], lattice[ascending]
    keys = key(sites, lattice)
    lost = len(keys)

    def places(images: Iterator[tuple[Ints, Ints]]) -> Ints:
        """Index of all images of each cluster, `lost` if not listed; the last is `lost`."""
        return np.array([np.append(_find(keys, key(*image)), lost) for image in images])

    moved_gc = places(_moved(group, g, sites, lattice) for g in range(group.n_operations))
    reordered_mc = places(
        _reordered(pi, sites, lattice) for pi in permutations_of(sites.shape[1])
    )
    missing = (reordered_mc == lost).any(axis=0)[moved_gc].any(axis=0)
    first = reordered_mc.min(axis=0)[moved_gc].min(axis=0)[:-1]
    whole = ~missing[:-1]
    first_members = np.flatnonzero((first == np.arange(lost)) & whole)
    # (m, g, o) index of every image of the representatives
    images_mgo = reordered_mc[:, moved_gc[:, first_members]]
    operation, permutation = _first_image(images_mgo, lost)
    orbit = np.searchsorted(first_members, first[whole])
    sites, lattice = sites[whole], lattice[whole]
    radii = distances_of(group.crystal, sites, lattice, images).max(axis=(1, 2))
    found = Orbits(
        group=group,
        sites=sites,
        lattice=lattice,
        share=np.ones(len(orbit)),
        orbit=orbit,
        operation=operation[whole],
        permutation=permutation[whole],
        representatives=np.searchsorted(np.flatnonzero(whole), first_members),
        radii=_means(orbit, radii),
        stabilisers=(images_mgo == first_members).transpose(2, 1, 0),
        images=images,
    )
    return found.selected(np.ones(found.n_orbits, dtype=bool))


def _key(
    group: SpaceGroup, sites: Ints, lattice: Ints, supercell: Supercell | None
) -> Callable[[Ints, Ints], Ints]:
    """Return a function that encodes each cluster as one integer."""
    n_sites, order = group.crystal.n_sites, sites.shape[1]
    reach = np.abs(lattice).max(axis=(0, 1), initial=0) + 1
    spans = 2 * reach + 1 if supercell is None else np.array([supercell.n_cells])

    def atoms_of(sites: Ints, lattice: Ints) -> Ints:
        cells = lattice.reshape(-1, 3)
        if supercell is None:
            # Cells outside the list are clipped to its empty margin.
            labels = np.clip(cells + reach, 0, 2 * reach)
        else:
            labels = cell_rank(supercell, cells)[:, None]
        atoms: Ints = np.ravel_multi_index((sites.ravel(), *labels.T), (n_sites, *spans))
        return atoms

    known = np.unique(atoms_of(sites, lattice))

    def key(sites: Ints, lattice: Ints) -> Ints:
        numbers = _find(known, atoms_of(sites, lattice)).reshape(sites.shape)
        keys: Ints = np.ravel_multi_index(tuple(numbers.T), (len(known) + 1,) * order)
        return keys

    return key


def _moved(group: SpaceGroup, g: int, sites: Ints, lattice: Ints) -> tuple[Ints, Ints]:
    """Apply an operation to clusters, with the first member in the home cell again."""
    moved = lattice @ group.rotations[g].T + group.shifts[g][sites]
    return group.permutations[g][sites], moved - moved[:, :1]


def _reordered(permutation: Ints, sites: Ints, lattice: Ints) -> tuple[Ints, Ints]:
    """Permute the members of clusters, with the first one in the home cell again."""
    cells = lattice[:, permutation]
    return sites[:, permutation], cells - cells[:, :1]


def _find(keys: Ints, wanted: Ints) -> Ints:
    """Index of each wanted key in ascending keys; the number of keys where it is missing."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, len(keys))


def _first_image(images_mgo: Ints, n_clusters: int) -> tuple[Ints, Ints]:
    """(c,) first operation and permutation that map the representative to each cluster."""
    n_orders, n_operations, _ = images_mgo.shape
    way = np.full(n_clusters + 1, n_operations * n_orders)
    for k, (g, m) in enumerate(np.ndindex(n_operations, n_orders)):
        np.minimum.at(way, images_mgo[m, g], k)
    return way[:-1] // n_orders, way[:-1] % n_orders
