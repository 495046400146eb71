"""Names of special points."""

from collections import Counter

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.phonons.band_path import point_names
from trajmodes.phonons.qpoints import commensurate
from trajmodes.symmetry.translations import build_supercell


def counts(crystal, matrix):
    qpoints, weights = commensurate(build_supercell(crystal, matrix))
    found = Counter()
    for name, weight in zip(point_names(crystal, qpoints), weights, strict=True):
        found[name] += int(weight)
    return found


def test_stars_of_the_face_centred_cube_have_their_known_sizes(crystals):
    found = counts(crystals["diamond"], [[-4, 4, 4], [4, -4, 4], [4, 4, -4]])
    # Of 256 points; U and K are one star, of which K is named first.
    wanted = {"Γ": 1, "X": 3, "L": 4, "W": 6, "K": 12}
    assert {name: found[name] for name in wanted} == wanted
    assert sum(found.values()) == 256
    assert set(found) == {"", *wanted}


def test_stars_of_the_hexagonal_zone(crystals):
    found = counts(crystals["wurtzite"], np.diag([6, 6, 2]))
    wanted = {"Γ": 1, "A": 1, "M": 3, "L": 3, "K": 2, "H": 2}
    assert {name: found[name] for name in wanted} == wanted
    assert set(found) == {"", *wanted}


@pytest.mark.parametrize(
    "turn", [[[0, 1, 0], [0, 0, 1], [1, 0, 0]], [[1, 0, 0], [1, 1, 0], [0, -1, 1]]]
)
def test_names_do_not_depend_on_the_choice_of_the_cell(crystals, turn):
    one = crystals["wurtzite"]
    turned = np.array(turn)
    other = Crystal(
        turned @ one.cell, one.sites @ np.linalg.inv(turned), one.species, one.masses
    )
    qpoints, _ = commensurate(build_supercell(one, np.diag([6, 6, 2])))
    # q·(a row of the cell) is what it was.
    assert point_names(other, qpoints @ turned.T) == point_names(one, qpoints)
