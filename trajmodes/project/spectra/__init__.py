"""Power spectra of mode velocities. In: amplitudes. Out: spectra of sets, atoms and bands.

Open `welch` first: spectra on the whole axis. `zoom` has long segments around each line, `burg`
maximum-entropy spectra, `segments` the positions of segments and the Hann window, `plan` their
lengths for a run.
"""
