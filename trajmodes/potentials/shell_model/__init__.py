"""Shell models: ions of cores and massless shells, with pair, angular and Coulomb energies.

In: charges, springs and functions of distances and angles. Out: a potential with relaxed
shells, its dynamical matrices and Born charges. Open `model` first.

- `terms`, `lists`: parameters, and the interactions in a crystal
- `constants`, `third_order`: force constants
- `multipoles`: Born charges, ε∞ and quadrupoles
- `response`: elastic, piezoelectric and dielectric tensors
- `files`, `gulp`, `stillinger_weber`: parameters in files
"""
