"""Jobs on the thermal equilibrium of force constants: `trajmodes thermo`, `elastic`, and more.

- `properties`: thermodynamics and elastic constants
- `free_energy`: free energy of a run from its potential energies
- `series`: runs at several temperatures
- `quasiharmonic`: equilibrium at temperature and pressure from force constants at several
  volumes
- `phases`: temperatures at which two phases have the same Gibbs free energy
- `sampling`: canonical configurations, written by `structures`
- `self_consistent`: self-consistent force constants, with forces by LAMMPS or ASE
"""
