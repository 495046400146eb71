"""What a run gave, as figures and as text in the terminal.

Everything is drawn and printed from the Dataset alone, so that a file read back serves as well
as a run just done. Results are in `trajmodes.data.results`. `write` writes a results folder.
`figures` has the list of the figures, which share `style`; `summary` and `list_of_modes` write
to the terminal.
"""
