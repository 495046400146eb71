"""Longitudinal and transverse optical modes of NaCl, from a run with point charges at 100 K.

The dipole–dipole forces of the charges are subtracted before the fit and added to the phonons.
`data/salt.in` is the LAMMPS input of the run: 216 atoms, a frame every 0.25 ps.
"""

import sys
from pathlib import Path

import numpy as np

import trajmodes as tm
from trajmodes.units import THZ

HERE = Path(__file__).parent


def main(folder: str) -> None:
    run = tm.open(HERE / "data" / "salt.lammpstrj.xz")
    plain = run.fit(cutoff2=4.2)
    # A point charge is its own Born charge, and there are no electrons to screen it: ε∞ is 1.
    polar = run.fit(cutoff2=4.2, born_charges=["Na 1", "Cl -1"], dielectric=1.0, output=folder)
    for name, fc in (("without", plain), ("with", polar)):
        print(f"{name} charges: rms residual {fc.quality.rms_residual:.4f} eV/Å")
    split = polar.lo_to([0, 0, 1])
    transverse, longitudinal = split.transverse[0] / THZ, split.longitudinal[-1] / THZ
    print(f"TO {transverse:.2f} THz, LO {longitudinal:.2f} THz")
    static = np.trace(polar.static_dielectric()) / 3.0
    print(f"ε0 = {static:.3f}, (LO/TO)² ε∞ = {(longitudinal / transverse) ** 2:.3f}")
    print(f"bands: {Path(folder) / 'figures' / 'bands.png'}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "polar-results")
