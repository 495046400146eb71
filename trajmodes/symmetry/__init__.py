"""What symmetry says before any data is read.

In: a `Crystal`, a supercell matrix, a cutoff. Out: canonical supercells and their lattice
Fourier transforms (`translations`), space-group operations (`operations`), orbits of clusters
(`clusters`, `supercell_pairs`) within `cutoffs`, the constants that symmetry allows on them
(`tensors`) and the relations that sum rules add (`constraints`). Open `translations` first.
"""
