"""A run as an object: what the commands give, from files, arrays and Atoms."""

import inspect

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read
from click.testing import CliRunner

import trajmodes as tm
from trajmodes.cli.program import main
from trajmodes.config.job import of_groups, options_of
from trajmodes.errors import UsageError
from trajmodes.pipeline.load import read_force_constants
from trajmodes.streaming import workers
from trajmodes.units import ASE_TIME


def call(*words) -> None:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def commands(silicon, tmp_path_factory):
    """Folders of `trajmodes fit` and `trajmodes project` with the same options."""
    root = tmp_path_factory.mktemp("commands")
    path, frames = silicon["trajectory"], ":{1}".format(*silicon["frames"])
    fitted = ("--cell", silicon["cell"], "--cutoff2", 4.0)
    call("fit", path, *fitted, "--frames", frames, "-o", root / "fit")
    given = ("--force-constants", root / "fit")
    call("project", path, *given, "--frames", frames, "-o", root / "modes")
    return root


@pytest.mark.slow
def test_the_fit_of_a_run_is_that_of_the_command(fc, commands):
    theirs = read_force_constants(commands / "fit")
    for name in ("first", "second", "lattice", "values", "replicates"):
        np.testing.assert_array_equal(getattr(fc, name), getattr(theirs, name))
    assert same(fc.to_dataset(), xr.load_dataset(commands / "fit" / "results.nc"))


def test_the_projection_of_a_run_is_that_of_the_command(results, commands):
    theirs = tm.load(commands / "modes").to_dataset()
    assert same(results.to_dataset(), theirs)
    assert {"mode_temperature", "lifetime_ps"} <= set(theirs)


def same(ours: xr.Dataset, theirs: xr.Dataset) -> bool:
    names = set(ours.variables) - {"note", "warning"}
    assert names == set(theirs.variables) - {"note", "warning"}
    for name in names:
        np.testing.assert_array_equal(ours[name].values, theirs[name].values, err_msg=name)
    return len(names) > 20


def test_arrays_and_atoms_give_the_force_constants_of_the_file(silicon, run, fc):
    block = run.frames(0, run.n_frames)
    species = ["Si"] * run.supercell.n_atoms
    interval = run.trajectory.interval_ps
    arrays = tm.from_arrays(
        block.positions,
        block.cells,
        species,
        forces=block.forces,
        velocities=block.velocities,
        interval_ps=interval,
        cell=silicon["cell"],
    )
    images = []
    for t in range(run.n_frames):
        image = Atoms(species, block.positions[t], cell=block.cells[t], pbc=True)
        image.set_velocities(block.velocities[t] * ASE_TIME)
        image.calc = SinglePointCalculator(image, forces=block.forces[t])
        images.append(image)
    atoms = tm.open(images, cell=silicon["cell"], timestep_fs=1e3 * interval)
    for other in (arrays, atoms):
        found = other.fit(cutoff2=4.0)
        np.testing.assert_allclose(found.values, fc.values, atol=1e-6)
        assert other.trajectory.interval_ps == pytest.approx(interval)


def test_runs_are_pooled_as_if_added_one_by_one(silicon):
    first = tm.open(**{**silicon, "frames": (0, 400)})
    second = tm.open(**{**silicon, "frames": (400, 800)})
    both = tm.fit_runs([first, second], cutoff2=4.0)
    assert both.quality.n_frames == 800
    one_by_one = tm.fit_runs(first, cutoff2=4.0).append(second)
    assert one_by_one.quality.n_frames == 800
    np.testing.assert_allclose(one_by_one.values, both.values, atol=1e-10)
    assert both.origin.startswith("trajmodes.fit_runs([trajmodes.open(")
    assert ".fit(cutoff2=4.0).append(trajmodes.open(" in one_by_one.origin


@pytest.mark.slow
def test_the_whole_job_is_a_fit_and_a_projection(silicon, fc, results, tmp_path):
    whole = tm.run(**silicon, cutoff2=4.0)
    np.testing.assert_array_equal(whole.force_constants.values, fc.values)
    kelvin = whole["mode_temperature"].values
    np.testing.assert_allclose(kelvin, results["mode_temperature"].values, rtol=1e-9)
    opened = tm.run(tm.open(**silicon), cutoff2=4.0, output=tmp_path / "out")
    np.testing.assert_array_equal(opened["mode_temperature"].values, kelvin)
    assert (tmp_path / "out" / "tables" / "modes.csv").exists()


def test_the_spectral_energy_has_the_bands_of_the_force_constants(run, fc):
    mapped = run.sed(fc, path="G X")
    assert (mapped["map_power"].values >= 0.0).all()
    thz = mapped["band_freq_thz"].values[-1]
    np.testing.assert_allclose(thz, fc.frequencies("X"), atol=1e-9)
    assert "band_freq_thz" not in run.sed(path="G X").dataset


@pytest.mark.parametrize(
    ("method", "command", "groups"),
    [
        (tm.Run.fit, "fit", ("fit", "polar", "phonons", "running")),
        (tm.Run.project, "project", ("polar", "phonons", "projection", "running")),
        (tm.Run.sed, "sed", ("polar", "phonons", "projection", "running")),
    ],
)
def test_a_method_shows_its_options(method, command, groups):
    parameters = inspect.signature(method).parameters
    assert all(one.kind is not one.VAR_KEYWORD for one in parameters.values())
    wanted = options_of(command).keys() & of_groups(groups)
    shown = {name for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY}
    assert shown == wanted - {"force_constants"}
    assert all(f"\n{name}\n    " in inspect.getdoc(method) for name in shown)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cutof2": 4.0}, r'no option "cutof2"(.|\n)*did you mean cutoff2'),
        ({"cell": "POSCAR"}, r"open already(.|\n)*give it to trajmodes.open"),
        ({"line": "fano"}, "line is not an option of `trajmodes fit`"),
    ],
)
def test_a_keyword_that_is_not_taken_is_named(run, options, message):
    with pytest.raises(UsageError, match=message):
        run.fit(**options)
    with pytest.raises(UsageError, match=message):
        tm.fit_runs([run], **options)


def test_the_command_is_the_complete_call(results, silicon):
    path, cell = silicon["trajectory"], silicon["cell"]
    opened = f"trajmodes.open({str(path)!r}, cell={str(cell)!r}, frames=[0, 800])"
    wanted = f"{opened}.project({opened}.fit(cutoff2=4.0))"
    assert results.to_dataset().attrs["command"] == wanted


def test_the_check_of_a_run_is_that_of_the_command(run):
    text = run.check()
    assert "q points of the supercell" in text


def test_sigma_about_given_constants_needs_neither_velocities_nor_times(run, fc, results):
    """It is that of a projection; snapshots in arrays give it as well."""
    whole = results["sigma"].item()
    assert run.anharmonicity(fc).whole == pytest.approx(whole, rel=1e-9)
    assert results.modes["sigma_set"].between(0.5 * whole, 2.0 * whole).all()
    block = run.trajectory.read(0, run.n_frames)
    snapshots = tm.from_arrays(
        block.positions, block.cells, run.trajectory.species, forces=block.forces
    )
    assert snapshots.anharmonicity(fc).whole == pytest.approx(whole, rel=1e-3)


def test_the_cell_may_be_ase_atoms(silicon, run, tmp_path, monkeypatch):
    """As the same cell in a file; it is kept, with its masses, for later jobs on the run."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    atoms = read(silicon["cell"])
    atoms.set_masses(np.full(len(atoms), 28.5))
    opened = tm.open(**{**silicon, "cell": atoms})
    assert opened.supercell.matrix.tolist() == run.supercell.matrix.tolist()
    kept = read(opened.job.matching.cell)
    np.testing.assert_allclose(kept.cell.array, atoms.cell.array)
    np.testing.assert_allclose(kept.get_masses(), 28.5)
    assert opened.fit(cutoff2=4.0).crystal.n_sites == 2


@pytest.mark.slow
def test_calls_without_a_folder_are_reduced_where_the_scheduler_says(silicon, monkeypatch):
    """On processes: none of the blocks is reduced here."""
    names = []
    original = workers.parse_scheduler
    monkeypatch.setattr(
        workers, "parse_scheduler", lambda name: names.append(name) or original(name)
    )
    given = {"cell": silicon["cell"], "cutoff2": 4.0, "frames": ":40"}
    here = tm.fit_runs(silicon["trajectory"], **given)
    there = tm.fit_runs(silicon["trajectory"], scheduler="processes:1", **given)
    assert names == ["processes:1"]
    np.testing.assert_array_equal(here.values, there.values)
    with pytest.raises(UsageError, match="there is no scheduler"):
        tm.open(silicon["trajectory"], cell=silicon["cell"]).fit(scheduler="anywhere")
