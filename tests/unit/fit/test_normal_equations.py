from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.fit.normal_equations import Source, default_scheme, pooled
from trajmodes.results.normal_equations import equations_dataset
from trajmodes.results.normal_equations import equations_of as equations_from_dataset
from trajmodes.symmetry.translations import build_supercell


@pytest.fixture
def equations(wurtzite, equations_of, random_frames):
    return equations_of(wurtzite, {2: 3.3, 3: 2.1}, *random_frames(wurtzite, 8), n_blocks=4)


def test_counts(equations, wurtzite):
    assert (equations.n_blocks, equations.n_frames) == (4, 8)
    assert equations.n_components == 3 * wurtzite.n_atoms * 8
    assert equations.n_forces == (3 * wurtzite.n_atoms - 3) * 8


def test_restricting_takes_columns(equations):
    smaller = equations.restricted({2: None})
    n = smaller.expansion.n_parameters
    assert n < equations.expansion.n_parameters
    np.testing.assert_array_equal(smaller.gram, equations.gram[:, :n, :n])
    np.testing.assert_array_equal(smaller.moment, equations.moment[:, :n])
    np.testing.assert_array_equal(smaller.square, equations.square)


def test_pooling_numbers_the_runs(equations):
    # other frames, to judge by their forces
    second, third = (
        replace(equations, square=factor * equations.square) for factor in (2.0, 3.0)
    )
    twice = pooled([equations, pooled([second, third])])
    np.testing.assert_array_equal(twice.run, np.repeat([0, 1, 2], 4))
    assert twice.n_frames == 24
    assert pooled([equations]).n_blocks == 4


def test_sources_are_kept_if_all_are_known(equations):
    one = replace(equations, sources=(Source("a", 300.0, 0.005),))
    second = replace(equations, square=2.0 * equations.square)
    other = replace(second, sources=(Source("b", 310.0, 0.01),))
    assert [source.name for source in pooled([one, other]).sources] == ["a", "b"]
    assert pooled([one, second]).sources == ()


def test_the_default_scheme_is_that_of_the_runs_and_is_stored(equations):
    runs = [Source(name, np.nan, np.nan, n) for name, n in (("fc3", 64), ("fc2", 216))]
    assert default_scheme(runs) == "joint"
    assert default_scheme([*runs, Source("run", 300.0, 0.005)]) == "sequential"
    assert default_scheme([runs[0], runs[0]]) == default_scheme([]) == "sequential"
    second = replace(equations, square=2.0 * equations.square)
    parts = (
        replace(one, sources=(own,)) for one, own in zip((equations, second), runs, strict=True)
    )
    again = equations_from_dataset(equations_dataset(pooled(list(parts))))
    assert default_scheme(again.sources) == "joint"
    older = equations_dataset(equations).drop_vars("displaced_atoms")
    assert default_scheme(equations_from_dataset(older).sources) == "sequential"


def test_the_same_frames_are_not_counted_twice(equations):
    with pytest.raises(DataError, match="8 frames are given twice"):
        pooled([equations, equations])


def test_different_cells_are_not_pooled(wurtzite, equations, equations_of, random_frames):
    crystal = wurtzite.crystal
    wide = Crystal(1.01 * crystal.cell, crystal.sites, crystal.species, crystal.masses)
    supercell = build_supercell(wide, wurtzite.matrix)
    other = equations_of(supercell, {2: 3.3, 3: 2.1}, *random_frames(supercell, 2))
    with pytest.raises(DataError, match=r"differ in lattice vectors[\s\S]*at one volume"):
        pooled([equations, other])


def test_crystals_of_pooled_runs_must_agree(wurtzite, equations, equations_of, random_frames):
    """Appended runs have the columns of the saved equations, whatever their own cell is."""
    crystal = wurtzite.crystal
    other = equations_of(wurtzite, {2: 3.3, 3: 2.1}, *random_frames(wurtzite, 2))
    wide = Crystal(1.005 * crystal.cell, crystal.sites, crystal.species, crystal.masses)
    sites = crystal.sites.copy()
    sites[2:, 2] += 0.02
    moved = Crystal(crystal.cell, sites, crystal.species, crystal.masses)
    for one, words in ((wide, "lattice vectors, by 0.5%"), (moved, "sites, by 0.05 Å")):
        strained = replace(other, supercell=build_supercell(one, wurtzite.matrix))
        with pytest.raises(DataError, match=words):
            pooled([equations, strained])


def test_another_basis_of_the_supercell_is_the_same_supercell(
    wurtzite, equations, equations_of, random_frames
):
    matrix = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]]) @ wurtzite.matrix
    skew = build_supercell(wurtzite.crystal, matrix)
    other = equations_of(skew, {2: 3.3, 3: 2.1}, *random_frames(skew, 2))
    assert pooled([equations, other]).n_frames == 10


def test_cutoffs_are_written_exactly(crystals, equations_of, random_frames):
    """The default cutoff is the limit itself: rounded up, it would be beyond."""
    diamond = crystals["diamond"]
    for factor in (1.0000123, 1.0037719, 0.99917123):
        crystal = Crystal(factor * diamond.cell, diamond.sites, diamond.species, diamond.masses)
        supercell = build_supercell(crystal, 2 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]))
        sums = equations_of(supercell, {2: None, 3: 2.512345678}, *random_frames(supercell, 1))
        again = equations_from_dataset(equations_dataset(sums))
        assert again.expansion.cutoffs == sums.expansion.cutoffs
        np.testing.assert_array_equal(again.gram, sums.gram)


def test_shapes_are_checked(equations):
    with pytest.raises(DataError, match="moment"):
        replace(equations, moment=equations.moment[:, 1:])
    with pytest.raises(ValueError, match="read-only"):
        equations.gram[0] = 0.0
