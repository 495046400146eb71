"""Embedded-atom potentials: E = ½ Σ φ(r) + Σ F(ρ), ρ_i = Σ_j f(r_ij).

In: a file that LAMMPS reads too (DYNAMO ``funcfl``, ``setfl``, Finnis–Sinclair), or functions
with derivatives. Out: energy, forces, stress, force constants of second and third order, with
the parts of second order. Open `embedded_atom` first, which states the equations.

- `embedded_atom`: the potential; energy, forces and stress
- `files`: potentials from files; `funcfl`: of one element each, mixed to alloys; `dynamo`: the
  text of these files
- `tables`: functions with derivatives from tables, and the noise of their second derivatives
- `functions`: their values at the bonds and densities of a crystal
- `densities`: derivatives of the densities, and clusters of their atoms
- `second_order`: force constants in parts: pair, embedding of three kinds; choice of the gauge
- `third_order`: force constants of third order
- `matrices`: dynamical matrices without force constants
"""
