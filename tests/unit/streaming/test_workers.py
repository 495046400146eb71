"""A pass gives the same bits on threads, on processes and on a cluster, whatever dies there."""

import os
import time
from concurrent.futures import Future
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from simulations.passes import (
    AT_ONCE,
    Killing,
    Noted,
    Positions,
    Sums,
    has_loaded,
    read,
    slow,
)
from trajmodes.errors import DataError, UsageError
from trajmodes.readers.arrays import trajectory_of_arrays
from trajmodes.readers.frames_in_memory import frames_in_memory
from trajmodes.streaming import cluster, schedule, watch
from trajmodes.streaming.schedule import stream
from trajmodes.streaming.work import Scheduler, Workers
from trajmodes.streaming.workers import parse_scheduler, scheduled_on

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
        # No stretch is longer than one that was folded before.
        assert (
            len(begun) - sum(done) // 5 <= (schedule.STRETCHES_AHEAD * 2 + 1) * max(done) // 5
        )

    stream(counted, BLOCKS, Sums(), workers=2, progress=progress)
    assert len(begun) == len(BLOCKS)
    # The rest of the run is cut into more and more stretches, down to two blocks each.
    assert done == sorted(done, reverse=True)
    assert set(done) == {10, 20, 40}


def test_a_stretch_is_given_to_the_worker_with_least_to_do():
    given, ended = cluster._Given(), Future()
    ended.set_result(None)
    threads = {"a": 1, "b": 2, "c": 1}
    chosen = []
    for n_blocks in (4, 4, 4, 2, 1):
        chosen.append(given.least(threads))
        given.add(chosen[-1], n_blocks, Future())
    assert chosen == ["a", "b", "c", "b", "b"]
    given.add("c", 100, ended)
    # a has 4 blocks, b 7 for two threads, c 4; what is done does not count.
    assert given.least(threads) == "b"
    assert given.least({"a": 1, "c": 1, "late": 1}) == "late"
    assert given.least({}) is None


def test_workers_have_their_next_stretches_while_a_state_is_combined():
    given = []

    def submit(stretch):
        given.append(stretch)
        done = Future()
        done.set_result(stretch)
        return done

    ahead = []
    for node, stretch in schedule._computed(Workers(submit, lambda: 2), BLOCKS, 0):
        assert stretch.first == node.first
        ahead.append(len(given) - given.index(stretch) - 1)
    full = schedule.STRETCHES_AHEAD * 2
    assert ahead == [min(full, len(given) - 1 - k) for k in range(len(given))]


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
        ) as made,
        distributed.Client(made),
    ):
        made.scale(1)
        stream(slow, BLOCKS, Sums())
    assert max(AT_ONCE) > 2


def workers_have_loaded(client):
    """Wait until they have: a worker has one thread, and loads the program first."""
    return all(
        client.submit(has_loaded, workers=[address], pure=False).result()
        for address in client.nthreads()
    )


@pytest.mark.peer
def test_a_cluster_gives_the_bits_of_threads_and_loses_nothing_with_a_worker(
    tmp_path, monkeypatch
):
    distributed = pytest.importorskip("distributed")
    expected = stream(read, BLOCKS, Sums())
    with scheduled_on("local:2"):
        client = distributed.get_client()
        assert workers_have_loaded(client)
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
        assert set(frames) == {20, 40, 80}


@pytest.mark.peer
def test_a_cluster_of_the_user_is_used_by_its_address_and_in_python(tmp_path):
    distributed = pytest.importorskip("distributed")
    expected = stream(read, BLOCKS, Sums())
    file = tmp_path / "scheduler.json"
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as made,
        distributed.Client(made, set_as_default=True) as client,
    ):
        client.write_scheduler_file(str(file))
        assert stream(read, BLOCKS, Sums()) == expected
        for name in (made.scheduler_address, str(file)):
            if not name.startswith("inproc"):
                with scheduled_on(name):
                    assert stream(read, BLOCKS, Sums()) == expected


@pytest.fixture
def client():
    """Client of a cluster in this process, with one worker."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as made,
        distributed.Client(made, set_as_default=True) as client,
    ):
        yield client


@pytest.mark.peer
@pytest.mark.parametrize(
    ("answer", "text"),
    [("0.0.1", r"has trajmodes 0\.0\.1"), (ImportError("None"), "has no trajmodes")],
)
def test_workers_without_this_version_are_named(client, monkeypatch, answer, text):
    """Their tasks would never end."""
    monkeypatch.setattr(client, "run", lambda *_, workers, **__: dict.fromkeys(workers, answer))
    with pytest.raises(UsageError, match=text):
        stream(read, BLOCKS, Sums())


@pytest.mark.peer
def test_a_worker_without_this_version_that_joins_late_is_named(client, monkeypatch):
    monkeypatch.setattr(cluster, "_LOOK_S", 0.02)

    def joins(_frames):
        monkeypatch.setattr(
            client, "run", lambda *_, workers, **__: dict.fromkeys(workers, "0.0.1")
        )
        client.cluster.scale(2)

    # The one that was there is not asked again.
    with pytest.raises(UsageError, match=r"has trajmodes 0\.0\.1"):
        stream(slow, BLOCKS, Sums(), progress=joins)


@pytest.mark.peer
def test_workers_that_do_not_answer_are_named(client, monkeypatch):
    monkeypatch.setattr(watch, "_ANSWER_S", 0.05)
    monkeypatch.setattr(client, "run", lambda *_, **__: time.sleep(0.5))
    with pytest.raises(DataError, match=r"do not answer"):
        stream(read, BLOCKS, Sums())


@pytest.mark.peer
def test_a_cluster_without_workers_ends_the_pass(client, monkeypatch):
    monkeypatch.setattr(cluster, "_LOOK_S", 0.02)
    monkeypatch.setattr(watch, "_LONELY_S", 0.05)
    monkeypatch.setattr(watch, "_START_S", 0.3)
    client.cluster.scale(0)
    while client.nthreads():
        time.sleep(0.02)
    with (
        pytest.warns(UserWarning, match="waits for them"),
        pytest.raises(UsageError, match="has no workers since"),
    ):
        stream(read, BLOCKS, Sums())


@pytest.mark.peer
def test_threads_are_used_beside_an_open_client_where_they_are_named(client, monkeypatch):
    expected = stream(read, BLOCKS, Sums())

    def submit(*_, **__):
        raise AssertionError("threads were named")

    monkeypatch.setattr(client, "submit", submit)
    with scheduled_on("threads"):
        assert stream(read, BLOCKS, Sums()) == expected
    with scheduled_on(None), pytest.raises(AssertionError, match="threads were named"):
        stream(read, BLOCKS, Sums())


@pytest.mark.peer
def test_frames_stay_with_the_workers_that_read_them(tmp_path, monkeypatch):
    """Those of a worker that dies between two passes are read again."""
    distributed = pytest.importorskip("distributed")
    n_blocks = len(BLOCKS)
    positions = np.random.default_rng(1).normal(size=(200, 4, 3))
    whole = trajectory_of_arrays(
        positions=positions, cells=np.eye(3) * 9.0, species=("Ar",) * 4, interval_ps=0.1
    )
    frames, expected = Noted(whole.frames, tmp_path), stream(Positions(whole), BLOCKS, Sums())
    noted = replace(whole, paths=(Path("run.lammpstrj"),), frames=frames)

    def reads(kept):
        """Blocks that a pass reads from the file."""
        before = len(list(tmp_path.iterdir()))
        assert stream(Positions(kept), BLOCKS, Sums()) == expected
        return len(list(tmp_path.iterdir())) - before

    with scheduled_on("local:2"), frames_in_memory(noted, BLOCKS) as kept:
        client = distributed.get_client()
        workers_have_loaded(client)
        # Two workers combine stretches among themselves, and pass places on.
        monkeypatch.setattr(schedule, "_WORKERS_PER_NODE", 1)
        assert reads(kept) == n_blocks
        places, submit = [], client.submit

        def noting(function, *args, workers=None, **options):
            if function is cluster._reduce:
                places.extend(workers or [""])
            return submit(function, *args, workers=workers, **options)

        monkeypatch.setattr(client, "submit", noting)
        # A worker without work takes some of the other, which it reads.
        assert reads(kept) < n_blocks
        assert set(places) == set(client.nthreads())
        first = min(client.nthreads())
        client.run(os._exit, 1, workers=[first], on_error="ignore")
        assert 0 < reads(kept) < n_blocks


@pytest.mark.peer
def test_a_class_that_workers_cannot_import_is_named(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    text = "from simulations.passes import Sums\nclass Own(Sums): pass\n"
    (tmp_path / "only_here.py").write_text(text)
    with scheduled_on("local:1"):
        monkeypatch.syspath_prepend(tmp_path)
        own = import_module("only_here").Own()
        with pytest.raises(UsageError, match=r"cannot load what it has to do.*only_here"):
            stream(read, BLOCKS, own)
        assert stream(read, BLOCKS, Sums())[0] == tuple(range(200))


@pytest.mark.peer
def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("trajmodes.streaming.cluster._CONNECT_S", 1)
    with (
        pytest.raises(UsageError, match=r"127\.0\.0\.1:9 cannot be reached"),
        scheduled_on("tcp://127.0.0.1:9"),
    ):
        pass
