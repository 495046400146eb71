"""Potential energies of displacements alone: exact samples, errors, and cuts."""

from itertools import pairwise

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.phonons.modes import modes_at
from trajmodes.project.energies.displaced import PotentialReduction
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.streaming.reduction import Transformed
from trajmodes.symmetry.stars import set_omega
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.thermo.sampling import harmonic_ensemble
from trajmodes.units import BOLTZMANN

KELVIN = 300.0


@pytest.fixture(scope="module")
def crystal(crystals, springs):
    """Force constants, projector, and an exact sampler of wurtzite."""
    constants = springs(crystals["wurtzite"], 3.3)
    supercell = build_supercell(crystals["wurtzite"], np.diag([2, 2, 1]))
    space = half_space(supercell)
    modes = modes_at(constants, space.qpoints, space.weights)
    return Projector(space, modes), harmonic_ensemble(constants, supercell, KELVIN)


def energies_of(projector, u_tax, cuts=(), temperature=None):
    reduction = PotentialReduction(projector, len(u_tax), temperature)
    whole = Transformed(projector.project, reduction)
    state = None
    edges = (0, *cuts, len(u_tax))
    for start, stop in pairwise(edges):
        one = whole.chunk(MotionBlock(start, u_tax[start:stop], None, None))
        state = one if state is None else whole.combine(state, one)
    return whole.finalize(state)


def test_independent_samples_scatter_by_their_errors(crystal):
    projector, sampler = crystal
    z_energy, z_omega = [], []
    for seed in range(12):
        u_tax = sampler.draw(256, np.random.default_rng(seed)).displacements
        found = energies_of(projector, u_tax, temperature=KELVIN)
        z_energy.append((found.potential - 0.5 * BOLTZMANN * KELVIN) / found.potential_sem)
        expected = set_omega(projector.modes)
        z_omega.append((found.omega_displacement - expected) / found.omega_displacement_sem)
    for z in (z_energy, z_omega):
        assert 0.75 < np.sqrt(np.mean(np.square(z))) < 1.15
        assert abs(np.mean(z)) < 0.2


def test_forces_of_the_constants_have_no_excess(crystal):
    projector, sampler = crystal
    u_tax = sampler.draw(64, np.random.default_rng(1)).displacements
    coordinate = projector.coordinates(u_tax)
    own = PotentialReduction(projector, 64)
    force = -(projector.modes.omega**2)[..., None] * coordinate
    found = own.finalize(own.chunk(Amplitudes(0, coordinate, None, 1.1 * force)))
    np.testing.assert_allclose(found.anharmonicity, 0.1, rtol=1e-9)
    np.testing.assert_allclose(found.virial, 1.1 * found.potential)
    assert found.omega_displacement is None
    assert found.temperature is None


def test_cuts_of_the_run_do_not_matter(crystal):
    projector, sampler = crystal
    u_tax = sampler.draw(80, np.random.default_rng(2)).displacements
    whole, cut = (energies_of(projector, u_tax, cuts=cuts) for cuts in ((), (3, 31, 32)))
    np.testing.assert_allclose(cut.potential, whole.potential, rtol=1e-13)
    np.testing.assert_allclose(cut.potential_sem, whole.potential_sem, rtol=1e-10)
