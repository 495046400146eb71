"""Symmetry of crystals, supercells, clusters of atoms and q points; no data are read here.

In: a `Crystal`, a supercell matrix, cutoffs. Out: supercells and their lattice transforms
(`translations`), space groups (`operations`), primitive cells (`primitive`), orbits of clusters
(`clusters`, `supercell_images`) within `cutoffs`, symmetry-adapted force constants (`tensors`),
sum rules (`constraints`), stars of q (`stars`), sets of symmetry-equivalent modes
(`mode_sets`). Open first: `translations`.
"""
