"""Energies of the waves of a crystal with vacancies, in equipartition.

Every atom moves about its site by itself, with one frequency: an Einstein crystal. All waves of
the perfect crystal then have this frequency, with whatever eigenvectors, and each atom has
exactly the canonical distribution.
"""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.crystal import Occupation
from trajmodes.data.motion import MotionBlock
from trajmodes.phonons.modes import modes_at
from trajmodes.project.energies.ensemble import KineticReduction, equipartition
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.projector import Projector
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import BOLTZMANN

N_FRAMES, KELVIN, OMEGA = 8000, 150.0, 20.0
EMPTY = (0, 8, 20, 34, 41)
"""Four sites of Na and one of Cl."""


@pytest.fixture(scope="module")
def projected(crystals, springs):
    """The projector, its occupation, velocities (t, a, 3) and amplitudes."""
    constants = springs(crystals["rock salt"], 4.5)
    supercell = build_supercell(constants.crystal, 3 * np.eye(3, dtype=int))
    masses = supercell.masses.copy()
    masses[list(EMPTY)] = 0.0
    names = [name if masses[a] else "" for a, name in enumerate(supercell.species)]
    occupation = Occupation(supercell, tuple(names), masses)
    space = half_space(supercell)
    modes = modes_at(constants, space.qpoints, space.weights)
    modes = replace(modes, omega=np.full(modes.omega.shape, OMEGA))
    projector = Projector(space, modes, occupied=occupation.by_site)
    normal = np.random.default_rng(4).standard_normal((2, N_FRAMES, supercell.n_atoms, 3))
    v = np.sqrt(BOLTZMANN * KELVIN / supercell.masses)[:, None] * normal
    u_tax, v_tax = (occupation.mass_scale[:, None] * one for one in (v[0] / OMEGA, v[1]))
    return projector, occupation, v_tax, projector.project(MotionBlock(0, u_tax, v_tax, None))


@pytest.fixture(scope="module")
def energies(projected):
    projector, _, _, amplitudes = projected
    reduction = EnergyReduction(projector, N_FRAMES)
    return reduction.finalize(reduction.chunk(amplitudes))


def test_shares_add_up_to_the_directions_of_all_atoms(projected):
    projector, occupation, *_ = projected
    total = projector.modes.weights @ projector.shares.sum(axis=1)
    assert total == pytest.approx(3 * occupation.occupied.sum(), rel=1e-12)
    assert np.ptp(projector.shares) > 0.05


def test_energies_of_the_waves_are_those_of_the_atoms(projected, energies):
    projector, occupation, v_tax, _ = projected
    weights = projector.modes.weights[:, None] * (projector.modes.sets >= 0)
    waves = np.nansum(weights * energies.single[0])
    masses = occupation.supercell.masses
    atoms = 0.5 * np.einsum("a,tax->", masses, v_tax**2) / N_FRAMES
    drift = np.einsum("a,tax->tx", masses, v_tax)
    atoms -= 0.5 * (drift**2).sum() / N_FRAMES / masses.sum()
    assert waves == pytest.approx(atoms, rel=1e-10)


def test_every_mode_has_the_temperature_of_the_atoms(energies):
    z = (energies.mode_temperature - KELVIN) / energies.mode_temperature_sem
    assert np.abs(z).max() < 5.0
    assert np.sqrt((z**2).mean()) < 1.5
    assert energies.temperature == pytest.approx(KELVIN, abs=5.0 * energies.temperature_sem)
    assert equipartition(energies).p_value > 1e-3
    # This is seen: without the share the temperatures lie far apart.
    without = (energies.share - 1.0) * KELVIN / energies.mode_temperature_sem
    assert np.abs(without).max() > 10.0


def test_ensemble_has_the_temperature_of_the_atoms(projected, energies):
    projector, _, _, amplitudes = projected
    reduction = KineticReduction(projector, N_FRAMES, 0.01, ((0, N_FRAMES),))
    found = reduction.finalize(reduction.chunk(amplitudes))
    assert found.temperature == pytest.approx(energies.temperature, rel=1e-10)


def test_frequencies_from_displacements_do_not_depend_on_vacancies(energies):
    for name in ("omega_displacement", "omega_ratio"):
        value, sem = getattr(energies, name), getattr(energies, f"{name}_sem")
        z = (value - OMEGA) / sem
        assert np.abs(z).max() < 5.0
        assert np.abs(value / OMEGA - 1.0).max() < 0.03


def test_heat_capacity_of_every_mode_is_that_of_an_oscillator(energies):
    z = (energies.heat_capacity_kb - 1.0) / energies.heat_capacity_kb_sem
    assert np.abs(z).max() < 5.0
    assert np.sqrt((z**2).mean()) < 1.6
    mean = np.average(energies.heat_capacity_kb, weights=energies.members)
    assert mean == pytest.approx(1.0, abs=0.03)
