"""Data classes check the shapes of their arrays and make them read-only."""

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.symmetry.translations import build_supercell

SODIUM = Crystal(4.0 * np.eye(3), np.zeros((1, 3)), ("Na",), np.array([2.4e-3]))


def test_errors_of_shape_name_field_and_axes():
    with pytest.raises(DataError, match=r"MotionBlock.velocities has shape \(4, 5, 3\).*a=6"):
        MotionBlock(0, np.zeros((4, 6, 3)), np.zeros((4, 5, 3)), None)


def test_missing_arrays_remain_none():
    block = MotionBlock(7, np.zeros((4, 6, 3)), None, None)
    assert block.velocities is None
    assert block.n_frames == 4


def test_arrays_are_read_only():
    given = np.zeros((4, 6, 3))
    block = MotionBlock(0, given, None, None)
    with pytest.raises(ValueError, match="read-only"):
        block.displacements[0] = 1.0
    given[0] = 1.0  # the caller's array remains writeable


@pytest.mark.parametrize(
    "cell", [-4.0 * np.eye(3), np.diag([4.0, 4.0, 0.0])], ids=["left-handed", "flat"]
)
def test_a_left_handed_or_flat_cell_is_refused(cell):
    with pytest.raises(DataError, match="the cell has volume"):
        Crystal(cell, np.zeros((1, 3)), ("Na",), np.ones(1))


@pytest.mark.parametrize("number", [np.inf, np.nan])
def test_numbers_that_are_not_finite_are_refused(number):
    for cell, site in (([number, 4, 4], 0.0), ([4, 4, 4], number)):
        with pytest.raises(DataError, match="is not finite"):
            Crystal(np.diag(cell), np.full((1, 3), site), ("Na",), np.ones(1))


def test_a_mass_of_zero_is_refused():
    with pytest.raises(DataError, match="masses must be positive"):
        Crystal(np.eye(3), np.zeros((1, 3)), ("X",), np.zeros(1))


def test_supercell_lists_its_atoms_cell_by_cell():
    supercell = build_supercell(SODIUM, [[2, 1, 0], [0, 2, 0], [0, 0, 1]])
    assert supercell.n_atoms == 4
    np.testing.assert_allclose(supercell.positions, supercell.cells * 4.0)
    np.testing.assert_allclose(supercell.cell[0], [8.0, 4.0, 0.0])
    assert supercell.species == ("Na",) * 4


def test_force_constants_have_a_short_repr(crystals, springs):
    constants = springs(crystals["diamond"], 4.0)
    assert repr(constants) == "<ForceConstants of Si2: 34 pairs>"
