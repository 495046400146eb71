"""Force constants by central differences, against closed forms of a Lennard-Jones crystal."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones

from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.potentials.differences import CalculatorPotential, force_constants_by_differences

SIGMA, EPSILON, CUTOFF = 2.5, 0.1, 3.4


def derivatives(r):
    """V', V'' and V''' of the Lennard-Jones pair potential."""
    twelve, six = (SIGMA / r) ** 12, (SIGMA / r) ** 6
    return (
        4 * EPSILON * (-12 * twelve + 6 * six) / r,
        4 * EPSILON * (156 * twelve - 42 * six) / r**2,
        4 * EPSILON * (-2184 * twelve + 336 * six) / r**3,
    )


@pytest.fixture(scope="module")
def argon():
    calculator = LennardJones(sigma=SIGMA, epsilon=EPSILON, rc=CUTOFF)
    atoms = bulk("Ar", a=4.0)
    atoms.positions += 0.1
    constants = CalculatorPotential(calculator, CUTOFF).force_constants
    return Crystal.from_ase(atoms), constants(Crystal.from_ase(atoms), 3)


def test_second_order_is_that_of_the_pair_potential(argon):
    crystal, constants = argon
    apart = constants.lattice @ crystal.cell
    r = np.linalg.norm(apart, axis=1)
    others = r > 0.0
    along = apart[others] / r[others, None]
    first, second, _ = (value[:, None, None] for value in derivatives(r[others]))
    both = along[:, :, None] * along[:, None, :]
    expected = -(first / r[others, None, None] * (np.eye(3) - both) + second * both)
    np.testing.assert_allclose(constants.values[others], expected, atol=2e-6)
    assert others.sum() == 12
    np.testing.assert_allclose(constants.values.sum(axis=0), 0.0, atol=1e-12)


def test_third_order_is_that_of_the_pair_potential(argon):
    crystal, constants = argon
    triplets = constants.triplets
    apart = triplets.lattice @ crystal.cell
    r = np.linalg.norm(apart, axis=2)
    (on_bond,) = np.nonzero((r[:, 1] == 0.0) & (r[:, 2] > 0.0))
    along = apart[on_bond, 2] / r[on_bond, 2, None]
    v1, v2, v3 = (value[:, None, None, None] for value in derivatives(r[on_bond, 2]))
    length = r[on_bond, 2, None, None, None]
    cubic = np.einsum("cx,cy,cz->cxyz", along, along, along)
    mixed = np.einsum("cx,yz->cxyz", along, np.eye(3))
    mixed = mixed + mixed.transpose(0, 2, 1, 3) + mixed.transpose(0, 2, 3, 1)
    curvature = v2 / length - v1 / length**2
    # Third derivative along r_j − r_i, with respect to i twice and j once.
    expected = v3 * cubic + curvature * (mixed - 3.0 * cubic)
    np.testing.assert_allclose(triplets.values[on_bond], expected, atol=2e-4)
    third = np.abs(triplets.values)
    distinct = (
        (r[:, 1] > 0)
        & (r[:, 2] > 0)
        & np.any(triplets.lattice[:, 1] != triplets.lattice[:, 2], axis=1)
    )
    assert third[distinct].max() < 1e-5


def test_energy_forces_and_stress_are_those_of_the_calculator():
    atoms = bulk("Ar", a=4.0) * (2, 1, 1)
    atoms.rattle(0.1, seed=1)
    atoms.calc = LennardJones(sigma=SIGMA, epsilon=EPSILON, rc=CUTOFF)
    state = CalculatorPotential(atoms.calc, CUTOFF).state(Crystal.from_ase(atoms))
    assert state.energy == pytest.approx(atoms.get_potential_energy())
    np.testing.assert_allclose(state.forces, atoms.get_forces(), atol=1e-10)
    np.testing.assert_allclose(state.stress, atoms.get_stress(voigt=False), atol=1e-12)


def test_too_short_a_reach_is_refused(argon):
    crystal, _ = argon

    def forces(_supercell, u_tax):
        """Springs to all atoms, however far."""
        return u_tax.mean(axis=1, keepdims=True) - u_tax

    with pytest.raises(DataError, match="changes forces more than 3 Å away"):
        force_constants_by_differences(forces, crystal, 3.0)
