"""Symmetry and sum rule of Born charges.

Calculated charges obey the symmetry of the crystal and the sum rule Σ_b Z*_b = 0 up to the
convergence of the calculation. Here both are imposed exactly: each tensor is replaced by the
mean of its images under the space group, and the mean over all sites is subtracted. The largest
change of each kind is reported. A large change means that the charges belong to other sites.
"""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.charges import Charges
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.symmetry.operations import SpaceGroup

_ROUNDING, _WRONG = 2e-3, 0.1
"""Change by symmetry, relative to the largest charge, from which there is a note, and an
error."""

_NET, _NO_CRYSTAL = 0.02, 0.3
"""Sum of the charges per site, relative to the largest charge, from which there is a warning,
and an error."""


def symmetric_charges(charges: Charges, group: SpaceGroup) -> tuple[Charges, tuple[Note, ...]]:
    """Impose the symmetry and the sum rule; note the size of their violation.

    Raises
    ------
    DataError
        If the charges do not match the crystal: they have another number of sites, or are far
        from its symmetry or from neutral.
    """
    n_sites = group.crystal.n_sites
    if len(charges.born) != n_sites:
        raise DataError(
            f"there are Born charges of {len(charges.born)} sites, and the crystal has "
            f"{n_sites}",
            why="they were calculated for another cell",
            fix="give the charges of all sites of the primitive cell, in their order",
        )
    largest = float(np.abs(charges.born).max())
    if not largest > 0.0:
        raise DataError("all Born charges are zero", fix="leave them out")
    born = _mean_of_images(charges.born, group)
    epsilon = np.mean([c @ charges.dielectric @ c.T for c in group.cartesian], axis=0)
    epsilon = 0.5 * (epsilon + epsilon.T)
    off = np.abs(born - charges.born).max(axis=(1, 2))
    off_epsilon = float(np.abs(epsilon - charges.dielectric).max())
    worst = int(off.argmax())
    broken = (
        f"the Born charges break the symmetry {group.symbol} of the crystal by up to "
        f"{off[worst]:.3g} e, on site {worst}, {group.crystal.species[worst]}"
    )
    if off[worst] > _WRONG * largest:
        raise DataError(
            broken,
            why="they are in another order than the sites, or in other Cartesian axes",
            fix="give --cell, the cell for which they were calculated",
        )
    if off_epsilon > _WRONG * np.abs(epsilon).max():
        raise DataError(
            f"the dielectric tensor breaks the symmetry {group.symbol} of the crystal: its "
            f"mean over the operations differs by up to {off_epsilon:.3g}",
            why="it is in other Cartesian axes than the crystal",
            fix="give --cell, the cell for which it was calculated",
        )
    notes = []
    if off[worst] > _ROUNDING * largest:
        notes.append(Note("note", f"{broken}; they were symmetrised"))
    excess = born.mean(axis=0)
    net = float(np.abs(excess).max())
    violated = (
        f"the Born charges violate their sum rule by {n_sites * net:.3g} e per cell, which is "
        f"the largest component of the sum over the {n_sites} sites, {net:.3g} e per site"
    )
    if net > _NO_CRYSTAL * largest:
        raise DataError(
            violated,
            why="charges of some sites are missing or have the wrong sign",
            fix="give the charges of all sites of the primitive cell, in their order",
        )
    loud = net > _NET * largest
    if loud or net > _ROUNDING * largest:
        notes.append(
            Note(
                "warning" if loud else "note",
                f"{violated}; the mean was subtracted from each",
                why="the calculation of the charges is not converged" if loud else "",
            )
        )
    quadrupoles = charges.quadrupoles
    if quadrupoles is not None:
        quadrupoles = _mean_quadrupoles(quadrupoles, group)
    return Charges(born - excess, epsilon, quadrupoles), tuple(notes)


def of_inequivalent(born: Floats, group: SpaceGroup) -> Floats | None:
    """Born charges (s, 3, 3) of all sites from those (o, 3, 3) of the first site of each orbit.

    None if their number is not that of the orbits.
    """
    first, place = np.unique(group.permutations.min(axis=0), return_inverse=True)
    if len(first) != len(born):
        return None
    everywhere = np.empty((group.crystal.n_sites, 3, 3))
    for site, orbit in enumerate(place.reshape(-1)):
        operation = int(np.flatnonzero(group.permutations[:, first[orbit]] == site)[0])
        turn = group.cartesian[operation]
        everywhere[site] = turn @ born[orbit] @ turn.T
    return everywhere


def _mean_of_images(born: Floats, group: SpaceGroup) -> Floats:
    mean = np.zeros_like(born)
    for turn, sites in zip(group.cartesian, group.permutations, strict=True):
        mean[sites] += turn @ born @ turn.T
    return mean / group.n_operations


def _mean_quadrupoles(quadrupoles: Floats, group: SpaceGroup) -> Floats:
    mean = np.zeros_like(quadrupoles)
    for turn, sites in zip(group.cartesian, group.permutations, strict=True):
        mean[sites] += np.einsum("ax,by,cz,sxyz->sabc", turn, turn, turn, quadrupoles)
    return mean / group.n_operations
