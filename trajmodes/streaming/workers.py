"""Workers that reduce stretches of blocks: threads, processes, or a Dask cluster.

A scheduler is named by a text: ``threads``, ``processes:4``, ``local:4`` (a cluster on this
computer), the address ``tcp://host:8786`` or the file ``scheduler.json`` of a running one, or
``slurm:4`` and ``pbs:4`` for jobs of a batch system, by dask-jobqueue. Without a name a client
of Dask that the user has opened is used, or threads.
"""

import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

import cloudpickle
from threadpoolctl import threadpool_limits

from trajmodes.errors import UsageError
from trajmodes.machine import available_processors
from trajmodes.streaming.cluster import Cluster, client_of, users_client
from trajmodes.streaming.kept import keeping
from trajmodes.streaming.work import Pool, Scheduler, Stretch, Work, Workers, died

KINDS = ("threads", "processes", "local", "slurm", "pbs")

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

    Clusters that are started here are closed at the end. Within another context that has a
    scheduler, the latter is used.

    Raises
    ------
    UsageError
        If there is no such scheduler, it does not answer, or a library is missing.
    """
    scheduler = None if name is None else parse_scheduler(name)
    if _POOL.get() is not None:
        yield
        return
    with ExitStack() as opened:
        token = _POOL.set(_opened(scheduler, opened))
        try:
            yield
        finally:
            _POOL.reset(token)


def _opened(scheduler: Scheduler | None, opened: ExitStack) -> Pool | None:
    """Workers of a scheduler, which may be used until a context ends; None if none is named."""
    if scheduler is None:
        client = users_client()
        return None if client is None else _cluster(client, opened).pool
    if scheduler.kind == "threads":
        return _on_threads
    if scheduler.kind == "processes":
        size = scheduler.size or available_processors()
        return lambda work, _n_threads: _on_processes(work, size)
    cluster = _cluster(
        opened.enter_context(client_of(scheduler)),
        opened,
        is_queue=scheduler.kind in ("slurm", "pbs"),
    )
    cluster.load()
    return cluster.pool


def _cluster(client: Any, opened: ExitStack, *, is_queue: bool = False) -> Cluster:
    cluster = Cluster(client, is_queue=is_queue)
    opened.callback(cluster.close)
    return cluster


def workers_for(work: Work, n_threads: int) -> AbstractContextManager[Workers]:
    """Workers for a pass, on the scheduler of `scheduled_on` or the client of the user.

    ``n_threads`` is their number if no scheduler is given.
    """
    pool = _POOL.get()
    if pool is not None:
        return pool(work, n_threads)
    client = users_client()
    pool = _on_threads if client is None else Cluster(client).pool
    return pool(work, n_threads)


@contextmanager
def _on_threads(work: Work, size: int) -> Iterator[Workers]:
    with ThreadPoolExecutor(size) as pool:
        try:
            yield Workers(lambda one: pool.submit(work.reduced, one), lambda: size)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _on_processes(work: Work, size: int) -> Iterator[Workers]:
    context = multiprocessing.get_context("spawn")
    # The standard library cannot pickle read-only mappings, which frozen data have.
    packed = cloudpickle.dumps(work)
    with ProcessPoolExecutor(size, context, _keep, (packed,)) as pool:
        try:
            yield Workers(lambda one: pool.submit(_reduce_kept, one), lambda: size)
        except BrokenProcessPool as error:
            raise died("a process died") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_kept_work: list[Work] = []
"""The work of this process."""


def _keep(packed: bytes) -> None:
    # Control-C goes to all processes of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The process ends with the pass: frames kept here would serve nobody.
    with keeping(0.0):
        _kept_work[:] = [cloudpickle.loads(packed)]


def _reduce_kept(stretch: Stretch) -> Any:
    """Reduce with one thread of BLAS, because there is a process for every core."""
    with threadpool_limits(1):
        return _kept_work[0].reduced(stretch)
