from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.fit.normal_blocks import Source, pooled
from trajmodes.results.normal_equations import ledger_dataset
from trajmodes.results.normal_equations import ledger_of as read_back
from trajmodes.symmetry.translations import build_supercell


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
    # other frames, as far as their forces tell
    second, third = (replace(ledger, square=factor * ledger.square) for factor in (2.0, 3.0))
    twice = pooled([ledger, pooled([second, third])])
    np.testing.assert_array_equal(twice.run, np.repeat([0, 1, 2], 4))
    assert twice.n_frames == 24
    assert pooled([ledger]).n_blocks == 4


def test_sources_are_kept_if_all_are_known(ledger):
    one = ledger.of_source(Source("a", 300.0, 0.005))
    second = replace(ledger, square=2.0 * ledger.square)
    other = second.of_source(Source("b", 310.0, 0.01))
    assert [source.name for source in pooled([one, other]).sources] == ["a", "b"]
    assert pooled([one, second]).sources == ()


def test_the_same_frames_are_not_counted_twice(ledger):
    with pytest.raises(DataError, match="8 frames are given twice"):
        pooled([ledger, ledger])


def test_different_cells_are_not_pooled(wurtzite, ledger, ledger_of, random_frames):
    crystal = wurtzite.crystal
    wide = Crystal(1.01 * crystal.cell, crystal.sites, crystal.species, crystal.masses)
    supercell = build_supercell(wide, wurtzite.matrix)
    other = ledger_of(supercell, {2: 3.3, 3: 2.1}, *random_frames(supercell, 2))
    with pytest.raises(DataError, match=r"differ in lattice vectors[\s\S]*at one volume"):
        pooled([ledger, other])


def test_the_crystal_of_the_runs_counts_and_not_that_of_the_columns(
    wurtzite, ledger, ledger_of, random_frames
):
    """Appended runs have the columns of the ledger, whatever their own cell is."""
    crystal = wurtzite.crystal
    other = ledger_of(wurtzite, {2: 3.3, 3: 2.1}, *random_frames(wurtzite, 2))
    wide = Crystal(1.005 * crystal.cell, crystal.sites, crystal.species, crystal.masses)
    sites = crystal.sites.copy()
    sites[2:, 2] += 0.02
    moved = Crystal(crystal.cell, sites, crystal.species, crystal.masses)
    for one, words in ((wide, "lattice vectors, by 0.5%"), (moved, "sites, by 0.05 Å")):
        strained = replace(other, supercell=build_supercell(one, wurtzite.matrix))
        with pytest.raises(DataError, match=words):
            pooled([ledger, strained])


def test_another_basis_of_the_supercell_is_the_same_supercell(
    wurtzite, ledger, ledger_of, random_frames
):
    matrix = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]]) @ wurtzite.matrix
    skew = build_supercell(wurtzite.crystal, matrix)
    other = ledger_of(skew, {2: 3.3, 3: 2.1}, *random_frames(skew, 2))
    assert pooled([ledger, other]).n_frames == 10


def test_any_cutoff_is_read_back(crystals, ledger_of, random_frames):
    """The default cutoff is the limit itself: rounded up, it would be beyond."""
    diamond = crystals["diamond"]
    for factor in (1.0000123, 1.0037719, 0.99917123):
        crystal = Crystal(factor * diamond.cell, diamond.sites, diamond.species, diamond.masses)
        supercell = build_supercell(crystal, 2 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]))
        sums = ledger_of(supercell, {2: None, 3: 2.512345678}, *random_frames(supercell, 1))
        again = read_back(ledger_dataset(sums))
        assert again.expansion.cutoffs == sums.expansion.cutoffs
        np.testing.assert_array_equal(again.gram, sums.gram)


def test_shapes_are_checked(ledger):
    with pytest.raises(DataError, match="moment"):
        replace(ledger, moment=ledger.moment[:, 1:])
    with pytest.raises(ValueError, match="read-only"):
        ledger.gram[0] = 0.0
