"""Thermal conductivity from the lifetimes of a run.

In: lifetimes of the sets of modes at the q points of a supercell. Out: κ with its error. Open
`conductivity` first; `lifetime_mesh` interpolates linewidths to any q, `heat_flow` sums over
the zone.
"""
