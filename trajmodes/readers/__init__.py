"""Read trajectories in eV, Å and ps, in memory that does not grow with the run.

In: files that a simulation wrote, or frames in memory. Out: a `Trajectory`, which describes the
run (atoms, steps, times, segments, precision, missing fields) and reads any range of frames as
a `trajmodes.data.frames` block, from any number of threads and processes.

Start with `trajectory`, the type that every reader returns. `trajmodes.formats.open` recognises
the format of a file. `lammps` and `xyz` are the native readers of text files, and `text` holds
their compiled parsers and the access to compressed files. `foreign` reads all other files,
frame by frame: XTC, TRR and DCD (`binary`), ab initio programs (`programs`), arrays in HDF5,
zarr or other libraries (`stores`), and whatever ASE (`ase`) or MDAnalysis (`mdanalysis`) reads.
`imd` receives the frames of a running simulation. `arrays` takes frames in memory and snapshots
about an ideal structure. `restarts` orders the frames of several files, `time_axis` finds their
times and segments. `units` holds the units of LAMMPS and of other programs.
"""
