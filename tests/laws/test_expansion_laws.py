"""Laws of the fit of any order: truth from exact polynomial forces, stages, ledgers, pools."""

import itertools
from math import factorial

import numpy as np
import pytest

from trajmodes.data import MotionBlock
from trajmodes.fit import (
    FitOptions,
    ForceCovariance,
    ForceRows,
    constants_of,
    expansion_of,
    fit_ledger,
    harmonic_ledger,
    pooled,
)
from trajmodes.fit.model import model_of
from trajmodes.symmetry import (
    Constraints,
    Cutoff,
    build_supercell,
    cell_rank,
    half_space,
    space_group,
)

CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
# supercell matrix, cutoffs in Å by order, frames; the pairs of bcc end on its limit
CASES = {
    "diamond": (2 * CONVENTIONAL, {2: 5.3, 3: 4.0, 4: 2.5}, 12),
    "rock salt": ([[3, 0, 1], [0, 4, 0], [1, -1, 3]], {2: 4.2, 3: 3.0, 4: 3.0}, 12),
    "bcc": ([[4, 0, 0], [0, 5, 1], [1, 0, 4]], {2: None, 3: 3.0, 4: 3.0}, 12),
    "wurtzite": (np.diag([3, 3, 2]), {2: 4.7, 3: 3.3, 4: 2.1}, 25),
    "triclinic": ([[3, 1, 0], [0, 2, 0], [0, -1, 2]], {2: 4.0, 3: 2.6, 4: 2.2}, 60),
}


def model_for(crystal, matrix, cutoffs, scheme="joint", constraints=Constraints()):
    supercell = build_supercell(crystal, matrix)
    expansion = expansion_of(space_group(crystal), supercell, cutoffs)
    return supercell, model_of(expansion, constraints=constraints, scheme=scheme)


def forces_of(constants, supercell, u_tax):
    """−Φ2 u − ½ Φ3 uu − (1/6) Φ4 uuu, cluster by cluster, images folded on the supercell."""
    n_sites = supercell.crystal.n_sites
    pairs = (
        np.column_stack([constants.first, constants.second]),
        np.stack([0 * constants.lattice, constants.lattice], axis=1),
        constants.values,
    )
    parts = [pairs]
    for higher in (constants.triplets, constants.quartets):
        if higher is not None:
            parts.append((higher.sites, higher.lattice, higher.values))
    f_tax = np.zeros_like(u_tax)
    for sites, lattice, values in parts:
        order = sites.shape[1]
        for row, cells, phi in zip(sites, lattice, values, strict=True):
            ranks = cell_rank(supercell, supercell.cells[:, None] + cells)
            atoms = ranks * n_sites + row
            force = np.broadcast_to(phi, (*u_tax.shape[:1], len(atoms), *phi.shape))
            for k in range(order - 1, 0, -1):
                force = np.einsum("ta...y,tay->ta...", force, u_tax[:, atoms[:, k]])
            f_tax[:, atoms[:, 0]] -= force / factorial(order - 1)
    return f_tax


def ledger_of(expansion, supercell, u_tax, f_tax, n_blocks=8, cuts=()):
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


def all_values(constants):
    parts = [constants.values, constants.triplets, constants.quartets]
    return [
        part if isinstance(part, np.ndarray) else part.values
        for part in parts
        if part is not None
    ]


@pytest.mark.parametrize("name", CASES)
def test_exact_polynomial_forces_give_the_truth(crystals, name):
    matrix, cutoffs, n_frames = CASES[name]
    supercell, model = model_for(crystals[name], matrix, cutoffs)
    rng = np.random.default_rng(1)
    truth = constants_of(model, rng.normal(size=model.n_parameters))
    # a constant force would be fitted as well: the truth has none
    u_tax = 0.3 * rng.normal(size=(n_frames, supercell.n_atoms, 3))
    f_tax = forces_of(truth, supercell, u_tax)
    ledger = ledger_of(model.expansion, supercell, u_tax, f_tax)
    fit = fit_ledger(ledger, options=FitOptions(scheme="joint"))
    for found, true in zip(all_values(fit.constants), all_values(truth), strict=True):
        assert np.abs(found - true).max() < 1e-9 * np.abs(true).max()
    assert fit.constants.quality.rank == fit.constants.quality.n_parameters
