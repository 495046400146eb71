"""Analytic potentials: energy, forces, stress and force constants of any cell.

In: a `trajmodes.data.crystal.Crystal`. Out: a `State`, and
`trajmodes.data.force_constants.ForceConstants`. Open `potential` first.

- `potential`: the interface of a potential
- `neighbours`: the bonds of a crystal within a cutoff
- `differences`: force constants by finite differences of forces; any calculator of ASE
- `relaxation`: positions and cell at the minimum of the energy
- `eam`: a folder: embedded-atom potentials from files and functions
"""
