"""Copper at 600 K in a supercell that is neither diagonal nor aligned with the axes.

LAMMPS rotates such a cell into a frame of its own, scales and wraps the coordinates and
shuffles the atoms. The match finds the supercell matrix, the rotation and the atoms again; all
results are in the frame of the POSCAR.
"""

import sys
from pathlib import Path

import numpy as np

import trajmodes as tm

DATA = Path(__file__).parent / "data"


def main(output: str) -> None:
    run = tm.open(
        DATA / "copper.lammpstrj.xz",
        cell=DATA / "copper.POSCAR",
        units="metal",
        timestep_fs=2.0,
        species=["Cu"],
    )
    print("supercell matrix\n", run.supercell.matrix)
    print("rotation of the file's frame\n", np.round(run.match.rotation, 4))

    fc = run.fit()
    fc.save(output)
    nearest = np.flatnonzero((fc.lattice == [1, 0, 0]).all(axis=1))[0]
    # The neighbour at (0, a/2, a/2): a mirror plane forbids constants of x with y or z.
    print("force constants of the neighbour at (0, a/2, a/2) in eV/Å²")
    print(np.round(fc.values[nearest], 4))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "copper-results")
