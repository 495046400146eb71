"""The one ordered pass: blocks in parallel, states folded in time order, memory bounded.

```
 block 0   block 1   block 2   block 3   block 4   block 5   …
   └─combine─┴─combine─┘         └─combine─┴─combine─┘            a stretch: one task
            └──────────combine────────────┘ …                     in time order, then finalize
```

Consecutive blocks form a stretch, which one worker reduces to one state. States of stretches
are folded from left to right as they arrive, while workers are a few stretches ahead. The cuts
depend only on the run, not on the number or kind of workers, so that the same input gives the
same bits.

Within a `with kept_by(passes):` block the state after each stretch is offered to an object that
may keep it, and a pass begins where that object says. Left-to-right folding makes the result of
a continued pass equal to that of an undisturbed one, bit by bit.

`lazy_arrays` and `lazy_series` give the run as Dask arrays, for computations of the user.
"""

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from dask.delayed import delayed
from threadpoolctl import threadpool_limits

from trajmodes.arrays import Complexes
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.errors import TrajmodesWarning
from trajmodes.machine import available_processors
from trajmodes.streaming.reduction import Reduction
from trajmodes.streaming.workers import Pending, workers_for

if TYPE_CHECKING:
    from dask.array import Array

Block = TypeVar("Block")
Result = TypeVar("Result")

BLOCK_BYTES = 7_500_000
"""Memory of one block of frames: large enough to amortise the cost of a task (0.2 ms), small
enough for those of all workers to fit into the memory of any machine."""

MOST_STRETCHES = 4096
"""Tasks of a pass: enough for a thousand workers, few enough for one process to fold."""

STRETCHES_AHEAD = 2
"""Stretches for each worker that are reduced or wait to be folded: states may be large."""

_STALL_S = 600.0
"""Time without a result after which a warning says so."""


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
        """Take note of the state after a stretch."""
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

    Runs on threads, or on the workers of `trajmodes.streaming.workers`.

    Errors of reading and reducing are passed on: the earliest in time.

    Parameters
    ----------
    read
        Reads the frames [start, stop); called in parallel, and pickled for other processes.
    blocks
        Frame ranges in time order, as from `cut_blocks`.
    workers
        Number of threads; by default all cores available to the process.
    progress
        Called with the number of frames folded since the last call.
    """
    passes = _PASSES.get()
    # One variable: a signal may come between any two statements.
    reached = passes.begin(reduction, blocks)
    if progress is not None and reached.blocks:
        progress(_n_frames(blocks[: reached.blocks]))
    stretches = _stretches(blocks, reached.blocks)
    work = partial(_reduced, read, reduction)
    try:
        with (
            threadpool_limits(1),
            workers_for(work, workers or available_processors()) as pool,
        ):
            ahead: deque[tuple[Sequence[tuple[int, int]], Pending]] = deque()
            for stretch in stretches:
                ahead.append((stretch, pool.submit(stretch)))
                while len(ahead) >= STRETCHES_AHEAD * pool.size():
                    reached = _folded(reduction, reached, *ahead.popleft(), passes, progress)
            while ahead:
                reached = _folded(reduction, reached, *ahead.popleft(), passes, progress)
    except KeyboardInterrupt:
        passes.interrupted(reached)
        raise
    return reduction.finalize(reached.state)


def _stretches(
    blocks: Sequence[tuple[int, int]], first: int
) -> list[Sequence[tuple[int, int]]]:
    """Cut blocks into stretches, from a block on; the cuts are those of all blocks."""
    size = -(-len(blocks) // MOST_STRETCHES)
    return [blocks[n : n + size] for n in range(first, len(blocks), size)]


def _n_frames(blocks: Sequence[tuple[int, int]]) -> int:
    return sum(stop - start for start, stop in blocks)


def _reduced(
    read: Callable[[int, int], Block],
    reduction: Reduction[Block, Any, Any],
    stretch: Sequence[tuple[int, int]],
) -> Any:
    """State of the blocks of a stretch."""
    state: Any = None
    for n, (start, stop) in enumerate(stretch):
        later = reduction.chunk(read(start, stop))
        state = later if n == 0 else reduction.combine(state, later)
    return state


def _folded(
    reduction: Reduction[Any, Any, Any],
    reached: Reached,
    stretch: Sequence[tuple[int, int]],
    pending: Pending,
    passes: Passes,
    progress: Callable[[int], None] | None,
) -> Reached:
    """Fold the next stretch into the state."""
    later = _awaited(pending, stretch)
    state = later if reached.blocks == 0 else reduction.combine(reached.state, later)
    now = Reached(state, reached.blocks + len(stretch))
    passes.folded(now)
    if progress is not None:
        progress(_n_frames(stretch))
    return now


def _awaited(pending: Pending, stretch: Sequence[tuple[int, int]]) -> Any:
    """State of a stretch; warn if it takes long."""
    while True:
        try:
            return pending.result(_STALL_S)
        except TimeoutError:
            if pending.done():
                # The error may be that of a file system or a network.
                return pending.result()
        text = (
            f"no result for {_STALL_S:.0f} s: frames {stretch[0][0]} to {stretch[-1][1]} are "
            "waited for; is the file system slow, or a worker without memory?"
        )
        warnings.warn(text, TrajmodesWarning, stacklevel=3)


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
