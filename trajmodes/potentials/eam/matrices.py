"""Dynamical matrices of embedded-atom crystals of any basis, without force constants.

With the stiffness K_b = w'/r (1 − e eᵀ) + w'' e eᵀ of a bond from i to j, in which
w = φ + F'_i f(at i) + F'_j f(at j) with frozen F', and with the change v_m,j of the density at
site m by a wave of displacements of site j,

    D_ij = (M_i M_j)^{-½} [δ_ij Σ_b K_b − Σ_b(i→j) K_b e^{iq·r} + Σ_m F''_m v*_m,i v_m,jᵀ],
    v_m,j = Σ_b(m→j) f' e e^{iq·r} − δ_mj Σ_b f' e.

The sums are over bonds only: the many-body part extends to twice the cutoff, and is of rank one
for each site. With one atom per cell v is along q on symmetry lines, where the many-body part
changes longitudinal branches only (Daw and Hatcher, Solid State Commun. 56, 697 (1985)).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from trajmodes.arrays import Complexes, Floats
from trajmodes.data.crystal import Crystal
from trajmodes.potentials.eam.functions import BondFunctions


class DynamicalParts(NamedTuple):
    """Parts of the dynamical matrices."""

    bonds: Complexes
    """(q, 3s, 3s), unit: (rad/ps)². Pair, e1 and e2 of the force constants."""
    many_body: Complexes
    """(q, 3s, 3s), unit: (rad/ps)². e3."""


def dynamical_parts(
    crystal: Crystal, found: BondFunctions, qpoints: npt.ArrayLike
) -> DynamicalParts:
    """Compute the dynamical matrices at reduced q points (q, 3)."""
    s, bonds = crystal.n_sites, found.bonds
    apart = bonds.lattice + crystal.sites[bonds.second] - crystal.sites[bonds.first]
    waves_bq = np.exp(2j * np.pi * apart @ np.asarray(qpoints, dtype=float).T)
    along = bonds.vectors / found.lengths[:, None]
    k_bxy = stiffness(found)
    rows = np.hstack([k_bxy.reshape(-1, 9), found.at_first[1][:, None] * along])
    pairs, of_pair = np.unique(bonds.first * s + bonds.second, return_inverse=True)
    # One row of the sums for each pair of sites and component.
    place = of_pair[:, None] * rows.shape[1] + np.arange(rows.shape[1])
    column = np.broadcast_to(np.arange(len(rows))[:, None], place.shape)
    shape = (len(pairs) * rows.shape[1], len(rows))
    sums = csr_array((rows.ravel(), (place.ravel(), column.ravel())), shape=shape)
    waves_pcq = (sums @ waves_bq).reshape(len(pairs), rows.shape[1], -1)
    own_sc = np.zeros((s, rows.shape[1]))
    np.add.at(own_sc, bonds.first, rows)
    total = np.zeros((waves_bq.shape[1], s, s, rows.shape[1]), dtype=complex)
    total[:, pairs // s, pairs % s] = waves_pcq.transpose(2, 0, 1)
    total[:, np.arange(s), np.arange(s)] -= own_sc
    root = np.sqrt(crystal.masses)
    mass = root[:, None] * root
    d_qijxy = -total[..., :9].reshape(-1, s, s, 3, 3) / mass[:, :, None, None]
    v_qmk = (total[..., 9:] / root[:, None]).reshape(-1, s, 3 * s)
    weighted = found.embedding[2][:, None] * v_qmk
    return DynamicalParts(
        d_qijxy.swapaxes(2, 3).reshape(-1, 3 * s, 3 * s),
        v_qmk.conj().swapaxes(1, 2) @ weighted,
    )


def stiffness(found: BondFunctions) -> Floats:
    """(b, 3, 3), unit: eV/Å². Second derivatives of φ and frozen F'f along each bond."""
    i, j, r = found.bonds.first, found.bonds.second, found.lengths
    slope = found.embedding[1]
    first, second = (
        found.pair[1:3] + slope[i] * found.at_first[1:3] + slope[j] * found.at_second[1:3]
    )
    e = found.bonds.vectors / r[:, None]
    along = e[:, :, None] * e[:, None, :]
    k_bxy: Floats = (first / r)[:, None, None] * (np.eye(3) - along) + second[
        :, None, None
    ] * along
    return k_bxy
