"""Silicon at 1150 K on given constants: lifetimes two ways, and a mode as a movie.

Run it with ``python lifetimes.py [FOLDER]``; the movie goes to FOLDER.
"""

import sys
from pathlib import Path

import numpy as np

import trajmodes as tm
from trajmodes.report.movie import make_movie, wave_of, write_movie

DATA = Path(__file__).parent / "data"


def main(output: str) -> None:
    dump = DATA / "silicon.lammpstrj.xz"
    fitted = tm.fit_constants(dump, cell=DATA / "silicon.POSCAR", cutoff2=5.0)
    results = tm.project_run(dump, fitted.constants)  # or a folder or file that holds them
    dataset = tm.to_dataset(results)

    # From the width of the line, and from how fast the energy forgets: nan where not resolved.
    # Both are the lifetime of the energy, 1/γ.
    names = ["freq_harmonic_thz", "lifetime_ps", "lifetime_energy_ps", "lifetime_disagreement"]
    table = dataset[["verdict", *names]].to_dataframe().sort_values("freq_harmonic_thz")
    print(table[[*names, "verdict"]].to_string(float_format="%.2f"))
    apart = np.abs(dataset["lifetime_disagreement"].values)
    known = np.isfinite(apart)
    print(f"both within 2 errors: {(apart[known] < 2.0).sum()} of {known.sum()} sets")
    print(results.projection.equipartition.text)

    # The lowest of all modes, as large as it is at the temperature of the run.
    modes = results.modes
    moving = np.where(modes.sets >= 0, modes.omega, np.inf)
    row, branch = np.unravel_index(moving.argmin(), moving.shape)
    movie = make_movie(
        wave_of(modes, row, branch),
        n_frames=24,
        temperature=results.projection.energies.temperature,
    )
    Path(output).mkdir(parents=True, exist_ok=True)
    path = write_movie(movie, Path(output) / "lowest.xyz")
    print(f"{path.name}: q = {modes.qpoints[row]}, {movie.supercell.n_atoms} atoms")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "lifetimes-results")
