"""Stretches of blocks reduced by the workers of a Dask cluster.

Blocks that readers keep in the memory of a worker remain there until the job ends. A result
names these blocks, and in the next pass they are reduced by the worker that keeps them. If a
worker is lost, or has no memory left, they are read again.

Each stretch has its worker from the beginning. The scheduler would give it to the worker that
has the description of the work, and move it later.

Distributed waits for ever if a task cannot succeed. Work is therefore unpickled where an error
can be raised, and `trajmodes.streaming.watch` looks at the workers.
"""

import pickle
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import cloudpickle
from threadpoolctl import threadpool_limits

from trajmodes.errors import DataError, UsageError
from trajmodes.machine import available_processors, memory_bytes, reuse_freed_memory
from trajmodes.streaming.kept import keeping
from trajmodes.streaming.watch import Watch
from trajmodes.streaming.work import Pending, Scheduler, Stretch, Work, Workers, died

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_S = 30.0
"""Longest time to wait for the answer of a scheduler."""
_SPREAD_S = 1.0
"""Longest time to wait until all workers have the work: later ones get it while others work."""
_LOSSES = 3
"""Workers that may die on the same frames before the job ends."""
_LOOK_S = 5.0
"""Time between two looks at the workers, while a result is waited for."""


@contextmanager
def client_of(scheduler: Scheduler) -> Iterator["Client"]:
    """Client of a cluster, which is started unless the scheduler is an address.

    Raises
    ------
    UsageError
        If the scheduler does not answer, or a library is missing.
    """
    try:
        import dask  # noqa: PLC0415 - half a second that threads do not need
        from distributed import Client, LocalCluster  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "clusters need the library distributed", fix="pip install 'trajmodes[cluster]'"
        ) from error
    # A worker is given one task more than it works on, not many: states stay few. Another
    # worker would have to read the frames that a worker keeps again.
    settings = {"distributed.scheduler.worker-saturation": 1.0}
    settings["distributed.scheduler.allowed-failures"] = _LOSSES
    settings["distributed.scheduler.work-stealing"] = False
    with dask.config.set(settings):
        if scheduler.kind == "address":
            with _connected(Client, scheduler.address) as client:
                yield client
            return
        size = scheduler.size or available_processors()
        if scheduler.kind == "local":
            cluster: Any = LocalCluster(
                n_workers=size,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=50,
            )
        else:
            cluster = batch_cluster(scheduler.kind, size)
        with cluster, Client(cluster) as client:
            yield client


def batch_cluster(kind: str, number: int) -> Any:
    """Cluster of jobs of SLURM or PBS, with the settings of the user's Dask configuration.

    Raises
    ------
    UsageError
        If dask-jobqueue is missing, its settings do not describe a job, or the batch system
        takes none.
    """
    try:
        import dask  # noqa: PLC0415 - loaded already
        import dask_jobqueue  # noqa: PLC0415 - for batch systems alone
    except ImportError as error:
        raise UsageError(
            f"{kind} needs the library dask-jobqueue", fix="pip install 'trajmodes[cluster]'"
        ) from error
    made = {"slurm": dask_jobqueue.SLURMCluster, "pbs": dask_jobqueue.PBSCluster}[kind]
    settings = dask.config.get(f"jobqueue.{kind}")
    if settings["cores"] is None or settings["memory"] is None:
        lines = ["jobqueue:", f"  {kind}:", "    cores: 8", "    memory: 16GB"]
        lines += ['    walltime: "04:00:00"', "    queue: NAME"]
        raise UsageError(
            f"the jobs of {kind} are not described",
            why="dask-jobqueue takes cores, memory, time and queue from its configuration",
            fix="\n".join(["write for example to ~/.config/dask/jobqueue.yaml:", *lines]),
        )
    refused: list[str] = []
    cluster = made(
        job_cls=_job_that_tells(made.job_cls, refused),
        scheduler_options={"dashboard_address": "127.0.0.1:0"},
    )
    cluster.scale(jobs=number)
    cluster.sync(_started, cluster)
    if refused:
        cluster.close()
        raise UsageError(
            f"{kind} takes no job: {refused[0]}",
            why="its command is missing here, or it refuses the queue, the time or the memory",
            fix="correct ~/.config/dask/jobqueue.yaml (https://jobqueue.dask.org)",
        )
    return cluster


async def _started(cluster: Any) -> None:
    """Wait until all jobs are submitted."""
    await cluster


def _job_that_tells(job: Any, refused: list[str]) -> Any:
    """Class of a job that adds why it was refused to a list.

    The cluster would log the error, and wait for the worker of the job without an end.
    """
    from distributed.core import Status  # noqa: PLC0415 - loaded already

    class Job(job):  # type: ignore[misc]
        async def start(self) -> None:
            try:
                await super().start()
            except (RuntimeError, OSError, ValueError) as error:
                # The error of a command has a line for each thing that it printed.
                refused.append(" ".join(str(error).rpartition("stderr:")[2].split()))
                self.status = Status.running

    return Job


def _connected(client: Callable[..., Any], address: str) -> Any:
    """Client of a running scheduler."""
    place = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
    try:
        return client(**place, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise UsageError(
            f"the Dask scheduler {address} cannot be reached: {reason}",
            fix="start it (dask scheduler), and use the address that it prints",
        ) from error


def users_client() -> "Client | None":
    """Client that the user has opened, if any; distributed is not imported for this."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_client  # noqa: PLC0415 - loaded already

    try:
        return get_client()
    except ValueError:
        return None


class Cluster:
    """The workers of a client, for the passes of one job."""

    def __init__(self, client: "Client", *, is_queue: bool = False) -> None:
        """Ask present workers for their version; with `is_queue`, others join later."""
        self._client = client
        self._held: list[Any] = []
        self._places: dict[tuple[int, int], str] = {}
        self._watch = Watch(client, is_queue=is_queue)
        self._watch.look()

    def load(self) -> None:
        """Let workers import the modules of this process while it reads the job and files."""
        names = [name for name in sys.modules if name.startswith("trajmodes.")]
        # Held until the end: what nothing holds is not computed.
        self._held += [
            self._submitted(_load, names, workers=[one]) for one in self._client.nthreads()
        ]

    def close(self) -> None:
        """Let workers discard the work and the data kept for it."""
        self._held.clear()

    def pool(self, work: Work, _n_threads: int) -> AbstractContextManager[Workers]:
        """Workers for a pass."""
        return self._pool(work)

    @contextmanager
    def _pool(self, work: Work) -> Iterator[Workers]:
        # The scheduler keeps the work, so that it survives the workers that have it. Here it is
        # held beyond the pass, because what workers keep belongs to it.
        packed = self._submitted(_itself, Packed(cloudpickle.dumps(work)))
        self._held.append(packed)
        self._spread(packed)
        given = _Given()

        def submit(stretch: Stretch) -> Pending:
            kept = self._places.get((stretch.n_blocks, stretch.first))
            place = kept or given.least(self._watch.threads())
            # If the worker is lost, another one takes the stretch.
            there = {"workers": [place], "allow_other_workers": True} if place else {}
            future = self._submitted(_reduce, packed, stretch, **there)
            given.add(place, len(stretch.ranges), future)
            return _OnCluster(future, self)

        def joined(earlier: Any, later: Any) -> Pending:
            both = earlier.future, later.future
            return _OnCluster(self._submitted(_combine, packed, *both), self)

        def size() -> int:
            return max(1, sum(self._watch.threads().values()))

        yield Workers(submit, size, joined)

    def _spread(self, packed: Any) -> None:
        """Let workers have the work before stretches, which would wait for it in any order."""
        from distributed import wait  # noqa: PLC0415 - loaded already

        there = [self._submitted(_hold, packed, workers=[one]) for one in self._watch.threads()]
        with suppress(TimeoutError):
            wait(there, timeout=_SPREAD_S)

    def _submitted(self, function: Callable[..., Any], *inputs: Any, **there: Any) -> Any:
        # Distributed takes what was submitted within its ``fifo_timeout`` in any order.
        return self._client.submit(function, *inputs, pure=False, fifo_timeout=0, **there)

    def received(self, found: "_Placed") -> Any:
        """State of a result; note where its blocks are in memory."""
        self._places |= found.places
        return found.state

    def look(self) -> None:
        """Raise an error if the workers cannot return results."""
        self._watch.look()


class _Given:
    """What each worker was given to do, and has not done."""

    def __init__(self) -> None:
        self._stretches: list[tuple[str | None, int, Any]] = []

    def add(self, worker: str | None, n_blocks: int, future: Any) -> None:
        """Note a stretch."""
        self._stretches.append((worker, n_blocks, future))

    def least(self, threads: Mapping[str, int]) -> str | None:
        """Worker with the fewest blocks for each of its threads; None if there is no worker."""
        self._stretches = [one for one in self._stretches if not one[2].done()]
        left: Counter[str | None] = Counter()
        for worker, n_blocks, _ in self._stretches:
            left[worker] += n_blocks
        return min(threads, key=lambda one: left[one] / threads[one], default=None)


class _Placed(NamedTuple):
    """State of some blocks, and the workers that keep them in memory."""

    state: Any
    places: dict[tuple[int, int], str]
    """Number of blocks of the run, number of a block → address of the worker that keeps it."""


class _OnCluster:
    """Result of work on a cluster."""

    def __init__(self, future: Any, cluster: Cluster) -> None:
        self.future = future
        self._cluster = cluster

    def result(self, timeout: float | None = None) -> Any:
        """Wait for it, and translate errors of the cluster."""
        from distributed import KilledWorker  # noqa: PLC0415 - loaded already

        end = None if timeout is None else time.monotonic() + timeout
        try:
            return self._cluster.received(self._waited(end))
        except KilledWorker as error:
            raise died("workers died again and again on the same frames") from error
        except (CancelledError, ConnectionError) as error:
            raise DataError(
                "the connection to the Dask scheduler was lost",
                why="it was stopped, or the network failed",
                fix="give the command again: it continues from its checkpoint",
            ) from error

    def done(self) -> bool:
        """Whether the result is known."""
        return bool(self.future.done())

    def _waited(self, end: float | None) -> Any:
        """Wait up to a time limit, and check the workers at intervals."""
        while True:
            left = _LOOK_S if end is None else end - time.monotonic()
            try:
                return self.future.result(min(_LOOK_S, max(left, 0.0)))
            except TimeoutError:
                if (left <= _LOOK_S and end is not None) or self.done():
                    raise
            self._cluster.look()


class Packed:
    """Work as bytes, which a process unpickles once, at its start."""

    def __init__(self, pickled: bytes) -> None:
        """Take pickled work."""
        self._pickled = pickled
        self._lock = Lock()
        self._work: Work | None = None

    def work(self) -> Work:
        """Return the work; raises UsageError if this process lacks one of its classes."""
        with self._lock:
            if self._work is None:
                # Distributed lets workers return freed memory at once.
                reuse_freed_memory()
                try:
                    self._work = pickle.loads(self._pickled)
                except (ImportError, AttributeError) as error:
                    raise UsageError(
                        f"a Dask worker cannot load what it has to do: {error}",
                        why="a class or function of the job is not importable there",
                        fix="put it into a module that workers can import (PYTHONPATH, or "
                        "Client.upload_file)",
                    ) from error
            return self._work

    def __reduce__(self) -> tuple[Any, ...]:
        return Packed, (self._pickled,)


def _itself(packed: Packed) -> Packed:
    return packed


def _hold(_packed: Packed) -> None:
    """Do nothing: the input of a task stays with the worker."""


def _load(names: list[str]) -> None:
    """Import modules, which takes seconds for libraries."""
    for name in names:
        import_module(name)


def _reduce(packed: Packed, stretch: Stretch) -> _Placed:
    """Reduce with one thread of BLAS, because there is a worker for every core."""
    from distributed import get_worker  # noqa: PLC0415 - this is a worker

    worker = get_worker()
    with threadpool_limits(1), keeping(_share_of(worker)) as found:
        state = packed.work().reduced(stretch)
    numbers = range(stretch.first, stretch.first + len(stretch.ranges))
    keys = [(stretch.n_blocks, number) for number in numbers] if found.has_kept else []
    return _Placed(state, dict.fromkeys(keys, worker.address))


def _combine(packed: Packed, earlier: _Placed, later: _Placed) -> _Placed:
    with threadpool_limits(1):
        state = packed.work().combined(earlier.state, later.state)
    return _Placed(state, earlier.places | later.places)


def _share_of(worker: Any) -> float:
    """Share of a worker in the memory of its computer."""
    limit = worker.memory_manager.memory_limit
    if limit:
        return min(1.0, float(limit) / memory_bytes())
    return min(1.0, float(worker.state.nthreads) / available_processors())
