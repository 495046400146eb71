"""Text for the terminal, made with rich from a Dataset of results.

- `summary`: the summary of a run and the report of a check (start here)
- `sections`: its lines on the fit and on the projection
- `mode_table`: the table of the sets of modes
- `scan`: the table of a scan of the fit
- `numbers`: numbers with standard errors, counts and names as text
"""
