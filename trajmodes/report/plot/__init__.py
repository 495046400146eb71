"""Single figures in any size and format, for `trajmodes plot` and `trajmodes.plot`.

In: the Dataset of results, and the name of a figure. Out: axes, or a PNG, PDF or SVG file.
Start with `panels`, the list of all panels; `files` has sizes and formats.
"""
