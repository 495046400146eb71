"""The error of the temperature is the scatter of runs of one energy, or of one bath."""

import numpy as np
import pytest
from scipy.linalg import expm

from trajmodes.data.modes import Modes
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.energies.modulations import relaxation, temperature_sem
from trajmodes.project.energies.standard_errors import block_sem
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.symmetry.translations import HalfSpace
from trajmodes.units import BOLTZMANN

N_ATOMS, N_BLOCKS, N_RUNS = 32, 64, 60
STEP, EVERY = 0.05, 4
KT, INTERVAL_PS = BOLTZMANN * 300.0, 0.02


class Chains:
    """Chains between walls with the bond energy r²/2 + βr⁴/4, all of one total energy.

    Their modes exchange energy through β. Every chain has the energy 1 per atom.
    """

    def __init__(self, beta: float) -> None:
        self._beta = beta
        rng = np.random.default_rng(1)
        self._held = np.zeros((N_RUNS, N_ATOMS + 2))
        self.x, self.v = np.zeros((2, N_RUNS, N_ATOMS))
        self._force = self._forces()
        for _ in range(4):
            self.v = rng.normal(size=self.x.shape)
            self.move(400)
        kinetic = 0.5 * (self.v**2).sum(axis=1)
        self.v *= np.sqrt((N_ATOMS - self._potential()) / kinetic)[:, None]
        self.move(2000)

    def _bonds(self) -> np.ndarray:
        self._held[:, 1:-1] = self.x
        return np.diff(self._held, axis=1)

    def _forces(self) -> np.ndarray:
        bonds = self._bonds()
        return np.diff(bonds + self._beta * bonds**3, axis=1)

    def _potential(self) -> np.ndarray:
        squares = self._bonds() ** 2
        return (0.5 * squares + 0.25 * self._beta * squares**2).sum(axis=1)

    def move(self, n_steps: int) -> None:
        """Velocity Verlet."""
        for _ in range(n_steps):
            self.v += 0.5 * STEP * self._force
            self.x += STEP * self.v
            self._force = self._forces()
            self.v += 0.5 * STEP * self._force

    def blocks(self, n_frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Block means of Q̇² and of Q² (b, run, m), and of ½ d/dt Σ xv/N (b, run)."""
        k = np.arange(1, N_ATOMS + 1)
        waves = np.sqrt(2.0 / (N_ATOMS + 1)) * np.sin(np.pi / (N_ATOMS + 1) * np.outer(k, k))
        speeds, squares = np.zeros((2, N_BLOCKS, *self.x.shape))
        ends = np.zeros((N_BLOCKS, N_RUNS))
        for b in range(N_BLOCKS):
            before = (self.x * self.v).sum(axis=1)
            for _ in range(n_frames):
                self.move(EVERY)
                speeds[b] += (self.v @ waves) ** 2 / n_frames
                squares[b] += (self.x @ waves) ** 2 / n_frames
            change = (self.x * self.v).sum(axis=1) - before
            ends[b] = 0.5 * change / (N_ATOMS * n_frames * EVERY * STEP)
        return speeds, squares, ends


@pytest.mark.parametrize(
    ("beta", "n_frames", "least", "gain"),
    [
        # About 20, 4, 50 and 15 lifetimes. In 50 the scatter of blocks is nearly right too.
        pytest.param(0.3, 40, 0.85, 0.15),
        pytest.param(0.3, 10, 0.6, 0.15, id="an upper bound"),
        pytest.param(0.3, 120, 0.85, 0.0, marks=pytest.mark.slow),
        pytest.param(0.1, 120, 0.85, 0.15, marks=pytest.mark.slow),
    ],
)
def test_temperatures_of_weakly_coupled_oscillators_of_one_energy(beta, n_frames, least, gain):
    """They scatter by their errors; errors from the scatter of blocks are too large."""
    speeds, squares, ends = Chains(beta).blocks(n_frames)
    members, unknown = np.ones(N_ATOMS, dtype=int), np.full(N_ATOMS, np.nan)
    temperatures = speeds.mean(axis=2)
    sems = []
    for run in range(N_RUNS):
        kinetic, square = speeds[:, run], squares[:, run]
        energies = 0.5 * (kinetic + square * (kinetic.mean(axis=0) / square.mean(axis=0)))
        relaxing = relaxation(energies / temperatures[:, run].mean(), members, unknown)
        sems.append(temperature_sem(temperatures[:, run], ends[:, run], relaxing))
    off = temperatures.mean(axis=0) - temperatures.mean()
    assert least < np.std(off / sems) < 1.25
    assert np.std(off / block_sem(temperatures)) < np.std(off / sems) - gain
    # What is left varies by anharmonicity only.
    assert (temperatures - ends).std() < 0.4 * temperatures.std()


def _oscillators(modes: Modes, damping: float, n_frames: int, n_runs: int) -> list[Amplitudes]:
    """Exact motion in a bath, started in equilibrium; free motion without damping."""
    rng = np.random.default_rng(5)
    omega = np.where(modes.omega > 0.0, modes.omega, 1.0)
    step, shake = np.empty((2, *omega.shape, 2, 2))
    for index, w in np.ndenumerate(omega):
        step[index] = expm(np.array([[0.0, 1.0], [-(w**2), -damping]]) * INTERVAL_PS)
        spread = np.diag([w**-2, 1.0])
        rest = spread - step[index] @ spread @ step[index].T
        shake[index] = np.linalg.cholesky(rest) if damping else 0.0
    twofold = (modes.weights == 2.0)[:, None, None, None]

    def noise() -> np.ndarray:
        z = rng.normal(size=(2, *omega.shape, 2, n_runs))
        return np.where(twofold, np.sqrt(0.5) * (z[0] + 1j * z[1]), z[0])

    state = noise()
    state[..., 0, :] /= omega[..., None]
    series = np.empty((n_frames, *state.shape), dtype=complex)
    for t in range(n_frames):
        series[t] = state
        state = step @ state
        if damping:
            state += shake @ noise()
    series *= np.sqrt(KT) * (modes.sets >= 0)[..., None, None]
    return [
        Amplitudes(0, *np.moveaxis(series[..., r], (3, 0), (0, 3)), None) for r in range(n_runs)
    ]


def _scores(space: HalfSpace, modes: Modes, runs: list[Amplitudes], truth) -> np.ndarray:
    """z of the temperature of each run."""
    n_frames = runs[0].coordinate.shape[-1]
    reduction = EnergyReduction(
        Projector(space, modes), n_frames, interval_ps=INTERVAL_PS, ranges=((0, n_frames),)
    )
    found = [reduction.finalize(reduction.chunk(run)) for run in runs]
    temperature = np.array([one.temperature for one in found])
    return (temperature - truth) / np.array([one.temperature_sem for one in found])


def test_the_temperature_of_a_harmonic_crystal_is_half_its_energy_but_for_the_ends(
    space: HalfSpace, modes: Modes
) -> None:
    runs = _oscillators(modes, 0.0, 512, 60)
    weights = modes.weights[:, None] * (modes.sets >= 0)
    energy = [
        weights.ravel()
        @ (
            0.5
            * (
                np.abs(run.velocity) ** 2
                + (modes.omega[..., None] * np.abs(run.coordinate)) ** 2
            )
        )[..., 0].ravel()
        for run in runs
    ]
    truth = np.array(energy) / (weights.sum() * BOLTZMANN)
    assert 0.85 < _scores(space, modes, runs, truth).std() < 1.25


@pytest.mark.slow
@pytest.mark.parametrize(("damping", "least"), [(0.5, 0.65), (3.0, 0.75), (10.0, 0.85)])
def test_temperatures_in_a_bath(space, modes, damping: float, least: float) -> None:
    """Runs of 10, 60 and 200 relaxation times; with few of them the error is rather large."""
    runs = _oscillators(modes, damping, 1024, 60)
    assert least < _scores(space, modes, runs, 300.0).std() < 1.25


def _nose_hoover(modes: Modes, n_frames: int, n_runs: int) -> list[Amplitudes]:
    """Harmonic motion with the friction ξ, dξ/dt ∝ K − ⟨K⟩; four steps a frame."""
    rng = np.random.default_rng(6)
    shape = (*modes.omega.shape, n_runs)
    omega = np.where(modes.omega > 0.0, modes.omega, 1.0)[..., None]
    inside = np.where(modes.sets >= 0, modes.weights[:, None], 0.0)
    twofold = (modes.weights == 2.0)[:, None, None]
    z = rng.normal(size=(4, *shape))
    v, q = np.where(twofold, np.sqrt(0.5) * (z[:2] + 1j * z[2:]), z[:2])
    q /= omega
    step, xi = 0.25 * INTERVAL_PS, np.zeros(n_runs)
    cosine, sine = np.cos(omega * step), np.sin(omega * step)
    series = np.empty((2, n_frames, *shape), dtype=complex)
    for t in range(4 * n_frames):
        if t % 4 == 0:
            series[:, t // 4] = q, v
        kelvin = np.einsum("qm,qmr->r", inside, np.abs(v) ** 2) / inside.sum()
        xi += step * 40.0 * (kelvin - 1.0)
        v *= np.exp(-step * xi)
        q, v = cosine * q + sine * v / omega, cosine * v - omega * sine * q
    series *= np.sqrt(KT) * (modes.sets >= 0)[..., None]
    return [Amplitudes(0, *np.moveaxis(series[..., r], 1, 3), None) for r in range(n_runs)]


def test_a_thermostat_that_holds_the_kinetic_energy(space: HalfSpace, modes: Modes) -> None:
    """Nosé and Hoover: the mean of K deviates by the change of ξ only.

    The error is larger, because the frequency of ξ is not known.
    """
    runs = _nose_hoover(modes, 1024, 40)
    z = _scores(space, modes, runs, 300.0)
    assert 0.2 < z.std() < 1.25
