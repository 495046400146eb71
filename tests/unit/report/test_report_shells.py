from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data import Crystal, ForceConstants
from trajmodes.report.shells import jackknife_sem, pair_shells


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


def test_species_at_the_same_distance_are_pair_shells_their_own():
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


def test_self_terms_alone_make_no_shell(results):
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
