"""Files of other programs, in and out.

In: cell files, displacements and forces, force constants, and every kind of trajectory that
`trajmodes.readers` opens. Out: force constants in the units and the layout of a program, and
movies of phonons.

Start with `base`: it is the contract of a format. `registry` is the one list of formats; `open`
finds the format of a file, and `runs` the files that are pieces of one run. There is one file
for each program, with reading and writing side by side: `phonopy` (with `phonopy_cells` and
`phonopy_data`), `phono3py`, `shengbte`, `tdep`, `alamode`, and `hdf5` for everything as it is.
They share `cell_file` (crystals and supercells, POSCAR), `snapshots` (frames displaced from an
ideal structure), `folding` (from lattice vectors to the atoms of a supercell and back) and
`text` (numbers line by line).
phono3py itself is needed only to read its own yaml files with displacements.

| format | pairs | triplets | quartets | read back | displacements and forces |
|---|---|---|---|---|---|
| phonopy | yes | no | no | yes | yaml, FORCE_SETS; FORCES_FC3 of phono3py |
| phono3py | yes | yes | no | yes | by phonopy |
| shengbte | yes | needed | for FourPhonon | no | no |
| tdep | yes | yes | yes | yes | infile.positions, infile.forces |
| alamode | yes | yes | yes | no | DFSET |
| hdf5 | yes | yes | yes | yes, with error bars and the quality of the fit | no |
"""
