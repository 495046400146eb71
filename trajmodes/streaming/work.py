"""Interfaces between a pass and its workers: work, stretches, results."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from trajmodes.errors import DataError


class Stretch(NamedTuple):
    """Consecutive blocks that one worker reduces."""

    first: int
    """Number of the first block."""
    n_blocks: int
    """Number of blocks of the whole run."""
    ranges: Sequence[tuple[int, int]]
    """Frames [start, stop) of each of its blocks."""


class Work(Protocol):
    """The work of the workers."""

    def reduced(self, stretch: Stretch, /) -> Any:
        """State of a stretch of blocks."""
        ...

    def combined(self, earlier: Any, later: Any, /) -> Any:
        """State of two neighbouring parts of the run, from theirs."""
        ...


class Pending(Protocol):
    """Result of work that may not be complete yet."""

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result; raise TimeoutError after a time, or the error of the work."""
        ...

    def done(self) -> bool:
        """Whether the result is known."""
        ...


class Workers(NamedTuple):
    """Reduce several stretches at once."""

    submit: Callable[[Stretch], Pending]
    """Reduces a stretch."""
    size: Callable[[], int]
    """Number of stretches that are reduced at once; on a cluster it changes."""
    joined: Callable[[Any, Any], Pending] | None = None
    """Combines the states of two parts where they are; None if this process has them."""


class Scheduler(NamedTuple):
    """The kind of workers, and their number."""

    kind: str
    """``threads``, ``processes``, ``local``, ``slurm``, ``pbs`` or ``address``."""
    size: int | None = None
    address: str = ""


Pool = Callable[[Work, int], AbstractContextManager[Workers]]
"""Makes workers for some work, of a number of threads where there is no cluster."""


def died(what: str) -> DataError:
    """Error for a process that ended during its work."""
    return DataError(
        what,
        why="it probably exceeded its memory limit",
        fix="give workers more memory, or use fewer of them; the command continues from its "
        "checkpoint",
    )
