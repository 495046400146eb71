"""A binary alloy of the form of Finnis and Sinclair with closed functions."""

import numpy as np
import pytest
from ase import Atoms
from numpy.polynomial import Polynomial

from trajmodes.data.crystal import Crystal
from trajmodes.potentials.eam.embedded_atom import EmbeddedAtom
from trajmodes.potentials.eam.functions import Functions

CUTOFF = 4.4


def radial(strength, slope):
    """c (r_c − r)⁶ (1 + s r): smooth at the cutoff to the fifth derivative."""
    form = Polynomial([CUTOFF, -1.0]) ** 6 * Polynomial([1.0, slope]) * strength
    return lambda r, n: form.deriv(n)(r)


def embedding(strength, square):
    """−c √ρ + s ρ²."""
    factors = (1.0, 0.5, -0.25, 0.375)

    def function(rho, n):
        root = -strength * factors[n] * rho ** (0.5 - n)
        return root + square * (rho**2, 2.0 * rho, 2.0 + 0.0 * rho, 0.0 * rho)[n]

    return function


def alloy_functions():
    return Functions(
        species=("Ni", "Al"),
        embedding={"Ni": embedding(1.3, 0.02), "Al": embedding(0.9, 0.05)},
        density={
            ("Ni", "Ni"): radial(2e-2, 0.3),
            ("Ni", "Al"): radial(3e-2, -0.1),
            ("Al", "Ni"): radial(1e-2, 0.5),
            ("Al", "Al"): radial(4e-2, 0.0),
        },
        pair={
            ("Ni", "Ni"): radial(3e-2, -0.2),
            ("Ni", "Al"): radial(2e-2, -0.15),
            ("Al", "Ni"): radial(2e-2, -0.15),
            ("Al", "Al"): radial(4e-2, -0.18),
        },
        cutoff=CUTOFF,
    )


@pytest.fixture(scope="session")
def alloy():
    return EmbeddedAtom(alloy_functions())


@pytest.fixture(scope="session")
def triclinic():
    """Three unequal atoms without any symmetry, with forces on all of them."""
    cell = [[3.1, 0.3, 0.2], [0.5, 3.6, -0.4], [-0.3, 0.8, 4.2]]
    sites = [[0.0, 0.0, 0.0], [0.5, 0.4, 0.1], [0.1, 0.5, 0.6]]
    return Crystal.from_ase(Atoms("NiAlNi", cell=cell, scaled_positions=sites, pbc=True))


@pytest.fixture(scope="session")
def slab():
    """Two layers with a step, unrelaxed, and empty space."""
    cell = np.diag([5.2, 2.7, 20.0])
    places = [[0.0, 0.0, 0.0], [2.6, 0.0, 0.1], [1.3, 1.35, 2.0], [0.2, 0.1, 3.9]]
    return Crystal.from_ase(Atoms("NiAlNiAl", cell=cell, positions=places, pbc=True))
