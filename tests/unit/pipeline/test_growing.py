"""Fits and projections of a run that grows: those of its frames, of which each is read once."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trajmodes.streaming.schedule
from trajmodes.config.job import job_of
from trajmodes.data.modes import Modes
from trajmodes.phonons.modes import modes_at
from trajmodes.pipeline.fit import fit_runs
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.live.growing import Growing
from trajmodes.pipeline.load import LoadedRun, load
from trajmodes.pipeline.projection import Projected, project_run
from trajmodes.readers.time_axis import TimeAxis
from trajmodes.readers.trajectory import select_frames
from trajmodes.streaming.schedule import kept_by
from trajmodes.symmetry.translations import half_space

DATA = Path(__file__).parents[3] / "examples" / "data"
BLOCK = 50
"""Frames that are read at once."""


@dataclass(frozen=True)
class Counting:
    """Reader that counts the frames that are read."""

    whole: Any
    counts: list[int] = field(default_factory=list)

    def read(self, start: int, stop: int) -> Any:
        self.counts.append(stop - start)
        return self.whole.read(start, stop)

    def place(self, frame: int, atom: int) -> str:
        return self.whole.place(frame, atom)


@pytest.fixture(scope="module")
def silicon() -> tuple[LoadedRun, Modes]:
    """3000 frames of silicon, and modes of force constants that are fitted to some of them."""
    options = {"cell": str(DATA / "silicon.POSCAR"), "cutoff2": 4, "frames": (0, 3000)}
    job = job_of("run", [str(DATA / "silicon.lammpstrj.xz")], options)
    run = load(job.with_options(energy_covariance=True), log=Log())
    part = replace(run, trajectory=select_frames(run.trajectory, 0, 300))
    constants = fit_runs([part], log=Log()).fit.constants
    space = half_space(run.supercell)
    return run, modes_at(constants, space.qpoints, space.weights)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trajmodes.streaming.schedule, "BLOCK_BYTES", 72 * 64 * BLOCK)


def first(run: LoadedRun, n_frames: int, **options: Any) -> LoadedRun:
    """The run as it was after some frames."""
    part = select_frames(run.trajectory, 0, n_frames)
    return replace(run, trajectory=part, job=run.job.with_options(**options))


def grown(
    silicon: tuple[LoadedRun, Modes], *n_frames: int, **options: Any
) -> tuple[Projected, list[int]]:
    """Last projection of a run that was projected at some lengths, and frames read for each."""
    (run, modes), passes, read = silicon, Growing(), []
    for n in n_frames:
        part = first(run, n, **options)
        reader = Counting(part.trajectory.frames)
        part = replace(part, trajectory=replace(part.trajectory, frames=reader))
        with kept_by(passes):
            found = project_run(part, modes, log=Log())
        read.append(sum(reader.counts))
    return found, read


def test_each_frame_is_read_once_and_the_means_are_those_of_the_frames(silicon):
    resolution = {"resolution_thz": 0.25}
    ours, read = grown(silicon, 600, 850, 1000, 1100, **resolution)
    assert read == [600, 250, 150, 100]
    run, modes = silicon
    theirs = project_run(first(run, 1100, **resolution), modes, log=Log())
    found, expected = ours.projection, theirs.projection
    for name in ("kinetic", "potential", "virial", "omega_ratio", "travelling", "single"):
        pair = (getattr(one.energies, name) for one in (found, expected))
        np.testing.assert_allclose(*pair, rtol=1e-9, err_msg=name)
    assert found.energies.temperature == pytest.approx(expected.energies.temperature, 1e-12)
    assert found.anharmonicity.whole == pytest.approx(expected.anharmonicity.whole, 1e-12)
    np.testing.assert_allclose(found.spectra.power, expected.spectra.power, rtol=1e-9)
    np.testing.assert_allclose(found.density, expected.density, rtol=1e-9)
    covariances = (one.covariance.modes for one in (found, expected))
    np.testing.assert_allclose(*covariances, rtol=1e-6, atol=1e-12)
    means = (
        np.average(one.displacements.covariance, axis=0, weights=one.displacements.frames)
        for one in (ours, theirs)
    )
    np.testing.assert_allclose(*means, rtol=1e-9, atol=1e-12)
    assert found.ensemble.verdict == expected.ensemble.verdict
    lags = (one.lifetimes.lag_ps for one in (found, expected))
    np.testing.assert_array_equal(*lags)
    lifetimes = (one.lifetimes.lifetime_ps for one in (found, expected))
    np.testing.assert_allclose(*lifetimes, rtol=0.05)


def test_errors_are_those_of_the_same_number_of_blocks_of_time(silicon):
    resolution = {"resolution_thz": 0.25}
    ours, _ = grown(silicon, 600, 1100, **resolution)
    run, modes = silicon
    theirs = project_run(first(run, 1100, **resolution), modes, log=Log())
    for name in ("kinetic_sem", "potential_sem", "heat_capacity_kb_sem"):
        ratio = getattr(ours.projection.energies, name) / getattr(
            theirs.projection.energies, name
        )
        assert 0.9 < np.nanmedian(ratio) < 1.1
        assert np.nanmax(np.abs(np.log(ratio))) < np.log(2.0)
    assert ours.displacements.frames.sum() == 1100
    assert len(ours.displacements.frames) == len(theirs.displacements.frames)


def test_no_bit_depends_on_how_often_results_were_wanted(silicon):
    """Zoom spectra and correlations included; their lengths are those of the first time."""
    ours, theirs = (
        grown(silicon, *n)[0].projection for n in ((1600, 1650, 2200, 3000), (1600, 3000))
    )
    pairs = [
        (ours.energies.single_sem, theirs.energies.single_sem),
        (ours.energies.omega_ratio_sem, theirs.energies.omega_ratio_sem),
        (ours.spectra.power, theirs.spectra.power),
        (ours.lines.kinetic, theirs.lines.kinetic),
        (ours.lines.linewidth_sem, theirs.lines.linewidth_sem),
        (ours.lifetimes.correlation, theirs.lifetimes.correlation),
    ]
    assert np.nanmax(ours.lines.segment_ps) > ours.spectra.segment_frames * 0.025
    for one, other in pairs:
        assert np.isfinite(one).any()
        np.testing.assert_array_equal(one, other)


def test_a_run_of_twice_the_length_or_with_a_gap_is_read_anew(silicon):
    assert grown(silicon, 600, 1150, 1250, 1500)[1] == [600, 550, 1250, 250]
    run, modes = silicon
    passes = Growing()
    time = run.trajectory.time
    steps = time.steps + np.where(np.arange(3000) >= 700, time.step_stride, 0)
    cut = TimeAxis(steps, None, time.interval_ps, ((0, 700), (700, 3000)))
    broken = replace(run, trajectory=replace(run.trajectory, time=cut))
    for n, n_read in ((650, 650), (900, 900), (1000, 100)):
        part = first(broken, n)
        reader = Counting(part.trajectory.frames)
        part = replace(part, trajectory=replace(part.trajectory, frames=reader))
        with kept_by(passes):
            found = project_run(part, modes, log=Log())
        assert sum(reader.counts) == n_read
    expected = project_run(first(broken, 1000), modes, log=Log())
    kinetic = (one.projection.energies.kinetic for one in (found, expected))
    np.testing.assert_allclose(*kinetic, rtol=1e-9)


def fits(run: LoadedRun, passes: Growing, *n_frames: int, **options: Any):
    """Fits to a run at some lengths, and frames read for each."""
    for n in n_frames:
        part = first(run, n, **options)
        reader = Counting(part.trajectory.frames)
        part = replace(part, trajectory=replace(part.trajectory, frames=reader))
        with kept_by(passes):
            found = fit_runs([part], log=Log())
        yield found, sum(reader.counts)


@pytest.mark.parametrize("cutoff3", [None, 3.0])
def test_a_fit_reads_each_frame_once_and_is_that_of_the_frames(silicon, cutoff3):
    run, _ = silicon
    options = {"cutoff3": cutoff3}
    found = list(fits(run, Growing(), 600, 850, 1000, 1100, 1250, **options))
    assert [n for _, n in found] == [600, 250, 150, 100, 1250]
    ours, theirs = found[-2][0], fit_runs([first(run, 1100, **options)], log=Log())
    one, other = (fitted.fit.constants for fitted in (ours, theirs))
    np.testing.assert_allclose(one.values, other.values, rtol=1e-9, atol=1e-11)
    assert one.temperature == pytest.approx(other.temperature, 1e-12)
    assert ours.duration_ps == pytest.approx(theirs.duration_ps)
    assert ours.equations.n_blocks == theirs.equations.n_blocks
    *whole, last = ours.equations.frames
    assert 0 < last <= max(whole) <= 2 * min(whole) + 2
    one, other = (
        np.sqrt(len(x) - 1) * np.std(x, axis=0)
        for x in (ours.fit.errors.parameters, theirs.fit.errors.parameters)
    )
    assert 0.7 < np.median(one / other) < 1.4


def test_sums_of_other_sites_or_cutoffs_are_not_continued(silicon):
    run, _ = silicon
    passes = Growing()
    moved = run.moved(np.array([[1e-3, 0.0, 0.0], [-1e-3, 0.0, 0.0]]))
    for one, options, n_read in (
        (run, {"cutoff3": 3.0}, 600),
        (run, {"cutoff3": 3.0}, 100),
        (moved, {"cutoff3": 3.0}, 700),
        (moved, {"cutoff2": 3.0, "cutoff3": 3.0}, 700),
    ):
        n = 600 if n_read == 600 else 700
        ((found, count),) = fits(one, passes, n, displacements_from="given", **options)
        assert count == n_read
    theirs = fit_runs([first(moved, 700, cutoff2=3.0, cutoff3=3.0)], log=Log())
    pair = (one.fit.constants.values for one in (found, theirs))
    np.testing.assert_allclose(*pair, rtol=1e-9, atol=1e-11)
