"""Dynamical matrices of an embedded-atom crystal of one atom per cell, without force constants.

    D(k) = D_ep(k) + D_e3(k),
    D_ep = (1/M) Σ_b [φ̄'/r (1 − e eᵀ) + φ̄'' e eᵀ](1 − cos k·r),  φ̄ = φ + 2F'f,
    D_e3 = (F''/M) v vᵀ,  v = Σ_b f' e sin k·r.

D_e3 has rank one, and v is along k on symmetry lines: there it changes longitudinal branches
only (Daw and Hatcher, Solid State Commun. 56, 697 (1985)).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.errors import UsageError
from trajmodes.potentials.eam.functions import BondFunctions


class BravaisMatrices(NamedTuple):
    """Parts of the dynamical matrix, real because each atom is a centre of inversion."""

    bonds: Floats
    """(q, 3, 3), unit: (rad/ps)². D_ep."""
    many_body: Floats
    """(q, 3, 3), unit: (rad/ps)². D_e3."""


def bravais_matrices(
    crystal: Crystal, found: BondFunctions, qpoints: npt.ArrayLike
) -> BravaisMatrices:
    """Compute the dynamical matrices at reduced q points (q, 3).

    Raises
    ------
    UsageError
        If the crystal has more than one atom per cell.
    """
    if crystal.n_sites != 1:
        raise UsageError(
            f"the crystal has {crystal.n_sites} atoms per cell, and this form of the dynamical "
            "matrix is that of one",
            fix="give the primitive cell, or compute the force constants",
        )
    r, mass = found.lengths, float(crystal.masses[0])
    e = found.bonds.vectors / r[:, None]
    first, second = found.pair[1:] + 2.0 * found.embedding[1] * found.at_first[1:]
    along = e[:, :, None] * e[:, None, :]
    k_bxy = (first / r)[:, None, None] * (np.eye(3) - along) + second[:, None, None] * along
    phase = 2.0 * np.pi * np.asarray(qpoints, dtype=float) @ found.bonds.lattice.T
    bonds_qxy = np.tensordot(1.0 - np.cos(phase), k_bxy, axes=1) / mass
    v_qx = np.sin(phase) @ (found.at_first[1][:, None] * e)
    many_qxy = float(found.embedding[2][0]) / mass * v_qx[:, :, None] * v_qx[:, None, :]
    return BravaisMatrices(bonds_qxy, many_qxy)
