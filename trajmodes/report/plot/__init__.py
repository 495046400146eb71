"""Single figures, as one wants them: what `trajmodes plot` and `trajmodes.plot` draw.

In: the Dataset of results, and the name of a figure. Out: axes, or a PNG, PDF or SVG file.
Start with `panels`, the list of what can be drawn; `files` has sizes and formats.
"""
