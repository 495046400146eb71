"""Force constants of runs without forces: those of an exact sampler, within their errors."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

import trajmodes as tm
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.modes import modes_at
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.without_forces.constants import constants_of_displacements
from trajmodes.project.checks import oscillator_frequency
from trajmodes.project.projector import Projector, moving_modes
from trajmodes.symmetry.stars import set_mean, set_omega
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.thermo.sampling import harmonic_ensemble
from trajmodes.units import BOLTZMANN, DALTON

KELVIN, CUBE = 100.0, 5.43
STEP_PS, EVERY = 1e-3, 4


@pytest.fixture(scope="module")
def silicon(springs, tmp_path_factory):
    """Force constants of a diamond crystal of springs, a supercell, and its cell file."""
    cell = 0.5 * CUBE * (1.0 - np.eye(3))
    sites = np.array([[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]])
    crystal = Crystal(cell, sites, ("Si", "Si"), np.full(2, 28.0855) * DALTON)
    path = tmp_path_factory.mktemp("cell") / "POSCAR"
    Atoms("Si2", scaled_positions=sites, cell=cell, pbc=True).write(path, format="vasp")
    return springs(crystal, 4.0), build_supercell(crystal, np.diag([2, 2, 2])), path


def run_of(silicon, u_tax, v_tax=None, temperature=KELVIN, interval_ps=None):
    _, supercell, path = silicon
    run = tm.from_arrays(
        supercell.positions + u_tax,
        supercell.cell,
        supercell.species,
        velocities=v_tax,
        masses_da=supercell.masses / DALTON,
        interval_ps=interval_ps,
        cell=path,
    )
    return replace(run, job=run.job.with_options(temperature=temperature))


def modes_of(silicon):
    constants, supercell, _ = silicon
    space = half_space(supercell)
    return modes_at(constants, space.qpoints, space.weights)


def deviations(silicon, run):
    """Frequencies of the sets against the truth, in standard errors."""
    truth, space = modes_of(silicon), half_space(silicon[1])
    found = constants_of_displacements(run, log=Log()).constants
    modes = modes_at(found, space.qpoints, space.weights)
    assert modes.omega_sem is not None
    omega, sem = (set_mean(one, truth) for one in (modes.omega, modes.omega_sem))
    return (omega - set_omega(truth)) / sem, omega


@pytest.mark.slow
@pytest.mark.parametrize("has_velocities", [False, True])
def test_independent_samples_give_the_constants_within_their_errors(silicon, has_velocities):
    constants, supercell, _ = silicon
    sampler = harmonic_ensemble(constants, supercell, KELVIN)
    z = []
    for seed in range(20):
        drawn = sampler.draw(384, np.random.default_rng(seed))
        v_tax = drawn.velocities if has_velocities else None
        given = None if has_velocities else KELVIN
        z.append(deviations(silicon, run_of(silicon, drawn.displacements, v_tax, given))[0])
    assert 0.85 < np.sqrt(np.mean(np.square(z))) < 1.25
    assert abs(np.mean(z)) < 0.3


def slow_motion(silicon, seed, n_frames, lifetime):
    """Displacements whose modes keep their energy for so many frames, at random phases.

    Q = x cos φ + y sin φ, where x and y forget their values within two lifetimes of x² + y².
    """
    constants, supercell, _ = silicon
    rng = np.random.default_rng(seed)
    sampler = harmonic_ensemble(constants, supercell, KELVIN)
    kept = np.exp(-0.5 / lifetime)
    both = np.array([sampler.draw(n_frames, rng).displacements for _ in range(2)])
    for t in range(1, n_frames):
        both[:, t] = kept * both[:, t - 1] + np.sqrt(1.0 - kept**2) * both[:, t]
    phase = rng.uniform(0.0, 2.0 * np.pi, n_frames)
    return np.einsum("kt,ktax->tax", [np.cos(phase), np.sin(phase)], both)


@pytest.mark.slow
def test_lifetimes_longer_than_blocks_do_not_spoil_the_errors(silicon):
    """With errors from the blocks alone, z² is 11."""
    z = [
        deviations(silicon, run_of(silicon, slow_motion(silicon, seed, 512, 100.0)))[0]
        for seed in range(16)
    ]
    assert 0.75 < np.sqrt(np.mean(np.square(z))) < 1.35


@pytest.fixture(scope="module")
def integrated(silicon, hessian_of):
    """Velocity Verlet of the crystal of springs, whose modes keep their energies for ever."""
    constants, supercell, _ = silicon
    minus = -hessian_of(constants, supercell) / np.repeat(supercell.masses, 3)[:, None]
    start = harmonic_ensemble(constants, supercell, KELVIN).draw(1, np.random.default_rng(3))
    u, v = start.displacements.ravel(), start.velocities.ravel()
    a, frames = minus @ u, []
    for step in range(20_000):
        if step % EVERY == 0:
            frames.append((u, v))
        v_half = v + 0.5 * STEP_PS * a
        u = u + STEP_PS * v_half
        a = minus @ u
        v = v_half + 0.5 * STEP_PS * a
    shape = (len(frames), supercell.n_atoms, 3)
    return tuple(np.array(field).reshape(shape) for field in zip(*frames, strict=True))


@pytest.mark.parametrize("has_velocities", [False, True])
def test_modes_that_keep_their_energies_have_their_frequencies(
    silicon, integrated, has_velocities
):
    """k_BT⟨uu⟩⁻¹ would give the initial energies; the step of Verlet would show by 0.2 %."""
    u_tax, v_tax = integrated
    run = run_of(silicon, u_tax, v_tax if has_velocities else None, interval_ps=EVERY * STEP_PS)
    axis = replace(run.trajectory.time, steps=EVERY * np.arange(len(u_tax)), numbered=True)
    run = replace(run, trajectory=replace(run.trajectory, time=axis))
    assert run.trajectory.time.timestep_ps == pytest.approx(STEP_PS)
    z, omega = deviations(silicon, run)
    truth = modes_of(silicon)
    np.testing.assert_allclose(omega, set_omega(truth), rtol=1e-3)
    assert np.sqrt(np.mean(z**2)) < 2.0


@pytest.mark.parametrize("apart", [None, 1, 4])
def test_ratios_of_velocity_verlet_give_the_frequency_of_the_springs(apart):
    omega, step = 90.0, 1.5e-3
    x, v, rows = 1.0, 0.3, []
    for _ in range(400_000):
        rows.append((x, v))
        half = v - 0.5 * step * omega**2 * x
        x += step * half
        v = half - 0.5 * step * omega**2 * x
    x_t, v_t = np.array(rows).T
    span = None
    if apart is not None:
        span = apart * step
        v_t = (x_t[2 * apart :] - x_t[: -2 * apart]) / (2.0 * span)
        x_t = x_t[apart:-apart]
    ratio = np.sqrt(np.mean(v_t**2) / np.mean(x_t**2))
    assert oscillator_frequency(ratio, span, step) == pytest.approx(omega, rel=2e-5)
    assert oscillator_frequency(ratio, span, None) != pytest.approx(omega, rel=5e-4)


def test_frequencies_go_with_the_root_of_the_temperature(silicon):
    constants, supercell, _ = silicon
    sampler = harmonic_ensemble(constants, supercell, KELVIN)
    u_tax = sampler.draw(64, np.random.default_rng(0)).displacements
    _, one = deviations(silicon, run_of(silicon, u_tax))
    _, other = deviations(silicon, run_of(silicon, u_tax, temperature=4.0 * KELVIN))
    np.testing.assert_allclose(other, 2.0 * one, rtol=1e-9)


def test_the_temperature_is_that_of_the_motion(silicon):
    constants, supercell, _ = silicon
    drawn = harmonic_ensemble(constants, supercell, KELVIN).draw(400, np.random.default_rng(4))
    run = run_of(silicon, drawn.displacements, drawn.velocities, temperature=None)
    found = constants_of_displacements(run, log=Log()).constants
    squares = np.einsum("tax,tax,a->t", drawn.velocities, drawn.velocities, supercell.masses)
    freedom = 3.0 * (supercell.n_atoms - 1)
    assert found.temperature == pytest.approx(squares.mean() / freedom / BOLTZMANN, rel=0.01)


def test_uniform_shifts_are_apart_and_the_basis_is_orthonormal(silicon):
    _, supercell, _ = silicon
    space = half_space(supercell)
    basis = moving_modes(space)
    e_qmk = basis.vectors.reshape(*basis.omega.shape, -1)
    products = e_qmk @ e_qmk.conj().swapaxes(1, 2)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(6), products.shape), atol=1e-12)
    assert (basis.sets < 0).sum() == 3
    shift = np.broadcast_to([0.1, -0.2, 0.3], (1, supercell.n_atoms, 3))
    moved = Projector(space, basis).coordinates(shift)[..., 0]
    np.testing.assert_allclose(moved[basis.sets >= 0], 0.0, atol=1e-12)


def test_what_displacements_cannot_give_is_refused(silicon):
    constants, supercell, _ = silicon
    u_tax = harmonic_ensemble(constants, supercell, KELVIN).draw(5, np.random.default_rng(0))
    run = run_of(silicon, u_tax.displacements, temperature=None)
    with pytest.raises(UsageError, match="positions alone, and its temperature is not known"):
        constants_of_displacements(run, log=Log())
    cut = replace(run, job=run.job.with_options(temperature=KELVIN, cutoff2=4.0))
    with pytest.raises(UsageError, match="cutoffs are given, and the run has no forces"):
        constants_of_displacements(cut, log=Log())
    few = run_of(silicon, u_tax.displacements[:3])
    with pytest.raises(DataError, match="blocks of time are too few"):
        constants_of_displacements(few, log=Log())
