"""Figures of thermodynamics: harmonic and quasiharmonic, free energy, Grüneisen parameters."""
