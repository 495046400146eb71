"""The same lattice has the same cell, however it is given."""

import numpy as np
import pytest
from ase.geometry import minkowski_reduce

from trajmodes.matching.find_cell import chosen_cell

LATTICES = {
    "cubic": np.eye(3),
    "fcc": np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2,
    "bcc": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2,
    "hexagonal": np.array([[1, 0, 0], [-0.5, np.sqrt(0.75), 0], [0, 0, 1.6]]),
    "body-centred tetragonal": np.array([[-1, 1, 1.6], [1, -1, 1.6], [1, 1, -1.6]]) / 2,
    "monoclinic": np.array([[1, 0, 0], [0, 1.1, 0], [-0.2, 0, 1.3]]),
    "triclinic": np.array([[1, 0, 0], [0.1, 1.2, 0], [0.3, 0.2, 1.4]]),
}


@pytest.fixture(params=LATTICES)
def lattice(request):
    return 4.0 * LATTICES[request.param]


def test_any_cell_of_a_lattice_gives_the_same(lattice):
    """Whole-number changes of the cell, and noise of a box that fluctuates."""
    rng = np.random.default_rng(1)
    first = chosen_cell(lattice)
    assert np.linalg.det(first) == pytest.approx(abs(np.linalg.det(lattice)))
    whole = first @ np.linalg.inv(lattice)
    assert whole == pytest.approx(np.rint(whole), abs=1e-9)
    shortest = np.linalg.norm(minkowski_reduce(lattice)[0], axis=1)
    assert np.linalg.norm(first, axis=1) == pytest.approx(np.sort(shortest), rel=1e-9)
    for _ in range(40):
        change = np.eye(3, dtype=int)[rng.permutation(3)] * rng.choice([-1, 1], 3)
        for _ in range(3):
            i, j = rng.permutation(3)[:2]
            change[i] += int(rng.integers(-2, 3)) * change[j]
        noisy = change @ lattice @ (np.eye(3) + 2e-4 * rng.normal(size=(3, 3)))
        assert chosen_cell(noisy) == pytest.approx(first, abs=0.02)


def test_angles_are_the_usual_ones():
    def angles(cell):
        unit = cell / np.linalg.norm(cell, axis=1, keepdims=True)
        return np.degrees(np.arccos([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]))

    assert angles(chosen_cell(LATTICES["fcc"])) == pytest.approx([60.0] * 3)
    assert angles(chosen_cell(LATTICES["bcc"])) == pytest.approx([109.471] * 3, abs=1e-3)
    assert angles(chosen_cell(LATTICES["hexagonal"])) == pytest.approx([90.0, 90.0, 120.0])
    assert chosen_cell(LATTICES["cubic"]) == pytest.approx(np.eye(3))
