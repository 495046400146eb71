"""The one ordered pass: blocks in parallel, states folded in time order, memory bounded.

```
 block 0   block 1   block 2  │ block 3   block 4   block 5  │ …        window of blocks = one
   │chunk    │chunk    │chunk │   │chunk    │chunk    │chunk │           Dask graph
   └─combine─┴─combine─┴──────┼───┴─combine─┴─combine─┴──────┼─ … ─ finalize
```

Blocks are read and reduced in parallel, and their states are folded from left to right. A
window limits how far reading may run ahead of the fold. The cuts depend only on the run, not on
the number of workers, so that the same input gives the same bits.

Within a `with kept_by(passes):` block the state after each window is offered to an object that
may keep it, and a pass begins where that object says. Left-to-right folding makes the result of
a continued pass equal to that of an undisturbed one, bit by bit.

`lazy_arrays` and `lazy_series` give the run as Dask arrays, for computations of the user.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import dask
from dask.delayed import delayed
from dask.threaded import get as threaded_get
from threadpoolctl import threadpool_limits

from trajmodes.arrays import Complexes
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.machine import available_processors
from trajmodes.streaming.reduction import Reduction

if TYPE_CHECKING:
    from dask.array import Array

Block = TypeVar("Block")
Result = TypeVar("Result")

BLOCK_BYTES = 7_500_000
"""Memory of one block of frames: large enough to amortise the cost of a task (0.2 ms), small
enough for a window of blocks to fit into the memory of any machine."""

BLOCKS_PER_WORKER = 4
"""Blocks in one window per worker. Workers wait for the fold at the end of a window, which
costs about one part in twice this number."""


def cut_blocks(segments: Sequence[tuple[int, int]], n_atoms: int) -> list[tuple[int, int]]:
    """Cut the frames of a run into blocks of bounded memory, in order of time.

    Frame ranges are [start, stop). No block crosses a boundary of the consecutive ``segments``.
    """
    doubles_per_atom = 9
    frames = max(1, BLOCK_BYTES // (8 * doubles_per_atom * n_atoms))
    return [
        (first, min(first + frames, stop))
        for start, stop in segments
        for first in range(start, stop, frames)
    ]


class Reached(NamedTuple):
    """How far a pass has come."""

    state: Any
    """State of the blocks that were folded; None if there are none."""
    blocks: int
    """Their number."""


class Passes(Protocol):
    """Keeps the states of the passes of a job, so that another process can continue it."""

    def begin(
        self, reduction: Reduction[Any, Any, Any], blocks: Sequence[tuple[int, int]]
    ) -> Reached:
        """Return where the next pass of the job begins."""
        ...

    def folded(self, reached: Reached) -> None:
        """Take note of the state after a window."""
        ...

    def interrupted(self, reached: Reached) -> None:
        """Take note of the last state of a pass that a signal ends."""
        ...


class _NotKept:
    """Keeps nothing: every pass begins at its first block."""

    def begin(
        self,
        reduction: Reduction[Any, Any, Any],  # noqa: ARG002 - the protocol
        blocks: Sequence[tuple[int, int]],  # noqa: ARG002
    ) -> Reached:
        return Reached(None, 0)

    def folded(self, reached: Reached) -> None:
        """Do nothing."""

    def interrupted(self, reached: Reached) -> None:
        """Do nothing."""


_PASSES: ContextVar[Passes] = ContextVar("passes", default=_NotKept())  # noqa: B039 - no state


@contextmanager
def kept_by(passes: Passes) -> Iterator[None]:
    """Let an object keep the states of all passes within the block."""
    token = _PASSES.set(passes)
    try:
        yield
    finally:
        _PASSES.reset(token)


def stream(
    read: Callable[[int, int], Block],
    blocks: Sequence[tuple[int, int]],
    reduction: Reduction[Block, Any, Result],
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """Reduce a run in one pass.

    Runs on threads, or on the Dask cluster whose ``distributed.Client`` is current.

    Errors of reading and reducing are passed on.

    Parameters
    ----------
    read
        Reads the frames [start, stop); called in parallel, and pickled for a cluster.
    blocks
        Frame ranges in time order, as from `cut_blocks`.
    workers
        Number of threads; by default all cores available to the process.
    progress
        Called with the number of frames folded since the last call.
    """
    n_workers = workers or available_processors()
    window = BLOCKS_PER_WORKER * n_workers
    passes = _PASSES.get()
    # One variable: a signal may come between any two statements.
    reached = passes.begin(reduction, blocks)
    if progress is not None and reached.blocks:
        progress(_n_frames(blocks[: reached.blocks]))
    try:
        with threadpool_limits(1), dask.config.set(num_workers=n_workers):
            for first in range(reached.blocks, len(blocks), window):
                cuts = blocks[first : first + window]
                state = _fold(read, cuts, reduction, reached.state)
                reached = Reached(state, first + len(cuts))
                passes.folded(reached)
                if progress is not None:
                    progress(_n_frames(cuts))
    except KeyboardInterrupt:
        passes.interrupted(reached)
        raise
    return reduction.finalize(reached.state)


def _n_frames(blocks: Sequence[tuple[int, int]]) -> int:
    return sum(stop - start for start, stop in blocks)


def _fold(
    read: Callable[[int, int], Block],
    cuts: Sequence[tuple[int, int]],
    reduction: Reduction[Block, Any, Any],
    state: Any,
) -> Any:
    """Fold one more window of blocks into the state."""
    # partial and traverse=False prevent Dask from searching the objects for collections.
    chunk = delayed(partial(_read_and_chunk, read, reduction), pure=False)
    combine = delayed(reduction.combine, pure=False)
    folded: Any = None if state is None else delayed(state, pure=False, traverse=False)
    for start, stop in cuts:
        later = chunk(start, stop)
        folded = later if folded is None else combine(folded, later)
    return folded.compute(scheduler=_scheduler())


def _scheduler() -> Callable[..., Any] | None:
    """Threads, unless the user's settings or a client of a cluster may say otherwise.

    Left to choose, Dask loads all of ``distributed`` to see whether there is a client.
    """
    is_open = "distributed" in sys.modules or dask.config.get("scheduler", None) is not None
    return None if is_open else threaded_get


def _read_and_chunk(
    read: Callable[[int, int], Block],
    reduction: Reduction[Block, Any, Any],
    start: int,
    stop: int,
) -> Any:
    return reduction.chunk(read(start, stop))


def lazy_arrays(
    read: Callable[[int, int], FrameBlock | MotionBlock],
    blocks: Sequence[tuple[int, int]],
    n_atoms: int,
    fields: Sequence[str],
) -> "dict[str, Array]":
    """Create Dask arrays (t, a, 3) of some fields, one chunk per block, read when computed.

    ``read`` and ``blocks`` are as in `stream`. Fields that are computed together are read
    together.
    """
    parts = _delayed_blocks(read, blocks)
    return {
        field: _joined([(getattr(block, field), n) for block, n in parts], (n_atoms, 3), float)
        for field in fields
    }


def lazy_series(
    read: Callable[[int, int], Complexes],
    blocks: Sequence[tuple[int, int]],
    shape: tuple[int, ...],
) -> "Array":
    """Dask array (t, …) of complex time series, one chunk per block, read when computed.

    ``read`` returns the series of frames [start, stop), and ``shape`` is that of one frame.
    """
    return _joined(_delayed_blocks(read, blocks), shape, complex)


def _delayed_blocks(
    read: Callable[[int, int], Any], blocks: Sequence[tuple[int, int]]
) -> list[tuple[Any, int]]:
    """Blocks that are read when computed, each with its number of frames."""
    read_block = delayed(read, pure=False)
    return [(read_block(start, stop), stop - start) for start, stop in blocks]


def _joined(
    parts: Sequence[tuple[Any, int]], shape: tuple[int, ...], dtype: type[float | complex]
) -> "Array":
    """One array of delayed blocks."""
    import dask.array as da  # noqa: PLC0415 - half a second that nothing else needs

    whole: Array = da.concatenate(
        [da.from_delayed(part, (n_frames, *shape), dtype=dtype) for part, n_frames in parts]
    )
    return whole
