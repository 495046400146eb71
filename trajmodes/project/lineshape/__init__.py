"""Lines in power spectra. In: `BandSpectra` of several segment lengths. Out: `LineFits`.

Open `fit` first. `resolution` chooses the segment length (`segment_spectra`), `whittle`
maximises the likelihood of a shape of `models`, made of the `oscillator`; `two_lines` adds a
second line; `goodness_of_fit` tests the shape; `curves` has the fitted lines for plots.
"""
