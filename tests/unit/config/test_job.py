"""Settings: the same from the command line and from a file; wrong ones are refused."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajmodes.config import Job, job_from_mapping, read_job, toml_text
from trajmodes.errors import UsageError

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
jobs = st.builds(
    Job,
    trajectory=st.lists(texts, min_size=1, max_size=3).map(tuple),
    cell=st.none() | texts,
    timestep_fs=st.none() | st.floats(1e-3, 10.0),
    cutoff=st.none() | st.just("supercell") | st.floats(0.5, 20.0),
    frames=st.tuples(st.integers(0, 9), st.none() | st.integers(10, 99)),
    species=st.lists(texts, max_size=2).map(tuple),
    strict=st.booleans(),
    workers=st.none() | st.integers(1, 8),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(jobs)
def test_a_job_survives_its_own_text(tmp_path_factory, job):
    folder = tmp_path_factory.mktemp("job")
    path = folder / "job.toml"
    path.write_text(toml_text(job), encoding="utf-8")
    again = read_job(path)
    # The text asks for the same files wherever it lies: its paths are absolute.
    assert again.trajectory == tuple(str(Path(name).absolute()) for name in job.trajectory)
    assert again.cell == (None if job.cell is None else str(Path(job.cell).absolute()))
    assert again.output == str(Path(job.output).absolute())
    same = ("timestep_fs", "cutoff", "frames", "species", "strict", "workers")
    assert [getattr(again, name) for name in same] == [getattr(job, name) for name in same]


def test_paths_of_a_job_file_are_relative_to_it(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text('trajectory = "run.xyz"\ncell = "../POSCAR"\n')
    job = read_job(path)
    assert job.trajectory == (str(tmp_path / "run.xyz"),)
    assert job.cell == str(tmp_path / "../POSCAR")
    assert job.output == "results"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('trajectory = "a"\ncutof = 3', 'no setting "cutof" .*job.toml'),
        ("cutoff = 3", "trajectory is missing"),
        ('trajectory = "a"\ncutoff = "far"', "is not a cutoff"),
        ('trajectory = "a"\ncutoff = -1', "cutoff is -1 but must be a positive number"),
        ('trajectory = "a"\ntimestep_fs = "one"', "timestep_fs is 'one'"),
        ('trajectory = "a"\nframes = [5, 5]', "holds no frame"),
        ('trajectory = "a"\nframes = [5, "x"]', "frames is"),
        ('trajectory = "a"\ncell = 3', "cell is 3 but must be text"),
        ("trajectory = [1]\n", "trajectory is"),
        ('trajectory = "a"\nstrict = "yes"', "strict is 'yes' but must be true or false"),
        ('trajectory = "a"\nlj = [1, 2]', "lj is .* three positive numbers"),
        ('trajectory = "a"\nlj = [1, 2, -3]', "lj is .* three positive numbers"),
        ('trajectory = "a"\nbox = [1, 2, nan]', "box is .* three or nine numbers"),
        ("trajectory = []", "no trajectory"),
        ("trajectory = ", "not a TOML file"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_name(tmp_path, text, words):
    path = tmp_path / "job.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        read_job(path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("timestep = 1.0", r"timestep\" \((.|\n)*did you mean timestep_fs\?$"),
        ("cutof3 = 4.0", r"did you mean cutoff3"),
        ("resolution = 1.0", r"did you mean resolution_thz"),
        ("qqq = 1.0", r"one of: trajectory, cell"),
        ("timestep_fs = 'one'", r"timestep_fs is 'one' but .*job\.toml"),
        ("line = 'lorentz'", r"line is 'lorentz' but .*job\.toml"),
        ("conductivity = -3", r"conductivity is -3 but .*job\.toml"),
        ("cutoff = 'far'", r"job\.toml"),
        ("frames = 5", r"frames is 5 but must be one or two whole numbers .*job\.toml"),
    ],
)
def test_a_wrong_line_is_told_with_its_file_and_what_was_meant(tmp_path, line, words):
    path = tmp_path / "job.toml"
    path.write_text(f'trajectory = "a"\n{line}\n')
    with pytest.raises(UsageError, match=words):
        read_job(path)


def test_a_missing_job_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot read the job file"):
        read_job(tmp_path / "none.toml")


def test_settings_are_frozen():
    job = job_from_mapping({"trajectory": "a.xyz"})
    with pytest.raises(AttributeError, match="cutoff"):
        job.cutoff = 3.0
