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
from trajmodes.project.projector import Projector, moving_modes
from trajmodes.symmetry.stars import set_mean, set_omega
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.thermo.sampling import harmonic_ensemble
from trajmodes.units import DALTON

KELVIN, CUBE = 100.0, 5.43


@pytest.fixture(scope="module")
def silicon(springs, tmp_path_factory):
    """Force constants of a diamond crystal of springs, a supercell, and its cell file."""
    cell = 0.5 * CUBE * (1.0 - np.eye(3))
    sites = np.array([[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]])
    crystal = Crystal(cell, sites, ("Si", "Si"), np.full(2, 28.0855) * DALTON)
    path = tmp_path_factory.mktemp("cell") / "POSCAR"
    Atoms("Si2", scaled_positions=sites, cell=cell, pbc=True).write(path, format="vasp")
    return springs(crystal, 4.0), build_supercell(crystal, np.diag([2, 2, 2])), path


def run_of(silicon, u_tax, v_tax=None, temperature=KELVIN):
    _, supercell, path = silicon
    run = tm.from_arrays(
        supercell.positions + u_tax,
        supercell.cell,
        supercell.species,
        velocities=v_tax,
        masses_da=supercell.masses / DALTON,
        cell=path,
    )
    return replace(run, job=run.job.with_options(temperature=temperature))


def deviations(silicon, run):
    """Frequencies of the sets against the truth, in standard errors."""
    constants, supercell, _ = silicon
    space = half_space(supercell)
    truth = modes_at(constants, space.qpoints, space.weights)
    found = constants_of_displacements(run, log=Log()).constants
    modes = modes_at(found, space.qpoints, space.weights)
    assert modes.omega_sem is not None
    omega, sem = (set_mean(one, truth) for one in (modes.omega, modes.omega_sem))
    return (omega - set_omega(truth)) / sem, omega


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


def test_lifetimes_longer_than_blocks_do_not_spoil_the_errors(silicon):
    """With errors from the blocks alone, z² is 11."""
    z = [
        deviations(silicon, run_of(silicon, slow_motion(silicon, seed, 512, 100.0)))[0]
        for seed in range(16)
    ]
    assert 0.75 < np.sqrt(np.mean(np.square(z))) < 1.35


def test_frequencies_go_with_the_root_of_the_temperature(silicon):
    constants, supercell, _ = silicon
    sampler = harmonic_ensemble(constants, supercell, KELVIN)
    u_tax = sampler.draw(64, np.random.default_rng(0)).displacements
    _, one = deviations(silicon, run_of(silicon, u_tax))
    _, other = deviations(silicon, run_of(silicon, u_tax, temperature=4.0 * KELVIN))
    np.testing.assert_allclose(other, 2.0 * one, rtol=1e-9)


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
