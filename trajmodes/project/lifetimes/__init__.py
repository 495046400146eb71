"""Lifetimes from the decay of mode energies. In: amplitudes. Out: `EnergyLifetimes`.

Open `lifetimes` first. `travelling_waves` has the energies, `autocorrelation` their correlation
at the lags of `multiple_tau`, `decay_fit` the model and the fit of its rate.
"""
