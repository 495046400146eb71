"""What symmetry says before any data is read.

In: a `Crystal`, a supercell matrix, a cutoff. Out: canonical supercells and their lattice
Fourier transforms (`translations`), space-group operations (`operations`), orbits of clusters
(`clusters`) and the constraints that sum rules add (`constraints`). Open `translations` first.
"""
