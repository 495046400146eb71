"""The same lattice has the same cell, however it is given."""

import numpy as np
import pytest
from ase.geometry import minkowski_reduce
from ase.spacegroup import crystal as in_space_group
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from trajmodes.data.crystal import Crystal
from trajmodes.matching.average import average_structure
from trajmodes.matching.find_cell import chosen_cell, find_crystal

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


CONVENTIONAL = {
    "diamond": ("Si", [(0, 0, 0)], 227, (5.43, 5.43, 5.43, 90, 90, 90)),
    "bcc": ("Fe", [(0, 0, 0)], 229, (2.87, 2.87, 2.87, 90, 90, 90)),
    "wurtzite": (
        ("Ga", "N"),
        [(1 / 3, 2 / 3, 0), (1 / 3, 2 / 3, 0.376)],
        186,
        (3.19, 3.19, 5.19, 90, 90, 120),
    ),
    "short hexagonal": ("Ti", [(0, 0, 0)], 191, (4.6, 4.6, 2.8, 90, 90, 120)),
    "quartz": (
        ("Si", "O"),
        [(0.4697, 0, 0), (0.4135, 0.2669, 0.1191)],
        152,
        (4.916, 4.916, 5.405, 90, 90, 120),
    ),
    "rhombohedral": ("Bi", [(0, 0, 0.234)], 166, (4.54, 4.54, 11.86, 90, 90, 120)),
    "body-centred tetragonal": (
        ("Ti", "O"),
        [(0, 0, 0), (0, 0, 0.208)],
        141,
        (3.78, 3.78, 9.51, 90, 90, 90),
    ),
    "base-centred": ("Ga", [(0, 0.155, 0.081)], 64, (4.52, 7.66, 4.93, 90, 90, 90)),
    "orthorhombic": (
        ("Fe", "Fe", "C"),
        [(0.186, 0.063, 0.328), (0.036, 0.25, 0.852), (0.89, 0.25, 0.45)],
        62,
        (5.09, 6.74, 4.52, 90, 90, 90),
    ),
    "monoclinic": (
        ("Zr", "O", "O"),
        [(0.2754, 0.0395, 0.2083), (0.07, 0.3317, 0.3447), (0.4496, 0.7569, 0.4792)],
        14,
        (5.15, 5.21, 5.32, 90, 99.2, 90),
    ),
    "centred monoclinic": (
        ("Ga", "O"),
        [(0.09, 0, 0.795), (0.165, 0, 0.1)],
        12,
        (12.2, 3.03, 5.8, 90, 103.8, 90),
    ),
}
"""Elements, sites, space group and cell of conventional cells."""


@pytest.mark.filterwarnings("ignore:primitive_matrix defaulted")
@pytest.mark.parametrize("name", CONVENTIONAL)
def test_axes_are_those_of_phonopy_and_the_same_in_every_run(name, einstein):
    symbols, sites, number, cell = CONVENTIONAL[name]
    atoms = in_space_group(symbols, sites, spacegroup=number, cellpar=cell)
    unit = PhonopyAtoms(
        atoms.symbols, cell=atoms.cell, scaled_positions=atoms.get_scaled_positions()
    )
    standard = Phonopy(unit, primitive_matrix="auto").primitive.cell
    # Turned, so that no axis of the crystal is one of the file.
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    whole = Crystal.from_ase(atoms)
    found = []
    for seed, size in ((1, 1.0), (2, 1.004)):
        scaled = Crystal(size * whole.cell @ turn, whole.sites, whole.species, whole.masses)
        matrix = [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
        run = einstein(scaled, matrix, n_frames=100, temperature=50, seed=seed)
        found.append(find_crystal(average_structure(run), run.species).crystal.cell / size)
    assert found[0] @ found[0].T == pytest.approx(standard @ standard.T, abs=0.01)
    assert np.linalg.det(found[0]) > 0.0
    assert found[1] == pytest.approx(found[0], abs=0.01)
