"""The trajectory as Dask arrays, for computations of the user."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dask.delayed import delayed

from trajmodes.arrays import Complexes
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
    read_block = delayed(read, pure=False)
    lazy_blocks = [(read_block(start, stop), stop - start) for start, stop in blocks]
    return {
        field: _joined(
            [(getattr(block, field), n_frames) for block, n_frames in lazy_blocks],
            (n_atoms, 3),
            float,
        )
        for field in fields
    }


def lazy_series(
    read: Callable[[int, int], Complexes],
    blocks: Sequence[tuple[int, int]],
    shape: tuple[int, ...],
) -> "Array":
    """Dask array (t, …) of complex time series, one chunk per block, read when computed.

    Parameters
    ----------
    read
        Series (t, …) of the frames [start, stop).
    blocks
        Frame ranges in time order.
    shape
        Shape of one frame.
    """
    read_block = delayed(read, pure=False)
    parts = [(read_block(start, stop), stop - start) for start, stop in blocks]
    return _joined(parts, shape, complex)


def _joined(
    parts: Sequence[tuple[Any, int]], shape: tuple[int, ...], dtype: type[float | complex]
) -> "Array":
    """Delayed arrays, each with its number of frames, as one array."""
    import dask.array as da  # noqa: PLC0415 - half a second that nothing else needs

    whole: Array = da.concatenate(
        [da.from_delayed(part, (n_frames, *shape), dtype=dtype) for part, n_frames in parts]
    )
    return whole
