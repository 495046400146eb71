"""Looks at the workers of a Dask cluster while a command waits for their results.

Distributed waits without an end where a task cannot succeed. So workers that join are asked for
their version, and a cluster without workers ends the job after a time.
"""

import time
import warnings
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from trajmodes import __version__
from trajmodes.errors import DataError, TrajmodesWarning, UsageError

if TYPE_CHECKING:
    from distributed import Client

_ANSWER_S = 120.0
"""Longest time to wait for the versions of workers."""
_COUNT_S = 0.2
"""Time for which the workers are known."""
_LONELY_S = 30.0
"""Time without any worker after which a warning says so."""
_START_S = 600.0
"""Time without any worker after which the job ends."""
_QUEUE_S = 86400.0
"""The same where workers are jobs of a batch system."""

_CHECKED: "WeakKeyDictionary[Client, set[str]]" = WeakKeyDictionary()
"""Workers of each client that have this version."""


class Watch:
    """Looks at the workers that a client has."""

    def __init__(self, client: "Client", *, is_queue: bool = False) -> None:
        """Take a client; ``is_queue``: its workers wait for their turn in a batch system."""
        self._client, self._longest_s = client, _QUEUE_S if is_queue else _START_S
        self._alone_since: float | None = None
        self._has_warned = False
        self._threads: Mapping[str, int] = {}
        self._counted = -_COUNT_S

    def threads(self) -> Mapping[str, int]:
        """Address of each worker → number of its threads."""
        now = time.monotonic()
        if now - self._counted >= _COUNT_S:
            self._threads, self._counted = self._client.nthreads(), now
        return self._threads

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
