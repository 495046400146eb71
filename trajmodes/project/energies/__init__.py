"""Energies of modes. In: amplitudes. Out: `ModeEnergies` and tests of the ensemble.

Open `estimates` first: it turns the sums of `accumulate` into means, with the errors of
`standard_errors`. `ensemble` tests for a thermostat and for equipartition; `covariances` has
covariances of energies and of coordinates.
"""
