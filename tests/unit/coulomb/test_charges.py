"""Symmetry and sum rule of Born charges."""

import numpy as np
import pytest

from trajmodes.coulomb.charges import of_inequivalent, symmetric_charges
from trajmodes.data.charges import Charges
from trajmodes.errors import DataError
from trajmodes.symmetry.operations import space_group


def test_charges_that_obey_both_are_unchanged_and_not_noted(crystals, charges_of):
    charges = charges_of(crystals["quartz"])
    again, notes = symmetric_charges(charges, space_group(crystals["quartz"]))
    np.testing.assert_allclose(again.born, charges.born, atol=1e-12)
    assert notes == ()


def test_noise_is_removed_and_its_size_is_noted(crystals, charges_of):
    crystal = crystals["rutile"]
    charges = charges_of(crystal)
    noise = 0.01 * np.random.default_rng(1).normal(size=charges.born.shape)
    group = space_group(crystal)
    found, notes = symmetric_charges(Charges(charges.born + noise, charges.dielectric), group)
    np.testing.assert_allclose(found.born.sum(axis=0), 0.0, atol=1e-12)
    for turn, sites in zip(group.cartesian, group.permutations, strict=True):
        np.testing.assert_allclose(found.born[sites], turn @ found.born @ turn.T, atol=1e-12)
    assert "symmetrised" in notes[0].text
    assert notes[0].severity == "note"


def test_a_violated_sum_rule_is_warned_of(crystals):
    crystal = crystals["rock salt"]
    born = np.array([1.1, -1.0])[:, None, None] * np.eye(3)
    found, (note,) = symmetric_charges(Charges(born, 2 * np.eye(3)), space_group(crystal))
    np.testing.assert_allclose(found.born[0], 1.05 * np.eye(3), atol=1e-12)
    assert note.severity == "warning"
    assert "by 0.1 e per cell" in note.text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda born: born[[0, 1, 3, 2, 4, 5]] + np.diag([1.0, 0, 0]), "break the symmetry"),
        (
            lambda born: born + np.eye(6)[4][:, None, None] * np.diag([2.0, 0, 0]),
            "e, on site 4, O",
        ),
        (lambda born: born[:3], "Born charges of 3 sites, and the crystal has 6"),
        (lambda born: 0 * born, "all Born charges are zero"),
        (lambda born: 0 * born + 2 * np.eye(3), "violate their sum rule"),
    ],
)
def test_charges_of_another_crystal_are_refused(change, text, crystals, charges_of):
    crystal = crystals["rutile"]
    charges = charges_of(crystal)
    wrong = Charges(change(charges.born), charges.dielectric)
    with pytest.raises(DataError, match=text):
        symmetric_charges(wrong, space_group(crystal))


def test_a_tensor_in_other_axes_is_refused(crystals, charges_of):
    crystal = crystals["wurtzite"]
    charges = charges_of(crystal)
    wrong = Charges(charges.born, np.diag([2.0, 5.0, 2.0]))
    with pytest.raises(DataError, match="dielectric tensor breaks the symmetry"):
        symmetric_charges(wrong, space_group(crystal))


def test_charges_of_inequivalent_sites_give_all(crystals, charges_of):
    crystal = crystals["quartz"]
    charges, group = charges_of(crystal), space_group(crystals["quartz"])
    found = of_inequivalent(charges.born[[0, 3]], group)
    np.testing.assert_allclose(found, charges.born, atol=1e-12)
    assert of_inequivalent(charges.born[:3], group) is None
