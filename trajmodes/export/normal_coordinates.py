"""Normal-mode positions and velocities of a molecule, frame by frame, as NetCDF."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import netCDF4
import numpy as np

from trajmodes.arrays import Floats, Ints

__all__ = ["CoordinateBlock", "write_normal_coordinates"]


class CoordinateBlock(NamedTuple):
    """Consecutive frames, in the units of the file."""

    frames: Ints
    """(t,) index of each frame within the trajectory."""
    positions: Floats
    """(v, t), unit: a0 √(m_e)."""
    velocities: Floats | None
    """(v, t), unit: a0 √(m_e); None where the run has none."""


def write_normal_coordinates(
    path: Path, modes: Ints, freq_thz: Floats, blocks: Iterable[CoordinateBlock]
) -> None:
    """Write q̃ and ṽ, in memory of one block.

    Parameters
    ----------
    path
        The file.
    modes
        (v,) number of each vibration.
    freq_thz
        (v,) its frequency, negative where imaginary.
    blocks
        Frames in order of time.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with netCDF4.Dataset(path, "w") as file:
        file.title = "normal-mode positions and velocities in the Eckart frame"
        file.definitions = "position = e.sqrt(M)u, velocity = e.sqrt(M)v/omega"
        file.createDimension("frame", None)
        file.createDimension("mode", len(modes))
        file.createVariable("mode", "i8", ("mode",))[:] = modes
        freq = file.createVariable("freq_thz", "f8", ("mode",))
        freq.units = "THz"
        freq[:] = freq_thz
        numbers = file.createVariable("frame", "i8", ("frame",))
        kinds = {}
        for name in ("position", "velocity"):
            kinds[name] = file.createVariable(
                name, "f8", ("frame", "mode"), fill_value=np.nan, zlib=True, complevel=1
            )
            kinds[name].units = "a0 sqrt(m_e)"
        kinds["velocity"].comment = "not a number where omega <= 0, where it is undefined"
        stop = 0
        for block in blocks:
            rows = slice(stop, stop + len(block.frames))
            stop = rows.stop
            numbers[rows] = block.frames
            kinds["position"][rows] = block.positions.T
            if block.velocities is not None:
                kinds["velocity"][rows] = block.velocities.T
