"""Jobs of a batch system as workers, through the commands of SLURM and PBS.

Short scripts stand for the commands: they start a job at once, and end it.
"""

import shutil
from pathlib import Path

import dask
import pytest

from simulations.passes import Sums, has_loaded, read
from trajmodes.errors import UsageError
from trajmodes.streaming.cluster import batch_cluster
from trajmodes.streaming.schedule import stream
from trajmodes.streaming.workers import scheduled_on

pytestmark = pytest.mark.peer
pytest.importorskip("dask_jobqueue")
import distributed  # noqa: E402 - it comes with dask-jobqueue

BLOCKS = [(i, i + 5) for i in range(0, 200, 5)]
SUBMIT = {"slurm": "sbatch", "pbs": "qsub"}
CANCEL = {"slurm": "scancel", "pbs": "qdel"}
KINDS = pytest.mark.parametrize("kind", SUBMIT)
START = """#!/bin/sh
for script; do :; done
cp "$script" "$0.$$"
setsid sh -c "sh '$0.$$'" > "$0.log" 2>&1 < /dev/null &
echo "Submitted batch job $!"
"""
# Numbers of processes, not 0 or 1, which stand for many processes.
END = """#!/bin/sh
[ "$1" -gt 1 ] && kill -- "-$1"
"""
REFUSE = """#!/bin/sh
echo "error: invalid partition specified: nowhere" >&2
exit 1
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Function: let a program stand for the command that submits jobs of a kind."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    # Jobs import the modules of these tests.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=":")

    def put(name, text):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)

    def made(kind, text):
        put(SUBMIT[kind], text)
        put(CANCEL[kind], END)

    return made


def described(kind, **settings):
    """Settings of jobs in the configuration of Dask."""
    settings = {"cores": 1, "processes": 1, "memory": "1GB", **settings}
    return dask.config.set(
        {f"jobqueue.{kind}": {**dask.config.get(f"jobqueue.{kind}"), **settings}}
    )


@KINDS
def test_jobs_give_the_bits_of_threads_also_if_one_ends_early(kind, jobs):
    if shutil.which("setsid") is None:
        pytest.skip("this system has no setsid")
    jobs(kind, START)
    expected = stream(read, BLOCKS, Sums())
    with described(kind), scheduled_on(f"{kind}:2"):
        client = distributed.get_client()
        client.wait_for_workers(2, timeout=60)
        assert stream(read, BLOCKS, Sums()) == expected
        assert client.submit(has_loaded).result()
        client.cluster.sync(next(iter(client.cluster.workers.values())).close)
        assert stream(read, BLOCKS, Sums()) == expected


@KINDS
def test_a_job_that_is_refused_ends_the_command(kind, jobs):
    jobs(kind, REFUSE)
    with (
        described(kind),
        pytest.raises(UsageError, match=f"{kind} takes no job: error: invalid partition"),
        scheduled_on(f"{kind}:2"),
    ):
        pass


@KINDS
def test_a_missing_command_is_named(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        described(kind),
        pytest.raises(UsageError, match=f"takes no job: .*{SUBMIT[kind]}"),
        scheduled_on(f"{kind}:1"),
    ):
        pass


@KINDS
def test_jobs_without_a_description_are_an_error_that_shows_one(kind):
    with (
        pytest.raises(UsageError, match=f"jobs of {kind} are not described") as caught,
        scheduled_on(kind),
    ):
        pass
    assert f"  {kind}:\n    cores: 8" in caught.value.fix


@KINDS
def test_dashboards_listen_on_this_computer(kind, jobs):
    jobs(kind, START)
    with described(kind, cores=4, processes=4), batch_cluster(kind, 1) as made:
        assert "--nworkers 4" in made.job_script()
        assert made.scheduler_spec["options"]["dashboard_address"] == "127.0.0.1:0"
