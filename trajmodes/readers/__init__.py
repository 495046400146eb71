"""Trajectories of any format in, blocks of frames in internal units out.

In: files that a simulation wrote. Out: a `Trajectory`, which says what is in them (atoms,
times, segments, precision, what is missing) and reads any range of frames as a
`trajmodes.data.FrameBlock`, by any number of threads and processes.

Read `trajectory` first: it is what all formats give. `trajmodes.formats.open` finds the format
of a file. `lammps` is the fullest example, `xyz` the second; `scan` and `decimals` turn text
into numbers, `offsets` keeps what a first look at a file has found. `memory` takes frames from
arrays and ASE. `time_axis` decides which frames count where two files of a run overlap, and
when they were taken.
"""

from trajmodes.readers.differenced import DifferencedMotion
from trajmodes.readers.memory import trajectory_of_arrays, trajectory_of_atoms
from trajmodes.readers.thinned import ThinnedMotion
from trajmodes.readers.trajectory import Trajectory, select_frames

__all__ = [
    "DifferencedMotion",
    "ThinnedMotion",
    "Trajectory",
    "select_frames",
    "trajectory_of_arrays",
    "trajectory_of_atoms",
]
