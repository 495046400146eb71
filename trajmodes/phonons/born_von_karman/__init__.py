"""Born–von Kármán constants of neighbour shells: from force constants, and back.

In: `ForceConstants`, or frequencies measured at some q. Out: `ShellConstants` with error bars,
and the force constants of a table of them. Open `shells` first, which names the independent
constants of a shell. `projection` finds them in force constants, and `measured` by a fit to
frequencies; `zero_temperature` extrapolates those of fits at several temperatures.
"""
