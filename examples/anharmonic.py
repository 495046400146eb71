"""Silicon at 1140 K: cubic force constants, Grüneisen parameters, and files for phono3py.

Run it with ``python anharmonic.py [FOLDER]``; the results go to FOLDER.
"""

import sys
from pathlib import Path

import trajmodes as tm

DATA = Path(__file__).parent / "data"


def main(output: str) -> None:
    run = tm.open(DATA / "silicon.lammpstrj.xz", cell=DATA / "silicon.POSCAR")
    fc = run.fit(cutoff2=5.0, cutoff3=3.9)
    for one in fc.quality.orders:
        kind = {2: "pairs", 3: "triplets"}[one.order]
        print(
            f"{kind} to {one.cutoff} Å: {one.n_parameters} parameters, R² {one.r_squared:.4f}"
        )
    dataset = fc.to_dataset()
    mean, sem = (float(dataset[f"gruneisen_classical{end}"]) for end in ("", "_sem"))
    print(f"mean γ = {mean:.3f} ± {sem:.3f}")

    # Shorter cutoffs need no new pass: the trajectory is not read again.
    scan = fc.scan()
    shorter = scan[scan["kind"] == "cutoff"]
    print(shorter[["label", "rms_predicted"]].to_string(index=False, float_format="%.4f"))

    fc.save(output)
    written = fc.write("phono3py", Path(output) / "export" / "phono3py")
    print("for phono3py:", *(path.name for path in written))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "anharmonic-results")
