"""Read and write files of other programs.

In: cell files, displacements and forces, force constants, and every trajectory that
`trajmodes.readers` opens. Out: `Crystal`, `Trajectory` and `ForceConstants`, and force
constants in the units and the layout of a program.

Start with `base`, the interface of a format. `registry` is the list of formats, and `open`
recognises the format of a file and groups files into runs. Each program has one file for
reading and writing: `phonopy` (with `phonopy_cells` and `phonopy_data`), `phono3py`,
`shengbte`, `tdep`, `alamode`, and `hdf5` for all force constants in trajmodes' own layout. They
share `cell_file` (crystals, supercells, POSCAR) and `folding` (force constants by lattice
vector and between the atoms of a supercell).

phono3py itself is needed only to read its own yaml files with displacements.

| format | second order | third order | fourth order | read back | displacements and forces |
|---|---|---|---|---|---|
| phonopy | yes | no | no | yes | yaml, FORCE_SETS; FORCES_FC3 of phono3py |
| phono3py | yes | yes | no | yes | by phonopy |
| shengbte | yes | required | for FourPhonon | no | no |
| tdep | yes | yes | yes | yes | infile.positions, infile.forces |
| alamode | yes | yes | yes | no | DFSET |
| hdf5 | yes | yes | yes | yes, with error bars and the quality of the fit | no |
"""
