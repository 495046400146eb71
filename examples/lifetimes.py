"""Silicon at 1140 K on given force constants: lifetimes two ways, and a mode as a movie.

Run it with ``python lifetimes.py [FOLDER]``; the movie goes to FOLDER.
"""

import sys
from pathlib import Path

import numpy as np

import trajmodes as tm

DATA = Path(__file__).parent / "data"


def main(output: str) -> None:
    run = tm.open(DATA / "silicon.lammpstrj.xz", cell=DATA / "silicon.POSCAR")
    fc = run.fit(cutoff2=5.0)
    results = run.project(fc)  # or a file or folder with force constants

    # From the width of the line, and from the decay of the energy correlation. Both are the
    # lifetime of the energy, 1/γ; not a number where it is not resolved.
    names = ["freq_harmonic_thz", "lifetime_ps", "lifetime_energy_ps", "lifetime_disagreement"]
    # `results.modes` has fewer columns than the whole table.
    table = results.table("modes").sort_values("freq_harmonic_thz")
    print(table[[*names, "verdict"]].to_string(float_format="%.2f"))
    apart = table["lifetime_disagreement"].abs().dropna()
    print(f"both within 2 errors: {(apart < 2.0).sum()} of {len(apart)} sets")
    print(results["equipartition_text"].item())

    # The amplitude Q(t) of one mode, read from the trajectory when it is computed.
    series = results.amplitudes("X:4")
    kinetic = 0.5 * (np.abs(series["Qdot"]) ** 2).mean().compute()
    print(f"X:4: {float(series['freq_thz'][0]):.2f} THz, ⟨K⟩ = {1e3 * float(kinetic):.1f} meV")

    # The lowest of all modes, as large as it is at the temperature of the run.
    lowest = table.iloc[0]
    q = " ".join(f"{lowest[f'set_q_{axis}']:g}" for axis in "abc")
    Path(output).mkdir(parents=True, exist_ok=True)
    movie = Path(output) / "lowest.xyz"
    mode, kelvin = f"{q}:{lowest['branch_first']}", float(results["temperature"])
    print(fc.movie(mode, movie, frames=24, temperature=kelvin), end="")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "lifetimes-results")
