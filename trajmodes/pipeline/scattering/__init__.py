"""Jobs on spectra at chosen points of reciprocal space.

- `sed`: the spectral energy density of a run
- `structure_factor`: the dynamic structure factor S(Q, ω) of a run
- `one_phonon`: the one-phonon structure factor of force constants
"""
