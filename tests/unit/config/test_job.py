"""Jobs: the same from the command line, a file and Python; wrong values are refused."""

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajmodes.config.groups import ReadOptions
from trajmodes.config.job import Job, job_from_mapping, job_of, toml_text
from trajmodes.errors import UsageError

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
values = st.fixed_dictionaries(
    {"trajectory": st.lists(texts, min_size=1, max_size=3)},
    optional={
        "cell": texts,
        "timestep_fs": st.floats(1e-3, 10.0),
        "cutoff2": st.just("supercell") | st.floats(0.5, 20.0),
        "frames": st.tuples(
            st.integers(0, 9), st.none() | st.integers(10, 99), st.integers(1, 9)
        ),
        "species": st.lists(texts, max_size=2),
        "constraints": st.lists(st.sampled_from(["huang", "born-huang"]), max_size=2),
        "save_amplitudes": st.lists(texts, max_size=2),
        "box": st.just("average") | st.lists(st.floats(1.0, 99.0), min_size=3, max_size=3),
        "conductivity": st.just("auto") | st.integers(1, 99),
        "strict": st.booleans(),
        "workers": st.integers(1, 8),
    },
)
PATHS = ("trajectory", "cell", "output")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(values)
def test_a_job_survives_its_own_text(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("job")
    path = folder / "job.toml"
    job = job_from_mapping({"output": "out", **values})
    path.write_text(toml_text(job), encoding="utf-8")
    again = job_of("molecule", path, {})
    # The text asks for the same files wherever it lies: its paths are absolute.
    assert again.trajectory == tuple(str(Path(name).absolute()) for name in job.trajectory)
    cell = job.matching.cell
    assert again.matching.cell == (None if cell is None else str(Path(cell).absolute()))
    assert again.folder == str(Path("out").absolute())
    for name, value in job.settings.items():
        if name not in PATHS:
            assert again.settings[name] == value, name


def test_paths_of_a_job_file_are_relative_to_it(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text('trajectory = "run.xyz"\ncell = "../POSCAR"\nconstants = "fit"\n')
    job = job_of("molecule", path, {})
    assert job.trajectory == (str(tmp_path / "run.xyz"),)
    assert job.matching.cell == str(tmp_path / "../POSCAR")
    assert job.projection.force_constants == str(tmp_path / "fit")


def test_the_command_line_replaces_the_file_and_the_file_the_defaults(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text('trajectory = "run.xyz"\ncutoff = 8.0\nworkers = 2\n')
    job = job_of("run", str(path), {"cutoff2": 5.0}, folder="results")
    assert job.fit.cutoff2 == 5.0
    assert job.running.workers == 2
    assert job.folder == "results"
    path.write_text('trajectory = "run.xyz"\noutput = "mine"\n')
    assert job_of("run", str(path), {}, folder="results").folder == str(tmp_path / "mine")


def test_values_of_python_are_taken_as_those_of_a_file():
    given = {"trajectory": "a", "cell": Path("POSCAR"), "frames": "5:", "species": "Ga,N"}
    job = job_from_mapping({**given, "box": np.diag([1.0, 2.0, 3.0]), "workers": np.int64(2)})
    assert job.matching.cell == "POSCAR"
    assert job.reading.frames == (5, None, 1)
    assert job.matching.species == ("Ga", "N")
    assert job.reading.box == (1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 3.0)
    assert type(job.running.workers) is int


def test_options_are_replaced_by_name_in_a_frozen_job():
    job = job_from_mapping({"trajectory": "a.xyz", "cell": "POSCAR"})
    other = job.with_options(cutoff=4.0, cell=None)
    assert (other.fit.cutoff2, other.matching.cell) == (4.0, None)
    assert (job.fit.cutoff2, job.matching.cell) == (None, "POSCAR")
    with pytest.raises(AttributeError, match="cutoff2"):
        job.fit.cutoff2 = 3.0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cutof = 3", 'no option "cutof" .*job.toml'),
        ("timestep = 1.0", r"timestep\" \((.|\n)*did you mean timestep_fs\?$"),
        ("cutof3 = 4.0", r"did you mean cutoff3"),
        ("resolution = 1.0", r"did you mean resolution_thz"),
        ("qqq = 1.0", r"take one of trajectory, timestep_fs"),
        ("cutoff = 'far'", r'"far" is not a cutoff \(.*job\.toml'),
        ("cutoff = '5 Si-O:-1'", r"cutoff2 is .* must be a positive number"),
        ("cutoff = -1", "cutoff2 is -1 but must be a positive number"),
        ("cutoff = 3\ncutoff2 = 3", "cutoff2 is given twice"),
        ("cutoff4 = 3", r"none of the third \(.*job\.toml"),
        ("timestep_fs = 'one'", r"timestep_fs is 'one' but .*job\.toml"),
        ("timestep_fs = 1e300", "timestep_fs is 1e[+]300 but must be a positive number"),
        ("timestep_fs = 1e-300", "timestep_fs is 1e-300 but must be a positive number"),
        ("timestep_fs = inf", "timestep_fs is inf but must be a positive number"),
        ("temperature = nan", "temperature is nan but must be a positive number"),
        ("workers = 1.5", "workers is 1.5 but must be a positive whole number"),
        ("workers = true", "workers is True but must be a positive whole number"),
        ("line = 'lorentz'", r"line is 'lorentz' but .*job\.toml"),
        ("conductivity = -3", r"conductivity is -3 but .*job\.toml"),
        ("frames = [5, 5]", "frames is .* START < STOP"),
        ("frames = [5, 'x']", "frames is"),
        ("frames = 5", r"frames is 5 but must be START:STOP.*job\.toml"),
        ("cell = 3", "cell is 3 but must be text"),
        ("strict = 'yes'", "strict is 'yes' but must be true or false"),
        ("strict = 0", "strict is 0 but must be true or false"),
        ("lj = [1, 2]", "lj is .* three positive numbers"),
        ("lj = [1, 2, -3]", "lj is .* three positive numbers"),
        ("box = [1, 2, nan]", "box is .* three or nine numbers"),
        ("constraints = ['huang', 'other']", "constraints is .* a list of born-huang"),
        ("cell = { file = 'POSCAR' }", "cell is {'file': 'POSCAR'} but must be text"),
        ("[fit]\ncutoff = 3", 'no option "fit"'),
        ("cell =", "not a TOML file"),
        ("hessian = 'h.npy'", "a Hessian is given, but not the geometry"),
    ],
)
def test_a_wrong_line_is_reported_with_its_file(tmp_path, line, words):
    path = tmp_path / "job.toml"
    path.write_text(f'trajectory = "a"\n{line}\n')
    with pytest.raises(UsageError, match=words):
        job_of("molecule", path, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cutoff = 3", "trajectory is missing"),
        ("trajectory = [1]", "trajectory is"),
        ("trajectory = []", "no trajectory was given"),
    ],
)
def test_a_job_needs_its_trajectory(tmp_path, text, words):
    path = tmp_path / "job.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        job_of("molecule", path, {})


def test_a_group_made_by_hand_is_checked_too():
    with pytest.raises(UsageError, match=r"timestep_fs is -1\.0 but must be a positive number"):
        ReadOptions(timestep_fs=-1.0)


def test_an_option_of_another_command_is_refused_but_for_job_files(tmp_path):
    with pytest.raises(UsageError, match="append is not an option of `trajmodes run`"):
        job_of("run", "a.xyz", {"append": "normal_equations.nc"})
    path = tmp_path / "job.toml"
    path.write_text('trajectory = "a"\nmaximum_entropy = 20\n')
    assert job_of("fit", path, {}).projection.maximum_entropy == 20
    path.write_text('trajectory = "a"\nreference = "average"\n')
    with pytest.raises(UsageError, match="reference is an option of `trajmodes molecule` only"):
        job_of("fit", path, {})


def test_a_job_without_a_folder_says_so():
    with pytest.raises(UsageError, match="no folder for the results is named"):
        _ = Job(trajectory=("a",)).folder


def test_a_missing_job_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot read the job file"):
        job_of("run", tmp_path / "none.toml", {})


@pytest.mark.faults
@pytest.mark.parametrize(
    "text",
    [
        "cell = " + "[" * 100_000 + "]" * 100_000,
        "cell = " + "{a = " * 30_000,
        "a." * 100_000 + "a = 1",
        "cell = {" + "a." * 100_000 + "a = 1}",
        "[" + "a." * 100_000 + "a]",
        '"a".' * 50_000 + "a = 1",
        'cell = "\\"' * 60_000,
        "cell = '''" * 20_000 + "[" * 50_000,
    ],
    ids=["lists", "tables", "names", "names in a table", "head", "quoted", "quotes", "texts"],
)
def test_a_nested_job_file_costs_no_time_and_no_memory(tmp_path, text):
    """Once a file of 200 kB took 7.7 GB."""
    path = tmp_path / "job.toml"
    path.write_text('trajectory = "a"\n' + text)
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(UsageError, match=r"nested tables or lists|not a TOML file"):
        job_of("molecule", path, {})
    took, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6
    assert took < 10.0


@pytest.mark.faults
def test_a_large_job_file_is_not_read(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text('trajectory = "a"\n' + "# much\n" * 200_000)
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        job_of("molecule", path, {})


def test_brackets_and_dots_in_texts_and_comments_do_not_count(tmp_path):
    path = tmp_path / "job.toml"
    names = ["a.b.c.d[[[{.xyz", "it's.a.b.c"]
    path.write_text(f'# [[[[ a.b.c.d\ntrajectory = [\n  {names[0]!r},\n  "{names[1]}",\n]\n')
    assert [Path(name).name for name in job_of("molecule", path, {}).trajectory] == names


def test_conductivity_true_means_a_fine_mesh():
    job = job_from_mapping({"trajectory": "run.lammpstrj", "conductivity": True})
    assert job.projection.conductivity == "auto"
