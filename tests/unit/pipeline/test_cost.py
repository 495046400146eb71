"""The arrays that the prediction of memory counts are those that are made."""

import tracemalloc

import numpy as np
import pytest
from ase.build import bulk

from trajmodes.data.crystal import Crystal
from trajmodes.formats.phonopy import phonopy_object
from trajmodes.pipeline.check import cost
from trajmodes.symmetry.translations import build_supercell


@pytest.mark.parametrize(
    ("atoms", "counts"),
    [(bulk("Au"), (9, 9, 9)), (bulk("GaN", "wurtzite", a=3.2, c=5.2), (6, 6, 6))],
    ids=["one site", "four sites"],
)
def test_the_memory_of_phonopy_grows_with_atoms_and_cells(atoms, counts):
    crystal = Crystal.from_ase(atoms)
    phonopy_object(build_supercell(crystal, np.eye(3, dtype=int)))  # loads its modules
    supercell = build_supercell(crystal, np.diag(counts))
    tracemalloc.start()
    phonopy_object(supercell)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    promised = cost._PHONOPY_BYTES * supercell.n_atoms * supercell.n_cells
    assert 0.75 < promised / taken < 1.25
