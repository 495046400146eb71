"""Read plain and extended XYZ files.

In: XYZ files of one run. Out: a `Trajectory`. Start with `open`. `comment` parses the comment
line, `columns` chooses columns and units, `first_frame` describes the atoms, and `index` (with
the compiled `walk`) finds the frames.
"""
