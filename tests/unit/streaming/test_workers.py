"""A pass gives the same bits on threads, on processes and on a cluster, whatever dies there."""

import time

import dask
import pytest

from simulations.passes import AT_ONCE, Killing, Sums, has_loaded, read, slow
from trajmodes.errors import DataError, UsageError
from trajmodes.streaming import schedule
from trajmodes.streaming.schedule import stream
from trajmodes.streaming.workers import Scheduler, batch_cluster, parse_scheduler, scheduled_on

BLOCKS = [(i, i + 5) for i in range(0, 200, 5)]


def test_names_of_schedulers():
    assert parse_scheduler("processes:4") == Scheduler("processes", 4)
    assert parse_scheduler("local") == Scheduler("local")
    assert parse_scheduler("tcp://a:8786") == Scheduler("address", address="tcp://a:8786")
    assert parse_scheduler("cluster.json").kind == "address"
    for wrong in ("thread", "local:0", "slurm:x", ""):
        with pytest.raises(UsageError, match="no scheduler"):
            parse_scheduler(wrong)


def test_stretches_give_the_bits_of_any_number_of_workers(monkeypatch):
    monkeypatch.setattr(schedule, "STRETCHES_EACH", 2)
    found = [stream(read, BLOCKS, Sums(), workers=n) for n in (1, 2, 5)]
    assert found[0][0] == tuple(range(200))
    assert found[0] == found[1] == found[2]


def test_the_earliest_error_is_raised():
    def broken(start, stop):
        if start >= 20:
            time.sleep(0.05 * (start == 20))
            raise DataError(f"frame {start} is damaged")
        return read(start, stop)

    with pytest.raises(DataError, match="frame 20 "):
        stream(broken, BLOCKS, Sums(), workers=4)


def test_no_worker_runs_far_ahead_of_the_combination():
    begun, done = [], []

    def counted(start, stop):
        begun.append(start)
        return read(start, stop)

    def progress(frames):
        done.append(frames)
        assert len(begun) - sum(done) // 5 <= (schedule.STRETCHES_AHEAD * 2 + 1) * frames // 5

    stream(counted, BLOCKS, Sums(), workers=2, progress=progress)
    assert len(begun) == len(BLOCKS)
    # 40 blocks are too few for longer stretches on two workers.
    assert set(done) == {10}


def test_waiting_for_a_result_is_said(monkeypatch):
    monkeypatch.setattr(schedule, "_STALL_S", 0.02)

    def slow(start, stop):
        time.sleep(0.1 * (start == 0))
        return read(start, stop)

    with pytest.warns(UserWarning, match="frames 0 to 5 are waited for"):
        stream(slow, BLOCKS[:2], Sums())


def test_the_time_limit_of_a_file_system_is_an_error():
    def lost(start, stop):
        raise TimeoutError(f"the server does not give frames {start} to {stop}")

    with pytest.raises(TimeoutError, match="frames 0 to 5"):
        stream(lost, BLOCKS, Sums())


@pytest.mark.slow
def test_processes_give_the_bits_of_threads(tmp_path):
    expected = stream(read, BLOCKS, Sums())
    with scheduled_on("processes:2"):
        assert stream(read, BLOCKS, Sums()) == expected
        with pytest.raises(DataError, match="a process died"):
            stream(Killing(tmp_path / "once", always=True), BLOCKS, Sums())


@pytest.mark.peer
def test_workers_that_join_late_have_work():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=0, threads_per_worker=4, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        cluster.scale(1)
        stream(slow, BLOCKS, Sums())
    assert max(AT_ONCE) > 2


@pytest.mark.peer
def test_a_cluster_gives_the_bits_of_threads_and_loses_nothing_with_a_worker(
    tmp_path, monkeypatch
):
    distributed = pytest.importorskip("distributed")
    expected = stream(read, BLOCKS, Sums())
    with scheduled_on("local:2"):
        client = distributed.get_client()
        for address in client.nthreads():
            # A worker has one thread: it has loaded the program before.
            assert client.submit(has_loaded, workers=[address], pure=False).result()
        assert stream(read, BLOCKS, Sums()) == expected
        marker = tmp_path / "killed"
        assert stream(Killing(marker), BLOCKS, Sums()) == expected
        assert marker.exists()
        with pytest.raises(DataError, match="died again and again"):
            stream(Killing(marker, always=True), BLOCKS, Sums())
        # Two workers combine two stretches among themselves, as many workers do.
        monkeypatch.setattr(schedule, "_WORKERS_PER_NODE", 1)
        frames: list[int] = []
        assert stream(read, BLOCKS, Sums(), progress=frames.append) == expected
        assert set(frames) == {20}


@pytest.mark.peer
def test_a_cluster_of_the_user_is_used_by_its_address_and_in_python(tmp_path):
    distributed = pytest.importorskip("distributed")
    expected = stream(read, BLOCKS, Sums())
    file = tmp_path / "scheduler.json"
    with (
        distributed.LocalCluster(
            n_workers=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=True) as client,
    ):
        client.write_scheduler_file(str(file))
        assert stream(read, BLOCKS, Sums()) == expected
        for name in (cluster.scheduler_address, str(file)):
            if not name.startswith("inproc"):
                with scheduled_on(name):
                    assert stream(read, BLOCKS, Sums()) == expected


@pytest.mark.peer
def test_workers_without_this_version_are_named(monkeypatch):
    """Their tasks would never end."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=True) as client,
    ):
        assert stream(read, BLOCKS, Sums())[0] == tuple(range(200))
        monkeypatch.setattr("trajmodes.__version__", "0.0.1")
        with pytest.raises(UsageError, match=r"has trajmodes 0\.0\.1"):
            stream(read, BLOCKS, Sums())
        monkeypatch.setattr(client, "run", lambda *_, **__: {"tcp://a:1": ImportError("None")})
        with pytest.raises(UsageError, match="tcp://a:1 has no trajmodes"):
            stream(read, BLOCKS, Sums())


@pytest.mark.peer
def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("trajmodes.streaming.workers._CONNECT_S", 1)
    with (
        pytest.raises(UsageError, match=r"127\.0\.0\.1:9 cannot be reached"),
        scheduled_on("tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["slurm", "pbs"])
def test_jobs_of_a_batch_system_have_their_dashboard_on_this_computer(kind):
    pytest.importorskip("dask_jobqueue")
    settings = {"cores": 4, "processes": 4, "memory": "8GB"}
    with (
        dask.config.set(
            {f"jobqueue.{kind}": {**dask.config.get(f"jobqueue.{kind}"), **settings}}
        ),
        batch_cluster(kind) as cluster,
    ):
        assert "--nworkers 4" in cluster.job_script()
        assert cluster.scheduler_spec["options"]["dashboard_address"] == "127.0.0.1:0"
