"""Shell models: ions of cores and massless shells, with pair, angular and Coulomb energies.

In: charges, springs and functions of distances and angles. Out: a potential with relaxed
shells, its dynamical matrices, Born charges and dielectric tensors. Open `model` first; `terms`
lists what interacts; `files` reads parameters.
"""
