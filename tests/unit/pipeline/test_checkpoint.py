"""Jobs that are killed and continued give the bytes of an undisturbed job."""

import errno
import os
import shutil
from pathlib import Path

import pytest

import trajmodes as tm
import trajmodes.pipeline.checkpoint as room
from trajmodes.config.job import job_of
from trajmodes.errors import (
    DataError,
    StorageError,
    TimeLimitError,
    TrajmodesWarning,
    UsageError,
)
from trajmodes.machine import Stopped
from trajmodes.pipeline.checkpoint import unfinished
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.run import fit_job, run_job
from trajmodes.pipeline.scattering.sed import sed_job
from trajmodes.pipeline.scattering.structure_factor import structure_factor_job
from trajmodes.results.folder import CHECKPOINT
from trajmodes.streaming import schedule

DATA = Path(__file__).parents[3] / "examples" / "data"
RUN = {"cell": str(DATA / "silicon.POSCAR"), "checkpoint_every": 0.001, "workers": 1}
FIT = {**RUN, "cutoff2": 4.0}
COMMAND = "trajmodes run silicon"


class Killed(BaseException):
    """The process ends without a word."""


@pytest.fixture(autouse=True)
def short_windows(monkeypatch):
    monkeypatch.setattr(schedule, "BLOCK_BYTES", 900_000)
    monkeypatch.setattr(room, "_LARGEST_SHARE", 1e9)


@pytest.fixture
def killed_after(monkeypatch):
    """Function: the job is killed after so many states of a pass were written."""
    write = room._States._write

    def prepare(n_states, number=1):
        left = [n_states]

        def once(self, reached):
            write(self, reached)
            left[0] -= self._number == number - 1
            if left[0] == 0:
                raise Killed

        monkeypatch.setattr(room._States, "_write", once)

    return prepare


def job(folder, command="run", **options):
    return job_of(command, [str(DATA / "silicon.lammpstrj.xz")], options, folder=str(folder))


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.log"
    }


def undisturbed(folder, function, command="run", **options):
    """Bytes of the files of a job that nothing disturbs; its folder is removed."""
    function(job(folder, command, **options), command=COMMAND)
    found = files(folder)
    shutil.rmtree(folder)
    return found


def states(folder):
    return sorted(path.name for path in (folder / CHECKPOINT).glob("*.npz"))


CONTINUED = pytest.mark.filterwarnings("ignore:an unfinished run of the same job")


@pytest.mark.slow
@CONTINUED
def test_a_run_killed_in_its_second_pass_gives_the_same_bytes(tmp_path, killed_after):
    folder, options = tmp_path / "out", {**FIT, "save_amplitudes": ("1/2 1/2 0:all",)}
    whole = undisturbed(folder, run_job, **options)
    killed_after(2, number=2)
    with pytest.raises(Killed):
        run_job(job(folder, **options), command=COMMAND)
    assert states(folder) == ["pass-1.npz", "pass-2.npz"]
    assert not (folder / "results.nc").exists()
    killed_after(-1)
    run_job(job(folder, **options), command=COMMAND)
    # The first pass was complete, the second one begun.
    assert (folder / "run.log").read_text().count("continued after") == 2
    assert files(folder) == whole


@CONTINUED
@pytest.mark.parametrize(
    ("command", "function", "options"),
    [
        pytest.param("fit", fit_job, {"cutoff3": 2.5}, marks=pytest.mark.slow),
        pytest.param("sed", sed_job, {"path": "auto"}, marks=pytest.mark.slow),
        pytest.param("sqw", structure_factor_job, {"to": "4,0,0"}, marks=pytest.mark.slow),
    ],
)
def test_every_command_is_continued(tmp_path, killed_after, command, function, options):
    folder = tmp_path / "out"
    given = {name: value for name, value in FIT.items() if name != "cutoff2"} | options
    whole = undisturbed(folder, function, command, **given)
    killed_after(1)
    with pytest.raises(Killed):
        function(job(folder, command, **given), command=COMMAND)
    killed_after(-1)
    found = unfinished(str(folder))
    assert (found.name, found.command) == (command, COMMAND)
    function(found.job, command=found.command)
    assert files(folder) == whole


def test_a_signal_ends_a_job_with_a_checkpoint(tmp_path, monkeypatch):
    read = LoadedRun.motion
    calls = []

    def interrupted(run, start, stop):
        calls.append(start)
        if len(calls) > 12:
            raise Stopped(15)
        return read(run, start, stop)

    monkeypatch.setattr(LoadedRun, "motion", interrupted)
    with pytest.raises(Stopped) as error:
        fit_job(job(tmp_path / "out", "fit", **FIT), command=COMMAND)
    assert "trajmodes resume" in error.value.__notes__[0]
    assert unfinished(str(tmp_path / "out")).name == "fit"
    # A job shorter than the time between checkpoints leaves nothing.
    calls.clear()
    with pytest.raises(Stopped) as error:
        fit_job(job(tmp_path / "new", "fit", **{**FIT, "checkpoint_every": 300}), command="")
    assert not hasattr(error.value, "__notes__")
    assert not (tmp_path / "new").exists()


@CONTINUED
def test_a_job_ends_at_its_time_limit_with_a_checkpoint(tmp_path):
    folder = tmp_path / "out"
    options = {"cell": RUN["cell"], "cutoff2": 4.0, "workers": 1}
    whole = undisturbed(folder, fit_job, "fit", **options, max_hours=100)
    with pytest.raises(TimeLimitError, match=r"--max-hours is over after \d+ of .* of pass 1"):
        fit_job(job(folder, "fit", **options, max_hours=1e-6), command=COMMAND)
    fit_job(unfinished(str(folder)).job.with_options(max_hours=100), command=COMMAND)
    assert files(folder) == whole


@pytest.fixture
def stopped(tmp_path, killed_after):
    """Folder with the checkpoint of a fit to a copy of the run, in another folder."""
    for name in ("silicon.lammpstrj.xz", "silicon.POSCAR"):
        shutil.copy(DATA / name, tmp_path)
    killed_after(2)
    with pytest.raises(Killed):
        fit_job(copied(tmp_path), command=COMMAND)
    killed_after(-1)
    return tmp_path / "out"


def copied(place, **more):
    options = {**FIT, "cell": str(place / "silicon.POSCAR"), **more}
    return job_of(
        "fit", [str(place / "silicon.lammpstrj.xz")], options, folder=str(place / "out")
    )


def test_a_changed_input_is_refused_by_resume_and_begun_anew_by_the_command(stopped, tmp_path):
    os.utime(tmp_path / "silicon.lammpstrj.xz")
    with pytest.raises(DataError, match=r"the input .*silicon.lammpstrj.xz changed"):
        unfinished(str(stopped))
    fit_job(copied(tmp_path), command=COMMAND)
    assert "continued after" not in (stopped / "run.log").read_text()


def test_files_of_a_pattern_are_inputs(tmp_path):
    files = [tmp_path / f"forces.{number}.lammpstrj" for number in (1, 2)]
    for file in files:
        file.touch()
    job = copied(tmp_path, forces_from=str(tmp_path / "forces.*.lammpstrj"))
    assert set(files) < set(room._inputs(job))


def test_another_version_is_refused(stopped, monkeypatch):
    monkeypatch.setattr(room, "versions", lambda: {"trajmodes": "0.0"})
    with pytest.raises(DataError, match="the version of trajmodes changed"):
        unfinished(str(stopped))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 0}', '{"format": 1}'])
def test_a_damaged_checkpoint_is_refused(stopped, content):
    (stopped / CHECKPOINT / "about.json").write_text(content)
    with pytest.raises(DataError, match="the checkpoint cannot be read"):
        unfinished(str(stopped))


def test_another_job_begins_anew(stopped, tmp_path):
    fit_job(copied(tmp_path, cutoff2=3.0), command=COMMAND)
    log = (stopped / "run.log").read_text()
    assert "the checkpoint is not used: the job changed" in log
    assert "continued after" not in log


@pytest.mark.slow
@CONTINUED
def test_a_state_of_other_numbers_is_not_used(stopped, tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, "BLOCK_BYTES", 1_000_000)
    fit_job(copied(tmp_path), command=COMMAND)
    assert "it begins anew" in (stopped / "run.log").read_text()


@pytest.mark.slow
def test_a_full_disk_does_not_end_the_job_but_its_time_limit_says_so(tmp_path, monkeypatch):
    options = {"cell": RUN["cell"], "cutoff2": 4.0, "workers": 1}
    whole = undisturbed(tmp_path / "out", fit_job, "fit", **options, checkpoint_every=0.001)

    def full(_file, _state):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(room, "write_state", full)
    with pytest.warns(TrajmodesWarning, match="there is no checkpoint of the last part"):
        fit_job(
            job(tmp_path / "out", "fit", **options, checkpoint_every=0.001), command=COMMAND
        )
    assert files(tmp_path / "out") == whole
    with pytest.raises(StorageError, match="could not be written"):
        fit_job(job(tmp_path / "new", "fit", **options, max_hours=1e-6), command=COMMAND)


def test_without_a_checkpoint_there_is_nothing_to_continue(tmp_path):
    with pytest.raises(UsageError, match="there is no checkpoint"):
        unfinished(str(tmp_path))


@pytest.mark.slow
@CONTINUED
def test_calls_in_python_with_files_are_continued_and_open_runs_are_not(tmp_path, killed_after):
    path, folder = str(DATA / "silicon.lammpstrj.xz"), str(tmp_path / "out")
    options = {"cell": RUN["cell"], "cutoff2": 4.0, "checkpoint_every": 0.001, "workers": 1}
    killed_after(2)
    with pytest.raises(Killed):
        tm.fit_runs(path, **options, output=folder)
    killed_after(-1)
    tm.fit_runs(path, **options, output=folder)
    assert "continued after" in (tmp_path / "out" / "run.log").read_text()
    killed_after(1)
    run = tm.open(path, cell=RUN["cell"])
    tm.fit_runs(run, cutoff2=4.0, checkpoint_every=0.001, output=folder)


def test_checkpoints_can_be_turned_off(tmp_path, killed_after):
    killed_after(1)
    fit_job(job(tmp_path / "out", "fit", **{**FIT, "checkpoint_every": "never"}), command="")
    with pytest.raises(UsageError, match=r"--max-hours"):
        fit_job(
            job(tmp_path / "out", "fit", **{**FIT, "checkpoint_every": "never"}, max_hours=1),
            command="",
        )
