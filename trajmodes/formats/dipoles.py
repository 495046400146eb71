"""Move the dipole–dipole part of second-order force constants into the pairs, or out of them.

Other programs store total force constants between the atoms of a supercell, and subtract the
dipole–dipole part themselves. Force constants with charges store it separately.
"""

from dataclasses import replace

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.coulomb.ewald import Pairs
from trajmodes.coulomb.supercells import folded_dipoles
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError
from trajmodes.formats.folding import AtomOrder, canonical_order, of_rows, spread_pairs


def without_dipoles(
    folded: Floats, order: AtomOrder, rows: Ints, charges: Charges | None
) -> Floats:
    """Subtract the dipole–dipole part from ``folded`` (r, a, 3, 3) of the atoms ``rows``."""
    if charges is None:
        return folded
    return folded - of_rows(folded_dipoles(order.supercell, charges), order, rows)


def with_charges(
    constants: ForceConstants, supercell: Supercell, charges: Charges
) -> ForceConstants:
    """Divide total second-order force constants into the dipole–dipole part and the rest.

    The rest acts at nearest images in the supercell. Frequencies at its q points do not change.

    Raises
    ------
    DataError
        If the force constants have charges already.
    """
    if constants.charges is not None:
        raise DataError(
            "the force constants have Born charges of their own",
            fix="leave out those that are given in addition",
        )
    order = canonical_order(supercell)
    rows = np.arange(supercell.crystal.n_sites)
    dipoles = spread_pairs(folded_dipoles(supercell, charges), order, rows)
    rest = add_pairs(constants, Pairs(*dipoles[:3], -dipoles[3]))
    return replace(rest, crystal=supercell.crystal, charges=charges, cutoff=None)


def whole_in(constants: ForceConstants, supercell: Supercell) -> ForceConstants:
    """Add the dipole–dipole part in a supercell to the rest, each pair at its nearest images.

    The charges are kept, for programs that subtract this part themselves.
    """
    if constants.charges is None:
        return constants
    rows = np.arange(supercell.crystal.n_sites)
    folded = folded_dipoles(supercell, constants.charges)
    return add_pairs(constants, Pairs(*spread_pairs(folded, canonical_order(supercell), rows)))


def without_quadrupoles(constants: ForceConstants, supercell: Supercell) -> ForceConstants:
    """Move the forces of quadrupoles into the pairs of a supercell, at nearest images.

    This is for programs that use Born charges and ε∞ only.
    """
    charges = constants.charges
    if charges is None or charges.quadrupoles is None:
        return constants
    whole = replace(whole_in(constants, supercell), charges=None)
    return with_charges(whole, supercell, replace(charges, quadrupoles=None))


def add_pairs(constants: ForceConstants, pairs: Pairs) -> ForceConstants:
    """Add second-order force constants of some pairs; replicates change equally."""
    ours = np.column_stack([constants.first, constants.second, constants.lattice])
    theirs = np.column_stack([pairs.first, pairs.second, pairs.lattice])
    both = np.concatenate([ours, theirs])
    listed, place = np.unique(both, axis=0, return_inverse=True)
    place = place.reshape(-1)

    def summed(own: Floats) -> Floats:
        total = np.zeros((len(listed), 3, 3))
        np.add.at(total, place, np.concatenate([own, pairs.values]))
        return total

    replicates = constants.replicates
    return replace(
        constants,
        first=listed[:, 0],
        second=listed[:, 1],
        lattice=listed[:, 2:],
        values=summed(constants.values),
        replicates=None if replicates is None else np.array([summed(x) for x in replicates]),
    )
