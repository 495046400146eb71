"""Projection of a run on its phonons: energies, spectra, linewidths, lifetimes.

In: `MotionBlock`s and `Modes` at all commensurate q. Out: what each set of symmetry-equal modes
does, with honest standard errors or a verdict.

Open `coordinates` first: from motion to mode amplitudes, by a lattice FFT. Any number of
reductions (see `trajmodes.streaming`) then share the amplitudes of one pass.

| what | reduction | after the run |
|---|---|---|
| energies, heat capacity, equipartition | `energies` | `energy_means`, `equipartition` |
| spectra on the whole axis, of modes and atoms | `welch`, `periodogram` | |
| spectra of long segments around each line | `narrow_band`, `band_filter` | |
| frequency, width and lifetime of a line | | `lineshape`, `ladder`, `whittle`, `verdicts` |
| decay of energy correlations | `autocorrelation`, `multiple_tau` | `energy_lifetimes` |
| lifetimes by both ways | | `agreement` |
| what the ensemble was | `thermostat` | |
| covariances of displacements, of energies | `displacement_covariance`, `energy_covariance` | |
| amplitudes frame by frame | `spill` | |

`oscillator` is the model of a line, `window` the Hann window, `segments` where segments of the
run lie, `statistics` what is made of the sums in blocks of time. Means over stars, ±q and
degenerate branches are those of `trajmodes.symmetry.mode_sets`.
"""
