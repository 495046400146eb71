"""bcc zirconium at four temperatures: a soft mode, and force constants between the runs.

The crystal is unstable at 0 K and stable at high temperature: the lowest mode at N hardens with
the temperature, all others soften. `data/zirconium.in` is the LAMMPS input of the runs: 128
atoms at zero pressure, a frame every 0.2 ps.
"""

import sys
from pathlib import Path

import trajmodes as tm
from trajmodes.units import THZ

DATA = Path(__file__).parent / "data"


def main(folder: str) -> None:
    runs = [
        tm.open(DATA / f"zirconium_{kelvin}K.lammpstrj.xz", cell=DATA / "zirconium.POSCAR")
        for kelvin in (800, 1000, 1200, 1400)
    ]
    # One cutoff for all, between two shells of neighbours at every temperature.
    series = tm.series([run.fit(cutoff2=5.5) for run in runs])
    series.save(folder, at=[900.0])

    print(series)
    for _, mode in series.soft_modes.iterrows():
        kelvin, sem = mode["soft_temperature"], mode["soft_temperature_sem"]
        place = f"{mode['series_point']} branch {mode['series_branch_first']}"
        print(f"ω² of {place} is zero at {kelvin:.0f} ± {sem:.0f} K: {mode['soft_verdict']}")
    modes = series.at(900.0).modes("N")
    for omega, sem in zip(modes.omega[0] / THZ, modes.omega_sem[0] / THZ, strict=True):
        print(f"N at 900 K: {omega:.3f} ± {sem:.3f} THz")
    print(f"figures: {Path(folder) / 'figures'}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "series-results")
