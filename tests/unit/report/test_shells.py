from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants, ForceConstants, jackknife_sem
from trajmodes.phonons.shells import cluster_shells, pair_shells


def test_pair_shells_diamond(results):
    shells = pair_shells(results.constants)
    assert shells.longest == pytest.approx([5.431 * 3**0.5 / 4, 5.431 / 2**0.5])
    assert shells.species == ("Si–Si", "Si–Si")
    assert shells.listed.tolist() == [8, 24]
    # Born model: 3.45 on the diagonal and 2.4 beside it; −0.10 1 + 0.04 nnᵀ.
    assert shells.trace == pytest.approx([-3 * 3.45, -0.3 + 0.04])
    assert shells.norm[0] == pytest.approx(np.sqrt(3 * 3.45**2 + 6 * 2.4**2))


def test_errors_come_from_the_replicates(results):
    given = results.constants
    shells = pair_shells(given)
    traces = np.trace(given.replicates[:, given.first != given.second], axis1=2, axis2=3)
    expected = jackknife_sem(traces.mean(axis=1))
    assert shells.trace_sem[0] == pytest.approx(expected)
    assert pair_shells(replace(given, replicates=None)).trace_sem is None


def test_jackknife_of_a_mean_is_the_standard_error_of_the_mean():
    blocks = np.random.default_rng(1).standard_normal(12)
    without_one = (blocks.sum() - blocks) / 11
    assert jackknife_sem(without_one) == pytest.approx(blocks.std(ddof=1) / np.sqrt(12))


def test_pairs_of_different_species_are_different_shells():
    crystal = Crystal(4.0 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], ("Na", "Cl"), [1.0, 1.0])
    constants = ForceConstants(
        crystal=crystal,
        first=[0, 1, 0, 1, 0],
        second=[0, 1, 1, 0, 0],
        lattice=[[1, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]],
        values=np.arange(1.0, 6.0)[:, None, None] * np.eye(3),
    )
    shells = pair_shells(constants)
    assert shells.species[0] == "Cl–Na"
    assert sorted(shells.species[1:]) == ["Cl–Cl", "Na–Na"]
    assert shells.listed.tolist() == [2, 1, 1]
    by_species = dict(zip(shells.species, shells.trace, strict=True))
    assert by_species == pytest.approx({"Cl–Na": 3 * 3.5, "Na–Na": 3.0, "Cl–Cl": 6.0})


def test_self_terms_have_no_shell(results):
    given = results.constants
    only = replace(
        given,
        first=[0],
        second=[0],
        lattice=[[0, 0, 0]],
        values=np.eye(3)[None],
        replicates=np.zeros((4, 1, 3, 3)),
    )
    shells = pair_shells(only)
    assert shells.longest.shape == shells.norm_sem.shape == (0,)


BOND, ANGLE = 5.431 * 3**0.5 / 4, 5.431 / 2**0.5


def test_triplets_of_diamond(full_results):
    given = full_results.constants
    shells = cluster_shells(given.crystal, given.triplets)
    # Two atoms of a bond, one of them twice; two bonds of one atom.
    assert shells.distances == pytest.approx(
        np.array([[0.0, BOND, BOND], [BOND, BOND, ANGLE]]), abs=1e-9
    )
    assert shells.species == ("Si–Si–Si", "Si–Si–Si")
    # 4 bonds with either atom twice; 6 angles at each of the two atoms.
    assert shells.multiplicity.tolist() == [8, 12]
    assert shells.listed.tolist() == [8 * 3, 12 * 6]
    assert shells.longest == pytest.approx([BOND, ANGLE])
    assert shells.perimeter == pytest.approx([2 * BOND, 2 * BOND + ANGLE])
    assert shells.norm == pytest.approx([27**0.5, 0.05 * 27**0.5])
    assert shells.trace is None


def test_quartets_of_diamond(full_results):
    given = full_results.constants
    shells = cluster_shells(given.crystal, given.quartets)
    zeros = (shells.distances == 0.0).sum(axis=1)
    # iiij and ijjj, iijj; of the angles one atom of three is there twice: the middle or an end.
    assert list(zip(zeros.tolist(), shells.multiplicity.tolist(), strict=True)) == [
        *((3, 8), (2, 4)),
        *((1, 12), (1, 24)),
    ]
    assert shells.listed.sum() == given.quartets.n_clusters


def test_errors_of_triplets_come_from_the_replicates(full_results):
    given = full_results.constants
    triplets = given.triplets
    bonds = np.isclose(np.abs(triplets.values).max(axis=(1, 2, 3)), 1.0)
    norms = np.sqrt((triplets.replicates[:, bonds] ** 2).sum(axis=(2, 3, 4)).mean(axis=1))
    shells = cluster_shells(given.crystal, triplets)
    assert shells.norm_sem[0] == pytest.approx(jackknife_sem(norms))
    bare = replace(triplets, replicates=None)
    assert cluster_shells(given.crystal, bare).norm_sem is None


def test_triplets_of_different_species_are_different_shells():
    crystal = Crystal(4.0 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], ("Na", "Cl"), [1.0, 1.0])
    clusters = ClusterConstants(
        sites=[[0, 1, 1], [0, 0, 1], [1, 0, 0], [0, 0, 0]],
        lattice=np.zeros((4, 3, 3), int),
        values=np.arange(1.0, 5.0).reshape(4, 1, 1, 1) * np.ones((4, 3, 3, 3)),
    )
    shells = cluster_shells(crystal, clusters)
    # The self term is left out.
    assert shells.species == ("Cl–Cl–Na", "Cl–Na–Na")
    assert shells.listed.tolist() == [1, 2]
    assert shells.norm == pytest.approx(np.sqrt(27) * np.array([1.0, np.sqrt(6.5)]))


def test_equal_largest_distances_do_not_make_one_shell():
    crystal = Crystal(np.diag([2.0, 3.0, 4.0]), [[0, 0, 0]], ("X",), [1.0])
    cells = [[[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 0, 0], [0, 0, 1], [0, 0, 0]]]
    shells = cluster_shells(
        crystal, ClusterConstants(np.zeros((2, 3), int), cells, np.ones((2, 3, 3, 3)))
    )
    assert shells.distances.tolist() == [[0.0, 4.0, 4.0], [2.0, 2.0, 4.0]]
