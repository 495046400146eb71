import pickle

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.errors import UsageError
from trajmodes.symmetry.cutoffs import Cutoff, admissible_radius, parse_cutoff
from trajmodes.symmetry.translations import build_supercell


def test_radii_by_species(crystals):
    cutoff = Cutoff(4.0, {("Na", "Cl"): 3.0, ("Na", "Na"): 5.0})
    np.testing.assert_array_equal(
        cutoff.matrix(crystals["rock salt"]), [[5.0, 3.0], [3.0, 4.0]]
    )
    assert str(cutoff) == "4 Cl-Na:3 Na-Na:5"
    assert str(Cutoff(4.5)) == "4.5"


def test_unknown_species_are_refused(crystals):
    with pytest.raises(UsageError, match=r"Cl-Mg, but the crystal has no Mg[\s\S]*Cl, Na"):
        Cutoff(4.0, {("Mg", "Cl"): 3.0}).matrix(crystals["rock salt"])


@pytest.mark.parametrize("radius", [0.0, -1.0, float("inf"), float("nan")])
def test_cutoffs_must_be_positive(radius):
    with pytest.raises(UsageError, match="give a positive cutoff"):
        Cutoff(radius)
    with pytest.raises(UsageError, match="give a positive cutoff"):
        Cutoff(3.0, {("Si", "O"): radius})


@pytest.mark.parametrize(
    ("text", "cutoff"),
    [
        ("4.5", Cutoff(4.5)),
        ("4.5 Si-O:3.2 O-O=4", Cutoff(4.5, {("Si", "O"): 3.2, ("O", "O"): 4.0})),
        ("4.5, O-Si:3.2", Cutoff(4.5, {("Si", "O"): 3.2})),
    ],
)
def test_cutoffs_are_parsed(text, cutoff):
    assert parse_cutoff(text) == cutoff
    assert parse_cutoff(str(cutoff)) == cutoff


@pytest.mark.parametrize("text", ["", "far", "4.5 Si", "4.5 Si-O:x", "Si-O:3.2", "4.5 4.6"])
def test_other_texts_are_refused(text):
    with pytest.raises(UsageError, match=r'is not a cutoff[\s\S]*"4.5 Si-O:3.2"'):
        parse_cutoff(text)


def test_cutoff_survives_pickling():
    cutoff = Cutoff(4.5, {("Si", "O"): 3.2})
    assert pickle.loads(pickle.dumps(cutoff)) == cutoff


@pytest.mark.parametrize("tilt", [0, 1, -3])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_vacuum_of_a_layer_does_not_limit_the_cutoff(axis, tilt):
    """Also if the supercell is skew, or has several layers."""
    turn = np.roll(np.eye(3, dtype=int), axis, axis=1)
    cell = np.diag([4.0, 4.5, 7.0]) @ turn
    one = Crystal(cell, np.array([[0.1, 0.9, 0.2]]), ("C",), np.array([1.0]))
    for layers in (1, 2):
        supercell = build_supercell(one, [[4, 1, 0], [0, 5, 0], [tilt, 1, layers]])
        wanted = np.hypot(4 * 4.0, 4.5) / 2
        assert admissible_radius(supercell) == pytest.approx(wanted)
    # Planes that are 5 Å apart are no layers.
    close = Crystal(np.diag([4.0, 4.5, 5.0]), one.sites, ("C",), one.masses)
    assert admissible_radius(build_supercell(close, np.diag([4, 5, 1]))) == pytest.approx(2.5)
