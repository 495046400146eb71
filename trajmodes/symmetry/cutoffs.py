"""Cutoffs of force constants: one radius, or radii for pairs of species."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config.kinds import split_cutoff
from trajmodes.data.crystal import Crystal
from trajmodes.errors import UsageError


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
        kinds = crystal.species
        return np.array(
            [[self.by_species.get(_sorted(a, b), self.radius) for b in kinds] for a in kinds]
        )


def _sorted(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first <= second else (second, first)


def parse_cutoff(text: str) -> Cutoff:
    """Parse a cutoff such as ``4.5`` or ``4.5 Si-O:3.2 O-O:4``: radii in Å."""
    return Cutoff(*split_cutoff(text))
