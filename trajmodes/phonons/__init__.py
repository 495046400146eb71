"""From force constants to phonons.

In: `trajmodes.data.force_constants.ForceConstants` and a list of q points. Out:
`trajmodes.data.modes.Modes` with error bars and sets of symmetry-equivalent modes, bands, and
the anharmonic properties of `anharmonic`. Open `dynamical_matrix` first: it states the phase
convention.

- `dynamical_matrix`, `modes`, `bands`: D(q), its eigenvalues and their gradient; stability
- `irreps`: irreducible representations at special points, labelled by phonopy
- `qpoints`: q points of a supercell, a mesh or a band path
- `shells`: force constants by shell of neighbours
- `strain`: second-order force constants of the strained crystal, from those of third order
- `renormalised`: force constants from measured frequencies or covariances
- `zone`: irreducible q points of a mesh
- `anharmonic`: Grüneisen parameters, linewidths and transport
"""
