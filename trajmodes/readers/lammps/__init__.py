"""Read LAMMPS text dumps.

In: dump files of one run. Out: a `Trajectory`. Start with `open`. `index` (with the compiled
`header`) finds the frames and their boxes, and `dump` reads columns, atoms and frames.
"""
