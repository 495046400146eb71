"""Results for the reader: figures, text for the terminal, and movies of modes.

In: a Dataset of results, from a run or from results.nc. Out: PNG files, text, extended XYZ.

- `write`: writes a results folder (start here)
- `figures`: the figures, listed in `figures.catalogue`
- `text`: the summary and the lists of `trajmodes run`, `show`, `modes`, `check` and `scan`
- `movie`: one mode as a movie
"""
