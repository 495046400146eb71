"""Irreducible representations at Γ, whose labels are known for simple crystals."""

from collections import Counter

import numpy as np
import pytest

from trajmodes.data.charges import Charges
from trajmodes.phonons.irreps import irreps_at_gamma
from trajmodes.phonons.modes import frequencies_at

pytestmark = pytest.mark.peer


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("diamond", "T1u T2g"),
        ("rock salt", "T1u T1u"),
        ("wurtzite", "A1 A1 B1 B1 E1 E1 E2 E2"),
        ("rutile", "A1g A2g A2u A2u B1g B1u B1u B2g Eg Eu Eu Eu Eu"),
        ("quartz", "A1 A1 A1 A1 A2 A2 A2 A2 A2 E E E E E E E E E"),
    ],
)
def test_labels_are_those_of_the_literature(name, labels, crystals, springs):
    """Tables of the Bilbao server: Kroumova et al., Phase Transit. 76, 155 (2003)."""
    constants = springs(crystals[name], 5.0)
    found = irreps_at_gamma(constants)
    # The axes of a point group may be chosen otherwise: numbers 1 and 2 are then exchanged.
    shapes = Counter(one.label[0] + one.label[2:] for one in found)
    assert shapes == Counter(label[0] + label[2:] for label in labels.split())
    assert max(Counter(one.label for one in found).values()) == max(
        Counter(labels.split()).values()
    )
    omega, _ = frequencies_at(constants, [[0.0, 0.0, 0.0]])
    for one in found:
        np.testing.assert_allclose(omega[0][list(one.branches)], one.omega, atol=2e-3)
        assert len(one.branches) == {"A": 1, "B": 1, "E": 2, "T": 3}[one.label[0]]
    assert sum(len(one.branches) for one in found) == omega.size


def test_the_dipoles_are_included(crystals, springs):
    constants = springs(crystals["rock salt"], 4.5)
    born = np.array([1.2, -1.2])[:, None, None] * np.eye(3)
    object.__setattr__(constants, "charges", Charges(born, 2.5 * np.eye(3)))
    omega, _ = frequencies_at(constants, [[0.0, 0.0, 0.0]])
    assert irreps_at_gamma(constants)[-1].omega == pytest.approx(omega[0, -1], rel=1e-6)
