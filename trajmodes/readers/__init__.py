"""Trajectories of any format in, blocks of frames in internal units out.

In: files that a simulation wrote. Out: a `Trajectory`, which says what is in them (atoms,
times, segments, precision, what is missing) and reads any range of frames as a
`trajmodes.data.FrameBlock`, by any number of threads and processes.

Read `trajectory` first: it is what all formats give. `open` chooses the format; `lammps` is
the fullest example, `xyz` the second. `scan` and `decimals` turn text into numbers, `offsets`
keeps what a first look at a file has found. `memory` takes frames from arrays and ASE,
`snapshots` the displacements and forces that phonopy, phono3py, TDEP and ALAMODE collect.
`runs` decides which files are pieces of one run, `time_axis` which frames count where two of
them overlap, and when they were taken. `match` and `displace` turn frames into motion about
the sites of a crystal.
"""

from trajmodes.readers.crystal_file import CrystalFile, load_crystal, read_crystal
from trajmodes.readers.diagnose import Diagnosis, diagnose
from trajmodes.readers.differenced import DifferencedMotion
from trajmodes.readers.displace import Displacer, Hops
from trajmodes.readers.match import Match, match
from trajmodes.readers.memory import trajectory_of_arrays, trajectory_of_atoms
from trajmodes.readers.open import crystal_beside, open_trajectory
from trajmodes.readers.periodicity import find_crystal
from trajmodes.readers.reference import AverageStructure, average_structure
from trajmodes.readers.runs import group_runs, open_runs
from trajmodes.readers.species import species_of_run
from trajmodes.readers.thinned import ThinnedMotion
from trajmodes.readers.trajectory import Trajectory, select_frames

__all__ = [
    "AverageStructure",
    "CrystalFile",
    "Diagnosis",
    "DifferencedMotion",
    "Displacer",
    "Hops",
    "Match",
    "ThinnedMotion",
    "Trajectory",
    "average_structure",
    "crystal_beside",
    "diagnose",
    "find_crystal",
    "group_runs",
    "load_crystal",
    "match",
    "open_runs",
    "open_trajectory",
    "read_crystal",
    "select_frames",
    "species_of_run",
    "trajectory_of_arrays",
    "trajectory_of_atoms",
]
