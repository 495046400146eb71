"""Data that a process keeps in memory between two passes, and the limit of their memory.

A worker of a cluster has a share of the memory of its computer. If a reader kept the frames of
a stretch, the next pass reduces the stretch there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Keeping:
    """The data that readers may keep in memory during one task."""

    def __init__(self, share: float) -> None:
        """Allow readers this share, at most 1, of the memory of a process for kept data."""
        self.share = share
        self.has_kept = False
        """Whether memory holds some of the data of the task."""


_KEEPING: ContextVar[Keeping | None] = ContextVar("keeping", default=None)


@contextmanager
def keeping(share: float) -> Iterator[Keeping]:
    """Let readers keep data within the block, up to a share of the memory for kept data."""
    made = Keeping(share)
    token = _KEEPING.set(made)
    try:
        yield made
    finally:
        _KEEPING.reset(token)


def memory_share() -> float:
    """Share of this process in the memory for kept data; 1 for a single process."""
    found = _KEEPING.get()
    return 1.0 if found is None else found.share


def note_kept() -> None:
    """Note that data of the task are kept in memory."""
    found = _KEEPING.get()
    if found is not None:
        found.has_kept = True
