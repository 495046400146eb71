"""Random forces are found, and measured, beside anharmonic ones."""

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.fit.force_noise import (
    Friction,
    damping_time,
    force_noise,
    friction,
    noise_note,
    residual_matrices,
    with_noise,
)
from trajmodes.symmetry.translations import atom_at, build_supercell, half_space
from trajmodes.units import BOLTZMANN

N_FRAMES = 400
SIZES = {"bcc": np.diag([4, 4, 4]), "wurtzite": np.diag([3, 3, 2])}


@pytest.fixture(params=SIZES)
def supercell(crystals, request):
    return build_supercell(crystals[request.param], SIZES[request.param])


@pytest.fixture
def anharmonic(springs, hessian_of):
    """``anharmonic(supercell)``: force constants, displacements, and forces beyond these.

    The forces that the force constants do not explain act between neighbours, and obey Newton's
    third law.
    """

    def make(supercell, seed=0):
        constants = springs(supercell.crystal, 3.3)
        rng = np.random.default_rng(seed)
        u_tax = rng.normal(scale=0.05, size=(N_FRAMES, supercell.n_atoms, 3))
        u_tax -= u_tax.mean(axis=1, keepdims=True)
        hessian = hessian_of(constants, supercell)
        f_tax = -(u_tax.reshape(N_FRAMES, -1) @ hessian).reshape(u_tax.shape)
        for first, second, cell, values in zip(
            constants.first,
            constants.second,
            constants.lattice,
            constants.values,
            strict=True,
        ):
            ones = atom_at(supercell, first, supercell.cells)
            twos = atom_at(supercell, second, supercell.cells + cell)
            scale = 0.02 * np.sqrt(np.abs(np.trace(values)))
            pull_tax = rng.normal(scale=scale, size=(N_FRAMES, len(ones), 3))
            f_tax[:, ones] += pull_tax
            f_tax[:, twos] -= pull_tax
        return constants, u_tax, f_tax

    return make


def _with_random_forces(supercell, f_tax, per_mass, seed=1):
    rng = np.random.default_rng(seed)
    scale = np.sqrt(per_mass * supercell.masses)[:, None]
    noise_tax = scale * rng.uniform(-(3**0.5), 3**0.5, size=f_tax.shape)
    noise_tax -= noise_tax.mean(axis=1, keepdims=True)
    return f_tax + noise_tax


def test_force_constants_at_q_give_the_forces_of_the_supercell(
    supercell, springs, hessian_of, reduce_frames, random_frames
):
    u_tax, _ = random_frames(supercell, 3)
    constants = springs(supercell.crystal, 3.3)
    hessian = hessian_of(constants, supercell)
    f_tax = -(u_tax.reshape(3, -1) @ hessian).reshape(u_tax.shape)
    sums = reduce_frames(supercell, u_tax, f_tax, n_blocks=1)
    phi_qkl = residual_matrices(constants, half_space(supercell))
    np.testing.assert_allclose(sums.force, -phi_qkl @ sums.displacement, atol=1e-10)
    expected = phi_qkl @ sums.displacement @ phi_qkl.conj().swapaxes(1, 2)
    np.testing.assert_allclose(sums.force_force, expected, atol=1e-10)


def test_anharmonic_forces_are_no_noise(supercell, anharmonic, reduce_frames):
    constants, u_tax, f_tax = anharmonic(supercell)
    assert force_noise(reduce_frames(supercell, u_tax, f_tax), constants) is None


@pytest.mark.parametrize("ratio", [1.0, 30.0])
def test_random_forces_are_measured_within_their_error(
    supercell, anharmonic, reduce_frames, fit_harmonic, ratio
):
    constants, u_tax, f_tax = anharmonic(supercell)
    clean = fit_harmonic(reduce_frames(supercell, u_tax, f_tax)).constants.quality
    per_mass = ratio * clean.rms_residual**2 / supercell.masses.mean()
    noisy_tax = _with_random_forces(supercell, f_tax, per_mass)
    covariances = reduce_frames(supercell, u_tax, noisy_tax)
    constants = fit_harmonic(covariances).constants
    noise = force_noise(covariances, constants)
    assert noise.per_mass == pytest.approx(per_mass, rel=4.0 * noise.sem / noise.variance)
    expected = ((noisy_tax - f_tax) ** 2).mean()
    assert abs(noise.variance - expected) < 4.0 * noise.sem
    quality = with_noise(constants.quality, [(noise, 1.0)])
    assert constants.quality.anharmonicity > 1.2 * clean.anharmonicity
    assert abs(quality.anharmonicity - clean.anharmonicity) < 3.0 * quality.anharmonicity_sem
    assert 1.0 - quality.r_squared_without_noise == pytest.approx(quality.anharmonicity**2)


def test_noise_of_a_thermostat_has_its_damping_time(supercell, anharmonic, reduce_frames):
    damping_ps, step_ps, kelvin = 0.4, 0.001, 300.0
    per_mass = 2.0 * BOLTZMANN * kelvin / (damping_ps * step_ps)
    constants, u_tax, f_tax = anharmonic(supercell)
    noisy_tax = _with_random_forces(supercell, f_tax, per_mass)
    noise = force_noise(reduce_frames(supercell, u_tax, noisy_tax), constants)
    assert damping_time(noise, kelvin, step_ps) == pytest.approx(damping_ps, rel=0.1)


def _langevin(supercell, hessian, friction_rate, n_pairs=300):
    """Pairs of frames of a harmonic crystal, integrated as LAMMPS does, and the step."""
    step_ps, kelvin, rng = 0.002, 400.0, np.random.default_rng(5)
    masses = np.repeat(supercell.masses, 3)
    per_mass = 2.0 * BOLTZMANN * kelvin * friction_rate / step_ps
    thermal = np.sqrt(BOLTZMANN * kelvin / masses)
    u, v, pairs, kept = np.zeros(masses.size), thermal * rng.normal(size=masses.size), [], []
    force = -hessian @ u
    for step in range(400 + 12 * n_pairs):
        v = v + 0.5 * step_ps * force / masses
        u = u + step_ps * v
        random = np.sqrt(3.0 * per_mass * masses) * rng.uniform(-1, 1, size=masses.size)
        force = -hessian @ u - friction_rate * masses * v + random
        v = v + 0.5 * step_ps * force / masses
        if step >= 400 and step % 12 < 2:
            kept.append(
                [x.reshape(-1, 3) - x.reshape(-1, 3).mean(axis=0) for x in (u, v, force)]
            )
            if len(kept) == 2:
                pairs.append(MotionBlock(0, *(np.array(x) for x in zip(*kept, strict=True))))
                kept = []
    return pairs, step_ps


@pytest.mark.parametrize("rate", [0.0, 5.0])
def test_friction_is_found_in_neighbouring_frames(
    crystals, springs, hessian_of, reduce_frames, rate
):
    supercell = build_supercell(crystals["bcc"], SIZES["bcc"])
    constants = springs(supercell.crystal, 3.3)
    hessian = hessian_of(constants, supercell)
    pairs, step_ps = _langevin(supercell, hessian, 5.0)
    u, v, f = (
        np.concatenate([getattr(pair, name) for pair in pairs])
        for name in ("displacements", "velocities", "forces")
    )
    if rate == 0.0:
        # Errors of forces that do not act on the motion come without friction.
        order = np.random.default_rng(2).permutation(len(f))
        clean = -(u.reshape(len(u), -1) @ hessian).reshape(u.shape)
        f = clean + (f - clean)[order]
        pairs = [
            MotionBlock(0, u[k : k + 2], v[k : k + 2], f[k : k + 2])
            for k in range(0, len(f), 2)
        ]
    noise = force_noise(reduce_frames(supercell, u, f), constants)
    found = friction(pairs, constants, half_space(supercell), step_ps, noise)
    assert abs(found.rate - rate) < 4.0 * found.sem
    assert found.is_seen == (rate > 0.0)


def test_forces_that_vanish_in_one_direction_are_not_random(
    supercell, anharmonic, reduce_frames
):
    """In a layer forces of long wavelength are in the plane."""
    constants, u_tax, f_tax = anharmonic(supercell)
    noisy_tax = _with_random_forces(supercell, f_tax, 100.0)
    noisy_tax[..., 2] = f_tax[..., 2]
    assert force_noise(reduce_frames(supercell, u_tax, noisy_tax), constants) is None


def test_random_forces_do_not_last_from_frame_to_frame(supercell, anharmonic, reduce_frames):
    constants, u_tax, f_tax = anharmonic(supercell)
    noise = force_noise(
        reduce_frames(supercell, u_tax, _with_random_forces(supercell, f_tax, 100.0)), constants
    )
    assert Friction(0.0, 1.0, correlation=0.1).allows(noise)
    assert not Friction(0.0, 1.0, correlation=0.9).allows(noise)


def test_the_note_gives_a_bound_where_noise_hides_the_rest(
    supercell, anharmonic, reduce_frames
):
    constants, u_tax, f_tax = anharmonic(supercell)
    noisy_tax = _with_random_forces(supercell, f_tax, 1e3)
    noise = force_noise(reduce_frames(supercell, u_tax, noisy_tax), constants)
    assert "σ is 0.31 ± 0.02" in noise_note(noise, (0.31, 0.02)).text
    assert "σ is below 0.4" in noise_note(noise, (0.1, 0.2)).text
    assert noise_note(noise, None).severity == "warning"
