"""Runs at constant energy, in a heat bath and at constant kinetic energy are distinguished."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.linalg import expm

from trajmodes.data.energies import EnsembleVerdict
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.project.energies.ensemble import KineticReduction
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.symmetry.translations import HalfSpace
from trajmodes.units import BOLTZMANN

INTERVAL_PS, N_FRAMES, KT = 0.02, 6000, BOLTZMANN * 300.0


def _bath(modes: Modes, gamma: float, n_frames: int, seed: int = 3) -> Amplitudes:
    """Exact motion of damped oscillators in a bath; of free ones for γ = 0."""
    rng = np.random.default_rng(seed)
    omega = np.where(modes.omega > 0.0, modes.omega, 1.0)
    steps, shakes, sizes = [], [], []
    for w in omega.ravel():
        step = expm(np.array([[0.0, 1.0], [-(w**2), -gamma]]) * INTERVAL_PS)
        spread = KT * np.diag([w**-2, 1.0])
        rest = spread - step @ spread @ step.T
        steps.append(step)
        shakes.append(np.linalg.cholesky(rest) if gamma else np.zeros((2, 2)))
        sizes.append(np.sqrt(spread))
    steps, shakes, sizes = (np.array(x) for x in (steps, shakes, sizes))
    pairs = np.repeat(modes.weights == 2.0, omega.shape[1])

    def noise():
        z = rng.normal(size=(2, 2, omega.size))
        return np.where(pairs, np.sqrt(0.5) * (z[0] + 1j * z[1]), z[0])

    state = np.einsum("kij,jk->ik", sizes, noise())
    series = np.empty((2, omega.size, n_frames), dtype=complex)
    for t in range(n_frames):
        series[..., t] = state
        state = np.einsum("kij,jk->ik", steps, state)
        if gamma:
            state += np.einsum("kij,jk->ik", shakes, noise())
    q_qmt, v_qmt = (x.reshape(*omega.shape, n_frames) for x in series)
    return Amplitudes(0, q_qmt, v_qmt, None)


def _rescaled(modes: Modes, amplitudes: Amplitudes) -> Amplitudes:
    inside = modes.weights[:, None] * (modes.sets >= 0)
    kinetic_t = np.einsum("qm,qmt->t", inside, np.abs(amplitudes.velocity) ** 2)
    factor = np.sqrt(inside.sum() * KT / kinetic_t)
    return replace(amplitudes, velocity=amplitudes.velocity * factor)


def _found(space: HalfSpace, modes: Modes, amplitudes: Amplitudes):
    n_frames = amplitudes.coordinate.shape[-1]
    reduction = KineticReduction(
        Projector(space, modes), n_frames, INTERVAL_PS, ((0, n_frames),)
    )
    return reduction.finalize(reduction.chunk(amplitudes))


def test_constant_energy(space: HalfSpace, modes: Modes) -> None:
    found = _found(space, modes, _bath(modes, 0.0, N_FRAMES))
    assert found.verdict is EnsembleVerdict.NVE
    assert found.energy_ratio == pytest.approx(0.0, abs=1e-9)
    # One half, with a scatter of √(5/63) of it due to the random energies of 63 modes.
    assert found.kinetic_ratio == pytest.approx(0.5, abs=0.3)
    assert found.drift_text == ""
    assert found.step_text == ""
    assert "made at constant energy" in found.text
    assert "modes is 0.00 ± 0.00 of" in found.text


def test_constant_energy_on_average_over_many_crystals(space: HalfSpace, modes: Modes) -> None:
    """Lebowitz, Percus and Verlet: half of the canonical variance."""
    runs = [_found(space, modes, _bath(modes, 0.0, 1500, seed)) for seed in range(30)]
    ratios = np.array([run.kinetic_ratio for run in runs])
    # ⟨K⟩² is that of each run, which reduces ρ_K by a factor of at least 1 + 1/d.
    assert ratios.mean() == pytest.approx(0.5, abs=3.0 * ratios.std() / np.sqrt(30))
    assert ratios.std() < 0.2


@pytest.mark.parametrize("gamma", [0.5, 2.0, 10.0])
def test_a_bath(space: HalfSpace, modes: Modes, gamma: float) -> None:
    found = _found(space, modes, _bath(modes, gamma, N_FRAMES))
    assert found.verdict is EnsembleVerdict.THERMOSTATTED
    assert found.energy_ratio == pytest.approx(1.0, abs=3.0 * found.energy_ratio_sem)
    assert found.kinetic_ratio == pytest.approx(1.0, abs=3.0 * found.kinetic_ratio_sem)
    assert found.energy_ratio_sem < 0.3
    assert found.temperature == pytest.approx(300.0, rel=0.05)
    # The brief summary has the room of three lines.
    assert found.text.startswith("a thermostat was on. Lines are broadened: linewidths are")
    for words in ("upper bounds", "damping time"):
        assert words in found.text


def test_rescaled_velocities(space: HalfSpace, modes: Modes) -> None:
    found = _found(space, modes, _rescaled(modes, _bath(modes, 1.0, 2000)))
    assert found.verdict is EnsembleVerdict.ISOKINETIC
    assert found.kinetic_ratio == pytest.approx(0.0, abs=1e-9)
    assert found.temperature == pytest.approx(300.0, rel=1e-9)
    assert "rescaled at every step" in found.text


def _berendsen(modes: Modes, tau_ps: float, n_frames: int, seed: int = 3) -> Amplitudes:
    """Dephasing modes whose velocities are rescaled four times per frame, after a transient.

    Dephasing keeps the energy of every mode; without it all modes together soon oscillate such
    that the kinetic energy is constant.
    """
    rng = np.random.default_rng(seed)
    omega = np.where(modes.omega > 0.0, modes.omega, 1.0)[..., None]
    inside = np.where(modes.sets >= 0, 0.5 * modes.weights[:, None], 0.0)
    target = inside.sum() * KT
    shape = (*omega.shape[:2], 1)
    q, v = (rng.normal(size=shape) + 1j * rng.normal(size=shape) for _ in range(2))
    q, v = np.sqrt(0.5 * KT) * q / omega, np.sqrt(0.5 * KT) * v
    step_ps = INTERVAL_PS / 4
    late = 4 * int(8.0 * tau_ps / INTERVAL_PS)
    frames = []
    for _ in range(late + 4 * n_frames):
        angle = omega * step_ps + np.sqrt(step_ps) * rng.normal(size=shape)
        cosine, sine = np.cos(angle), np.sin(angle)
        q, v = cosine * q + sine * v / omega, cosine * v - omega * sine * q
        kinetic = float((inside[..., None] * np.abs(v) ** 2).sum())
        v = v * np.sqrt(1.0 + step_ps / tau_ps * (target / kinetic - 1.0))
        frames.append((q, v))
    q_qmt, v_qmt = (np.concatenate(x, axis=2) for x in zip(*frames[late::4], strict=True))
    return Amplitudes(0, q_qmt, v_qmt, None)


@pytest.mark.parametrize("tau_ps", [0.2, 1.0])
def test_berendsens_thermostat_is_not_constant_energy(
    space: HalfSpace, modes: Modes, tau_ps: float
) -> None:
    """Its covariance of kinetic and total energy is zero, as at constant energy; it breaks the
    symmetry under reversal of time, at the rate 1/τ.
    """
    found = _found(space, modes, _berendsen(modes, tau_ps, N_FRAMES))
    assert found.energy_ratio < 0.1
    assert found.verdict is EnsembleVerdict.BERENDSEN
    # The mean of two frames a sixth of a period apart is not quite that of the motion.
    assert found.control_per_ps == pytest.approx(1.0 / tau_ps, rel=0.3)
    assert found.control_per_ps > 4.0 * found.control_per_ps_sem
    assert "Berendsen's thermostat was on" in found.text
    assert f"about {1.0 / found.control_per_ps:.2g} ps" in found.text


@pytest.mark.parametrize("gamma", [0.0, 0.5, 10.0])
def test_time_reversible_runs_are_not_taken_for_berendsens(
    space: HalfSpace, modes: Modes, gamma: float
) -> None:
    """Constant energy and canonical baths: no rate within its error, in twelve runs each."""
    runs = [_found(space, modes, _bath(modes, gamma, 1500, seed)) for seed in range(12)]
    assert all(run.verdict is not EnsembleVerdict.BERENDSEN for run in runs)
    z = np.array([run.control_per_ps / run.control_per_ps_sem for run in runs])
    assert gamma == 0.0 or np.sqrt((z**2).mean()) < 1.6


def test_too_short_a_run_gives_no_verdict(space: HalfSpace, modes: Modes) -> None:
    found = _found(space, modes, _bath(modes, 0.05, 400))
    assert found.verdict is EnsembleVerdict.UNKNOWN
    assert "energies do not decide" in found.text
    few = _found(space, modes, _bath(modes, 1.0, 5))
    assert np.isnan(few.energy_ratio_sem)
    assert few.verdict is EnsembleVerdict.UNKNOWN


def test_modes_in_phase_are_not_taken_for_a_thermostat(space: HalfSpace, modes: Modes) -> None:
    """A start from the perfect lattice: all displacements are zero at the same time."""
    alike = replace(modes, omega=np.where(modes.omega > 0.0, 20.0 + 1e-4 * modes.omega, 0.0))
    free = _bath(alike, 0.0, N_FRAMES)
    first = free.velocity[..., :1]
    phase = alike.omega[..., None] * INTERVAL_PS * np.arange(N_FRAMES)
    q_qmt = first * np.sin(phase) / np.where(alike.omega > 0.0, alike.omega, 1.0)[..., None]
    found = _found(
        space, alike, replace(free, coordinate=q_qmt, velocity=first * np.cos(phase))
    )
    assert found.verdict is EnsembleVerdict.NVE
    assert found.kinetic_ratio > 1.0
    assert "perfect lattice" in found.step_text


def test_a_drift_is_reported_and_not_taken_for_a_fluctuation(
    space: HalfSpace, modes: Modes
) -> None:
    free = _bath(modes, 0.0, N_FRAMES)
    duration = N_FRAMES * INTERVAL_PS
    # Temperature from 300 K to 330 K, linear in time.
    rise = np.sqrt(1.0 + 0.1 * np.arange(N_FRAMES) / N_FRAMES)
    warm = replace(free, coordinate=free.coordinate * rise, velocity=free.velocity * rise)
    still, found = (_found(space, modes, run) for run in (free, warm))
    expected = 0.1 * still.temperature / duration
    assert found.drift_k_per_ps == pytest.approx(expected, rel=0.02)
    assert found.drift_k_per_ps_sem < 0.1 * expected
    assert "drifts by +" in found.drift_text
    assert found.verdict is EnsembleVerdict.NVE


def test_cuts_do_not_matter(space: HalfSpace, modes: Modes) -> None:
    amplitudes = _bath(modes, 1.0, 300)
    reduction = KineticReduction(
        Projector(space, modes), 300, INTERVAL_PS, ((0, 100), (100, 300))
    )

    def part(start: int, stop: int):
        return reduction.chunk(
            Amplitudes(
                start,
                amplitudes.coordinate[..., start:stop],
                amplitudes.velocity[..., start:stop],
                None,
            )
        )

    left = reduction.combine(reduction.combine(part(0, 7), part(7, 130)), part(130, 300))
    right = reduction.combine(part(0, 7), reduction.combine(part(7, 130), part(130, 300)))
    whole = reduction.finalize(part(0, 300))
    for state in (left, right):
        again = reduction.finalize(state)
        assert again.text == whole.text
        assert again.energy_ratio == pytest.approx(whole.energy_ratio, rel=1e-9)
        assert again.drift_k_per_ps == pytest.approx(whole.drift_k_per_ps, rel=1e-9)


def test_missing_data_is_refused(space: HalfSpace, modes: Modes) -> None:
    amplitudes = _bath(modes, 0.0, 20)
    reduction = KineticReduction(Projector(space, modes), 30, INTERVAL_PS, ((0, 30),))
    check = partial(reduction.chunk, replace(amplitudes, velocity=None))
    with pytest.raises(DataError, match="test for a thermostat needs velocities"):
        check()
    with pytest.raises(DataError, match="20 of 30 frames"):
        reduction.finalize(reduction.chunk(amplitudes))


def test_errors_of_the_ratios_and_of_the_drift_agree_with_the_scatter(
    space: HalfSpace, modes: Modes
) -> None:
    """Many runs in a bath, 300 correlation times long: ratios 1 and 1, no drift."""
    runs = [_found(space, modes, _bath(modes, 10.0, 1500, seed)) for seed in range(24)]
    for name, truth in (("energy_ratio", 1.0), ("kinetic_ratio", 1.0), ("drift_k_per_ps", 0.0)):
        found, sem = (
            np.array([getattr(run, name + end) for run in runs]) for end in ("", "_sem")
        )
        z = (found - truth) / sem
        assert abs(z.mean()) < 0.8
        assert 0.78 < np.sqrt((z**2).mean()) < 1.4
