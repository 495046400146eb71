"""Clusters decorated by species: those of a crystal whose sites hold atoms of several species.

The decorated crystal has every site of its parent once for each species that the site and its
equivalents hold. An operation maps a site with a species to the image of the site with the same
species. Orbits, tensors and sum rules of clusters of these sites are then found as those of any
other crystal. A permutation of the members of a cluster permutes their species too. So an
operation that exchanges the two sites of a pair restricts the force constants of two atoms of
one species. Of two species A and B it relates those of A–B and B–A, and restricts neither.
"""

from collections.abc import Sequence, Set
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Ints
from trajmodes.data.crystal import Crystal
from trajmodes.symmetry.clusters import Orbits, classify
from trajmodes.symmetry.operations import SpaceGroup


class Decorated(NamedTuple):
    """A decorated crystal and its symmetry."""

    group: SpaceGroup
    """Operations of the parent crystal, acting on the decorated sites."""
    parent: Ints
    """(d,) site of the parent crystal of each decorated site, ascending."""


def decorated_group(group: SpaceGroup, species: Sequence[Set[str]]) -> Decorated:
    """List each site of a crystal once for each species on it and on its equivalents.

    `species` are those on each site (s). Masses are those of the parent crystal.
    """
    crystal, label = group.crystal, group.permutations.min(axis=0).tolist()
    kinds: dict[int, set[str]] = {}
    for s, names in enumerate(species):
        kinds.setdefault(label[s], set()).update(names)
    listed = [(s, name) for s in range(crystal.n_sites) for name in sorted(kinds[label[s]])]
    number = {one: d for d, one in enumerate(listed)}
    parent = np.array([s for s, _ in listed], dtype=np.int64)
    images = [[number[int(p[s]), name] for s, name in listed] for p in group.permutations]
    decorated = Crystal(
        crystal.cell,
        crystal.sites[parent],
        tuple(name for _, name in listed),
        crystal.masses[parent],
    )
    acting = replace(
        group,
        crystal=decorated,
        permutations=np.array(images),
        shifts=group.shifts[:, parent],
    )
    return Decorated(acting, parent)


def decorated_orbits(orbits: Orbits, decorated: Decorated) -> Orbits:
    """Find the orbits of the clusters of a parent crystal with all choices of species.

    Clusters of atoms of a supercell, whose images share force constants, have none.
    """
    sites, lattice = orbits.sites, orbits.lattice
    for k in range(orbits.order):
        found = [np.flatnonzero(decorated.parent == s) for s in sites[:, k]]
        again = np.repeat(np.arange(len(sites)), [len(one) for one in found])
        sites, lattice = sites[again], lattice[again]
        sites[:, k] = np.concatenate(found)
    # An atom that occurs twice has one species.
    first, second = np.triu_indices(orbits.order, 1)
    same_place = decorated.parent[sites[:, first]] == decorated.parent[sites[:, second]]
    same_place &= (lattice[:, first] == lattice[:, second]).all(axis=2)
    possible = ~(same_place & (sites[:, first] != sites[:, second])).any(axis=1)
    classified = classify(decorated.group, sites[possible], lattice[possible])
    return replace(classified, notes=orbits.notes)
