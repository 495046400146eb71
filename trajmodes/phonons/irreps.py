"""Irreducible representations of the modes at Γ, found and labelled by phonopy.

phonopy is given a supercell of one primitive cell, whose force constants are those summed over
all lattice vectors. At Γ this is exact, also with a dipole–dipole part.
"""

from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.coulomb.ewald import dipole_matrices, dipole_sum
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError
from trajmodes.units import DALTON, THZ

# Distance in Å within which a site must meet its image.
_TOLERANCE = 1e-4


class Irrep(NamedTuple):
    """Degenerate modes at Γ that transform by one irreducible representation."""

    label: str
    """Mulliken symbol, such as T1u; empty where phonopy finds none."""
    branches: tuple[int, ...]
    """Branches in ascending frequency, from 0."""
    omega: float
    """Frequency in rad/ps; negative means imaginary."""


def irreps_at_gamma(constants: ForceConstants) -> tuple[Irrep, ...]:
    """Irreducible representations at Γ, in ascending order of their frequencies.

    Raises
    ------
    DataError
        If phonopy does not accept the crystal, or finds no symmetry.
    """
    from phonopy import Phonopy  # noqa: PLC0415 - loads slowly
    from phonopy.phonon.irreps import IrRepLabels  # noqa: PLC0415
    from phonopy.structure.atoms import PhonopyAtoms  # noqa: PLC0415

    crystal = constants.crystal
    try:
        unit = PhonopyAtoms(
            symbols=list(crystal.species),
            cell=crystal.cell,
            scaled_positions=crystal.sites,
            masses=crystal.masses / DALTON,
        )
        phonon = Phonopy(unit, np.eye(3, dtype=int), np.eye(3), symprec=_TOLERANCE)
        phonon.force_constants = _at_gamma(constants)
        found = phonon.run_irreps([0.0, 0.0, 0.0], symmetry_adapted=True)
        symbol = phonon.primitive_symmetry.pointgroup_symbol
        labels = IrRepLabels(
            found.characters, found.conventional_rotations, symbol, verbose=False
        ).irrep_labels
    except (RuntimeError, ValueError) as error:
        raise DataError(
            f"phonopy finds no irreducible representations: {str(error).splitlines()[0]}",
            why="the crystal has no symmetry at 1e-4 Å, or its cell is not primitive",
            fix="check the cell file",
        ) from error
    return tuple(
        Irrep(label or "", tuple(branches), float(found.frequencies[branches].mean()) * THZ)
        for label, branches in zip(labels or (), found.band_indices, strict=True)
    )


def _at_gamma(constants: ForceConstants) -> Floats:
    """Force constants (s, s, 3, 3) summed over all lattice vectors."""
    n = constants.crystal.n_sites
    summed = np.zeros((n, n, 3, 3))
    np.add.at(summed, (constants.first, constants.second), constants.values)
    if constants.charges is not None:
        dipoles = dipole_sum(constants.crystal, constants.charges)
        whole = dipole_matrices(dipoles, np.zeros((1, 3)))[0].real
        summed += whole.reshape(n, 3, n, 3).swapaxes(1, 2)
    return summed
