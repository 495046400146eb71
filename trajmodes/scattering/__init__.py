"""Coherent scattering: dynamic structure factors of runs and of force constants.

In: blocks of motion, or modes at the scattering vectors. Out: the classes of
`trajmodes.data.spectra`. Open `structure_factor` first, which states the definition and the
units.

- `wavevectors`: Q on a line or in a plane, in reciprocal lattice units
- `weights`: neutron scattering lengths, X-ray form factors, or given numbers
- `density`: Fourier components of density and current, by products of phases
- `structure_factor`: S(Q, ω) of a run, streamed, with error bars
- `one_phonon`: one-phonon lines of force constants, and their broadening
"""
