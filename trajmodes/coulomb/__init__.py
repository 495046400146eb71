"""Dipole–dipole forces of polar crystals.

In: a crystal with Born charges and ε∞. `dipole_sum` makes the `DipoleSum` of the crystal, from
which `dipole_matrices` computes the force constants at any q (Ewald's method) and
`long_wave_dipoles` their expansion about Γ. `DipoleForces` computes the forces in a periodic
supercell, and `folded_dipoles` its force constants. `symmetric_charges` imposes symmetry and
the sum rule on Born charges. Open `ewald` first, which states the equations.
"""
