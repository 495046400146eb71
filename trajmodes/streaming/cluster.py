"""Stretches of blocks reduced by the workers of a Dask cluster.

What readers keep in the memory of a worker lasts until the job ends. A result says which blocks
these are, and the next pass has them reduced by the worker that keeps them. A worker that is
lost, or has no memory left, costs the time to read them again.

Distributed waits without an end where a task cannot succeed. So workers that join are asked for
their version, work is unpickled where an error can be raised, and a cluster without workers
ends the job after a time.
"""

import pickle
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import cloudpickle
from threadpoolctl import threadpool_limits

from trajmodes import __version__
from trajmodes.errors import DataError, TrajmodesWarning, UsageError
from trajmodes.machine import available_processors, memory_bytes, reuse_freed_memory
from trajmodes.streaming.kept import keeping
from trajmodes.streaming.work import Pending, Scheduler, Stretch, Work, Workers, died

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_S = 30.0
"""Longest time to wait for the answer of a scheduler."""
_ANSWER_S = 120.0
"""Longest time to wait for the versions of workers."""
_LOSSES = 3
"""Workers that may die on the same frames before the job ends."""
_LOOK_S = 5.0
"""Time between two looks at the workers, while a result is waited for."""
_COUNT_S = 0.2
"""Time for which their number is known."""
_LONELY_S = 30.0
"""Time without any worker after which a warning says so."""
_START_S = 600.0
"""Time without any worker after which the job ends."""
_QUEUE_S = 86400.0
"""The same where workers are jobs of a batch system."""


@contextmanager
def client_of(scheduler: Scheduler) -> Iterator["Client"]:
    """Client of a cluster, which is started where the scheduler is no address.

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
    # A worker is given one task more than it works on, not many: states stay few.
    settings = {"distributed.scheduler.worker-saturation": 1.0}
    settings["distributed.scheduler.allowed-failures"] = _LOSSES
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
            cluster = batch_cluster(scheduler.kind)
            cluster.scale(jobs=size)
        with cluster, Client(cluster) as client:
            yield client


def batch_cluster(kind: str) -> Any:
    """Cluster of jobs of SLURM or PBS, with the settings of the user's Dask configuration."""
    try:
        import dask_jobqueue  # noqa: PLC0415 - for batch systems alone
    except ImportError as error:
        raise UsageError(
            f"{kind} needs the library dask-jobqueue", fix="pip install 'trajmodes[cluster]'"
        ) from error
    made = {"slurm": dask_jobqueue.SLURMCluster, "pbs": dask_jobqueue.PBSCluster}[kind]
    return made(scheduler_options={"dashboard_address": "127.0.0.1:0"})


def _connected(client: Callable[..., Any], address: str) -> Any:
    """Client of a scheduler that runs."""
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
    """Client that the user has opened; the library is not loaded to find that there is none."""
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
        """Ask the workers that are there for their version; ``is_queue``: others come late."""
        self._client = client
        self._held: list[Any] = []
        self._places: dict[tuple[int, int], str] = {}
        self._watch = _Watch(client, _QUEUE_S if is_queue else _START_S)
        self._watch.look()

    def load(self) -> None:
        """Let workers load what this process has loaded, while it reads the job and files."""
        names = [name for name in sys.modules if name.startswith("trajmodes.")]
        # Held until the end: what nothing holds is not computed.
        self._held += [
            self._client.submit(_load, names, workers=[one], pure=False)
            for one in self._client.nthreads()
        ]

    def close(self) -> None:
        """Let workers forget the work, and what they keep for it."""
        self._held.clear()

    def pool(self, work: Work, _n_threads: int) -> AbstractContextManager[Workers]:
        """Workers for a pass."""
        return self._pool(work)

    @contextmanager
    def _pool(self, work: Work) -> Iterator[Workers]:
        # The scheduler keeps the work, so that it survives the workers that have it. Here it is
        # held beyond the pass, because what workers keep belongs to it.
        packed = self._client.submit(_itself, Packed(cloudpickle.dumps(work)), pure=False)
        self._held.append(packed)

        def submit(stretch: Stretch) -> Pending:
            place = self._places.get((stretch.n_blocks, stretch.first))
            there: dict[str, Any] = {}
            if place is not None:
                there = {"workers": [place], "allow_other_workers": True}
            future = self._client.submit(_reduce, packed, stretch, pure=False, **there)
            return _OnCluster(future, self)

        def joined(earlier: Any, later: Any) -> Pending:
            both = earlier.future, later.future
            return _OnCluster(self._client.submit(_combine, packed, *both, pure=False), self)

        yield Workers(submit, self._watch.n_threads, joined)

    def received(self, found: "_Placed") -> Any:
        """State of a result, whose places are noted."""
        self._places |= found.places
        return found.state

    def look(self) -> None:
        """Raise an error if the workers cannot give results."""
        self._watch.look()


_CHECKED: "WeakKeyDictionary[Client, set[str]]" = WeakKeyDictionary()
"""Workers of each client that have this version."""


class _Watch:
    """Looks at the workers that a client has."""

    def __init__(self, client: "Client", longest_s: float) -> None:
        self._client, self._longest_s = client, longest_s
        self._alone_since: float | None = None
        self._has_warned = False
        self._count, self._counted = 0, -_COUNT_S

    def n_threads(self) -> int:
        """Threads of all workers, at least 1."""
        now = time.monotonic()
        if now - self._counted >= _COUNT_S:
            self._count, self._counted = sum(self._client.nthreads().values()), now
        return max(1, self._count)

    def look(self) -> None:
        """Raise a UsageError if a worker lacks this version, or no worker comes."""
        workers = set(self._client.nthreads())
        checked = _CHECKED.setdefault(self._client, set())
        if not workers <= checked:
            _require_this_version(self._client, sorted(workers - checked))
            checked |= workers
        if workers:
            self._alone_since = None
            return
        now = time.monotonic()
        self._alone_since = self._alone_since or now
        self._alone(now - self._alone_since)

    def _alone(self, seconds: float) -> None:
        """Warn, or end the job, after a time without workers."""
        what = f"the Dask scheduler {self._client.scheduler.address} has no workers"
        if seconds >= self._longest_s:
            raise UsageError(
                f"{what} since {seconds:.0f} s",
                why="none was started, they wait in a queue, or all of them died",
                fix="start some (dask worker), or look at the queue and at the logs of its "
                "jobs, and repeat the command: it continues from its checkpoint",
            )
        if seconds >= _LONELY_S and not self._has_warned:
            self._has_warned = True
            text = f"{what}; the command waits for them up to {self._longest_s / 60:.0f} min"
            warnings.warn(text, TrajmodesWarning, stacklevel=2)


def _require_this_version(client: "Client", workers: list[str]) -> None:
    """Raise a UsageError if a worker lacks this version of the program: it would never answer.

    Distributed loses the connection to a worker that cannot unpickle its task.
    """
    answers: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def ask() -> None:
        # Evaluated there, because no function of this package can be sent where it is missing.
        text = "__import__('trajmodes').__version__"
        answers.put(client.run(eval, text, workers=workers, on_error="return"))

    # `Client.run` has no time limit.
    Thread(target=ask, daemon=True).start()
    try:
        found = answers.get(timeout=_ANSWER_S)
    except Empty as error:
        raise DataError(
            f"the Dask workers {', '.join(workers[:3])} do not answer for {_ANSWER_S:.0f} s",
            why="a process is stopped, or the network between them is lost",
            fix="end them, and repeat the command: it continues from its checkpoint",
        ) from error
    for worker, version in found.items():
        if version != __version__:
            what = (
                f"trajmodes {version}"
                if isinstance(version, str)
                else f"no trajmodes: {version}"
            )
            raise UsageError(
                f"the Dask worker {worker} has {what}",
                why=f"all workers need the version of this process, {__version__}",
                fix="start the workers in the environment of this process",
            )


class _Placed(NamedTuple):
    """State of some blocks, and where they are in memory."""

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
        """Whether it is known."""
        return bool(self.future.done())

    def _waited(self, end: float | None) -> Any:
        """Wait up to a time, and look at the workers now and then."""
        while True:
            left = _LOOK_S if end is None else end - time.monotonic()
            try:
                return self.future.result(min(_LOOK_S, max(left, 0.0)))
            except TimeoutError:
                if (left <= _LOOK_S and end is not None) or self.done():
                    raise
            self._cluster.look()


class Packed:
    """Work as bytes, which a process unpickles once, when it begins."""

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


def _load(names: list[str]) -> None:
    """Import modules: libraries take seconds to load."""
    for name in names:
        import_module(name)


def _reduce(packed: Packed, stretch: Stretch) -> _Placed:
    """Work with one thread of BLAS: there is a worker for every core."""
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
