"""The command `trajmodes molecule`: from a run of a molecule to a folder of results.

Open `job` first: it writes the folder. `analysis` finds reference, second derivatives, modes
and the projection of the run; `tables` makes the table for the file and the terminal.
"""
