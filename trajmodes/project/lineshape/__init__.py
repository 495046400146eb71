"""Lines in power spectra. In: `BandSpectra` of several segment lengths. Out: `LineFits`.

Open `fit` first: the fitted lines, their verdicts, and their curves for plots. `resolution`
chooses the segment length, and `segment_fits` fits one or two lines to the spectra of one
length. `whittle` maximises the likelihood of a shape of `models`, which are based on
`oscillator`.
"""
