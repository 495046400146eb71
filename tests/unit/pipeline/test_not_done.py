"""What is not computed is listed with its reason: silicon with less and less data."""

import lzma
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import trajmodes as tm
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.pipeline.check.show import show_check
from trajmodes.pipeline.partial.not_done import PARTS, Had, not_done
from trajmodes.results.netcdf import read_results

DATA = Path(__file__).parents[3] / "examples" / "data"
CELL = DATA / "silicon.POSCAR"
FIELDS = {"r": "xu yu zu", "v": "vx vy vz", "f": "fx fy fz"}
SPECTRA = "spectra, linewidths and lifetimes"
UNTIMED = {SPECTRA, "lifetimes from correlations of energies", "thermostat"}


@cache
def bundled() -> list[str]:
    """Text of each frame of the bundled run."""
    with lzma.open(DATA / "silicon.lammpstrj.xz", "rt") as packed:
        return packed.read().split("ITEM: TIMESTEP\n")[1:]


def dump(path: Path, fields: str, frames) -> Path:
    """Write frames of the bundled run with some of its columns, and without times."""
    parts = bundled()
    columns = ["id", "element", *(x for one in fields for x in FIELDS[one].split())]
    with path.open("w", encoding="utf-8") as file:
        for t in frames:
            head, _, body = parts[t].partition("ITEM: ATOMS ")
            names, *rows = body.splitlines()
            chosen = [names.split().index(name) for name in columns]
            file.write(f"ITEM: UNITS\nmetal\nITEM: TIMESTEP\n{head}ITEM: ATOMS ")
            file.write(" ".join(columns) + "\n")
            for row in rows[:64]:
                words = row.split()
                file.write(" ".join(words[k] for k in chosen) + "\n")
    return path


WHOLE = range(300)
RANDOM = np.sort(np.random.default_rng(1).choice(1500, 150, replace=False))
NEED_MOTION = {part.name for part in PARTS if "motion" in part.needs}
NO_VELOCITIES = NEED_MOTION | {
    part.name for part in PARTS if {"velocities", "kelvin"} & {*part.needs}
}
VARIANTS = {
    "whole": ("rvf", WHOLE, 1.0, set()),
    "no time": ("rvf", WHOLE, None, UNTIMED),
    "uneven": ("rvf", RANDOM, 1.0, UNTIMED),
    "snapshots": ("rvf", RANDOM[::5], 1.0, UNTIMED),
    "no velocities": ("rf", WHOLE, 1.0, NO_VELOCITIES),
    "no velocities, no time": ("rf", WHOLE, None, NO_VELOCITIES),
}
"""Fields, frames, time step in fs → what `run` does not compute."""


def law(results, *, fits: bool) -> set[str]:
    """Each result is either there or listed once, with advice; return the listed ones."""
    listed = [
        part.name
        for note in results.not_done
        for part in PARTS
        if part.name in note.text.split(": ")[1].split("; ")
    ]
    wanted = [part for part in PARTS if fits or not part.of_fit]
    for part in wanted:
        assert listed.count(part.name) == 1 - part.found(results), part.name
    assert all(note.fix for note in results.not_done)
    return set(listed)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_result_is_either_there_or_listed(name, tmp_path):
    fields, frames, step_fs, missing = VARIANTS[name]
    path = dump(tmp_path / "run.lammpstrj", fields, frames)
    found = tm.run(path, cell=CELL, timestep_fs=step_fs, cutoff=4.0)
    results = found.analysis.results
    assert law(results, fits=True) == missing
    texts = found["not_done"].values.tolist() if missing else []
    assert texts == [str(note) for note in results.not_done]
    is_advised = "v" not in fields or name in ("uneven", "snapshots")
    assert ("dump d all custom 25 " in "".join(texts)) == is_advised


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    path = dump(tmp_path_factory.mktemp("run") / "run.lammpstrj", "rvf", WHOLE)
    return tm.run(path, cell=CELL, timestep_fs=1.0, cutoff=4.0)


def test_a_projection_without_forces_lacks_sigma_alone(fitted, tmp_path):
    path = dump(tmp_path / "run.lammpstrj", "rv", WHOLE)
    found = tm.open(path, timestep_fs=1.0).project(fitted.force_constants)
    results = found.analysis.results
    assert law(results, fits=False) == {"σ of each mode, W from forces"}
    assert not [note for note in results.warnings if note.severity == "error"]


def test_energies_do_not_depend_on_the_unit_of_time(fitted, tmp_path):
    """Without it they are those of the same frames with times, but for end corrections."""
    path = dump(tmp_path / "run.lammpstrj", "rvf", WHOLE)
    found = tm.open(path).project(fitted.force_constants)
    for name in ("kinetic_mev", "potential_mev", "sigma"):
        left, right = (one[name].values for one in (found, fitted))
        np.testing.assert_allclose(left, right, rtol=1e-9, err_msg=name)
    assert np.isfinite(found["mode_temperature"].values).all()


def test_a_map_without_force_constants_lacks_branches(fitted, tmp_path):
    path = dump(tmp_path / "run.lammpstrj", "rv", WHOLE)
    bare = tm.open(path, cell=CELL, timestep_fs=1.0).sed()
    (missing,) = bare["not_done"].values.tolist()
    assert "each branch, bands: there are no force constants; fix: give --force" in missing
    warnings = bare["warnings"].values.tolist()
    assert not [text for text in warnings if "no forces" in text]
    whole = tm.open(path, timestep_fs=1.0).sed(fitted.force_constants)
    assert "not_done" not in whole.dataset


def test_frames_at_unequal_intervals_are_refused_with_lines_for_equal_ones(tmp_path):
    path = dump(tmp_path / "run.lammpstrj", "rv", RANDOM)
    for job in (lambda run: run.sed(), lambda run: run.sqw(to="4,0,0")):
        with pytest.raises(DataError, match="frames are at unequal intervals") as refused:
            job(tm.open(path, cell=CELL, timestep_fs=1.0))
        assert "equal intervals:\ndump d all custom 25 " in refused.value.fix


def test_one_set_of_modes_allows_no_test_of_equipartition():
    """A diamond cell alone has one optic mode at Γ; frames are enough, equipartition is not."""
    had = Had(runs=[], n_sets=1)
    results = SimpleNamespace(projection=None)
    parts = [part for part in PARTS if part.name == "test of equipartition"]
    (missing,) = not_done(results, parts, had)
    assert "the supercell has one set of modes" in missing.text


@pytest.mark.slow
def test_a_temperature_that_an_earlier_fit_lacks_is_not_a_lack_of_frames(tmp_path):
    first = dump(tmp_path / "a.lammpstrj", "rf", WHOLE)
    tm.fit_runs([first], cell=CELL, timestep_fs=1.0, cutoff2=4.0, output=tmp_path / "a")
    second = dump(tmp_path / "b.lammpstrj", "rvf", range(300, 600))
    both = {"append": tmp_path / "a", "output": tmp_path / "b"}
    tm.fit_runs([second], cell=CELL, timestep_fs=1.0, **both)
    (missing,) = read_results(tmp_path / "b")["not_done"].values.tolist()
    assert "a run of the earlier fit has no velocities" in missing
    assert "give --temperature" in missing


@pytest.mark.parametrize("step_fs", [1.0, None])
def test_displacements_have_the_energies_that_do_not_need_velocities(fitted, tmp_path, step_fs):
    """Frames are 25 fs apart: too far for differences."""
    path, kelvin = dump(tmp_path / "run.lammpstrj", "rf", WHOLE), float(fitted["temperature"])
    run = tm.open(path, timestep_fs=step_fs)
    found = run.project(fitted.force_constants, temperature=kelvin)
    of_forces = ("virial_mev", "anharmonicity", "anharmonicity_sem", "sigma", "sigma_set")
    of_positions = ("potential_mev", "freq_displacement_thz", "u2_measured")
    for name in (*of_forces, *of_positions):
        left, right = (one[name].values for one in (found, fitted))
        np.testing.assert_allclose(left, right, rtol=1e-6, atol=1e-9, err_msg=name)
    assert "kinetic_mev" not in found.dataset
    assert law(found.analysis.results, fits=False) == NEED_MOTION
    results = found.analysis.results
    (moved,), energies, modes = results.renormalised, results.displaced.energies, results.modes
    at = [np.abs(moved.bands.path.qpoints - q).max(axis=1).argmin() for q in modes.qpoints]
    for q, place in enumerate(at):
        if np.allclose(moved.bands.path.qpoints[place], modes.qpoints[q], atol=1e-6):
            own = modes.sets[q][modes.sets[q] >= 0]
            slow = (energies.omega_displacement_sem / energies.omega_displacement)[own]
            bands = moved.bands.omega_sem[place] / moved.bands.omega[place]
            # Of blocks alone the errors are a fifth of these.
            assert (bands[modes.sets[q] >= 0] > 0.5 * slow).all()
    bare = tm.open(dump(path, "r", WHOLE), timestep_fs=step_fs).project(fitted.force_constants)
    potential = bare["potential_mev"].values
    np.testing.assert_allclose(potential, found["potential_mev"].values, rtol=1e-12)
    assert "virial_mev" not in bare.dataset
    assert "freq_displacement_thz" not in bare.dataset


@pytest.mark.parametrize("fields", ["rv", "r"])
def test_a_run_without_forces_has_constants_that_agree_with_those_of_forces(
    fitted, tmp_path, fields
):
    path = dump(tmp_path / "run.lammpstrj", fields, WHOLE)
    kelvin = None if "v" in fields else float(fitted["temperature"])
    found = tm.run(path, cell=CELL, timestep_fs=1.0, temperature=kelvin)
    freq, sem = (
        [np.sort(one[name].values, axis=1) for one in (found, fitted)]
        for name in ("mode_freq_thz", "mode_freq_thz_sem")
    )
    moving = freq[1] > 1.0
    z = ((freq[0] - freq[1])[moving]) / np.hypot(*sem)[moving]
    assert np.sqrt(np.mean(z**2)) < 1.5
    assert int(found["covariance_frames"]) == len(WHOLE)
    missing = law(found.analysis.results, fits=True)
    of_forces = {part.name for part in PARTS if "forces" in part.needs}
    assert missing == (of_forces if "v" in fields else of_forces | NEED_MOTION)
    assert found["u2_measured"].values == pytest.approx(fitted["u2_measured"].values, rel=1e-3)


def test_differences_of_positions_are_not_the_reason_why_there_are_no_spectra():
    """The run has no velocities and needs none: its frames are uneven."""
    trajectory = SimpleNamespace(
        has_velocities=False, segments=((0, 40), (40, 90)), paths=(), interval_ps=0.005
    )
    run = SimpleNamespace(trajectory=trajectory, n_frames=90)
    short = Note("warning", "the run is too short for spectra", subject="not-done")
    parts = [part for part in PARTS if part.name == SPECTRA]
    results = SimpleNamespace(projection=SimpleNamespace(lines=None))
    (missing,) = not_done(results, parts, Had(runs=[run], refusal=short))
    assert "unequal intervals: of 90 frames at most 50 follow" in missing.text
    (missing,) = not_done(results, parts, Had(runs=[run], reason=short))
    assert "the run has no velocities, and the run is too short" in missing.text


def test_frames_beyond_the_nyquist_frequency_are_advised_nearer(fitted, tmp_path):
    path = dump(tmp_path / "run.lammpstrj", "r", range(0, 300, 3))
    found = tm.open(path, timestep_fs=1.0).project(fitted.force_constants)
    first = str(found.analysis.results.not_done[0])
    highest = fitted.analysis.results.modes.omega.max()
    assert f"dump d all custom {int(500.0 * np.pi / highest)} " in first


def test_a_fit_that_leaves_out_frames_is_not_projected(tmp_path):
    path, job = dump(tmp_path / "run.lammpstrj", "rf", WHOLE), tmp_path / "job.toml"
    text = f'trajectory = ["{path}"]\ncell = "{CELL}"\ntemperature = 1139.0\nhops = "exclude"\n'
    job.write_text(text)
    results = tm.run(job).analysis.results
    of_all = {part.name for part in PARTS if {"motion", "whole"} & {*part.needs}}
    assert law(results, fits=True) == of_all
    (missing,) = (note for note in results.not_done if "σ of each mode" in note.text)
    assert "single frames are left out of the fit" in missing.text
    dump(path, "r", WHOLE)
    with pytest.raises(UsageError, match="single frames cannot be left out"):
        tm.run(job)


@pytest.mark.parametrize(("frames", "words"), [(range(100), "not for spectra"), (WHOLE, "")])
def test_a_check_counts_the_frames_that_spectra_need(tmp_path, frames, words):
    path = dump(tmp_path / "run.lammpstrj", "rvf", frames)
    text = show_check(tm.open(path, cell=CELL, timestep_fs=1.0))
    assert words in text.splitlines()[0]
    few = "too few frames for spectra and lifetimes: 100 without a gap"
    assert (few in text) is bool(words)
