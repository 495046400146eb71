"""Interactions of a shell model: kinds of particles, and terms between them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import NoReturn

import numpy as np

from trajmodes.arrays import Ints
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.potentials.ewald import all_pairs
from trajmodes.potentials.terms.functions import Function
from trajmodes.potentials.terms.pairs import PairList
from trajmodes.potentials.terms.particles import Particles
from trajmodes.potentials.terms.triples import AngularFunction, TripleList

LARGEST_CUTOFF = 100.0
"""Largest cutoff in Å; with larger ones the bonds of a cell would not fit into memory."""

_MOST_ANGLES = 500_000
"""Largest number of angles at one centre; more do not fit into memory."""

SHELL = " shell"
"""Ending of the kind of a shell: ``O shell``; the core of O is ``O``."""


@dataclass(frozen=True, slots=True)
class PairTerm:
    """An energy of the distance between particles of two kinds, up to a cutoff."""

    kinds: tuple[str, str]
    function: Function
    cutoff: float
    """Å."""
    least: float = 0.0
    """Least distance in Å; shorter ones have no such energy."""


@dataclass(frozen=True, slots=True)
class AngleTerm:
    """An energy of triples: a centre, and two ends within the cutoffs of their kinds."""

    centre: str
    ends: tuple[str, str]
    function: AngularFunction
    cutoffs: tuple[float, float]
    """Largest distances in Å of the ends from the centre."""
    apart: float = inf
    """Largest distance in Å between the ends."""


@dataclass(frozen=True, slots=True)
class Terms:
    """All parameters of a model."""

    charges: Mapping[str, float]
    """Kind → charge in e; kinds of shells end with ``shell``. If empty, there is no Coulomb
    energy."""
    springs: Mapping[str, Function]
    """Species → energy of the distance between its core and shell."""
    pairs: tuple[PairTerm, ...] = ()
    angles: tuple[AngleTerm, ...] = ()

    @property
    def cutoff(self) -> float:
        """Largest cutoff in Å of pairs and of the bonds of angles."""
        found = [one.cutoff for one in self.pairs]
        found += [reach for one in self.angles for reach in one.cutoffs]
        return max(found, default=0.0)

    @property
    def named(self) -> frozenset[str]:
        """Kinds that a charge, a spring, a pair or an angle names."""
        found = {*self.charges, *self.springs, *(name + SHELL for name in self.springs)}
        found.update(kind for one in self.pairs for kind in one.kinds)
        found.update(kind for one in self.angles for kind in (one.centre, *one.ends))
        return frozenset(found)

    def check(self, refuse: Callable[[str, str, str], NoReturn]) -> None:
        """Refuse shells without spring, and kinds without charge in a model with charges.

        ``refuse`` is called with the error, the part of the file where something is missing,
        ``charges`` or ``springs``, and the advice.
        """
        for kind in sorted(self.named):
            if kind.endswith(SHELL) and kind.removesuffix(SHELL) not in self.springs:
                refuse(f"{kind} has no spring", "springs", "a spring binds a shell to its core")
            if self.charges and kind not in self.charges:
                known = ", ".join(sorted(self.charges))
                refuse(f"no charge of {kind}", "charges", f"there are charges of {known}")


@dataclass(frozen=True, slots=True)
class Layout:
    """Particles of a crystal: its cores in the order of the sites, then its shells."""

    kinds: tuple[str, ...]
    """(n,) kind of each particle."""
    site: Ints
    """(n,) site of each particle."""

    @property
    def n_cores(self) -> int:
        """Number of cores."""
        return sum(not kind.endswith(SHELL) for kind in self.kinds)

    @property
    def own(self) -> Ints:
        """(m, 2) each core with its shell."""
        shells = np.arange(self.n_cores, len(self.kinds))
        return np.stack([self.site[shells], shells], axis=1)


def layout_of(terms: Terms, crystal: Crystal) -> Layout:
    """List the particles of a crystal.

    Raises
    ------
    DataError
        If the model lacks a species of the crystal.
    """
    known = {kind for kind in terms.charges or terms.named if not kind.endswith(SHELL)}
    for name in sorted(set(crystal.species)):
        if name not in known:
            what = "charge" if terms.charges else "energy"
            raise DataError(
                f"the model has no {what} of {name}",
                where=f"the species of the model are {', '.join(sorted(known))}",
                fix="name the species of the crystal as the model does",
            )
    shells = [k for k, name in enumerate(crystal.species) if name in terms.springs]
    kinds = (*crystal.species, *(crystal.species[k] + SHELL for k in shells))
    site = np.array([*range(crystal.n_sites), *shells], dtype=np.int64)
    return Layout(kinds, site)


def pair_lists(terms: Terms, layout: Layout, particles: Particles) -> list[PairList]:
    """List the bonds of all pair terms and springs."""
    first, second, lattice = all_pairs(particles, terms.cutoff + 1e-9)
    kinds = np.array(layout.kinds)
    length = np.linalg.norm(particles.apart(first, second, lattice), axis=1)
    same_atom = (layout.site[first] == layout.site[second]) & ~lattice.any(axis=1)
    lists = []
    for term in terms.pairs:
        one, two = kinds[first], kinds[second]
        a, b = term.kinds
        chosen = ((one == a) & (two == b)) | ((one == b) & (two == a))
        chosen &= (length <= term.cutoff) & (length >= term.least) & ~same_atom
        lists.append(PairList(first[chosen], second[chosen], lattice[chosen], term.function))
    for species, spring in terms.springs.items():
        own = layout.own[kinds[layout.own[:, 0]] == species]
        home = np.zeros((len(own), 3), dtype=np.int64)
        lists.append(PairList(own[:, 0], own[:, 1], home, spring))
    return [one for one in lists if len(one.first)]


def triple_lists(terms: Terms, layout: Layout, particles: Particles) -> list[TripleList]:
    """List the triples of all angular terms, each angle once.

    Raises
    ------
    DataError
        If there are too many triples because a cutoff is long.
    """
    if not terms.angles:
        return []
    reach = max(cutoff for one in terms.angles for cutoff in one.cutoffs)
    first, second, lattice = all_pairs(particles, reach + 1e-9)
    # Bonds from both ends
    start = np.concatenate([first, second])
    end = np.concatenate([second, first])
    cell = np.concatenate([lattice, -lattice])
    vectors = particles.apart(start, end, cell)
    length = np.linalg.norm(vectors, axis=1)
    kinds = np.array(layout.kinds)
    names = tuple(
        f"{kind} of site {site}" for kind, site in zip(layout.kinds, layout.site, strict=True)
    )
    lists = []
    for term in terms.angles:
        places = []
        for centre in np.flatnonzero(kinds == term.centre):
            bonds = np.flatnonzero(
                (start == centre)
                & ((layout.site[end] != layout.site[centre]) | cell.any(axis=1))
            )
            one, two = (
                bonds[(kinds[end[bonds]] == kind) & (length[bonds] <= cutoff)]
                for kind, cutoff in zip(term.ends, term.cutoffs, strict=True)
            )
            if (count := len(one) * len(two)) > _MOST_ANGLES:
                raise DataError(
                    f"{names[centre]} is the centre of {count} angles",
                    where=f"cutoffs of {term.cutoffs[0]:g} and {term.cutoffs[1]:g} Å",
                    fix="shorten the cutoffs of the angles to the nearest neighbours",
                )
            pairs = np.stack(np.meshgrid(one, two, indexing="ij"), axis=-1).reshape(-1, 2)
            same = term.ends[0] == term.ends[1]
            kept = pairs[:, 0] < pairs[:, 1] if same else pairs[:, 0] != pairs[:, 1]
            ends = np.linalg.norm(vectors[pairs[:, 1]] - vectors[pairs[:, 0]], axis=1)
            kept &= ends <= term.apart
            places.append(pairs[kept])
        listed = np.concatenate(places) if places else np.zeros((0, 2), dtype=np.int64)
        if len(listed):
            centres = start[listed[:, 0]]
            found = TripleList(centres, end[listed], cell[listed], term.function, names)
            lists.append(found)
    return lists
