"""Free energy of a run from its potential energies and its force constants.

- `higher_orders`: the energy of third- and fourth-order force constants
- `differences`: reduction from motion to energies minus those of force constants, by frame
- `harmonic`: the free energy of the force constants, and its change with each replicate
- `terms`: the cumulant expansion, its errors and its convergence
- `anharmonic`: free energy of the third and fourth order by sampling
"""
