"""Potential energy of third- and fourth-order force constants.

    U_3 = ⅙ Σ Φ_xyz u_x u_y u_z,  U_4 = 1/24 Σ Φ_xyzw u_x u_y u_z u_w,

summed over all atoms. `ClusterConstants` lists a cluster in every order of its members. Summed
over the cells these have the same energy, so that one of them is kept, with their number as its
weight.
"""

from dataclasses import dataclass
from math import factorial

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.kernels import kernel
from trajmodes.symmetry.translations import atom_at

_TOGETHER = 64
"""Frames whose energies are computed at once, in the cache of a processor."""


@dataclass(frozen=True, slots=True)
class _Clusters:
    """Clusters of one order, one for each set of members."""

    atoms: Ints
    """(c, k, n) atom of each member, for each cell k of the supercell."""
    values: Floats
    """(c, 3ⁿ), unit: eV/Åⁿ. Coefficients of the products of displacements."""


@dataclass(frozen=True, slots=True)
class HigherOrders:
    """Energy of the force constants of third and fourth order in a supercell."""

    parts: tuple[_Clusters, ...]
    orders: tuple[int, ...]
    """Those among 3 and 4 that there are."""

    def energies(self, u_tax: Floats) -> Floats:
        """(t,) U_3 + U_4 in eV of displacements (t, a, 3) in Å."""
        energy_t = np.zeros(len(u_tax))
        for start in range(0, len(u_tax), _TOGETHER):
            frames = slice(start, start + _TOGETHER)
            u_axt = np.ascontiguousarray(np.moveaxis(u_tax[frames], 0, 2))
            for one in self.parts:
                work = np.empty((one.values.shape[1] // 3, u_axt.shape[2]))
                _add_energies(u_axt, one.atoms, one.values, work, energy_t[frames])
        return energy_t


def higher_orders(constants: ForceConstants, supercell: Supercell) -> HigherOrders | None:
    """Energy of third and fourth order in a supercell; None if there are no such constants."""
    known = [one for one in (constants.triplets, constants.quartets) if one is not None]
    if not known:
        return None
    parts = tuple(_clusters(one, supercell) for one in known)
    return HigherOrders(parts, tuple(one.order for one in known))


def _clusters(constants: ClusterConstants, supercell: Supercell) -> _Clusters:
    order, n = constants.order, constants.n_clusters
    # Lattice vector first: this order of the members does not change under translations.
    members = np.concatenate([constants.lattice, constants.sites[:, :, None]], axis=2)
    ranks = np.unique(members.reshape(-1, 4), axis=0, return_inverse=True)[1].reshape(n, order)
    ordered = np.take_along_axis(members, np.argsort(ranks, axis=1)[:, :, None], axis=1)
    ordered[:, :, :3] -= ordered[:, :1, :3]
    _, first, counts = np.unique(
        ordered.reshape(n, -1), axis=0, return_index=True, return_counts=True
    )
    cells = supercell.cells[None, :, None] + constants.lattice[first][:, None]
    sites = np.broadcast_to(constants.sites[first][:, None], cells.shape[:3])
    values = constants.values[first].reshape(len(first), -1)
    return _Clusters(
        np.ascontiguousarray(atom_at(supercell, sites, cells)),
        values * (counts / factorial(order))[:, None],
    )


@kernel()
def _add_energies(
    u_axt: Floats, atoms_ckn: Ints, value_cv: Floats, work_vt: Floats, energy_t: Floats
) -> None:
    """Contract the tensor of each cluster with its displacements, from the last member on."""
    n_clusters, n_cells, order = atoms_ckn.shape
    n_frames = len(energy_t)
    for c in range(n_clusters):
        for k in range(n_cells):
            rows = value_cv.shape[1] // 3
            a = atoms_ckn[c, k, order - 1]
            for v in range(rows):
                x, y, z = value_cv[c, 3 * v], value_cv[c, 3 * v + 1], value_cv[c, 3 * v + 2]
                for t in range(n_frames):
                    work_vt[v, t] = x * u_axt[a, 0, t] + y * u_axt[a, 1, t] + z * u_axt[a, 2, t]
            for m in range(order - 2, -1, -1):
                rows //= 3
                a = atoms_ckn[c, k, m]
                for v in range(rows):
                    for t in range(n_frames):
                        work_vt[v, t] = (
                            work_vt[3 * v, t] * u_axt[a, 0, t]
                            + work_vt[3 * v + 1, t] * u_axt[a, 1, t]
                            + work_vt[3 * v + 2, t] * u_axt[a, 2, t]
                        )
            for t in range(n_frames):
                energy_t[t] += work_vt[0, t]
