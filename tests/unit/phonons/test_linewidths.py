"""Meshes, sets and refusals of perturbative linewidths; their numbers are in the peer tests."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.linewidths import perturbative_linewidths
from trajmodes.phonons.qpoints import commensurate, shared_mesh
from trajmodes.symmetry.translations import build_supercell

CUBE = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])


def with_nothing_cubic(constants: ForceConstants) -> ForceConstants:
    nothing = ClusterConstants(
        np.zeros((1, 3), int), np.zeros((1, 3, 3), int), np.zeros((1, 3, 3, 3))
    )
    return replace(constants, triplets=nothing)


@pytest.mark.parametrize(
    ("name", "matrix", "asked", "wanted"),
    [
        ("diamond", 4 * CUBE, (1, 1, 1), (8, 8, 8)),
        ("diamond", 4 * CUBE, (9, 9, 9), (16, 16, 16)),
        ("diamond", np.diag([2, 3, 1]), (1, 1, 1), (6, 6, 6)),
        ("wurtzite", np.diag([3, 3, 2]), (4, 1, 3), (6, 6, 4)),
        ("wurtzite", [[2, 0, 0], [0, 2, 0], [1, 0, 2]], (1, 1, 1), (2, 2, 4)),
        ("triclinic", np.diag([2, 3, 1]), (3, 3, 3), (4, 3, 3)),
    ],
)
def test_the_mesh_contains_all_q_points_of_the_supercell(name, matrix, asked, wanted, crystals):
    supercell = build_supercell(crystals[name], matrix)
    mesh = shared_mesh(supercell, asked)
    assert mesh == wanted
    places = commensurate(supercell)[0] * mesh
    np.testing.assert_allclose(places, np.rint(places), atol=1e-9)


def test_an_empty_mesh_is_refused(crystals):
    supercell = build_supercell(crystals["bcc"], np.eye(3, dtype=int))
    with pytest.raises(UsageError, match="three positive numbers"):
        shared_mesh(supercell, (4, 0, 4))


def test_missing_phono3py_is_reported(monkeypatch, crystals, springs):
    monkeypatch.setitem(sys.modules, "phono3py", None)
    constants = with_nothing_cubic(springs(crystals["bcc"], 3.0))
    supercell = build_supercell(crystals["bcc"], np.eye(3, dtype=int) * 2)
    with pytest.raises(UsageError, match=r"pip install 'trajmodes\[kappa\]'"):
        perturbative_linewidths(constants, supercell, (2, 2, 2), 300.0)


def test_invalid_input_is_refused(crystals, springs):
    plain = springs(crystals["bcc"], 3.0)
    supercell = build_supercell(crystals["bcc"], np.eye(3, dtype=int) * 2)
    with pytest.raises(DataError, match="no force constants of third order"):
        perturbative_linewidths(plain, supercell, (2, 2, 2), 300.0)
    constants = with_nothing_cubic(plain)
    with pytest.raises(UsageError, match="temperature must be positive"):
        perturbative_linewidths(constants, supercell, (2, 2, 2), 0.0)
    with pytest.raises(UsageError, match=r"\[0\.25, 0\.0, 0\.0\] is not a point of the mesh"):
        perturbative_linewidths(constants, supercell, (2, 2, 2), 300.0, [[0.25, 0.0, 0.0]])
    with pytest.raises(DataError, match="finite numbers of shape"):
        perturbative_linewidths(constants, supercell, (2, 2, 2), 300.0, [0.25, 0.0, 0.0])
