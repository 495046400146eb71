"""Third-order force constants of silicon from MD against static third derivatives by LAMMPS.

The table states how it was made with LAMMPS's third_order. tests/peers runs LAMMPS itself, at
300 K and with static displacements.
"""

from pathlib import Path

import numpy as np
import pytest

from trajmodes.api.runs import open_run
from trajmodes.fit.accumulate import ForceRows
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations
from trajmodes.fit.solution import FitOptions
from trajmodes.symmetry.operations import space_group

TABLE = Path(__file__).parents[1] / "data" / "silicon_third_order.txt"
EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
CUTOFFS = {2: 5.4, 3: 4.2, 4: 2.6}


@pytest.fixture(scope="module")
def equations():
    """The run of the examples: 64 atoms, 1150 K, at the volume of the table."""
    run = open_run(EXAMPLES / "silicon.lammpstrj.xz", cell=EXAMPLES / "silicon.POSCAR")
    supercell = run.supercell
    expansion = expansion_of(space_group(supercell.crystal), supercell, CUTOFFS)
    reduction = ForceRows(expansion, supercell, run.n_frames)
    return reduction.finalize(reduction.chunk(run.motion(0, run.n_frames)))


def rows_of_the_table(clusters, crystal):
    """(k, 3, 3, 3) force constants and errors for each row of the table, and the table."""
    rows = np.loadtxt(TABLE)
    quarter = abs(4.0 * np.linalg.det(crystal.cell)) ** (1 / 3) / 4.0
    vectors = (crystal.sites[clusters.sites] + clusters.lattice) @ crystal.cell
    offsets = np.rint((vectors[:, 1:] - vectors[:, :1]) / quarter).reshape(-1, 6)
    # the sublattice whose bonds point along (1, 1, 1)
    bonds = (offsets == [0, 0, 0, 1, 1, 1]).all(axis=1)
    first = np.isin(clusters.sites[:, 0], clusters.sites[bonds, 0])
    place = [int(np.flatnonzero(first & (offsets == row[:6]).all(axis=1))[0]) for row in rows]
    spread = clusters.replicates - clusters.replicates.mean(axis=0)
    n_blocks = len(spread)
    sem = np.sqrt((n_blocks - 1) / n_blocks * (spread**2).sum(axis=0))
    return clusters.values[place], sem[place], rows[:, 6:].reshape(-1, 3, 3, 3)


@pytest.mark.parametrize(
    ("cutoffs", "scheme", "margin"),
    [
        ({2: None, 3: None}, "sequential", 0.13),
        ({2: None, 3: None}, "joint", 0.115),
        (None, "joint", 0.065),
    ],
)
def test_effective_force_constants_are_static_ones_up_to_anharmonicity(
    equations, cutoffs, scheme, margin
):
    """At 1150 K they differ by a tenth, or by half of that if fourth order is fitted too.

    The error bars are far smaller: the margin is anharmonicity. It is 0.35 % at 300 K.
    """
    fit = fit_equations(equations, cutoffs=cutoffs, options=FitOptions(scheme=scheme))
    found, sem, table = rows_of_the_table(fit.constants.triplets, fit.constants.crystal)
    size, off = np.abs(table).max(), np.abs(found - table).max()
    assert sem.max() < 0.004 * size
    assert 5.0 * sem.max() < off < margin * size
