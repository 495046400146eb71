"""Silicon at 1140 K: from a LAMMPS dump to lifetimes.

Run it with ``python silicon.py [FOLDER]``; the results go to FOLDER.
"""

import sys
from pathlib import Path

import trajmodes as tm

DATA = Path(__file__).parent / "data"


def main(output: str) -> None:
    results = tm.run(
        DATA / "silicon.lammpstrj.xz", cell=DATA / "silicon.POSCAR", cutoff2=5.0, output=output
    )

    # One row for each set of symmetry-equivalent modes.
    names = ["freq_harmonic_thz", "linewidth_thz", "lifetime_ps", "lifetime_ps_sem"]
    resolved = results.modes[results.modes["verdict"] == "resolved"]
    print(resolved[names].sort_values("lifetime_ps").to_string(float_format="%.3f"))

    quality = results.force_constants.quality
    print(f"{quality.n_parameters} parameters, R² = {quality.r_squared:.4f}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "silicon-results")
