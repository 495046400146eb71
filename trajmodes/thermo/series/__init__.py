"""Runs of one crystal at several temperatures and volumes.

In: force constants of several runs, and their spectral lines. Out: `trajmodes.data.series`.
Open `interpolation` first: all quantities of a series are its polynomials.

- `conditions`: temperatures and strains of the runs, and the polynomials that they determine
- `interpolation`: polynomials through independent runs, averaged
- `cells`: lengths of the conventional cell, c/a, cells of a given strain
- `common`: force constants over the same pairs, as polynomials in T and strain
- `modes`: the same modes in all runs, by their polarisation vectors
- `soft_mode`: temperatures at which ω² is zero
- `widths`: power laws of linewidths
- `lines`: spectral lines alone, of runs projected on the same modes
- `trends`: all of these, and lattice parameters
"""
