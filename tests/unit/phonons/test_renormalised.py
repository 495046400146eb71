"""Frequencies put back on the polarisation vectors."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from trajmodes.errors import DataError
from trajmodes.phonons.bands import dispersion
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.phonons.qpoints import band_path, commensurate
from trajmodes.phonons.renormalised import quasi_particle_constants
from trajmodes.symmetry.stars import set_mean
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import THZ

CASES = {
    "diamond": [[-2, 2, 2], [2, -2, 2], [2, 2, -2]],
    "wurtzite": [[2, 0, 0], [0, 2, 0], [0, 0, 2]],
    "quartz": [[2, 0, 0], [0, 2, 0], [0, 0, 1]],
    "triclinic": [[2, 0, 0], [0, 1, 0], [1, 0, 2]],
}


@pytest.fixture(params=CASES)
def case(request, crystals, springs):
    """Modes with errors of 0.05 THz, their supercell, and other frequencies of all sets."""
    crystal = crystals[request.param]
    supercell = build_supercell(crystal, CASES[request.param])
    modes = modes_at(springs(crystal, 4.0), *commensurate(supercell))
    modes = replace(modes, omega_sem=np.full(modes.omega.shape, 0.05 * THZ))
    rng = np.random.default_rng(1)
    omega = np.sqrt(set_mean(modes.omega**2, modes))
    return modes, supercell, omega * rng.uniform(0.9, 1.1, len(omega))


def wanted_at(modes, of_sets) -> np.ndarray:
    """(q, m) property of sets, 0 for acoustic modes at Γ."""
    return np.where(modes.sets >= 0, of_sets[modes.sets], 0.0)


def test_frequencies_are_exact_at_the_q_points_of_the_supercell(case):
    modes, supercell, given = case
    given[2] *= -1.0  # an imaginary one
    constants, own = quasi_particle_constants(modes, supercell, given)
    omega, sem = frequencies_at(constants, modes.qpoints)
    wanted = np.sort(wanted_at(modes, given), axis=1)
    top = np.abs(wanted).max()
    np.testing.assert_allclose(omega * abs(omega), wanted * abs(wanted), atol=1e-10 * top**2)
    assert sem is None
    assert own.all()


def test_harmonic_frequencies_reproduce_the_harmonic_bands(case):
    modes, supercell, _ = case
    unknown = np.full(modes.n_sets, np.nan)
    constants, own = quasi_particle_constants(modes, supercell, unknown)
    assert not own.any()
    omega, _ = frequencies_at(constants, modes.qpoints)
    scale = modes.omega.max() ** 2
    np.testing.assert_allclose(omega**2, modes.omega**2, rtol=0, atol=1e-10 * scale)


def test_errors_are_exact_at_the_q_points_of_the_supercell(case):
    modes, supercell, given = case
    sem = THZ * np.random.default_rng(2).uniform(0.01, 0.1, len(given))
    given[1] = np.nan
    constants, own = quasi_particle_constants(modes, supercell, given, sem, 300.0)
    omega, omega_sem = frequencies_at(constants, modes.qpoints)
    harmonic = np.sqrt(set_mean(modes.omega**2, modes))
    freq, error = np.where(own, given, harmonic), np.where(own, sem, 0.05 * THZ)
    order = np.argsort(wanted_at(modes, freq), axis=1)
    wanted = np.take_along_axis(wanted_at(modes, error), order, axis=1)
    moving = np.take_along_axis(modes.sets, order, axis=1) >= 0
    np.testing.assert_allclose(omega_sem[moving], wanted[moving], rtol=1e-8)
    assert constants.temperature == 300.0
    assert (omega[moving] > 0.0).all()


def test_errors_between_are_those_of_independent_frequencies(case):
    """One frequency after another is moved: squares of what ω² of the bands does add up."""
    modes, supercell, given = case
    sem = np.full(len(given), 0.02 * THZ)
    q = np.array([[0.11, 0.23, 0.31]])
    found = quasi_particle_constants(modes, supercell, given, sem)[0]
    omega, omega_sem = frequencies_at(found, q)
    step, variance = 1e-4, np.zeros(omega.shape)
    for g in range(len(given)):
        moved = given.copy()
        moved[g] += step
        shifted = frequencies_at(quasi_particle_constants(modes, supercell, moved)[0], q)[0]
        variance += ((shifted - omega) / step * sem[g]) ** 2
    np.testing.assert_allclose(omega_sem, np.sqrt(variance), rtol=2e-3)


def test_errors_do_not_depend_on_the_memory_bound(case, monkeypatch):
    modes, supercell, given = case
    sem = np.full(len(given), 0.02 * THZ)
    full = quasi_particle_constants(modes, supercell, given, sem)[0]
    module = "trajmodes.phonons.renormalised"
    monkeypatch.setattr(sys.modules[module], "_BYTES", 0)
    monkeypatch.setattr(sys.modules[module], "_FEWEST", 8)
    small = quasi_particle_constants(modes, supercell, given, sem)[0]
    assert len(small.replicates) == 8 < len(full.replicates)
    _, one = frequencies_at(full, modes.qpoints[1:])
    _, two = frequencies_at(small, modes.qpoints[1:])
    np.testing.assert_allclose(two, one, rtol=1e-8)


def test_bands_go_through_the_points_with_error_bars(case):
    modes, supercell, given = case
    constants, _ = quasi_particle_constants(
        modes, supercell, given, np.full(len(given), 0.02 * THZ)
    )
    bands = dispersion(constants, band_path(modes.crystal, 0.4))
    assert np.isfinite(bands.omega).all()
    assert np.isfinite(bands.omega_sem).all()
    zero = np.abs(bands.path.qpoints).max(axis=1) == 0.0
    assert np.abs(bands.omega[zero, :3] ** 2).max() < 1e-10 * bands.omega.max() ** 2


def test_without_all_errors_there_are_no_error_bars(case):
    modes, supercell, given = case
    sem = np.full(len(given), 0.02 * THZ)
    sem[0] = np.nan
    assert quasi_particle_constants(modes, supercell, given, sem)[0].replicates is None
    given[0] = np.nan
    bare = replace(modes, omega_sem=None)
    assert quasi_particle_constants(bare, supercell, given, sem)[0].replicates is None
    assert quasi_particle_constants(modes, supercell, given, sem)[0].replicates is not None


def test_number_of_frequencies_must_be_that_of_sets(case):
    modes, supercell, given = case
    with pytest.raises(DataError, match="sets of modes need"):
        quasi_particle_constants(modes, supercell, given[1:])
    larger = build_supercell(modes.crystal, 2 * supercell.matrix)
    with pytest.raises(DataError, match="not at the q points of the supercell"):
        quasi_particle_constants(modes, larger, given)
