"""Comparison of two crystals: differences of cells, sites and masses, and named tolerances.

The tolerances depend on the purpose of the comparison.
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
    """Largest admissible differences of two crystals."""

    strain: float = inf
    """Linear strain between the cells."""
    site: float = inf
    """Distance of a site from its partner in Å."""
    mass: float = inf
    """Relative difference of the masses on a site."""
    angle: float = inf
    """Angle in rad by which one cell is rotated against the other."""


SAME_STRUCTURE = CrystalTolerances(site=1e-5)
"""One structure written twice: the difference is rounding, also in box vectors."""

SAME_VOLUME = CrystalTolerances(strain=1e-3, site=0.02)
"""Runs that may be pooled: a strain of 0.1 % changes frequencies by about 0.5 %, less than
their usual error bars."""

NOTABLE = CrystalTolerances(strain=2e-4, site=0.02, mass=1e-3)
"""Differences to report: a strain that shifts frequencies by about 0.1 %."""

SAME_CRYSTAL = CrystalTolerances(strain=0.06, site=0.3, mass=0.3, angle=1e-3)
"""One crystal at different temperatures or pressures, or from different methods: thermal
expansion is smaller. Cells rotated further have different Cartesian axes."""

EXPANSION = CrystalTolerances(strain=0.02)
"""Largest usual thermal expansion between the cell of a file and that of a run."""

SAME_SUBSTANCE = CrystalTolerances(strain=0.1)
"""Cells of possibly different choice: only lengths and volumes are compared."""


@dataclass(frozen=True, slots=True)
class CrystalDifference:
    """Differences of two crystals with the same species on the same sites."""

    strain: Floats
    """(3, 3) symmetric strain from the first cell to the second."""
    largest_strain: float
    """Principal strain of the largest magnitude, with its sign."""
    angle: float
    """Angle in rad by which the second cell is rotated."""
    shift: Floats
    """(s,), unit: Å. Distance of each site from its partner modulo the lattice, after the
    common shift of all sites is subtracted."""
    cells: Ints
    """(s, 3) lattice vector from each site to its partner."""
    mass: Floats
    """(s,) relative difference of the masses."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, strain="3 3", shift="s", mass="s")
        freeze(self, sizes, np.int64, cells="s 3")


def crystal_difference(one: Crystal, other: Crystal) -> CrystalDifference:
    """Compare two crystals with the same number of sites, site by site.

    The cell of the second is the cell of the first times (1 + strain) times a rotation.
    """
    change = deformation(np.linalg.solve(one.cell, other.cell))
    apart = other.sites - one.sites
    # The circular mean is independent of the cells of the sites; the median removes these.
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
    """Whether two crystals can be the same, independent of the choice of the cell.

    Composition and volume per atom must agree, and the shortest lattice vectors too if the
    cells have the same number of sites.
    """
    if _proportions(one) != _proportions(other):
        return False
    pairs = [(one.volume / one.n_sites, other.volume / other.n_sites)]
    if one.n_sites == other.n_sites:
        pairs += zip(shortest_lengths(one), shortest_lengths(other), strict=True)
    return all(abs(x / y - 1.0) < SAME_SUBSTANCE.strain for x, y in pairs)


def shortest_lengths(crystal: Crystal) -> Floats:
    """Find the (3,) lengths of the shortest lattice vectors in Å, whatever the cell."""
    lengths: Floats = np.sort(np.linalg.norm(reduced_cell(crystal.cell).cell, axis=1))
    return lengths


def _proportions(crystal: Crystal) -> dict[str, int]:
    counts = Counter(crystal.species)
    common = gcd(*counts.values())
    return {name: count // common for name, count in counts.items()}
