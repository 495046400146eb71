from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data import Crystal
from trajmodes.errors import DataError
from trajmodes.fit import Source, pooled
from trajmodes.symmetry import build_supercell


@pytest.fixture
def ledger(wurtzite, ledger_of, random_frames):
    return ledger_of(wurtzite, {2: 3.3, 3: 2.1}, *random_frames(wurtzite, 8), n_blocks=4)


def test_counts(ledger, wurtzite):
    assert (ledger.n_blocks, ledger.n_frames) == (4, 8)
    assert ledger.n_components == 3 * wurtzite.n_atoms


def test_restricting_takes_columns(ledger):
    part, mask = ledger.expansion.restricted({2: None})
    smaller = ledger.restricted(part, mask)
    n = part.n_parameters
    assert n < ledger.expansion.n_parameters
    np.testing.assert_array_equal(smaller.gram, ledger.gram[:, :n, :n])
    np.testing.assert_array_equal(smaller.moment, ledger.moment[:, :n])
    np.testing.assert_array_equal(smaller.square, ledger.square)


def test_pooling_numbers_the_runs(ledger):
    twice = pooled([ledger, pooled([ledger, ledger])])
    np.testing.assert_array_equal(twice.run, np.repeat([0, 1, 2], 4))
    assert twice.n_frames == 24
    assert pooled([ledger]).n_blocks == 4


def test_sources_are_kept_if_all_are_known(ledger):
    one = ledger.of_source(Source("a", 300.0, 0.005))
    other = ledger.of_source(Source("b", 310.0, 0.01))
    assert [source.name for source in pooled([one, other]).sources] == ["a", "b"]
    assert pooled([one, ledger]).sources == ()


def test_different_cells_are_not_pooled(wurtzite, ledger, ledger_of, random_frames):
    crystal = wurtzite.crystal
    wide = Crystal(1.01 * crystal.cell, crystal.sites, crystal.species, crystal.masses)
    supercell = build_supercell(wide, wurtzite.matrix)
    other = ledger_of(supercell, {2: 3.3, 3: 2.1}, *random_frames(supercell, 2))
    with pytest.raises(DataError, match=r"differ in lattice vectors[\s\S]*at one volume"):
        pooled([ledger, other])


def test_shapes_are_checked(ledger):
    with pytest.raises(DataError, match="moment"):
        replace(ledger, moment=ledger.moment[:, 1:])
    with pytest.raises(ValueError, match="read-only"):
        ledger.gram[0] = 0.0
