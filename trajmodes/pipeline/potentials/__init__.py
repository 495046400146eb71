"""Jobs on potentials, and on the constants of neighbour shells.

In: potentials, force constants, tables of constants or of measured frequencies. Out: results
beside each other. Open `born_von_karman` first. `lammps` makes energies and forces of any
potential of LAMMPS.
"""
