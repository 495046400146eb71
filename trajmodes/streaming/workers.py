"""Where stretches of blocks are reduced: threads, processes, or a Dask cluster.

A scheduler is named by a text: ``threads``, ``processes:4``, ``local:4`` (a cluster on this
computer), the address ``tcp://host:8786`` or the file ``scheduler.json`` of one that runs, or
``slurm:4`` and ``pbs:4`` for jobs of a batch system, by dask-jobqueue.

Errors of a cluster are translated: a worker that dies again and again on the same frames, or a
scheduler that does not answer.
"""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import cloudpickle
from threadpoolctl import threadpool_limits

from trajmodes import __version__
from trajmodes.errors import DataError, UsageError
from trajmodes.machine import available_processors

if TYPE_CHECKING:
    from distributed import Client


class Work(Protocol):
    """What workers do."""

    def reduced(self, stretch: Any, /) -> Any:
        """State of a stretch of blocks."""
        ...

    def combined(self, earlier: Any, later: Any, /) -> Any:
        """State of two neighbouring parts of the run, from theirs."""
        ...


KINDS = ("threads", "processes", "local", "slurm", "pbs")
_CONNECT_S = 30
"""Longest time to wait for the answer of a scheduler."""
_LOSSES = 3
"""Workers that may die on the same frames before the job ends."""


class Pending(Protocol):
    """Result of work that may not be done yet."""

    def result(self, timeout: float | None = None) -> Any:
        """Wait for it; raise TimeoutError after some seconds, or the error of the work."""
        ...

    def done(self) -> bool:
        """Whether it is known."""
        ...


class Workers(NamedTuple):
    """Reduce several stretches at once."""

    submit: Callable[[Any], Pending]
    """Reduces a stretch."""
    size: Callable[[], int]
    """Number of stretches that are reduced at once; on a cluster it changes."""
    joined: Callable[[Any, Any], Pending] | None = None
    """Combines the states of two parts where they are; None if this process has them."""


class Scheduler(NamedTuple):
    """A kind of workers, and their number."""

    kind: str
    """One of `KINDS`, or ``address``."""
    size: int | None = None
    address: str = ""


Pool = Callable[[Work], AbstractContextManager[Workers]]
"""Makes workers for some work."""

_POOL: ContextVar[Pool | None] = ContextVar("pool", default=None)


def parse_scheduler(text: str) -> Scheduler:
    """Read the name of a scheduler; raises UsageError if there is none of that name."""
    if "://" in text or text.endswith(".json"):
        return Scheduler("address", address=text)
    kind, colon, number = text.partition(":")
    if kind not in KINDS or (colon and not (number.isdecimal() and int(number) > 0)):
        raise UsageError(
            f'there is no scheduler "{text}"',
            fix="threads, processes:4, local:4, slurm:4, pbs:4, an address such as "
            "tcp://host:8786, or a scheduler file (.json)",
        )
    return Scheduler(kind, int(number) if colon else None)


@contextmanager
def scheduled_on(name: str | None) -> Iterator[None]:
    """Reduce runs within the context on a scheduler; None: threads, or a client of the user.

    Clusters that are started here are closed at the end. Within another context that has
    processes or a cluster these are kept.

    Raises
    ------
    UsageError
        If there is no such scheduler, it does not answer, or a library is missing.
    """
    scheduler = Scheduler("threads") if name is None else parse_scheduler(name)
    if _POOL.get() is not None:
        yield
        return
    with ExitStack() as opened:
        pool: Pool | None = None
        if scheduler.kind == "processes":
            pool = partial(_on_processes, scheduler.size or available_processors())
        elif scheduler.kind != "threads":
            client = opened.enter_context(_client(scheduler))
            _require_this_version(client)
            # Held until the end: what nothing holds is not computed.
            opened.callback(_loading(client).clear)
            pool = partial(_on_cluster, client)
        token = _POOL.set(pool)
        try:
            yield
        finally:
            _POOL.reset(token)


@contextmanager
def _client(scheduler: Scheduler) -> Iterator["Client"]:
    """Client of a cluster, which is started where the scheduler is no address."""
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


def _loading(client: "Client") -> list[Any]:
    """Let workers load what this process has loaded, while it reads the job and the files."""
    names = [name for name in sys.modules if name.startswith("trajmodes.")]
    return [client.submit(_load, names, workers=[one], pure=False) for one in client.nthreads()]


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


def workers_for(work: Work, n_threads: int) -> AbstractContextManager[Workers]:
    """Workers for a pass, on the scheduler of `scheduled_on` or the client of the user.

    ``n_threads`` is their number where no scheduler is given.
    """
    pool, client = _POOL.get(), _users_client()
    if pool is not None:
        return pool(work)
    if client is None:
        return _on_threads(n_threads, work)
    _require_this_version(client)
    return _on_cluster(client, work)


@contextmanager
def _on_threads(size: int, work: Work) -> Iterator[Workers]:
    with ThreadPoolExecutor(size) as pool:
        try:
            yield Workers(lambda one: pool.submit(work.reduced, one), lambda: size)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _on_processes(size: int, work: Work) -> Iterator[Workers]:
    context = multiprocessing.get_context("spawn")
    # The standard library cannot pickle read-only mappings, which frozen data have.
    packed = cloudpickle.dumps(work)
    with ProcessPoolExecutor(size, context, _keep, (packed,)) as pool:
        try:
            yield Workers(lambda one: pool.submit(_reduce_kept, one), lambda: size)
        except BrokenProcessPool as error:
            raise _died("a process died") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _on_cluster(client: "Client", work: Work) -> Iterator[Workers]:
    # The scheduler keeps the work, so that it survives the workers that have it.
    kept = client.submit(_itself, work, pure=False)
    yield Workers(
        lambda one: _OnCluster(client.submit(_reduce, kept, one, pure=False)),
        lambda: max(1, sum(client.nthreads().values())),
        lambda earlier, later: _OnCluster(
            client.submit(_combine, kept, earlier.future, later.future, pure=False)
        ),
    )


def _require_this_version(client: "Client") -> None:
    """Raise a UsageError if a worker lacks this version of the program: it would never answer.

    Distributed loses the connection to a worker that cannot unpickle its task.
    """
    # Evaluated there, because no function of this package can be sent where it is missing.
    found = client.run(eval, "__import__('trajmodes').__version__", on_error="return")
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


def _users_client() -> "Client | None":
    """Client that the user has opened; the library is not loaded to find that there is none."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_client  # noqa: PLC0415 - loaded already

    try:
        return get_client()
    except ValueError:
        return None


class _OnCluster:
    """Result of work on a cluster."""

    def __init__(self, future: Any) -> None:
        self.future = future

    def result(self, timeout: float | None = None) -> Any:
        """Wait for it, and translate errors of the cluster."""
        from distributed import KilledWorker  # noqa: PLC0415 - loaded already

        try:
            return self.future.result(timeout)
        except KilledWorker as error:
            raise _died("workers died again and again on the same frames") from error
        except (CancelledError, ConnectionError) as error:
            raise DataError(
                "the connection to the Dask scheduler was lost",
                why="it was stopped, or the network failed",
                fix="give the command again: it continues from its checkpoint",
            ) from error

    def done(self) -> bool:
        """Whether it is known."""
        return bool(self.future.done())


def _died(what: str) -> DataError:
    return DataError(
        what,
        why="it probably exceeded its memory limit",
        fix="give workers more memory, or use fewer of them; the command continues from its "
        "checkpoint",
    )


def _load(names: list[str]) -> None:
    """Import modules: libraries take seconds to load."""
    for name in names:
        import_module(name)


def _itself(work: Work) -> Work:
    return work


_kept_work: list[Work] = []
"""The work of this process."""


def _reduce(work: Work, stretch: Any) -> Any:
    """Work with one thread of BLAS: there is a worker for every core."""
    with threadpool_limits(1):
        return work.reduced(stretch)


def _combine(work: Work, earlier: Any, later: Any) -> Any:
    with threadpool_limits(1):
        return work.combined(earlier, later)


def _keep(packed: bytes) -> None:
    # Control-C goes to all processes of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _kept_work[:] = [cloudpickle.loads(packed)]


def _reduce_kept(stretch: Any) -> Any:
    return _reduce(_kept_work[0], stretch)
