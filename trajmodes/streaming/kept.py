"""What a process keeps between two passes: how much it may, and whether it does.

A worker of a cluster has a share of the memory of its computer. Where a reader kept frames of a
stretch, the next pass reduces the stretch there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Keeping:
    """What readers may keep in memory while they work on one task."""

    def __init__(self, share: float) -> None:
        """Give readers this share, at most 1, of what one process on the computer may keep."""
        self.share = share
        self.has_kept = False
        """Whether memory holds some of the data of the task."""


_KEEPING: ContextVar[Keeping | None] = ContextVar("keeping", default=None)


@contextmanager
def keeping(share: float) -> Iterator[Keeping]:
    """Let readers keep data within the block, with a share of the memory for them."""
    made = Keeping(share)
    token = _KEEPING.set(made)
    try:
        yield made
    finally:
        _KEEPING.reset(token)


def memory_share() -> float:
    """Share of this process in the memory for kept data; 1 if it has no neighbours."""
    found = _KEEPING.get()
    return 1.0 if found is None else found.share


def note_kept() -> None:
    """Say that memory holds data of the task."""
    found = _KEEPING.get()
    if found is not None:
        found.has_kept = True
