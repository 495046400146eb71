import pickle

import numpy as np
import pytest

from trajmodes.errors import UsageError
from trajmodes.symmetry.cutoffs import Cutoff, parse_cutoff


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
