"""The raw stream: Dask arrays of the file, and blocks of motion about the crystal's sites.

Nothing is read before it is needed, and never more than a few blocks are in memory.
"""

from pathlib import Path

import numpy as np

import trajmodes as tm

DATA = Path(__file__).parent / "data"


def main() -> None:
    run = tm.open(DATA / "silicon.lammpstrj.xz", cell=DATA / "silicon.POSCAR")

    arrays = run.arrays()
    speed = (arrays["velocities"] ** 2).sum(axis=2).mean() ** 0.5
    print(f"root mean square speed: {float(speed.compute()):.3f} Å/ps")

    squares, frames = np.zeros(3), 0
    for block in run:
        squares += (block.displacements**2).mean(axis=1).sum(axis=0)
        frames += block.n_frames
    print("mean square displacements along x, y, z in Å²:", squares / frames)


if __name__ == "__main__":
    main()
