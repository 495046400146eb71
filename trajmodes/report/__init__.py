"""Results for the reader: figures, text for the terminal, and movies of modes.

In: a Dataset of results, from a run or from results.nc. Out: PNG files, text, extended XYZ.

- `write`: writes a results folder (start here)
- `figures`: the figures, listed in `figures.catalogue`
- `summary`, `sections`: the summary of a run and the report of a check
- `text`: the brief summary of a run or a check, and tables
- `show`, `scan`: what `trajmodes show`, `modes` and `scan` print
- `numbers`: numbers with standard errors, counts and names as text
- `movie`: one mode as a movie
"""
