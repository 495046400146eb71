"""The trajectory as Dask arrays, for computations of the user."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dask.delayed import delayed

from trajmodes.data.motion import FrameBlock, MotionBlock

if TYPE_CHECKING:
    from dask.array import Array


def lazy_arrays(
    read: Callable[[int, int], FrameBlock | MotionBlock],
    blocks: Sequence[tuple[int, int]],
    n_atoms: int,
    fields: Sequence[str],
) -> "dict[str, Array]":
    """Create Dask arrays (t, a, 3) of some fields, one chunk per block, read when computed.

    Fields that are computed together are read together.

    Parameters
    ----------
    read
        Reads the frames [start, stop).
    blocks
        Frame ranges in time order, as from `cut_blocks`.
    fields
        Names of fields of a block of shape (t, a, 3).
    """
    import dask.array as da  # noqa: PLC0415 - half a second to load

    read_block = delayed(read, pure=False)
    lazy_blocks = [(read_block(start, stop), stop - start) for start, stop in blocks]
    return {
        field: da.concatenate(
            [
                da.from_delayed(getattr(block, field), (n_frames, n_atoms, 3), dtype=float)
                for block, n_frames in lazy_blocks
            ]
        )
        for field in fields
    }
