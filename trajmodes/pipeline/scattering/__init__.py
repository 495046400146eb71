"""Jobs on spectra along paths in reciprocal space.

- `sed`: the spectral energy density of a run
"""
