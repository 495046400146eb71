"""Force constants of third order of pairs and angles.

A term is a function of the vectors x_v = Σ_m S_vm r_m between its members m: one of a pair, two
of an angle. With its third derivatives T with respect to these vectors

    Φ_mm'm'' = Σ S_vm S_v'm' S_v''m'' T_vv'v''.

Sums over a member vanish because each row of S does.
"""

from itertools import product

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants
from trajmodes.potentials.terms.pairs import PairList
from trajmodes.potentials.terms.particles import Particles
from trajmodes.potentials.terms.third_derivatives import third_of_pairs, third_of_triples
from trajmodes.potentials.terms.triples import TripleList

_PAIR = np.array([[-1.0, 1.0]])
_TRIPLE = np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])


def third_order(
    crystal: Crystal, particles: Particles, lists: list[PairList | TripleList]
) -> ClusterConstants:
    """Sum the third derivatives of all terms; every cluster is listed in all orders."""
    parts = [_clusters(one, particles) for one in lists]
    heads = np.concatenate([rows for rows, _ in parts])
    listed, place = np.unique(heads, axis=0, return_inverse=True)
    values = np.zeros((len(listed), 3, 3, 3))
    np.add.at(values, place.reshape(-1), np.concatenate([found for _, found in parts]))
    sites, lattice = listed[:, :3], listed[:, 3:].reshape(-1, 3, 3)
    places = (crystal.sites[sites] + lattice) @ crystal.cell
    apart = np.linalg.norm(places[:, :, None] - places[:, None], axis=-1)
    return ClusterConstants(sites, lattice, values, cutoff=float(apart.max()))


def _clusters(one: PairList | TripleList, particles: Particles) -> tuple[Ints, Floats]:
    """Rows (c, 12) of sites and cells of all clusters of a list, and their values."""
    if isinstance(one, PairList):
        sites = np.stack([one.first, one.second], axis=1)
        lattice = np.stack([np.zeros_like(one.lattice), one.lattice], axis=1)
        signs, third = _PAIR, third_of_pairs(one, particles)
    else:
        sites = np.column_stack([one.centre, one.ends])
        home = np.zeros((len(sites), 1, 3), dtype=np.int64)
        lattice = np.concatenate([home, one.lattice], axis=1)
        signs, third = _TRIPLE, third_of_triples(one, particles)
    heads, values = [], []
    for order in product(range(sites.shape[1]), repeat=3):
        members = list(order)
        cells = lattice[:, members] - lattice[:, members[:1]]
        heads.append(np.column_stack([sites[:, members], cells.reshape(-1, 9)]))
        a, b, c = (signs[:, m] for m in order)
        values.append(np.einsum("a,b,c,kaxbycz->kxyz", a, b, c, third))
    return np.concatenate(heads), np.concatenate(values)
