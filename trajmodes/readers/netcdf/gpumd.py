"""Boxes in the NetCDF of GPUMD, which before version 5.7 may be of another orientation.

The convention has lengths and angles of the box only; readers take a along x and b in the xy
plane. Older versions write positions in the orientation of their own box. Source:
https://github.com/brucefan1983/GPUMD/pull/1631.
"""

import numpy as np

from trajmodes.errors import DataError
from trajmodes.readers.trajectory import ForeignFrame

PROGRAM = "GPUMD"
_OUTSIDE = 0.1
"""Reduced coordinates by which atoms may be outside: they are wrapped at some steps only."""


def require_box_of_positions(frame: ForeignFrame) -> None:
    """Raise DataError if the positions of a frame, which GPUMD wraps, are not in its box."""
    if frame.cell is None or frame.positions is None:
        return
    reduced = frame.positions @ np.linalg.inv(frame.cell)
    if ((reduced < -_OUTSIDE) | (reduced > 1.0 + _OUTSIDE)).any():
        raise DataError(
            "positions lie outside the box, though GPUMD wraps them into it",
            why="the first box vector is not along x, or the second not in the xy plane, and "
            "GPUMD before 5.7 does not turn positions into the orientation of the convention",
            fix="dump_exyz INTERVAL 1 1, or GPUMD 5.7 or later",
        )
