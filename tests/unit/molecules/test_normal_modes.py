"""Normal modes of molecules with known answers."""

import numpy as np
import pytest
from scipy import constants as codata

from trajmodes.errors import DataError
from trajmodes.molecules.normal_modes import external_part, mode_table, normal_modes
from trajmodes.molecules.point_group import isolated, pairs_of_hessian, rigid_motions
from trajmodes.units import DALTON, THZ

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
    assert (mode_table(modes).wavenumber_cm[:2] < 0.0).all()


def test_mode_table():
    molecule, hessian = carbon_dioxide()
    table = mode_table(normal_modes(molecule, pairs_of_hessian(molecule, hessian)))
    # Symmetric stretch: only oxygen moves, so its mass is the reduced one and k that of a bond.
    assert table.reduced_mass_da[2] == pytest.approx(15.999)
    assert table.force_constant[2] == pytest.approx(STRETCH)
    assert table.participation[2] == pytest.approx(2.0 / 3.0)
    freq = np.sqrt(STRETCH / OXYGEN) / THZ
    assert table.freq_thz[2] == pytest.approx(freq)
    assert table.wavenumber_cm[2] == pytest.approx(freq * 1e10 / codata.speed_of_light)
    planck_mev = codata.Planck / codata.electron_volt * 1e3
    assert table.energy_mev[2] == pytest.approx(freq * 1e12 * planck_mev)
    assert np.isnan(table.freq_thz_sem).all()


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
