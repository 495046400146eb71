"""Normal modes of molecules with known answers; positions and velocities as in i-PI."""

import numpy as np
import pytest
from scipy import constants as codata

from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.molecules.geometry import isolated, rigid_motions, vibrational_space
from trajmodes.molecules.hessian import pairs_of_hessian
from trajmodes.molecules.normal_modes import (
    external_part,
    ipi_amplitudes,
    mode_table,
    normal_modes,
    undefined_note,
)
from trajmodes.phonons.modes import modes_at
from trajmodes.project.projector import Projector
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import ATOMIC_AMPLITUDE, DALTON, HBAR, THZ

CARBON, OXYGEN = 12.011 * DALTON, 15.999 * DALTON
STRETCH, BEND, LENGTH = 90.0, 2.5, 1.16


def carbon_dioxide():
    """O=C=O along z: springs along the bonds, bending energy ½κ|x_O + x_O' − 2x_C|²."""
    places = np.array([[0, 0, -LENGTH], [0, 0, 0], [0, 0, LENGTH]])
    masses = np.array([OXYGEN, CARBON, OXYGEN])
    hessian = np.zeros((3, 3, 3, 3))
    for one, two in ((0, 1), (1, 2)):
        for a, b, sign in ((one, one, 1), (two, two, 1), (one, two, -1), (two, one, -1)):
            hessian[a, 2, b, 2] += sign * STRETCH
    bend = np.array([1.0, -2.0, 1.0])
    for x in (0, 1):
        hessian[:, x, :, x] += BEND * np.outer(bend, bend)
    return isolated(("O", "C", "O"), places, masses), hessian.reshape(9, 9)


def test_carbon_dioxide_agrees_with_textbook_formulas():
    # Herzberg, Infrared and Raman Spectra (1945), p. 172, for linear XY2.
    molecule, hessian = carbon_dioxide()
    modes = normal_modes(molecule, pairs_of_hessian(molecule, hessian))
    total = 2.0 * OXYGEN + CARBON
    expected = np.sqrt(
        [
            2.0 * BEND * total / (OXYGEN * CARBON),
            2.0 * BEND * total / (OXYGEN * CARBON),
            STRETCH / OXYGEN,
            STRETCH * total / (OXYGEN * CARBON),
        ]
    )
    np.testing.assert_allclose(modes.omega[0], [0.0] * 5 + [*expected], rtol=1e-12, atol=0.0)
    np.testing.assert_array_equal(modes.sets[0], [-1] * 5 + [0, 0, 1, 2])


def test_vectors_are_orthonormal_and_free_of_rigid_motion():
    molecule, hessian = carbon_dioxide()
    spoilt = hessian + 0.1 * np.eye(9)
    modes = normal_modes(molecule, pairs_of_hessian(molecule, spoilt))
    vectors = modes.vectors[0].real.reshape(9, 9)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(9), atol=1e-12)
    rigid = rigid_motions(molecule)
    assert np.abs(vectors[modes.sets[0] >= 0] @ rigid.T).max() < 1e-13
    assert (modes.omega[0, modes.sets[0] < 0] == 0.0).all()


def test_imaginary_modes_come_first_and_are_negative():
    molecule, hessian = carbon_dioxide()
    unstable = hessian.reshape(3, 3, 3, 3).copy()
    unstable[:, :2, :, :2] *= -1.0
    modes = normal_modes(molecule, pairs_of_hessian(molecule, unstable.reshape(9, 9)))
    assert (modes.omega[0, :2] < 0.0).all()
    np.testing.assert_array_equal(modes.sets[0], [0, 0, -1, -1, -1, -1, -1, 1, 2])
    assert (mode_table(modes).omega[:2] < 0.0).all()


def test_mode_table():
    molecule, hessian = carbon_dioxide()
    table = mode_table(normal_modes(molecule, pairs_of_hessian(molecule, hessian)))
    # Symmetric stretch: only oxygen moves, so its mass is the reduced one and k that of a bond.
    assert table.reduced_mass[2] == pytest.approx(OXYGEN)
    assert table.force_constant[2] == pytest.approx(STRETCH)
    assert table.participation[2] == pytest.approx(2.0 / 3.0)
    assert table.omega[2] == pytest.approx(np.sqrt(STRETCH / OXYGEN))
    assert np.isnan(table.omega_sem).all()


def test_error_bars_follow_the_replicates():
    molecule, hessian = carbon_dioxide()
    scales = 1.0 + 0.01 * np.array([-1.0, 1.0, -1.0, 1.0])
    replicates = scales[:, None, None] * hessian
    modes = normal_modes(molecule, pairs_of_hessian(molecule, hessian, replicates))
    # ω ~ √scale: half of the relative spread √(3/4 · 4) · 0.01 of ω².
    expected = 0.5 * np.sqrt(3.0) * 0.01
    np.testing.assert_allclose(modes.omega_sem[0, 5:] / modes.omega[0, 5:], expected, rtol=1e-9)
    assert (modes.omega_sem[0, :5] == 0.0).all()


def test_external_part_distinguishes_translation_and_rotation():
    molecule, hessian = carbon_dioxide()
    assert max(external_part(molecule, hessian)) < 1e-12
    tied = hessian + np.diag([1.0] * 3 + [0.0] * 6)
    assert external_part(molecule, tied)[0] > 1e-3
    order = np.arange(9).reshape(3, 3)[[1, 0, 2]].ravel()
    shift, turn = external_part(molecule, hessian[np.ix_(order, order)])
    assert shift < 1e-12
    assert turn > 1e-3


def test_one_atom_has_no_vibrations():
    molecule = isolated(("O",), np.zeros((1, 3)), np.array([OXYGEN]))
    with pytest.raises(DataError, match="a single atom has no vibrations"):
        normal_modes(molecule, pairs_of_hessian(molecule, np.zeros((3, 3))))


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
    position, velocity = ipi_amplitudes(project(modes, oscillating(modes)), modes)
    angle = np.outer(OMEGA, TIMES) + PHASE[:, None]
    np.testing.assert_allclose(position, AMPLITUDE[:, None] * np.cos(angle), atol=1e-12)
    np.testing.assert_allclose(velocity, -AMPLITUDE[:, None] * np.sin(angle), atol=1e-12)
    assert undefined_note(modes) == ()


@pytest.mark.parametrize("soft", [0.0, -5.0])
def test_velocity_is_undefined_where_omega_is_not_positive(soft):
    omega = np.array([soft, *OMEGA[1:]])
    modes = modes_of(omega)
    with np.errstate(all="raise"):
        position, velocity = ipi_amplitudes(project(modes, oscillating(modes_of(OMEGA))), modes)
    assert np.isfinite(position).all()
    assert np.isnan(velocity[0]).all()
    assert np.isfinite(velocity[1:]).all()
    assert (
        "1 vibration with ω² ≤ 0: ṽ = Q̇/ω, energy, occupation" in undefined_note(modes)[0].text
    )


def test_unit_is_the_atomic_one():
    bohr_m, electron_kg = codata.physical_constants["Bohr radius"][0], codata.electron_mass
    second = np.sqrt(codata.electron_volt) * 1e-12  # √(eV) ps in √(J) s
    joule_second = ATOMIC_AMPLITUDE * second
    assert joule_second == pytest.approx(bohr_m * np.sqrt(electron_kg), rel=1e-12)


def test_without_velocities_there_are_positions_only():
    modes = modes_of(OMEGA)
    motion = oscillating(modes)
    still = MotionBlock(0, motion.displacements, None, None)
    position, velocity = ipi_amplitudes(project(modes, still), modes)
    assert velocity is None
    np.testing.assert_array_equal(position, ipi_amplitudes(project(modes, motion), modes)[0])


def test_crystals_are_refused(crystals, springs):
    space = half_space(build_supercell(crystals["bcc"], 2 * np.eye(3, dtype=int)))
    modes = modes_at(springs(crystals["bcc"], 3.0), space.qpoints, space.weights)
    u = np.zeros((2, space.supercell.n_atoms, 3))
    amplitudes = Projector(space, modes).project(MotionBlock(0, u, None, None))
    with pytest.raises(DataError, match="are not those of a molecule"):
        ipi_amplitudes(amplitudes, modes)


def test_atomic_unit_is_bohr_times_the_root_of_the_electron_mass():
    """½ω²q̃² of one atomic unit at one hartree per ħ is half a hartree."""
    hartree = codata.physical_constants["Hartree energy in eV"][0]
    energy = 0.5 * (hartree / HBAR * ATOMIC_AMPLITUDE) ** 2
    assert energy == pytest.approx(0.5 * hartree, rel=1e-8)
