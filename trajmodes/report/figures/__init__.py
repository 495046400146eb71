"""Figures: drawn from the Dataset of results with matplotlib, which is imported when needed.

In: a Dataset. Out: a matplotlib figure, or a PNG file.

- `catalogue`: the list of all figures (start here)
- `style`: colours, fonts and common elements
- the other modules: one subject each
"""
