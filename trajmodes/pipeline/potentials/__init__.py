"""Jobs on potentials, and on the constants of neighbour shells.

In: potentials, force constants, tables of constants or of measured frequencies. Out: results of
several models side by side. Open `analytic` first.

- `analytic`: force constants and phonons of a potential, with fits beside them
- `born_von_karman`: constants of neighbour shells of several models
- `comparison`: models compared with the potential in the crystal of each, and fits at T → 0
- `lammps`: energies and forces of any potential of LAMMPS
- `neighbour_models`: constants of shells from one source
- `quasiharmonic`: the crystal of lowest Gibbs free energy of a potential
- `sources`: potentials of files, the relaxed crystal, and its force constants
- `shell_table`: tables of constants and of measured frequencies
- `structures`: crystals in words
"""
