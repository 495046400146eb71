"""Figures: drawn from the Dataset of results with matplotlib, which is imported when needed.

In: a Dataset. Out: a matplotlib figure, or a PNG file. `catalogue` lists all figures (start
here); `style` has colours, fonts and common elements; `painter` draws in a second process.
"""
