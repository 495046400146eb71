"""From files to frames in eV, Å and ps, in memory that does not grow with the run.

In: files that a simulation wrote. Out: a `Trajectory`, which knows the run (atoms, steps,
times, segments, precision, what is missing) and reads any range of frames as a
`trajmodes.data.FrameBlock`, by any number of threads and processes.

Read `trajectory` first: it is what all formats give. `trajmodes.formats.open` finds the format
of a file. `lammps` is the fullest example, `xyz` the second. `scan` and `decimals` turn text
into numbers, `offsets` keeps what a first look at a file has found. `memory` takes frames from
arrays and ASE. `time_axis` decides which frames count where two files of a run overlap, and
when they were taken.
"""
