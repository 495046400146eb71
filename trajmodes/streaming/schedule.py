"""The one ordered pass: blocks in parallel, states combined in time order, memory bounded.

States are combined in the binary tree of `trajmodes.streaming.tree`, whose shape depends on the
numbers of the blocks alone. A stretch is a node that one worker reduces to one state. Its level
follows from the number of workers. Workers of a cluster also combine stretches to larger nodes,
so that this process receives few states. Where a node is computed does not change the
additions: the same input gives the same bits on threads, processes and clusters of any size.

The complete nodes are the binary digits of the number of complete blocks. Within a `with
kept_by(passes):` block their states are passed to an object that may keep them, and that
determines where a pass begins, on the same tree. The object may replace the reduction, as for a
run that grows between two passes.

`lazy_arrays` and `lazy_series` give the run as Dask arrays, for computations of the user.
"""

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from dask.delayed import delayed
from threadpoolctl import threadpool_limits

from trajmodes.arrays import Complexes
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.errors import TrajmodesWarning
from trajmodes.machine import available_processors
from trajmodes.streaming.reduction import Reduction
from trajmodes.streaming.tree import Node, added, level_of, node_at, root
from trajmodes.streaming.work import Pending, Stretch, Workers
from trajmodes.streaming.workers import workers_for

if TYPE_CHECKING:
    from dask.array import Array

Block = TypeVar("Block")
Result = TypeVar("Result")

BLOCK_BYTES = 15_000_000
"""Memory of one block of frames: large enough to amortise the cost of a task (0.2 ms), small
enough for those of all workers to fit into the memory of any machine."""

LONGEST_STRETCH = 6
"""Highest level of a stretch: 64 blocks, or 1 GB of frames, take a few seconds."""

STRETCHES_EACH = 8
"""The last stretches are as long as if each worker had so many: they leave few workers idle."""

STRETCHES_LEFT = 2
"""Earlier stretches are as long as if each worker had so many of the rest of the run."""

STRETCHES_AHEAD = 2
"""Stretches for each worker that are reduced or wait to be combined: states may be large."""

_WORKERS_PER_NODE = 4
"""Workers of a cluster for each stretch of the nodes that it sends to this process."""

_STALL_S = 600.0
"""Time without a result after which a warning says so."""


def cut_blocks(segments: Sequence[tuple[int, int]], n_atoms: int) -> list[tuple[int, int]]:
    """Cut the frames of a run into blocks of bounded memory, in order of time.

    Frame ranges are [start, stop). No block crosses a boundary of the consecutive ``segments``.
    """
    frames = block_frames(n_atoms)
    return [
        (first, min(first + frames, stop))
        for start, stop in segments
        for first in range(start, stop, frames)
    ]


def block_frames(n_atoms: int) -> int:
    """Return the number of frames in a whole block."""
    doubles_per_atom = 9
    return max(1, BLOCK_BYTES // (8 * doubles_per_atom * n_atoms))


class Reached(NamedTuple):
    """Progress of a pass."""

    states: tuple[Any, ...] = ()
    """States of the nodes that are done, in order of time."""
    blocks: int = 0
    """Number of their blocks."""


class Begin(NamedTuple):
    """Reduction of a pass, and the block at which it begins."""

    reduction: Reduction[Any, Any, Any]
    reached: Reached


class Passes(Protocol):
    """Keeps the states of the passes of a job, so that another process can continue it."""

    def begin(
        self, reduction: Reduction[Any, Any, Any], blocks: Sequence[tuple[int, int]]
    ) -> Begin:
        """Return the reduction of the next pass of the job, and where it begins."""
        ...

    def folded(self, reached: Reached) -> None:
        """Receive the states after a node."""
        ...

    def interrupted(self, reached: Reached) -> None:
        """Receive the last states of a pass that a signal ends."""
        ...


class _NotKept:
    """Keeps nothing: every pass begins at its first block."""

    def begin(
        self,
        reduction: Reduction[Any, Any, Any],
        blocks: Sequence[tuple[int, int]],  # noqa: ARG002 - the protocol
    ) -> Begin:
        return Begin(reduction, Reached())

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

    The pass runs on threads, or on the workers of `trajmodes.streaming.workers`.

    Of the errors of reading and reducing, the first in the order of time is raised.

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
    reduction, reached = passes.begin(reduction, blocks)
    if progress is not None and reached.blocks:
        progress(_n_frames(blocks[: reached.blocks]))
    work = _Work(read, reduction)
    try:
        with (
            threadpool_limits(1),
            workers_for(work, workers or available_processors()) as pool,
        ):
            for node, state in _computed(pool, blocks, reached.blocks):
                states = added(reduction.combine, reached.states, node, state)
                part = blocks[node.first : node.stop]
                reached = Reached(states, node.first + len(part))
                passes.folded(reached)
                if progress is not None:
                    progress(_n_frames(part))
    except KeyboardInterrupt:
        passes.interrupted(reached)
        raise
    return reduction.finalize(root(reduction.combine, reached.states))


@dataclass(frozen=True, slots=True)
class _Work:
    """The work of the workers."""

    read: Callable[[int, int], Any]
    reduction: Reduction[Any, Any, Any]

    def reduced(self, stretch: Stretch) -> Any:
        """State of the blocks of a stretch."""
        combine = self.reduction.combine
        states: tuple[Any, ...] = ()
        for number, (start, stop) in enumerate(stretch.ranges):
            state = self.reduction.chunk(self.read(start, stop))
            states = added(combine, states, Node(number, 0), state)
        return root(combine, states)

    def combined(self, earlier: Any, later: Any) -> Any:
        """State of two neighbouring stretches."""
        return self.reduction.combine(earlier, later)


def _computed(
    pool: Workers, blocks: Sequence[tuple[int, int]], first: int
) -> Iterator[tuple[Node, Any]]:
    """Nodes from a block on, in order of time, and their states."""
    ahead: deque[tuple[Node, int, Pending]] = deque()
    nodes = _nodes(pool, blocks, first)

    def fill() -> None:
        while sum(n for _, n, _ in ahead) < STRETCHES_AHEAD * pool.size():
            node, stretches = next(nodes, (None, []))
            if node is None:
                return
            ahead.append((node, len(stretches), _submitted(pool, stretches, blocks)))

    fill()
    while ahead:
        done, _, pending = ahead.popleft()
        state = _awaited(pending, blocks[done.first : done.stop])
        # Workers must not wait while this process combines the state with the earlier ones.
        fill()
        yield done, state


def _nodes(
    pool: Workers, blocks: Sequence[tuple[int, int]], first: int
) -> Iterator[tuple[Node, list[Node]]]:
    """Nodes from a block on, in order of time, and the stretches of each."""
    while first < len(blocks):
        size = pool.size()
        # Long ones first: each sends a state. Short ones last: all workers end together.
        length = max(len(blocks) // STRETCHES_EACH, (len(blocks) - first) // STRETCHES_LEFT)
        level = min(LONGEST_STRETCH, level_of(length // size))
        higher = 0 if pool.joined is None else level_of(size // _WORKERS_PER_NODE)
        # The last nodes are full too: a run that has grown is continued after them.
        node = node_at(first, min(level + higher, level_of(len(blocks) - first)))
        yield node, list(node.parts(level, len(blocks)))
        first = node.stop


def _submitted(
    pool: Workers, stretches: Sequence[Node], blocks: Sequence[tuple[int, int]]
) -> Pending:
    """State of a node, computed by workers from its stretches."""
    pending = [
        pool.submit(Stretch(one.first, len(blocks), blocks[one.first : one.stop]))
        for one in stretches
    ]
    if pool.joined is None:
        (only,) = pending
        return only
    states: tuple[Pending, ...] = ()
    for number, state in enumerate(pending):
        states = added(pool.joined, states, Node(number, 0), state)
    whole: Pending = root(pool.joined, states)
    return whole


def _n_frames(blocks: Sequence[tuple[int, int]]) -> int:
    return sum(stop - start for start, stop in blocks)


def _awaited(pending: Pending, part: Sequence[tuple[int, int]]) -> Any:
    """State of some blocks; warn if it takes long."""
    while True:
        try:
            return pending.result(_STALL_S)
        except TimeoutError:
            if pending.done():
                # The error may be that of a file system or a network.
                return pending.result()
        text = (
            f"no result for {_STALL_S:.0f} s: frames {part[0][0]} to {part[-1][1]} are "
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
