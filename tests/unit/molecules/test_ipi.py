"""Normal-mode positions and velocities in the convention of the i-PI community."""

import numpy as np
import pytest
from scipy import constants as codata

from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.molecules.ipi import ATOMIC_UNIT, ipi_amplitudes, undefined_note
from trajmodes.molecules.point_group import isolated, rigid_motions, vibrational_space
from trajmodes.phonons.modes import modes_at
from trajmodes.project.projector import Projector
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import DALTON, HBAR, THZ

POSITIONS = np.array([[0.0, 0.0, 0.1], [0.0, 0.8, -0.5], [0.0, -0.8, -0.5]])
MOLECULE = isolated(("O", "H", "H"), POSITIONS, np.array([16.0, 1.0, 1.0]) * DALTON)
OMEGA = np.array([40.0, 110.0, 112.0]) * THZ
AMPLITUDE, PHASE = np.array([0.02, 0.01, 0.005]), np.array([0.3, -1.0, 2.0])
TIMES = np.linspace(0.0, 0.05, 31)


def modes_of(omega):
    space, rigid = vibrational_space(MOLECULE), rigid_motions(MOLECULE)
    vectors = np.concatenate([rigid, space]).reshape(1, 9, 3, 3)
    sets = [[-1] * 6 + [0, 1, 2]]
    all_omega = np.concatenate([np.zeros(6), omega])[None]
    return Modes(MOLECULE.crystal, np.zeros((1, 3)), np.ones(1), all_omega, vectors, None, sets)


def oscillating(modes):
    angle = np.outer(TIMES, OMEGA) + PHASE
    root = np.repeat(np.sqrt(MOLECULE.masses), 3)
    rows = modes.vectors[0, 6:].real.reshape(3, 9) / root
    u = (AMPLITUDE * np.cos(angle)) @ rows
    v = (-AMPLITUDE * OMEGA * np.sin(angle)) @ rows
    return MotionBlock(0, u.reshape(-1, 3, 3), v.reshape(-1, 3, 3), None)


def project(modes, motion):
    return Projector(half_space(MOLECULE), modes).project(motion)


def test_position_and_velocity_have_the_amplitude_of_the_oscillation():
    modes = modes_of(OMEGA)
    found = ipi_amplitudes(project(modes, oscillating(modes)), modes)
    angle = np.outer(OMEGA, TIMES) + PHASE[:, None]
    np.testing.assert_allclose(found.position, AMPLITUDE[:, None] * np.cos(angle), atol=1e-12)
    np.testing.assert_allclose(found.velocity, -AMPLITUDE[:, None] * np.sin(angle), atol=1e-12)
    energy = 0.5 * OMEGA**2 * AMPLITUDE**2
    np.testing.assert_allclose(found.energy, np.tile(energy[:, None], 31), rtol=1e-10)
    np.testing.assert_allclose(
        found.occupation, np.tile((energy / (HBAR * OMEGA))[:, None], 31), rtol=1e-10
    )
    np.testing.assert_allclose(np.cos(found.phase), np.cos(angle), atol=1e-10)
    np.testing.assert_array_equal(found.mode, [6, 7, 8])
    assert undefined_note(modes) == ()


@pytest.mark.parametrize("soft", [0.0, -5.0])
def test_velocity_is_undefined_where_omega_is_not_positive(soft):
    omega = np.array([soft, *OMEGA[1:]])
    modes = modes_of(omega)
    with np.errstate(all="raise"):
        found = ipi_amplitudes(project(modes, oscillating(modes_of(OMEGA))), modes)
    assert np.isfinite(found.position).all()
    for values in (found.velocity, found.energy, found.occupation, found.phase):
        assert np.isnan(values[0]).all()
        assert np.isfinite(values[1:]).all()
    assert (
        "1 vibration with ω² ≤ 0: ṽ = Q̇/ω, energy, occupation" in undefined_note(modes)[0].text
    )


def test_unit_is_the_atomic_one():
    bohr_m, electron_kg = codata.physical_constants["Bohr radius"][0], codata.electron_mass
    joule_second = ATOMIC_UNIT * np.sqrt(codata.electron_volt) * 1e-12  # √(eV) ps in √(J) s
    assert joule_second == pytest.approx(bohr_m * np.sqrt(electron_kg), rel=1e-12)


def test_without_velocities_there_is_no_energy():
    modes = modes_of(OMEGA)
    motion = oscillating(modes)
    found = ipi_amplitudes(
        project(modes, MotionBlock(0, motion.displacements, None, None)), modes
    )
    assert found.velocity is None
    with pytest.raises(DataError, match="energies, occupations and phases need velocities"):
        _ = found.energy


def test_crystals_are_refused(crystals, springs):
    space = half_space(build_supercell(crystals["bcc"], 2 * np.eye(3, dtype=int)))
    modes = modes_at(springs(crystals["bcc"], 3.0), space.qpoints, space.weights)
    u = np.zeros((2, space.supercell.n_atoms, 3))
    amplitudes = Projector(space, modes).project(MotionBlock(0, u, None, None))
    with pytest.raises(DataError, match="are not those of a molecule"):
        ipi_amplitudes(amplitudes, modes)


def test_phase_runs_forward_in_time():
    """q̃ = A cos φ and ṽ = −A sin φ: φ is ωt + φ₀, not its mirror image."""
    modes = modes_of(OMEGA)
    found = ipi_amplitudes(project(modes, oscillating(modes)), modes)
    turns = np.exp(1j * found.phase)
    angle = np.outer(OMEGA, TIMES) + PHASE[:, None]
    np.testing.assert_allclose(turns, np.exp(1j * angle), atol=1e-10)


def test_atomic_unit_is_bohr_times_the_root_of_the_electron_mass():
    """½ω²q̃² of one atomic unit at one hartree per ħ is half a hartree."""
    hartree = codata.physical_constants["Hartree energy in eV"][0]
    energy = 0.5 * (hartree / HBAR * ATOMIC_UNIT) ** 2
    assert energy == pytest.approx(0.5 * hartree, rel=1e-8)
