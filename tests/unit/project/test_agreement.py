"""Fitted and measured static frequencies agree, unless force constants omit forces.

The frames are drawn from the canonical distribution of a harmonic salt whose springs reach
6.5 Å, beyond the sphere of 3.99 Å inside its supercell.
"""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.charges import Charges
from trajmodes.data.motion import MotionBlock
from trajmodes.fit.force_noise import centred
from trajmodes.fit.harmonic import ForceCovariance
from trajmodes.phonons.modes import modes_at
from trajmodes.project.agreement import disagreement_note, of_energies, of_forces
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.projector import Projector
from trajmodes.symmetry.stars import set_omega
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import BOLTZMANN, THZ

N_FRAMES, KELVIN = 400, 300.0


@pytest.fixture(scope="module")
def salt(crystals):
    return build_supercell(crystals["rock salt"], 2 * np.eye(3, dtype=int))


@pytest.fixture(scope="module")
def motion(salt, springs, hessian_of):
    hessian = hessian_of(springs(salt.crystal, 6.5), salt)
    root = np.sqrt(np.repeat(salt.masses, 3))
    square, vectors = np.linalg.eigh(hessian / np.outer(root, root))
    rng = np.random.default_rng(2)
    drawn = np.sqrt(BOLTZMANN * KELVIN) * rng.normal(size=(2, N_FRAMES, len(root)))
    drawn[:, :, :3] = 0.0  # translations
    omega = np.sqrt(np.maximum(square, square[3]))
    u_tx, v_tx = (drawn[0] / omega) @ vectors.T / root, drawn[1] @ vectors.T / root
    shape = (N_FRAMES, salt.n_atoms, 3)
    fields = (u_tx, v_tx, -u_tx @ hessian)
    return MotionBlock(0, *(field.reshape(shape) for field in fields))


def projected(constants, supercell, motion):
    space = half_space(supercell)
    modes = modes_at(constants, space.qpoints, space.weights)
    reduction = EnergyReduction(Projector(space, modes), N_FRAMES)
    energies = reduction.finalize(reduction.chunk(reduction.projector.project(motion)))
    return constants, modes, energies


@pytest.fixture(scope="module")
def compared(salt, motion, fit_harmonic):
    """``compared(cutoff)``: force constants, modes and energies of a fit to these frames."""
    reduction = ForceCovariance(half_space(salt), N_FRAMES)
    covariances = reduction.finalize(reduction.chunk(motion))

    def make(cutoff):
        constants = fit_harmonic(covariances, cutoff=cutoff).constants
        return projected(constants, salt, motion)

    return make


@pytest.mark.parametrize(("cutoff", "agrees"), [("supercell", True), (None, False)])
def test_the_forces_of_a_fit_show_what_it_omits(salt, motion, fit_harmonic, cutoff, agrees):
    """Without velocities."""
    reduction = ForceCovariance(half_space(salt), N_FRAMES)
    covariances = reduction.finalize(reduction.chunk(replace(motion, velocities=None)))
    constants = fit_harmonic(covariances, cutoff=cutoff).constants
    modes = modes_at(constants, covariances.space.qpoints, covariances.space.weights)
    static = of_forces(modes, *centred(covariances))
    note = disagreement_note(constants, modes, static, salt, is_fitted=True)
    if agrees:
        assert note is None
        np.testing.assert_allclose(static.omega, set_omega(modes), rtol=1e-6)
    else:
        assert "−⟨Q*𝓕⟩/⟨|Q|²⟩ of the run" in note.text
        assert "3.99 Å" in note.why


def note_on(parts, *, timestep_fs=None, is_fitted=True, size=(2, 2, 2)):
    constants, modes, energies = parts
    static = of_energies(modes, energies, timestep_fs)
    supercell = build_supercell(constants.crystal, np.diag(size))
    return disagreement_note(constants, modes, static, supercell, is_fitted=is_fitted)


def test_a_fit_to_all_pairs_agrees_with_the_run(compared):
    assert note_on(compared("supercell")) is None


def test_a_fit_that_omits_distant_pairs_is_warned_about(compared):
    parts = compared(None)
    note = note_on(parts)
    assert note.severity == "warning"
    assert "do not describe the motion" in note.text
    assert "3.99 Å" in note.why
    assert "Na and Cl" in note.why
    assert "--cutoff2 supercell" in note.fix
    omega, measured = set_omega(parts[1]), parts[2].omega_ratio
    apart = np.abs(measured - omega)
    assert f"set {apart.argmax()}" in note.text
    assert f"{omega[apart.argmax()] / THZ:.2f} THz" in note.text


def test_a_supercell_of_lower_symmetry_is_not_to_be_fitted_with_all_its_pairs(compared):
    note = note_on(compared(None), size=(2, 2, 3))
    assert "run a larger supercell with the symmetry of the crystal" in note.fix
    assert "give --cutoff2 supercell" not in note.fix


def test_charges_that_are_given_are_not_asked_for(compared):
    constants, *rest = compared(None)
    born = np.array([1.0, -1.0])[:, None, None] * np.eye(3)
    charged = replace(constants, charges=Charges(born, 2.4 * np.eye(3)))
    note = note_on((charged, *rest))
    assert "3.99 Å" in note.why
    assert "charged" not in note.why


def test_constants_of_another_crystal_name_their_origin(salt, motion, springs):
    constants = springs(salt.crystal, 6.5, strength=1.2)
    note = note_on(projected(constants, salt, motion), is_fitted=False)
    assert "another temperature, volume or potential" in note.why


def test_the_time_step_is_taken_off(compared):
    """Velocity Verlet lowers ⟨|Q̇|²⟩ by 1 − ω²h²/4; known, this is no disagreement."""
    constants, modes, energies = compared("supercell")
    omega = set_omega(modes)
    timestep_fs = 1e3 * 0.6 / omega.max()
    kept = np.sqrt(1.0 - 0.25 * (omega * timestep_fs * 1e-3) ** 2)
    sure = replace(energies, omega_ratio=omega * kept, omega_ratio_sem=1e-3 * omega)
    parts = (constants, replace(modes, omega_sem=1e-3 * modes.omega_sem), sure)
    assert note_on(parts) is not None
    assert note_on(parts, timestep_fs=timestep_fs) is None


def test_one_mode_alone_is_not_many(compared):
    constants, modes, energies = compared("supercell")
    ratio = energies.omega_ratio.copy()
    ratio[3] *= 1.5
    assert note_on((constants, modes, replace(energies, omega_ratio=ratio))) is None
