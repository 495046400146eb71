"""Irreducible representations at Γ, whose labels are known for simple crystals."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.charges import Charges
from trajmodes.phonons.irreps import irreps_at
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import zone_point

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
    found = irreps_at(constants, [0.0, 0.0, 0.0])
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
    assert irreps_at(constants, [0.0, 0.0, 0.0])[-1].omega == pytest.approx(
        omega[0, -1], rel=1e-6
    )


@pytest.mark.parametrize(
    ("name", "point", "labels"),
    [
        # Diamond: L3, L2', L3', L1 and Δ5, Δ1, Δ2'; X has projective representations alone.
        ("diamond", "L", {"Eg", "A2u", "Eu", "A1g"}),
        ("diamond", [0.2, 0.2, 0.0], {"E", "A1", "B"}),
        ("diamond", "X", {""}),
        # Rock salt: X5' and X4' of both sublattices; L: one sublattice even, one odd.
        ("rock salt", "X", {"Eu", "A2u"}),
        ("rock salt", "L", {"Eg", "A1g", "Eu", "A2u"}),
        # bcc: H15, P4, and three axes at N.
        ("bcc", "H", {"T1u"}),
        ("bcc", "P", {"T2"}),
        ("bcc", "N", {"B1u", "B2u", "B3u"}),
    ],
)
def test_labels_at_special_points_are_those_of_the_literature(
    name, point, labels, crystals, springs
):
    """Warren, Rev. Mod. Phys. 40, 38 (1968)."""
    constants = springs(crystals[name], 5.0)
    q = zone_point(constants.crystal, point) if isinstance(point, str) else point
    found = irreps_at(constants, q)
    names = {"B" if one.label in ("B1", "B2") else one.label for one in found}
    assert names == labels
    for one in found:
        if one.label:
            assert len(one.branches) == {"A": 1, "B": 1, "E": 2, "T": 3}[one.label[0]]
    listed = [branch for one in found for branch in one.branches]
    assert listed == list(range(3 * constants.crystal.n_sites))


def test_labels_do_not_depend_on_the_origin_or_the_member_of_a_star(crystals, springs):
    crystal = crystals["diamond"]
    constants = springs(crystal, 5.0)
    moved = replace(crystal, sites=crystal.sites + np.array([0.11, -0.07, 0.2]))
    again = replace(constants, crystal=moved)
    for one, other in (([0.5, 0.5, 0.5], [0.5, 0.0, 0.0]), ([0.2, 0.2, 0.0], [0.0, 0.2, 0.2])):
        labels = [x.label for x in irreps_at(constants, one)]
        assert [x.label for x in irreps_at(again, one)] == labels
        assert [x.label for x in irreps_at(constants, other)] == labels
        assert "" not in labels
