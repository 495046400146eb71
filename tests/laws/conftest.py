"""Crystals of springs; polynomial forces, normal equations, design matrices, made directly."""

import itertools
from math import factorial

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.fit.accumulate import ForceRows
from trajmodes.fit.fit import constants_of
from trajmodes.phonons.modes import modes_at
from trajmodes.symmetry.translations import build_supercell, cell_rank, half_space


def _dense(sites, lattice, values, supercell):
    """(a, …, a, 3, …, 3) force constants of a supercell, summed over images."""
    n_sites, order = supercell.crystal.n_sites, sites.shape[1]
    dense = np.zeros((supercell.n_atoms,) * order + (3,) * order)
    ranks = cell_rank(supercell, supercell.cells[:, None, None] + lattice)
    atoms = ranks * n_sites + sites
    for k in range(len(values)):
        np.add.at(dense, tuple(atoms[:, k].T), values[k])
    return dense


@pytest.fixture(scope="session")
def dense_of():
    """``dense_of(constants, supercell)``: order → (3a, …, 3a) force constants."""

    def make(constants, supercell):
        pairs = (
            np.column_stack([constants.first, constants.second]),
            np.stack([0 * constants.lattice, constants.lattice], axis=1),
            constants.values,
        )
        clusters = (constants.triplets, constants.quartets)
        higher = [(one.sites, one.lattice, one.values) for one in clusters if one is not None]
        dense = {}
        for sites, lattice, values in (pairs, *higher):
            order = sites.shape[1]
            full = _dense(sites, lattice, values, supercell)
            axes = [axis for k in range(order) for axis in (k, order + k)]
            dense[order] = full.transpose(axes).reshape((3 * supercell.n_atoms,) * order)
        return dense

    return make


@pytest.fixture(scope="session")
def polynomial_forces(dense_of):
    """``polynomial_forces(constants, supercell, u_tax)``: −Φ2 u − ½ Φ3 uu − (1/6) Φ4 uuu."""

    def make(constants, supercell, u_tax):
        return _forces(dense_of(constants, supercell), u_tax)

    return make


def _forces(dense, u_tax):
    u_tx = u_tax.reshape(len(u_tax), -1)
    f_tx = np.zeros_like(u_tx)
    for order, phi in dense.items():
        power = u_tx
        for _ in range(order - 2):
            power = (power[:, :, None] * u_tx[:, None, :]).reshape(len(u_tx), -1)
        f_tx -= power @ phi.reshape(len(phi), -1).T / factorial(order - 1)
    return f_tx.reshape(u_tax.shape)


@pytest.fixture(scope="session")
def design_of(dense_of):
    """``design_of(model, supercell, u_tax)``: (3ta, n) design matrix, column by column.

    Computed from the force constants of the supercell for a unit of each free parameter.
    """

    def make(model, supercell, u_tax):
        singles = model.expansion.bases[0]
        columns = []
        for unit in np.eye(model.n_parameters):
            z = model.null_space @ unit
            force_sx = np.zeros((supercell.crystal.n_sites, 3))
            force_sx[singles.orbits.sites[:, 0]] = singles.expand(z[model.expansion.columns(1)])
            dense = dense_of(constants_of(model, unit), supercell)
            force = _forces(dense, u_tax) - np.tile(force_sx, (supercell.n_cells, 1))
            columns.append(force.ravel())
        return np.array(columns).T

    return make


@pytest.fixture(scope="session")
def equations_of():
    """``equations_of(expansion, supercell, u_tax, f_tax, n_blocks=8, cuts=())``."""

    def make(expansion, supercell, u_tax, f_tax, n_blocks=8, cuts=()):
        reduction = ForceRows(expansion, supercell, len(u_tax), n_blocks)
        edges = [0, *sorted(cuts), len(u_tax)]
        states = [
            reduction.chunk(MotionBlock(a, u_tax[a:b], None, f_tax[a:b]))
            for a, b in itertools.pairwise(edges)
        ]
        state = states[0]
        for later in states[1:]:
            state = reduction.combine(state, later)
        return reduction.finalize(state)

    return make


@pytest.fixture(scope="session")
def image_forces():
    """``polynomial_forces``, cluster by cluster, for large supercells."""

    def make(constants, supercell, u_tax):
        n_sites = supercell.crystal.n_sites
        pairs = (
            np.column_stack([constants.first, constants.second]),
            np.stack([0 * constants.lattice, constants.lattice], axis=1),
            constants.values,
        )
        clusters = (constants.triplets, constants.quartets)
        higher = [(one.sites, one.lattice, one.values) for one in clusters if one is not None]
        f_tax = np.zeros_like(u_tax)
        for sites, lattice, values in (pairs, *higher):
            order = sites.shape[1]
            for row, cells, phi in zip(sites, lattice, values, strict=True):
                ranks = cell_rank(supercell, supercell.cells[:, None] + cells)
                atoms = ranks * n_sites + row
                force = np.broadcast_to(phi, (len(u_tax), len(atoms), *phi.shape))
                for k in range(order - 1, 0, -1):
                    force = np.einsum("ta...y,tay->ta...", force, u_tax[:, atoms[:, k]])
                f_tax[:, atoms[:, 0]] -= force / factorial(order - 1)
        return f_tax

    return make


_OBLIQUE = {
    "diamond": [[2, 0, 0], [1, 2, 0], [0, 0, 2]],
    "wurtzite": [[2, 0, 0], [0, 2, 0], [0, 1, 1]],
    "triclinic": [[2, 1, 0], [0, 1, 1], [-1, 0, 2]],
}


@pytest.fixture(scope="module", params=list(_OBLIQUE))
def oblique_solid(request, crystals, springs, hessian_of):
    """Space, modes and Hessian of a crystal of springs in a supercell of low symmetry."""
    crystal = crystals[request.param]
    constants = springs(crystal, 4.5)
    space = half_space(build_supercell(crystal, _OBLIQUE[request.param]))
    modes = modes_at(constants, space.qpoints, space.weights)
    return space, modes, hessian_of(constants, space.supercell)


@pytest.fixture(scope="module")
def two_springs(crystals, springs):
    """Force constants of bcc with springs to 4.5 Å, and the values of those to 2.6 Å."""
    whole, near = springs(crystals["bcc"], 4.5), springs(crystals["bcc"], 2.6)
    keys = [(*r,) for r in whole.lattice.tolist()]
    other = np.zeros_like(whole.values)
    other[[keys.index((*r,)) for r in near.lattice.tolist()]] = near.values
    return whole, other
