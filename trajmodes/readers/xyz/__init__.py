"""Read plain and extended XYZ files.

In: XYZ files of one run. Out: a `Trajectory`. Start with `open`. `comment` parses the comment
line and chooses the columns, `first_frame` describes the atoms, and `index` finds the frames.
"""
