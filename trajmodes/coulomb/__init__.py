"""Dipole–dipole forces of polar crystals.

In: a crystal with Born charges and ε∞. `dipole_sum` makes the `DipoleSum` of it, whose
`dipole_matrices` are force constants at any q (Ewald's method); `long_wave_dipoles` are their
expansion about Γ. `DipoleForces` are the forces in a periodic supercell, and `folded_dipoles`
its force constants. `symmetric_charges` imposes symmetry and the sum rule on Born charges. Open
`ewald` first: it states the equations.
"""
