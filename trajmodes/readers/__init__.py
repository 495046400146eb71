"""Trajectories of any format in, blocks of frames in internal units out.

In: files that a simulation wrote. Out: a `Trajectory`, which says what is in them (atoms,
times, segments, precision, what is missing) and reads any range of frames as a
`trajmodes.data.FrameBlock`, by any number of threads and processes.

Read `trajectory` first: it is what all formats give. `open` chooses the format,
`lammps_open` and `lammps_dump` are the fullest example, `scan` and `decimals` turn text into
numbers, `offsets` keeps what a first look at a file has found. `memory` takes frames from
arrays and ASE, `snapshots` the displacements and forces that phonopy, phono3py, TDEP and
ALAMODE collect. `runs` decides which files are pieces of one run, `time_axis` which frames
count where two of them overlap, and when they were taken.
"""

from trajmodes.readers.crystal_file import CrystalFile, load_crystal, read_crystal
from trajmodes.readers.differenced import DifferencedMotion
from trajmodes.readers.memory import trajectory_of_arrays, trajectory_of_atoms
from trajmodes.readers.open import crystal_beside, open_trajectory
from trajmodes.readers.runs import group_runs, open_runs
from trajmodes.readers.thinned import ThinnedMotion
from trajmodes.readers.trajectory import Trajectory, select_frames

__all__ = [
    "CrystalFile",
    "DifferencedMotion",
    "ThinnedMotion",
    "Trajectory",
    "crystal_beside",
    "group_runs",
    "load_crystal",
    "open_runs",
    "open_trajectory",
    "read_crystal",
    "select_frames",
    "trajectory_of_arrays",
    "trajectory_of_atoms",
]
