"""Equilibrium properties of a crystal from its force constants.

In: `trajmodes.data.force_constants.ForceConstants`, of a fit or of a file. Out: the classes of
`trajmodes.data.thermo`. Standard errors come from the replicates of the force constants, to
first order. Open `zone_modes` first: it solves for the modes over which all others sum.

- `zone_modes`: modes on a mesh over the Brillouin zone, finer around Γ
- `functions`: free energy, energy, entropy and heat capacity
- `density`: density of states by linear tetrahedra or smearing
- `density_errors`: standard errors of the density of sites and species
- `displacements`: mean square displacements ⟨uu⟩ of the sites
- `elasticity`: elastic constants, sound velocities
- `equal_modes`: differences between symmetry-equivalent modes
- `rotations`: forces that a rotation of the crystal exerts, and their effects
- `bending`: bending rigidity of a layer
- `dielectric`: longitudinal and transverse modes at Γ, static dielectric tensor
- `debye`: moments of the frequencies, Debye temperatures
- `expansion`: thermal expansion from Grüneisen parameters
- `free_energy`: free energy of a run from its potential energies
- `thermodynamics`: all of these in one pass
- `quasiharmonic`: a folder: equilibrium volume, thermal expansion, C_p from several volumes
- `sampling`: displacements and velocities of the canonical distribution
- `series`: runs at several temperatures and volumes
"""
