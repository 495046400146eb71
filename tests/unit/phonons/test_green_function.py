"""Force constants from displacement covariances, on samples of harmonic crystals."""

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.phonons.qpoints import commensurate
from trajmodes.phonons.renormalised import green_function_constants
from trajmodes.project.energies.covariances import DisplacementCovarianceReduction
from trajmodes.project.projector import Projector
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import BOLTZMANN

KELVIN = 300.0
CASES = {"diamond": np.diag([2, 2, 2]), "wurtzite": np.diag([2, 2, 1])}


@pytest.fixture(params=CASES)
def case(request, crystals, springs):
    """True force constants, a supercell, and modes of other force constants as a basis."""
    crystal = crystals[request.param]
    supercell = build_supercell(crystal, CASES[request.param])
    other = modes_at(springs(crystal, 3.3), *commensurate(supercell))
    return springs(crystal, 4.0), supercell, other


def harmonic_motion(constants, supercell, hessian_of, energies_ta, rng):
    """Independent frames of a harmonic crystal; (t, k) energies in units of k_BT."""
    root = np.repeat(np.sqrt(supercell.masses), 3)
    square, vectors = np.linalg.eigh(hessian_of(constants, supercell) / np.outer(root, root))
    frozen = square < 1e-6 * square.max()
    size = np.sqrt(BOLTZMANN * KELVIN * energies_ta)
    n_frames = len(energies_ta)
    phases = rng.normal(size=(2, n_frames, len(square)))
    q_tk = np.where(frozen, 0.0, size * phases[0] / np.sqrt(np.where(frozen, 1.0, square)))
    v_tk = np.where(frozen, 0.0, size * phases[1])
    shape = (n_frames, supercell.n_atoms, 3)
    return MotionBlock(
        0,
        (q_tk @ vectors.T / root).reshape(shape),
        (v_tk @ vectors.T / root).reshape(shape),
        None,
    )


def covariances(motion, modes, supercell, n_blocks=16):
    projector = Projector(half_space(supercell), modes)
    reduction = DisplacementCovarianceReduction(projector, len(motion.displacements), n_blocks)
    return reduction.finalize(reduction.chunk(projector.project(motion)))


def exact(constants, modes) -> np.ndarray:
    """k_BT D⁻¹ in the basis of the modes, identity for the acoustic ones at Γ."""
    d_qkl = dynamical_matrices(lattice_sum(constants), modes.qpoints)
    e_qmk = modes.vectors.reshape(*modes.sets.shape, -1)
    d_qmn = e_qmk.conj() @ d_qkl @ e_qmk.swapaxes(1, 2)
    frozen = modes.sets < 0
    both = frozen[:, :, None] | frozen[:, None, :]
    d_qmn = np.where(both, np.eye(d_qmn.shape[1]), d_qmn)
    return BOLTZMANN * KELVIN * np.linalg.inv(d_qmn)


def test_exact_covariances_give_the_exact_matrix(case):
    constants, supercell, modes = case
    blocks = np.stack([exact(constants, modes)] * 4)
    found = green_function_constants(modes, supercell, blocks, np.full(4, 10), KELVIN)
    wanted = dynamical_matrices(lattice_sum(constants), modes.qpoints)
    again = dynamical_matrices(lattice_sum(found), modes.qpoints)
    np.testing.assert_allclose(again, wanted, rtol=0, atol=1e-10 * np.abs(wanted).max())
    omega, sem = frequencies_at(found, modes.qpoints)
    assert (sem[omega > 1.0] < 1e-6 * omega.max()).all()
    assert found.temperature == KELVIN


def test_velocities_replace_the_temperature(case):
    constants, supercell, modes = case
    n_modes = modes.omega.shape[1]
    kinetic = (
        BOLTZMANN * KELVIN * np.broadcast_to(np.eye(n_modes), (4, *modes.sets.shape, n_modes))
    )
    blocks, frames = np.stack([exact(constants, modes)] * 4), np.full(4, 10)
    # a run that is 1.7 times as hot as assumed
    found = green_function_constants(
        modes, supercell, 1.7 * blocks, frames, KELVIN, 1.7 * kinetic
    )
    wanted = dynamical_matrices(lattice_sum(constants), modes.qpoints)
    again = dynamical_matrices(lattice_sum(found), modes.qpoints)
    np.testing.assert_allclose(again, wanted, rtol=0, atol=1e-10 * np.abs(wanted).max())


@pytest.mark.parametrize("with_velocities", [False, True])
def test_samples_agree_with_the_truth_within_their_errors(case, hessian_of, with_velocities):
    constants, supercell, modes = case
    wanted, _ = frequencies_at(constants, modes.qpoints)
    moves, scores = wanted > 1.0, []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        energies = np.ones((200, 3 * supercell.n_atoms))
        motion = harmonic_motion(constants, supercell, hessian_of, energies, rng)
        found = covariances(motion, modes, supercell)
        kinetic = found.kinetic if with_velocities else None
        estimate = green_function_constants(
            modes, supercell, found.covariance, found.frames, KELVIN, kinetic
        )
        omega, sem = frequencies_at(estimate, modes.qpoints)
        scores.append(((omega - wanted) / sem)[moves])
    assert 0.8 < np.sqrt(np.mean(np.square(scores))) < 1.25


@pytest.mark.parametrize("with_velocities", [False, True])
def test_few_frames_give_no_bias(crystals, springs, hessian_of, with_velocities):
    """Nine branches, 100 frames, no symmetry: plain inverses would be about 10 % too large."""
    crystal = crystals["triclinic"]
    supercell = build_supercell(crystal, np.diag([2, 1, 2]))
    constants = springs(crystal, 4.0)
    modes = modes_at(constants, *commensurate(supercell))
    e_qmk = modes.vectors.reshape(*modes.sets.shape, -1)
    ratios = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        energies = np.ones((100, 3 * supercell.n_atoms))
        motion = harmonic_motion(constants, supercell, hessian_of, energies, rng)
        found = covariances(motion, modes, supercell)
        kinetic = found.kinetic if with_velocities else None
        estimate = green_function_constants(
            modes, supercell, found.covariance, found.frames, KELVIN, kinetic
        )
        d_qkl = dynamical_matrices(lattice_sum(estimate), modes.qpoints)
        square_qm = np.einsum("qmk,qkl,qml->qm", e_qmk.conj(), d_qkl, e_qmk).real
        moves = modes.sets >= 0
        ratios.append(np.mean(square_qm[moves] / modes.omega[moves] ** 2))
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)


def test_unequal_mode_energies_do_not_matter_with_velocities(case, hessian_of):
    """Each mode keeps its own energy: k_BT gives wrong frequencies, velocities do not."""
    constants, supercell, modes = case
    rng = np.random.default_rng(5)
    energies = np.ones((400, 1)) * rng.exponential(size=3 * supercell.n_atoms)
    motion = harmonic_motion(constants, supercell, hessian_of, energies, rng)
    found = covariances(motion, modes, supercell)
    wanted, _ = frequencies_at(constants, modes.qpoints)
    moves = wanted > 1.0
    off = []
    for kinetic in (None, found.kinetic):
        estimate = green_function_constants(
            modes, supercell, found.covariance, found.frames, KELVIN, kinetic
        )
        omega, _ = frequencies_at(estimate, modes.qpoints)
        off.append(np.sqrt(np.mean((omega[moves] / wanted[moves] - 1.0) ** 2)))
    assert off[1] < 0.05
    assert off[0] > 0.1


def test_too_little_data_is_refused(case):
    constants, supercell, modes = case
    blocks = np.stack([exact(constants, modes)] * 3)
    with pytest.raises(DataError, match="3 blocks of time are too few"):
        green_function_constants(modes, supercell, blocks, np.full(3, 10), KELVIN)
    poor = np.zeros((4, *blocks.shape[1:]), dtype=complex)
    with pytest.raises(DataError, match="cannot be inverted"):
        green_function_constants(modes, supercell, poor, np.full(4, 10), KELVIN)
    larger = build_supercell(modes.crystal, 3 * np.eye(3, dtype=int))
    with pytest.raises(DataError, match="not at the q points of the supercell"):
        green_function_constants(modes, larger, poor, np.full(4, 10), KELVIN)
