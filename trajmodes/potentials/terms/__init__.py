"""Energies of pairs and of triples of particles, with their derivatives.

In: particles and functions of distances and angles. Out: energy, gradient, virial, and second
derivatives as a list of blocks; third derivatives with respect to the vectors of the bonds.
Open `functions` first; `pairs` and `triples` evaluate them.
"""
