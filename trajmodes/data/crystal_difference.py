"""Whether two crystals are the same: how their cells, sites and masses differ.

The tolerances depend on why the question is asked, so each purpose has its own, named here.
"""

from collections import Counter
from dataclasses import dataclass
from math import gcd, inf

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import common_shift, deformation, reduced_cell


@dataclass(frozen=True, slots=True)
class CrystalTolerances:
    """How far two crystals may differ."""

    strain: float = inf
    """Linear strain between the cells."""
    site: float = inf
    """Å. Distance of a site from its partner."""
    mass: float = inf
    """Relative difference of the masses on a site."""
    angle: float = inf
    """Angle in rad by which the cells are turned against each other."""


SAME_STRUCTURE = CrystalTolerances(site=1e-5)
"""One structure that was written down twice: rounding of decimals alone, in box vectors too."""

SAME_VOLUME = CrystalTolerances(strain=1e-3, site=0.02)
"""Runs whose frames may be pooled: a strain of 0.1 % changes frequencies by about 0.5 %, less
than their usual error bars."""

NOTICED = CrystalTolerances(strain=2e-4, site=0.02, mass=1e-3)
"""Differences that are worth a note: the strain shifts frequencies by about 0.1 %."""

SAME_CRYSTAL = CrystalTolerances(strain=0.06, site=0.3, mass=0.3, angle=1e-3)
"""One crystal at different temperatures or pressures, or from different methods: no thermal
expansion strains it more. Cells that are turned farther are in different Cartesian frames."""

EXPANSION = CrystalTolerances(strain=0.02)
"""More than the usual thermal expansion between the cell of a file and that of a run."""

SAME_SUBSTANCE = CrystalTolerances(strain=0.1)
"""Cells that may be chosen in different ways: only lengths and volumes are compared."""


@dataclass(frozen=True, slots=True)
class CrystalDifference:
    """How one crystal differs from another with the same species on the same sites."""

    strain: Floats
    """(3, 3) symmetric strain from the first cell to the second."""
    largest_strain: float
    """Principal strain of the largest magnitude, with its sign."""
    angle: float
    """Angle in rad by which the second cell is turned."""
    shift: Floats
    """(s,), unit: Å. Distance of each site from its partner modulo the lattice, without the
    common shift of all sites."""
    cells: Ints
    """(s, 3) lattice vector from each site to its partner; zero where they lie in one cell."""
    mass: Floats
    """(s,) relative difference of the masses."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, strain="3 3", shift="s", mass="s")
        freeze(self, sizes, np.int64, cells="s 3")


def crystal_difference(one: Crystal, other: Crystal) -> CrystalDifference:
    """Compare two crystals site by site; they must have equally many.

    Vectors of the second are those of the first times (1 + strain) times a rotation.
    """
    change = deformation(np.linalg.solve(one.cell, other.cell))
    apart = other.sites - one.sites
    # The circular mean, so that sites in other cells do not pull at it; then that of cells.
    rest = apart - common_shift(apart)
    rest -= np.rint(np.median(rest, axis=0))
    cells = np.rint(rest)
    return CrystalDifference(
        strain=change.strain,
        largest_strain=change.largest,
        angle=change.angle,
        shift=np.linalg.norm((rest - cells) @ other.cell, axis=1),
        cells=cells.astype(np.int64),
        mass=other.masses / one.masses - 1.0,
    )


def same_substance(one: Crystal, other: Crystal) -> bool:
    """Whether two crystals can be one, whatever the choice of the cell.

    The composition and the volume per atom must agree, and the shortest lattice vectors where
    the cells have equally many sites.
    """
    if _proportions(one) != _proportions(other):
        return False
    pairs = [(one.volume / one.n_sites, other.volume / other.n_sites)]
    if one.n_sites == other.n_sites:
        pairs += zip(shortest_lengths(one), shortest_lengths(other), strict=True)
    return all(abs(x / y - 1.0) < SAME_SUBSTANCE.strain for x, y in pairs)


def shortest_lengths(crystal: Crystal) -> Floats:
    """Lengths (3,) of the shortest lattice vectors in Å; no choice of the cell changes them."""
    lengths: Floats = np.sort(np.linalg.norm(reduced_cell(crystal.cell).cell, axis=1))
    return lengths


def _proportions(crystal: Crystal) -> dict[str, int]:
    counts = Counter(crystal.species)
    common = gcd(*counts.values())
    return {name: count // common for name, count in counts.items()}
