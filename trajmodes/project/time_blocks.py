"""Sums over frames in blocks of time of nearly equal length: their spread is the error bar.

A part of the run holds the sums of the blocks it touches, from `first_block` on. Blocks are
counted in frames of the whole run, so nothing depends on where the run is cut.
"""

from typing import TypeVar

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.errors import DataError

__all__ = ["block_numbers", "join_blocks", "require_all_frames"]

Sums = TypeVar("Sums", Floats, Complexes, Ints)


def block_numbers(first_frame: int, n_here: int, n_blocks: int, n_frames: int) -> Ints:
    """Find the block of time that each frame belongs to.

    Parameters
    ----------
    first_frame
        Index of the first frame within the run.
    n_here
        Number of consecutive frames.
    n_blocks
        Number of blocks of the whole run.
    n_frames
        Number of frames of the whole run.

    Returns
    -------
    (t,) numbers, ascending.
    """
    numbers: Ints = (first_frame + np.arange(n_here)) * n_blocks // n_frames
    return numbers


def join_blocks(offset: int, earlier: Sums, later: Sums) -> Sums:
    """Add the sums of two neighbouring parts of the run; a block may lie in both.

    Parameters
    ----------
    offset
        First block of the later part, counted from that of the earlier one.
    earlier
        (b, …) sums of the earlier part.
    later
        (b, …) sums of the later part.
    """
    size = max(len(earlier), offset + len(later))
    joined = np.zeros((size, *earlier.shape[1:]), dtype=earlier.dtype)
    joined[: len(earlier)] += earlier
    joined[offset : offset + len(later)] += later
    return joined


def require_all_frames(counted: int, n_frames: int) -> None:
    """Refuse sums that lack frames.

    Raises
    ------
    DataError
        If not as many were counted as the run has.
    """
    if counted != n_frames:
        raise DataError(f"{counted} of {n_frames} frames were summed")
