"""Projection of a run on its phonons: energies, spectra, linewidths, lifetimes.

In: `MotionBlock`s and `Modes` at all commensurate q. Out: for each set of symmetry-equivalent
modes (a star of q and its degenerate branches, ±q included) energies, frequencies, linewidths
and lifetimes, each with a standard error or a verdict.

Open `projector` first, which computes mode amplitudes from motion by a lattice FFT. Any number
of reductions (see `trajmodes.streaming`) share the amplitudes of one pass.

| folder or file | content |
|---|---|
| `energies/` | energies, heat capacities, ensemble, lifetimes from the decay of the energy |
| `spectra/` | Welch, zoom and maximum-entropy spectra; open `welch` |
| `lineshape/` | frequency, width and lifetime from a spectrum; open `fit` |
| `selected_modes` | modes selected by text, and their time series |
| `sampling` | every n-th frame; velocities from differences of positions |
| `checks` | crystal of the force constants, time between frames, time step |
"""
