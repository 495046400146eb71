"""Runs of one crystal at several temperatures and volumes.

In: force constants of several runs, and their spectral lines. Out: `trajmodes.data.series`.
Open `interpolation` first: all quantities of a series are polynomials of it.

- `interpolation`: polynomials in T through independent runs, and their order
- `common`: force constants over the same pairs, as polynomials in T
- `modes`: the same modes in all runs, by their polarisation vectors
- `soft_mode`: temperatures at which ω² is zero
- `widths`: power laws of linewidths
- `trends`: all of these, and lattice parameters
"""
