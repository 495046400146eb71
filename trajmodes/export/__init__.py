"""Force constants for other programs, and theirs for us.

In: `ForceConstants` and the `Supercell` of the run. Out: files in a folder of the caller's
choice, in the units of the program they are for; and `ForceConstants` from such files. Open
`door` first: `write_constants` and `read_constants` go to the program's file here.

One file per program, writing and reading side by side behind the `Format` of `contract`:
`phonopy`, `phono3py`, `shengbte`, `tdep`, `alamode`, and `hdf5` for everything as it is. What
they share: `order` (how a program numbers the atoms of a supercell), `images` (which periodic
images are the nearest), `folding` (from lattice vectors to a supercell and back),
`phonopy_cells`, `poscar` and `text` (the cells and lines of foreign files), `hdf5_open` and
`hdf5_quality` (parts of HDF5 files). phono3py itself is needed for none of this.

| format | pairs | triplets | quartets | read back |
|---|---|---|---|---|
| phonopy | yes | no | no | yes |
| phono3py | yes | yes | no | yes |
| shengbte | yes | needed | for FourPhonon | no |
| tdep | yes | yes | yes | yes |
| alamode | yes | yes | yes | no |
| hdf5 | yes | yes | yes | yes, with error bars and the quality of the fit |
"""

from trajmodes.export.contract import Export
from trajmodes.export.door import TARGETS, read_constants, read_supercell, write_constants
from trajmodes.export.movie import Movie, Wave, is_movie, make_movie, wave_of, write_movie
from trajmodes.export.phonopy import write_phonopy

__all__ = [
    "TARGETS",
    "Export",
    "Movie",
    "Wave",
    "is_movie",
    "make_movie",
    "read_constants",
    "read_supercell",
    "wave_of",
    "write_constants",
    "write_movie",
    "write_phonopy",
]
