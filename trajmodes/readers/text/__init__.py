"""Read text files fast and safely.

In: plain or compressed text files. Out: arrays of numbers. Start with `source` (access by byte
offset) and `parse` (rows of numbers into arrays); `rows`, `floats` and `scan` are the compiled
parsers below it. `tables` reads small files whole, and `index_cache` keeps the frame index of a
file between runs.
"""
