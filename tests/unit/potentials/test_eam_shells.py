"""Born–von Kármán constants of the parts of an embedded-atom potential, by closed forms."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from ase.build import bulk

from trajmodes.data.crystal import Crystal
from trajmodes.phonons.born_von_karman.projection import constants_in
from trajmodes.phonons.born_von_karman.shells import nearest_shells
from trajmodes.potentials.eam.embedded_atom import EmbeddedAtom
from trajmodes.potentials.eam.functions import Functions

CUTOFF = 5.7
"""In Å: between shells 5 and 6 of both crystals."""
SHELLS = {
    "fcc": {
        (1, 1, 0): ("α1", "α3", "β3"),
        (2, 0, 0): ("α1", "α2"),
        (2, 1, 1): ("α1", "α2", "β1", "β2"),
        (2, 2, 0): ("α1", "α3", "β3"),
        (3, 1, 0): ("α1", "α2", "α3", "β3"),
    },
    "bcc": {
        (1, 1, 1): ("α1", "β1"),
        (2, 0, 0): ("α1", "α2"),
        (2, 2, 0): ("α1", "α3", "β3"),
        (3, 1, 1): ("α1", "α2", "β1", "β2"),
        (2, 2, 2): ("α1", "β1"),
    },
}
AXES = {"α": lambda i: (i, i), "β": lambda i: ((i + 1) % 3, (i + 2) % 3)}


def smooth(power, scale, x, order):
    """Derivatives of scale·(CUTOFF − x)^power, zero beyond the cutoff."""
    factor = np.prod([power - n for n in range(order)]) * (-1.0) ** order
    return scale * factor * np.maximum(CUTOFF - np.asarray(x, float), 0.0) ** (power - order)


def pair(x, order=0):
    return smooth(6, 0.05, x, order)


def density(x, order=0):
    return smooth(5, 0.02, x, order)


def embedding(x, order=0):
    """−√ρ."""
    factor = np.prod([0.5 - n for n in range(order)])
    return -factor * np.asarray(x, float) ** (0.5 - order)


@pytest.mark.parametrize(("lattice", "a"), [("fcc", 3.45), ("bcc", 3.0)])
def test_constants_of_bonds_and_of_common_neighbours_are_their_closed_forms(lattice, a):
    one = {"Cu": embedding}
    same = ("Cu", "Cu")
    potential = EmbeddedAtom(Functions(("Cu",), one, {same: density}, {same: pair}, CUTOFF))
    crystal = Crystal.from_ase(bulk("Cu", lattice, a=a))
    parts = potential.parts(crystal, "normalised")
    np.testing.assert_allclose(parts.e1 + parts.e2, 0.0, atol=1e-14)
    shells = nearest_shells(crystal, 5)
    found = {
        name: constants_in(replace(parts.total, values=values), shells)
        for name, values in (("bonds", parts.pair), ("many", parts.e3))
    }
    points = np.array(list(product(range(-6, 7), repeat=3)))
    parity = points.sum(axis=1) % 2 == 0
    if lattice == "bcc":
        parity = (points % 2 == points[:, :1] % 2).all(axis=1)
    places = points[parity & points.any(axis=1)] * a / 2
    lengths = np.linalg.norm(places, axis=1)
    rho = density(lengths).sum()
    slope, curvature = embedding(rho, 1), embedding(rho, 2)
    for h, bond in enumerate(SHELLS[lattice]):
        r_x = np.array(bond) * a / 2
        r = np.linalg.norm(r_x)
        e_x = r_x / r
        first, second = (pair(r, n) + 2.0 * slope * density(r, n) for n in (1, 2))
        bonds = first / r * np.eye(3) + (second - first / r) * np.outer(e_x, e_x)
        rest = places - r_x
        far = np.linalg.norm(rest, axis=1)
        common = (lengths < CUTOFF) & (far < CUTOFF) & (far > 1e-8)
        pulls = [
            density(d[common], 1)[:, None] * v[common] / d[common, None]
            for d, v in ((lengths, places), (far, rest))
        ]
        many = -curvature * pulls[0].T @ pulls[1]
        for name, expected in (("bonds", bonds), ("many", many)):
            own = found[name]
            assert np.abs(expected).max() > 1e-6
            assert tuple(np.abs(own.bonds[h])) == bond
            members = np.flatnonzero(own.shell == h)
            names = [own.names[n] for n in members]
            assert tuple(sorted(names)) == SHELLS[lattice][bond]
            for n, symbol in zip(members, names, strict=True):
                i, j = AXES[symbol[0]](int(symbol[1]) - 1)
                assert own.values[n] == pytest.approx(expected[i, j], rel=1e-9, abs=1e-12)
