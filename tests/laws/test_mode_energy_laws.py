"""Laws of mode energies: sums over modes, harmonic identities, fluctuations in a heat bath."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.phonons.modes import modes_at
from trajmodes.project.energies.ensemble import equipartition
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import BOLTZMANN

N_FRAMES = 40
KT = BOLTZMANN * 300.0


@pytest.fixture(scope="module")
def solid(oblique_solid):
    """Projector on the modes, and the Hessian, of a crystal of springs."""
    space, modes, hessian = oblique_solid
    return Projector(space, modes), hessian


@pytest.fixture(scope="module")
def measured(solid):
    """Random motion without drift, its harmonic forces, and the mode energies."""
    projector, hessian = solid
    masses = projector.space.supercell.masses[:, None]
    fields = np.random.default_rng(6).normal(size=(2, N_FRAMES, len(masses), 3))
    fields -= (masses * fields).sum(axis=2, keepdims=True) / masses.sum()
    forces = -(fields[0].reshape(N_FRAMES, -1) @ hessian).reshape(fields[0].shape)
    motion = MotionBlock(0, fields[0], fields[1], forces)
    reduction = EnergyReduction(projector, N_FRAMES, 8)
    return motion, reduction.finalize(reduction.chunk(projector.project(motion)))


def test_sums_over_modes_are_the_energies_of_the_atoms(solid, measured) -> None:
    projector, hessian = solid
    motion, energies = measured
    masses = projector.space.supercell.masses[:, None]
    u_tk = motion.displacements.reshape(N_FRAMES, -1)
    of_atoms = {
        "kinetic": 0.5 * (masses * motion.velocities**2).sum(),
        "potential": 0.5 * np.einsum("tk,kl,tl->", u_tk, hessian, u_tk),
        "virial": -0.5 * (motion.displacements * motion.forces).sum(),
    }
    for name, total in of_atoms.items():
        of_modes = energies.members @ getattr(energies, name)
        assert of_modes == pytest.approx(total / N_FRAMES, rel=1e-12), name


def test_means_of_single_modes_are_those_of_their_sets(solid, measured) -> None:
    modes, (_, energies) = solid[0].modes, measured
    inside = modes.sets >= 0
    weights = np.broadcast_to(modes.weights[:, None], inside.shape)[inside]
    for k, name in enumerate(("kinetic", "potential", "virial")):
        totals = np.bincount(modes.sets[inside], weights * energies.single[k][inside])
        wanted = energies.members * getattr(energies, name)
        np.testing.assert_allclose(totals, wanted, rtol=1e-12, err_msg=name)
    assert np.isnan(energies.single[:, ~inside]).all()
    both = energies.travelling.sum(axis=0)
    standing = energies.single[0] + energies.single[1]
    np.testing.assert_allclose(both, 2.0 * standing, rtol=1e-12)


def test_virial_equals_potential_energy_in_a_harmonic_crystal(measured) -> None:
    _, energies = measured
    assert np.allclose(energies.virial, energies.potential, rtol=1e-12, atol=0.0)
    assert np.allclose(energies.anharmonicity, 0.0, atol=1e-12)
    assert (energies.anharmonicity_sem < 1e-12).all()


def test_travelling_energies_average_to_the_standing_energy(solid, measured) -> None:
    projector, _ = solid
    modes, (_, energies) = projector.modes, measured
    known = modes.sets >= 0
    weights = np.repeat(modes.weights[:, None], modes.omega.shape[1], axis=1)[known]
    # E+ and E− stand for q and −q; where these are one point each of them is K + U.
    both = 0.5 * weights * energies.travelling.sum(axis=0)[known]
    standing = np.zeros(modes.n_sets)
    np.add.at(standing, modes.sets[known], both)
    expected = energies.members * (energies.kinetic + energies.potential)
    assert np.allclose(standing, expected, rtol=1e-12)


@pytest.fixture(scope="module")
def salt(crystals, springs):
    """Projector on modes of 7 to 13 frames a period in rock salt, every mode for itself."""
    crystal = crystals["rock salt"]
    space = half_space(build_supercell(crystal, np.diag([4, 4, 2])))
    modes = modes_at(springs(crystal, 4.5), space.qpoints, space.weights)
    sets = np.arange(modes.omega.size).reshape(modes.omega.shape) - 3
    sets[0, :3] = -1
    rng = np.random.default_rng(14)
    omega = np.sort(rng.uniform(2 * np.pi / 13.0, 2 * np.pi / 7.0, modes.omega.shape), axis=1)
    omega[0, :3] = 0.0
    return Projector(space, replace(modes, sets=sets, omega=omega))


def _pooled(modes: Modes, size: int) -> Modes:
    """Sets of modes at different q, all of which are −q, or none."""
    sets, label = np.full(modes.sets.shape, -1), 0
    for weight in (1.0, 2.0):
        q_i, m_i = np.nonzero((modes.sets >= 0) & (modes.weights == weight)[:, None])
        by_branch = np.lexsort((q_i, m_i))
        for start in range(0, len(by_branch), size):
            part = by_branch[start : start + size]
            sets[q_i[part], m_i[part]] = label
            label += 1
    return replace(modes, sets=sets)


def _heat_bath(
    modes: Modes, ratio: float, rng: np.random.Generator, n_frames: int = 1024
) -> Amplitudes:
    """Damped oscillators in a heat bath for ratio lifetimes, exact at times 1 ps apart."""
    omega, gamma = np.where(modes.sets >= 0, modes.omega, 1.0), ratio / n_frames
    shifted = np.sqrt(omega**2 - 0.25 * gamma**2)
    c, s = np.cos(shifted), np.sin(shifted) / shifted
    half = 0.5 * gamma * s
    step = np.exp(-0.5 * gamma) * np.array([[c + half, s], [-(omega**2) * s, c - half]])
    step = np.moveaxis(step, (0, 1), (-2, -1))
    still = np.zeros_like(step)
    still[..., 0, 0], still[..., 1, 1] = omega**-2.0, 1.0
    kick = np.linalg.cholesky(still - step @ still @ step.swapaxes(-1, -2))
    real = (modes.weights == 1.0)[:, None, None]

    def noise() -> np.ndarray:
        parts = rng.normal(size=(2, *omega.shape, 2))
        fresh = np.where(real, parts[0], np.sqrt(0.5) * (parts[0] + 1j * parts[1]))
        return fresh[..., None]

    series = np.empty((2, *omega.shape, n_frames), complex)
    state = np.sqrt(still) @ noise()
    for t in range(n_frames):
        series[..., t] = np.moveaxis(state[..., 0], -1, 0)
        state = step @ state + kick @ noise()
    series[:, modes.sets < 0] = 0.0
    return Amplitudes(0, *(np.sqrt(KT) * series), None)


@pytest.fixture(scope="module")
def baths(salt):
    """Run length over lifetime → amplitudes of eight runs."""
    rng = np.random.default_rng(15)
    return {x: [_heat_bath(salt.modes, x, rng) for _ in range(8)] for x in (3.0, 30.0, 300.0)}


def _results(projector: Projector, runs: list[Amplitudes], *, follow: bool = True):
    """Energies of runs whose frames follow one another, or not."""
    n_frames = runs[0].coordinate.shape[-1]
    ranges = ((0, n_frames),) if follow else ()
    reduction = EnergyReduction(projector, n_frames, interval_ps=1.0, ranges=ranges)
    return [reduction.finalize(reduction.chunk(run)) for run in runs]


@pytest.mark.parametrize("ratio", [3.0, 30.0, 300.0])
@pytest.mark.parametrize("size", [1, 4])
def test_heat_capacity_of_a_mode_is_boltzmanns_constant(salt, baths, ratio, size) -> None:
    """With both factors, for q = −q and q ≠ −q, and valid error bars."""
    projector = replace(salt, modes=_pooled(salt.modes, size))
    results = _results(projector, baths[ratio])
    alone = projector.modes.sets[projector.modes.weights == 1.0].max()
    for kind in (slice(0, alone + 1), slice(alone + 1, None)):
        heat = np.array([one.heat_capacity_kb[kind] for one in results])
        z = (heat - 1.0) / np.array([one.heat_capacity_kb_sem[kind] for one in results])
        assert abs(z.mean()) < 0.2 + 1.5 / np.sqrt(z.size)
        assert abs(heat.mean() - 1.0) < 0.12 + 3.0 / np.sqrt(ratio * size * z.size)
        # In short runs part of the fluctuation of a mode alone is taken for granted, and an
        # average over few lifetimes is skewed: its tail outruns any symmetric bar.
        narrowest, widest = (0.3, 1.5) if ratio < 10.0 else (0.7, 1.25)
        assert narrowest < z.std() < widest


@pytest.mark.parametrize("ratio", [3.0, 30.0, 300.0])
@pytest.mark.parametrize("part", [0, 1])
def test_errors_of_single_modes_agree_with_the_scatter(salt, baths, ratio, part) -> None:
    for pair in (False, True):
        chosen = (salt.modes.sets >= 0) & ((salt.modes.weights == 2.0) == pair)[:, None]
        z = np.array(
            [
                ((one.single - 0.5 * KT) / one.single_sem)[part, chosen]
                for one in _results(salt, baths[ratio])
            ]
        )
        assert abs(z.mean()) < 0.35
        assert 0.7 < z.std() < 1.4


@pytest.mark.parametrize("ratio", [3.0, 30.0, 300.0])
def test_errors_of_travelling_energies_agree_with_the_scatter(salt, baths, ratio) -> None:
    for pair in (False, True):
        chosen = (salt.modes.sets >= 0) & ((salt.modes.weights == 2.0) == pair)[:, None]
        z = np.array(
            [
                ((one.travelling - KT) / one.travelling_sem)[:, chosen]
                for one in _results(salt, baths[ratio])
            ]
        )
        assert abs(z.mean()) < 0.35
        assert 0.7 < z.std() < 1.4


@pytest.mark.parametrize("size", [1, 4])
def test_equipartition_holds_in_a_heat_bath(salt, baths, size) -> None:
    """One probability in twenty is below 0.05, and none of these below 0.001."""
    projector = replace(salt, modes=_pooled(salt.modes, size))
    results = [
        equipartition(energies)
        for runs in baths.values()
        for energies in _results(projector, runs)
    ]
    for result in results:
        assert result.p_value > 1e-3, result.text
        assert not len(result.failing)
        assert 0.45 < np.std(result.z) < 1.35
    assert np.mean([result.holds for result in results]) > 0.75


def test_equipartition_fails_where_one_mode_is_hot(salt, baths) -> None:
    run = baths[300.0][0]
    hot = replace(
        run,
        velocity=run.velocity * np.where(salt.modes.sets == 50, 3.0, 1.0)[..., None],
        coordinate=run.coordinate * np.where(salt.modes.sets == 50, 3.0, 1.0)[..., None],
    )
    result = equipartition(_results(salt, [hot])[0])
    assert result.failing.tolist() == [50]


def test_uncorrected_fluctuations_are_too_small(salt, baths) -> None:
    """A run of three lifetimes has six tenths of the fluctuation."""
    fluctuations = []
    for run in baths[3.0]:
        energy = 0.5 * (
            np.abs(run.velocity) ** 2
            + (salt.modes.omega[..., None] * np.abs(run.coordinate)) ** 2
        )
        variance = energy.var(axis=-1) * salt.modes.weights[:, None] / KT**2
        fluctuations.append(variance[salt.modes.sets >= 0])
    assert np.mean(fluctuations) == pytest.approx(1.0 - 0.456, abs=0.08)


def _with_forces(run: Amplitudes, modes: Modes, rng: np.random.Generator) -> Amplitudes:
    """Forces a tenth stiffer than the harmonic ones, and as noisy as they are."""
    own = -(modes.omega**2)[..., None] * run.coordinate
    noise = rng.normal(size=(2, *own.shape))
    real = (modes.weights == 1.0)[:, None, None]
    noise = np.where(real, noise[0], np.sqrt(0.5) * (noise[0] + 1j * noise[1]))
    return replace(run, force=1.1 * own + np.sqrt(KT) * modes.omega[..., None] * noise)


@pytest.fixture(scope="module")
def measured_baths(salt, baths):
    """Run length over lifetime → mode energies of each run, every mode a set of its own."""
    rng = np.random.default_rng(16)
    return {
        ratio: _results(salt, [_with_forces(run, salt.modes, rng) for run in runs])
        for ratio, runs in baths.items()
        if ratio > 10.0
    }


@pytest.mark.parametrize("ratio", [30.0, 300.0])
@pytest.mark.parametrize(
    "name",
    [
        *("kinetic", "potential", "virial", "anharmonicity"),
        *("omega_displacement", "omega_ratio"),
    ],
)
def test_all_error_bars_of_single_modes_agree_with_the_scatter(
    salt, measured_baths, ratio, name
) -> None:
    """Every number with an error bar deviates from the truth as the bar predicts."""
    omega = salt.modes.omega[salt.modes.sets >= 0]
    truth = {
        "kinetic": 0.5 * KT,
        "potential": 0.5 * KT,
        "virial": 0.55 * KT,
        "anharmonicity": 0.1,
        "omega_displacement": omega,
        "omega_ratio": omega,
    }[name]
    found, sem = (
        np.array([getattr(one, name + end) for one in measured_baths[ratio]])
        for end in ("", "_sem")
    )
    z = (found - truth) / sem
    assert abs(z.mean()) < 0.2
    assert 0.8 < z.std() < 1.25


def test_error_of_the_temperature_agrees_with_the_scatter(salt) -> None:
    """Uncorrelated frames: var T = 2T²/(N frames)."""
    modes, n_frames = salt.modes, 256
    rng = np.random.default_rng(17)
    real = (modes.weights == 1.0)[:, None, None]
    z, squares = [], []
    for _ in range(60):
        noise = rng.normal(size=(2, *modes.omega.shape, n_frames))
        v_qmt = np.where(real, noise[0], np.sqrt(0.5) * (noise[0] + 1j * noise[1]))
        v_qmt[modes.sets < 0] = 0.0
        run = Amplitudes(0, v_qmt.copy(), np.sqrt(KT) * v_qmt, None)
        (energies,) = _results(salt, [run], follow=False)
        z.append((energies.temperature - 300.0) / energies.temperature_sem)
        squares.append(energies.temperature_sem**2)
    freedom = (modes.weights[:, None] * (modes.sets >= 0)).sum()
    expected = 2.0 * 300.0**2 / (freedom * n_frames)
    # The spectrum at zero frequency is known to half of itself: some errors are too large, so
    # that too small ones are as frequent as they may be.
    assert 0.8 < np.std(z) < 1.25
    assert expected < np.mean(squares) < 2.0 * expected
