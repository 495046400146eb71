"""Symmetry of crystals, supercells, clusters of atoms and q points; no data are read here.

In: a `Crystal`, a supercell matrix, cutoffs. Out: supercells and their lattice transforms
(`translations`), space groups and primitive cells (`operations`), orbits of clusters
(`clusters`) within `cutoffs`, or of all atoms of a supercell (`supercell_clusters`) and their
nearest `images`, force constants of its dynamical matrices (`supercell_matrices`),
symmetry-adapted force constants (`tensors`), sum rules (`constraints`), clusters `decorated`
by the species of an alloy, stars of q and sets of equivalent modes (`stars`). Open first:
`translations`.
"""
