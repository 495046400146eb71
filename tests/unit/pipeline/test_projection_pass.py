"""The pass as a whole, on a motion that is known exactly.

A crystal of springs moves harmonically, every mode with an energy of its own and for ever. The
modes that it is projected on are those of constants softer than it is, so that whatever takes
the harmonic frequency for that of the motion shows.
"""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from trajmodes.config.job import Job, job_from_mapping
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.data.results import Projection
from trajmodes.data.spectra import Verdict
from trajmodes.phonons.bands import dispersion
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import band_path
from trajmodes.pipeline.derived import renormalised_bands
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.projection import project_run
from trajmodes.project.energies.lifetimes import best_lifetimes
from trajmodes.readers.arrays import trajectory_of_arrays
from trajmodes.readers.trajectory import Trajectory
from trajmodes.symmetry.stars import set_mean
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import BOLTZMANN, DALTON, THZ

N_FRAMES, KELVIN, SOFTER = 4000, 200.0, 0.85


@dataclass(frozen=True)
class Run:
    """A run as the pass wants it: frames are displaced by what they differ from the sites."""

    trajectory: Trajectory
    supercell: Supercell
    job: Job

    @property
    def n_frames(self) -> int:
        return self.trajectory.n_frames

    def motion(self, start: int, stop: int) -> MotionBlock:
        block = self.trajectory.read(start, stop)
        moved = block.positions - self.supercell.positions
        return MotionBlock(start, moved, block.velocities, block.forces)

    @property
    def scaled_motion(self):
        return self.motion

    @property
    def occupied(self):
        return None


@dataclass(frozen=True)
class World:
    """The motion, the modes it is projected on, and the energy of each of its own modes."""

    constants: ForceConstants
    supercell: Supercell
    modes: Modes
    omega: np.ndarray
    energies: np.ndarray
    waves: np.ndarray
    phases: np.ndarray

    @property
    def highest_thz(self) -> float:
        return float(self.modes.omega.max()) / THZ

    def run(
        self, interval_ps: float, *, velocities: bool = True, n_frames: int = N_FRAMES, **job
    ) -> Run:
        """The same motion; without velocities a frame more at both ends."""
        more = 0 if velocities else 1
        n_frames += 2 * more
        phase = self.omega * interval_ps * (np.arange(n_frames)[:, None] - more) + self.phases
        u_tm = np.sqrt(2.0 * self.energies) * np.cos(phase) / self.omega
        v_tm = -np.sqrt(2.0 * self.energies) * np.sin(phase)
        u, v = ((x @ self.waves.T).reshape(n_frames, -1, 3) for x in (u_tm, v_tm))
        trajectory = trajectory_of_arrays(
            self.supercell.positions + u,
            self.supercell.cell,
            self.supercell.species,
            velocities=v if velocities else None,
            masses_da=self.supercell.masses / DALTON,
            interval_ps=interval_ps,
        )
        return Run(
            trajectory, self.supercell, job_from_mapping({"trajectory": "memory", **job})
        )


@pytest.fixture(scope="module")
def world(crystals, springs, hessian_of) -> World:
    crystal = crystals["triclinic"]
    constants = springs(crystal, 4.5)
    supercell = build_supercell(crystal, [[3, 0, 0], [0, 2, 0], [0, 1, 1]])
    roots = np.sqrt(np.repeat(supercell.masses, 3))
    hessian = hessian_of(constants, supercell) / np.outer(roots, roots)
    squares, vectors = np.linalg.eigh(hessian)
    rng = np.random.default_rng(21)
    n_modes = len(squares) - 3
    space = half_space(supercell)
    soft = replace(constants, values=SOFTER * constants.values)
    return World(
        constants,
        supercell,
        modes_at(soft, space.qpoints, space.weights),
        np.sqrt(squares[3:]),
        BOLTZMANN * KELVIN * rng.exponential(size=n_modes),
        vectors[:, 3:] / roots[:, None],
        rng.uniform(0.0, 2.0 * np.pi, n_modes),
    )


def _projected(world: World, run: Run, **more):
    return project_run(run, world.modes, log=Log(), **more)


@pytest.fixture(scope="module")
def dense(world) -> float:
    """Time between frames in ps of which every second one is projected."""
    return 0.11 / world.highest_thz


@pytest.fixture(scope="module")
def both(world, dense):
    """The run with its velocities, and without."""
    return [_projected(world, world.run(dense, velocities=known)) for known in (True, False)]


@pytest.mark.parametrize("per_period", [2.04, 1.8])
def test_aliased_lines_are_not_given(world, per_period: float) -> None:
    """Some modes move faster than the Nyquist frequency, though by their harmonic frequency
    none does in the first case.
    """
    found = _projected(world, world.run(1.0 / per_period / world.highest_thz))
    projection = found.projection
    moving = set_mean(world.modes.omega, world.modes) / np.sqrt(SOFTER)
    nyquist = 0.5 * per_period * world.modes.omega.max()
    aliased = [verdict is Verdict.ALIASED for verdict in projection.lines.verdicts]
    assert np.all(aliased >= (moving > nyquist))
    assert 0.0 < np.mean(aliased) < 0.5
    assert np.isnan(projection.lines.omega[aliased]).all()
    known = np.isfinite(projection.lines.omega)
    assert known.mean() > 0.3
    assert projection.lines.omega[known] == pytest.approx(moving[known], rel=0.01)
    energy = float(projection.energies.members @ projection.energies.kinetic)
    assert energy == pytest.approx(0.5 * world.energies.sum(), rel=0.01)
    warned = [note for note in found.notes if "too far apart for the lines" in note.text]
    assert len(warned) == (per_period < 2.0)


def _has_energies_only(world: World, run: Run, why: str) -> Projection:
    """Compare kinetic energies with those of the atoms; there are no spectra, and why."""
    projected = _projected(world, run)
    found = projected.projection
    v_tax = run.trajectory.read(0, run.n_frames).velocities
    kinetic_t = 0.5 * np.einsum("a,tax->t", world.supercell.masses, v_tax**2)
    assert found.energies.members @ found.energies.kinetic == pytest.approx(kinetic_t.mean())
    assert np.isfinite(found.energies.kinetic_sem).all()
    assert (found.spectra, found.lines, found.line_data, found.lifetimes) == (None,) * 4
    assert found.equipartition is not None
    (warning,) = (note for note in projected.notes if note.severity == "warning")
    assert warning.subject == "not-done"
    assert why in str(warning)
    return found


def test_51_frames_give_energies(world, dense) -> None:
    _has_energies_only(world, world.run(dense, n_frames=51), "too short for spectra")


def test_uneven_frames_give_energies(world, dense) -> None:
    whole = world.run(dense, n_frames=300)
    uneven = tuple((start, start + 3) for start in range(0, 300, 3))
    time = replace(whole.trajectory.time, segments=uneven)
    run = replace(whole, trajectory=replace(whole.trajectory, time=time))
    # A drift would need the times of the frames.
    assert _has_energies_only(world, run, "too short for spectra").ensemble is None


def test_few_frames_give_energies_without_errors(world, dense) -> None:
    projected = _projected(world, world.run(dense, n_frames=5))
    assert (projected.projection.energies.kinetic > 0.0).all()
    assert projected.projection.equipartition is None


def test_errors_of_the_time_step_are_noted(world) -> None:
    """It is the step of the simulation that counts, not the time between frames."""
    steps_fs, every = 150.0 / world.highest_thz / np.pi, 3
    run = world.run(1e-3 * steps_fs * every, timestep_fs=steps_fs)
    steps = every * np.arange(N_FRAMES)
    time = replace(run.trajectory.time, steps=steps, numbered=True)
    numbered = replace(run.trajectory, time=time)
    notes = " ".join(map(str, _projected(world, replace(run, trajectory=numbered)).notes))
    half = 0.15
    assert f"raises the highest frequency by {np.arcsin(half) / half - 1.0:.2%}" in notes
    assert f"relative to the potential energy by {half**2:.2%}" in notes
    # Where steps are not numbered nothing is known of it.
    assert "velocity Verlet" not in " ".join(map(str, _projected(world, run).notes))


def test_every_second_frame_is_enough(world, dense, both) -> None:
    projection = both[0].projection
    assert projection.spectra.interval_ps == pytest.approx(2.0 * dense)
    energy = float(projection.energies.members @ projection.energies.kinetic)
    assert energy == pytest.approx(0.5 * world.energies.sum(), rel=0.01)
    assert any("one frame in 2 is projected" in str(note) for note in both[0].notes)


def test_a_line_is_not_more_certain_than_its_static_frequency(both) -> None:
    for projection in (one.projection for one in both):
        known = np.isfinite(projection.lines.omega)
        assert known.any()
        least = projection.energies.omega_ratio_sem[known]
        assert (projection.lines.omega_sem[known] >= least).all()


def test_differenced_velocities_give_what_true_ones_give(both) -> None:
    """Although frequencies are not those of the constants, and frames are left out."""
    true, found = (one.projection for one in both)
    assert [one.differenced for one in both] == [False, True]
    for name in ("kinetic", "omega_ratio", "omega_displacement", "temperature"):
        ours, theirs = (getattr(one.energies, name) for one in (found, true))
        assert ours == pytest.approx(theirs, rel=3e-3), name
    for ours, theirs in (
        (found.spectra.power, true.spectra.power),
        (found.line_data.power, true.line_data.power),
    ):
        ratio = np.nanmax(ours, axis=1) / np.nanmax(theirs, axis=1)
        assert ratio == pytest.approx(1.0, abs=6e-3)


def test_time_series_have_all_frames_at_their_times(world, dense, tmp_path) -> None:
    for known, first in ((True, 0), (False, 1)):
        run = world.run(dense, velocities=known, n_frames=800, save_amplitudes=("0 0 0:9",))
        series = _projected(world, run, scratch=tmp_path).amplitudes
        times_ps = dense * (first + np.arange(800))
        assert series.times_ps == pytest.approx(times_ps, rel=1e-9)
        q_t, v_t = series.values[:, 0, 0], series.values[:, 1, 0]
        assert np.gradient(q_t, dense)[1:-1] == pytest.approx(
            v_t[1:-1], abs=0.2 * np.abs(v_t).max()
        )


def test_the_fluctuation_of_the_kinetic_energy_is_reported(world, dense, both) -> None:
    """That of the atoms, over ½d(k_BT)² for d degrees of freedom; not that of the total one."""
    v_tax = world.run(dense).trajectory.read(0, N_FRAMES).velocities
    kinetic_t = 0.5 * np.einsum("a,tax->t", world.supercell.masses, v_tax**2)
    expected = 0.5 * len(world.omega) * kinetic_t.var() / kinetic_t.mean() ** 2
    ensemble = both[0].projection.ensemble
    assert expected > 0.2
    assert ensemble.verdict == "NVE"
    assert ensemble.kinetic_ratio == pytest.approx(expected, rel=0.05)


# --- what is made of it


def _bands(world: World):
    """Bands of the soft constants along a path with points of the supercell on it."""
    path = band_path(world.supercell.crystal, 0.1, "0,0,0 1/3,0,0 | 0,0,0 0,1/2,1/2")
    soft = replace(world.constants, values=SOFTER * world.constants.values)
    return dispersion(soft, path)


def _renormalised(world: World, projected):
    results = SimpleNamespace(
        modes=world.modes,
        supercell=world.supercell,
        bands=_bands(world),
        constants=SimpleNamespace(charges=None),
        covariance_frames=None,
    )
    return {one.kind: one for one in renormalised_bands(projected, results)}


def _at(bands, qpoint):
    """Places of a q point on the path, and of its modes."""
    return np.flatnonzero(np.abs(bands.path.qpoints - qpoint).max(axis=1) < 1e-9)


def test_bands_of_the_motion_are_those_of_the_crystal(world, both) -> None:
    """Not of the constants; every mode has an energy of its own, and that drops out."""
    found = _renormalised(world, both[0])["displacements"]
    bands = _bands(world)
    true = bands.omega / np.sqrt(SOFTER)
    for qpoint in ([1 / 3, 0, 0], [0, 0.5, 0.5]):
        for place in _at(bands, qpoint):
            assert found.bands.omega[place] == pytest.approx(true[place], rel=0.02)
            sem = found.bands.omega_sem[place]
            assert (sem > 0.0).all()
            assert (sem < 0.05 * true[place]).all()
    # Differences attenuate ⟨Q̇Q̇†⟩, whose frequencies would be too low.
    assert "displacements" not in _renormalised(world, both[1])


def test_bands_of_the_lines_go_through_them_with_their_errors(world, both) -> None:
    modes, lines = world.modes, both[0].projection.lines
    omega = 1.03 * set_mean(modes.omega, modes)
    measured = replace(lines, omega=omega, omega_sem=0.01 * omega)
    projection = replace(both[0].projection, lines=measured)
    found = _renormalised(world, both[0]._replace(projection=projection))["quasi-particles"]
    bands = _bands(world)
    for place in _at(bands, [1 / 3, 0, 0]):
        expected = 1.03 * bands.omega[place]
        assert found.bands.omega[place] == pytest.approx(expected, rel=1e-6)
        assert found.bands.omega_sem[place] == pytest.approx(0.01 * expected, rel=0.02)
    assert found.own.all()


def test_the_lifetime_that_is_known_better_is_taken(both) -> None:
    lines, energies = both[0].projection.lines, both[0].projection.lifetimes
    n_sets = len(lines.lifetime_ps)
    nan = np.nan
    of_line = np.tile([2.0, 2.0, nan, 2.0, nan], n_sets)[:n_sets]
    of_energy = np.tile([5.0, 5.0, 5.0, nan, nan], n_sets)[:n_sets]
    line_sem = np.tile([0.2, 0.2, nan, 0.2, nan], n_sets)[:n_sets]
    energy_sem = np.tile([0.4, 0.6, 2.0, nan, nan], n_sets)[:n_sets]
    lines = replace(lines, lifetime_ps=of_line, lifetime_ps_sem=line_sem)
    energies = replace(energies, lifetime_ps=of_energy, lifetime_ps_sem=energy_sem)
    lifetime, sem = best_lifetimes(lines, energies)
    expected = [[5.0, 0.4], [2.0, 0.2], [5.0, 2.0], [2.0, 0.2], [nan, nan]]
    np.testing.assert_array_equal(np.stack([lifetime, sem], axis=1)[:5], expected)
