"""Cutoffs of force constants: one radius, or radii for pairs of species; largest cutoffs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config.kinds import split_cutoff
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.lattice import Layer, layer_of, reduced_cell, shortest_vector
from trajmodes.errors import UsageError

_MOST_NEIGHBOURS = 4096


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Largest distance between two members of a cluster.

    Raises
    ------
    UsageError
        If a radius is not positive.
    """

    radius: float
    """Radius in Å for all pairs of species not in `by_species`."""
    by_species: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Sorted pair of chemical symbols → radius in Å."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "radius", float(self.radius))
        pairs = {_sorted(*pair): float(r) for pair, r in self.by_species.items()}
        object.__setattr__(self, "by_species", MappingProxyType(pairs))
        for radius in (self.radius, *pairs.values()):
            if not 0.0 < radius < np.inf:
                raise UsageError(f"the cutoff is {radius:g} Å", fix="give a positive cutoff")

    def __reduce__(self) -> tuple[type["Cutoff"], tuple[float, dict[tuple[str, str], float]]]:
        """Pickle as a dict: a mapping proxy cannot be pickled."""
        return Cutoff, (self.radius, dict(self.by_species))

    def __str__(self) -> str:
        named = [f"{a}-{b}:{r:g}" for (a, b), r in sorted(self.by_species.items())]
        return " ".join([f"{self.radius:g}", *named])

    @property
    def largest(self) -> float:
        """The largest radius in Å."""
        return max(self.radius, *self.by_species.values(), 0.0)

    def limited(self, radius: float) -> "Cutoff":
        """Limit all radii to one in Å."""
        pairs = {pair: min(own, radius) for pair, own in self.by_species.items()}
        return Cutoff(min(self.radius, radius), pairs)

    def matrix(self, crystal: Crystal) -> Floats:
        """(s, s) radius in Å for each pair of sites.

        Raises
        ------
        UsageError
            If `by_species` names a species that the crystal does not contain.
        """
        for pair in self.by_species:
            missing = set(pair) - set(crystal.species)
            if missing:
                raise UsageError(
                    f"a cutoff is given for {'-'.join(pair)}, but the crystal has no "
                    f"{', '.join(sorted(missing))}",
                    fix="name species of the crystal: "
                    + ", ".join(sorted(set(crystal.species))),
                )
        kinds, of_site = np.unique(crystal.species, return_inverse=True)
        radii = np.array(
            [[self.by_species.get(_sorted(a, b), self.radius) for b in kinds] for a in kinds]
        )
        return radii[of_site[:, None], of_site]


def admissible_radius(supercell: Supercell) -> float:
    """Largest cutoff in Å within which pairs have a single nearest image.

    It is half the shortest lattice vector of the supercell. For a layer it is half the shortest
    vector in its plane, because clusters do not extend across the empty space between layers.
    """
    cell, layer = supercell.cell, single_layer(supercell.crystal)
    if layer is not None:
        # Vectors that lead out of the plane are made longer than all others.
        far = 1.0 + np.linalg.norm(cell) / layer.period
        cell = reduced_cell(cell + far * np.outer(cell @ layer.normal, layer.normal)).cell
    return shortest_vector(cell) / 2.0


def single_layer(crystal: Crystal) -> Layer | None:
    """Find the layer of a crystal that has one empty space in its cell."""
    layer = layer_of(crystal.cell, crystal.sites)
    return layer if layer is not None and layer.gaps == 1 else None


def largest_radius(supercell: Supercell) -> float:
    """Largest useful cutoff in Å: the admissible cutoff, but at most 4096 neighbours.

    The time of a fit grows at least with the sixth power of the cutoff. 4096 neighbours are
    within 27 Å in silicon.
    """
    crystal = supercell.crystal
    sphere = 3.0 * _MOST_NEIGHBOURS * crystal.volume / (4.0 * np.pi * crystal.n_sites)
    return min(admissible_radius(supercell), float(np.cbrt(sphere)))


def _sorted(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first <= second else (second, first)


def parse_cutoff(text: str) -> Cutoff:
    """Parse a cutoff such as ``4.5`` or ``4.5 Si-O:3.2 O-O:4``: radii in Å."""
    return Cutoff(*split_cutoff(text))
