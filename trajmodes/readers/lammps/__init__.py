"""Read LAMMPS text dumps.

In: dump files of one run. Out: a `Trajectory`. Start with `open`. `index` (with the compiled
`header`) finds the frames and their boxes, `columns` chooses the columns, `first_frame`
describes the atoms, and `dump` reads ranges of frames.
"""
