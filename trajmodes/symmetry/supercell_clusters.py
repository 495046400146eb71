"""Orbits of clusters of atoms of a supercell, whose images share the force constants.

Beyond the sphere inscribed in its Wigner–Seitz cell, the atoms of a periodic supercell interact
with several images of each other, and forces determine only the sum over the images. Such
clusters are listed once for the atoms of the supercell. Only operations that map the supercell
onto itself are used.
"""

from dataclasses import replace

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.errors import UsageError
from trajmodes.symmetry.clusters import (
    MARGIN,
    SHELL_TOLERANCE,
    Orbits,
    classify,
    cutoff_notes,
    extended,
)
from trajmodes.symmetry.cutoffs import Cutoff
from trajmodes.symmetry.images import Images, images_of_pairs
from trajmodes.symmetry.operations import SpaceGroup, supercell_group

_MOST_BYTES = 1 << 32
"""Memory of the tensors of all clusters beyond which a fit is refused."""


def supercell_orbits(
    group: SpaceGroup, order: int, supercell: Supercell, cutoff: Cutoff | None = None
) -> Orbits:
    """Find the orbits of all clusters of atoms of a supercell, listed once.

    With a cutoff, the distances of the nearest images of all members lie within it.

    Raises
    ------
    UsageError
        If there are too many clusters.
    """
    return _orbits(group, order, images_of_pairs(supercell, SHELL_TOLERANCE), cutoff)


def _orbits(
    group: SpaceGroup, order: int, images: Images, cutoff: Cutoff | None = None
) -> Orbits:
    group = supercell_group(group, images.supercell)
    n_sites = group.crystal.n_sites
    reach = np.full((n_sites, n_sites), np.inf)
    if cutoff is not None:
        reach = cutoff.matrix(group.crystal) + MARGIN
    orbits = classify(group, *_clusters(images, order, reach), images)
    if cutoff is None:
        return orbits
    included = orbits.within(cutoff)
    return replace(orbits.selected(included), notes=cutoff_notes(orbits, cutoff, included))


def _clusters(images: Images, order: int, reach: Floats) -> tuple[Ints, Ints]:
    """Sites (c, n) and cells (c, n, 3) of clusters whose nearest images are within reach."""
    supercell = images.supercell
    n_sites = supercell.crystal.n_sites
    atoms, cells = supercell.site_index, np.repeat(supercell.cells, n_sites, axis=0)
    parts = []
    for first in range(n_sites):
        home = np.zeros((len(atoms), 2, 3), dtype=np.int64)
        home[:, 1] = cells
        pairs = np.column_stack([np.full(len(atoms), first), atoms])
        near = images.distances(pairs, home)[:, 0, 1] < reach[first, atoms]
        sites, lattice = np.full((1, 1), first), np.zeros((1, 1, 3), dtype=np.int64)
        for _ in range(order - 1):
            if np.isinf(reach).all():
                _require_memory(n_sites * len(sites) * len(atoms), order)
            sites, lattice = extended(sites, lattice, (atoms[near], cells[near]))
            if np.isfinite(reach).all():
                # The last member must be within reach of all others.
                close = images.distances(sites, lattice)[:, -1, :-1]
                kept = (close < reach[sites[:, -1:], sites[:, :-1]]).all(axis=1)
                sites, lattice = sites[kept], lattice[kept]
            _require_memory(len(sites) * n_sites, order)
        parts.append((sites, lattice))
    sites, lattice = (np.concatenate(part) for part in zip(*parts, strict=True))
    return sites, lattice


def _require_memory(n_clusters: int, order: int) -> None:
    """Refuse so many clusters that their tensors do not fit in the memory."""
    needed = 8 * 9**order * n_clusters
    if order > 2 and needed > _MOST_BYTES:
        kind = {3: "triplets", 4: "quartets"}[order]
        raise UsageError(
            f"the supercell has too many {kind} of atoms within the cutoff of order {order}",
            where=f"at least {n_clusters}, which would take {needed / 2**30:.0f} GiB",
            fix=f"shorten the cutoff (--cutoff{order})",
        )


def supercell_pair_orbits(group: SpaceGroup, supercell: Supercell) -> Orbits:
    """Find the orbits of all pairs of a supercell, each at its nearest image or images.

    Pairs that are equal modulo the supercell are identified. Equally near images share the
    force constant equally (Wigner–Seitz).
    """
    images = images_of_pairs(supercell, SHELL_TOLERANCE)
    orbits = _orbits(group, 2, images)
    cells = orbits.lattice[:, 1]
    first, second = orbits.sites.T
    pair, found, share = images.of_pairs(first, second, cells)
    # Sorted by the supercell vectors to the images, which do not depend on the basis of the
    # search.
    steps = np.rint((found - cells[pair]) @ np.linalg.inv(supercell.matrix))
    order = np.lexsort((*steps.T[::-1], pair))
    pair, lattice = pair[order], np.zeros((len(pair), 2, 3), dtype=np.int64)
    lattice[:, 1] = found[order]
    return replace(
        orbits.listed(pair),
        lattice=lattice,
        share=share[order],
        representatives=np.searchsorted(pair, orbits.representatives),
        images=None,
    )
