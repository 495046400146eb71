"""Functions of an embedded-atom potential at the bonds and densities of a crystal."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError, UsageError
from trajmodes.potentials.eam.tables import Function, OverDistance, Table
from trajmodes.potentials.neighbours import Bonds

_COINCIDENT = 1e-3
"""Distance in Å below which two atoms are at the same place."""


@dataclass(frozen=True, slots=True)
class Functions:
    """Functions of an embedded-atom potential, called with (k,) values and an order.

    The order is that of the derivative, 0 for the value itself.
    """

    species: tuple[str, ...]
    embedding: Mapping[str, Function]
    """F in eV as a function of the density at an atom of a species."""
    density: Mapping[tuple[str, str], Function]
    """Density at an atom of the first species from one of the second."""
    pair: Mapping[tuple[str, str], Function]
    """φ in eV, for both orders of the species."""
    cutoff: float
    """Distance in Å beyond which φ and f are zero."""


@dataclass(frozen=True, slots=True)
class BondFunctions:
    """Functions of the lengths of the bonds, and of the densities of the sites.

    Index n is the order of the derivative.
    """

    bonds: Bonds
    lengths: Floats
    """(b,) in Å."""
    pair: Floats
    """(n, b) φ in eV/Åⁿ."""
    at_first: Floats
    """(n, b) density at the first atom from the second, per Åⁿ."""
    at_second: Floats
    """(n, b) density at the second atom from the first, per Åⁿ."""
    embedding: Floats
    """(n, s) F in eV, per density to the power n, at the density of each site."""
    densities: Floats
    """(s,) ρ."""
    cutoff: float
    """Cutoff in Å."""


def bond_functions(
    functions: Functions, crystal: Crystal, bonds: Bonds, order: int
) -> BondFunctions:
    """Evaluate all functions of the bonds with their derivatives up to an order.

    Raises
    ------
    UsageError
        If the potential does not describe a species of the crystal.
    DataError
        If a distance or a density is outside the tables, or two atoms are at the same place.
    """
    kinds = tuple(dict.fromkeys(crystal.species))
    missing = [kind for kind in kinds if kind not in functions.species]
    if missing:
        raise UsageError(
            f"the potential has {', '.join(functions.species)}, and the crystal contains "
            f"{', '.join(missing)}",
            fix="give the species of the potential",
        )
    kind = np.array([kinds.index(one) for one in crystal.species], dtype=np.int64)
    lengths = np.minimum(bonds.lengths, functions.cutoff)
    if len(lengths) and lengths.min() < _COINCIDENT:
        bond = int(lengths.argmin())
        raise DataError(
            f"sites {bonds.first[bond]} and {bonds.second[bond]} are at the same place",
            why="the cell lists an atom twice",
            fix="check its positions",
        )
    of_bond = kind[bonds.first], kind[bonds.second]
    pair, at_first, at_second = np.zeros((3, order + 1, len(lengths)))
    for a, b, chosen in _kinds_of_bonds(kinds, *of_bond):
        for n in range(order + 1):
            r = lengths[chosen]
            pair[n, chosen] = functions.pair[a, b](r, n)
            at_first[n, chosen] = functions.density[a, b](r, n)
            at_second[n, chosen] = functions.density[b, a](r, n)
    densities = np.bincount(bonds.first, at_first[0], crystal.n_sites).astype(float)
    embedding = np.empty((order + 1, crystal.n_sites))
    for index, name in enumerate(kinds):
        mine = np.flatnonzero(kind == index)
        for n in range(order + 1):
            embedding[n, mine] = functions.embedding[name](densities[mine], n)
    return BondFunctions(
        bonds, lengths, pair, at_first, at_second, embedding, densities, functions.cutoff
    )


def curvature_noise(functions: Functions, crystal: Crystal, found: BondFunctions) -> Floats:
    """(b,) errors in eV/Å² of the force constants along the bonds, due to rounded tables.

    Functions that are not tables have no such error.
    """
    noise = np.zeros(len(found.lengths))
    frozen = found.embedding[1]
    first, second = found.bonds.first, found.bonds.second
    kinds = tuple(dict.fromkeys(crystal.species))
    kind = np.array([kinds.index(one) for one in crystal.species], dtype=np.int64)
    for a, b, chosen in _kinds_of_bonds(kinds, kind[first], kind[second]):
        for function, factor in (
            (functions.pair[a, b], np.ones(len(chosen))),
            (functions.density[a, b], frozen[first[chosen]]),
            (functions.density[b, a], frozen[second[chosen]]),
        ):
            if isinstance(function, Table | OverDistance):
                own = factor * function.noise(found.lengths[chosen])
                noise[chosen] = np.hypot(noise[chosen], own)
    return noise


def _kinds_of_bonds(
    kinds: tuple[str, ...], first: Ints, second: Ints
) -> list[tuple[str, str, Ints]]:
    """Bonds of each pair of species that has bonds."""
    code = first * len(kinds) + second
    listed = [
        (a, b, np.flatnonzero(code == i * len(kinds) + j))
        for i, a in enumerate(kinds)
        for j, b in enumerate(kinds)
    ]
    return [entry for entry in listed if len(entry[2])]
