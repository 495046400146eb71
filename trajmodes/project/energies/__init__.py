"""Energies of modes, their fluctuations, and lifetimes from their decay in time.

In: amplitudes. Out: `ModeEnergies`, tests of the ensemble, covariances and `EnergyLifetimes`.

Open `estimates` first: sums over frames and their means, with the errors of `standard_errors`.
`kinetic` has kinetic energies from velocities alone. `ensemble` tests for a thermostat and for
equipartition; `covariances` has covariances of energies and of coordinates. `lifetimes` gives
the lifetimes: `travelling_waves` has the energies, `autocorrelation` their correlation at the
lags of `multiple_tau`, `decay_fit` the model and the fit of its rate.
"""
