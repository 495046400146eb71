"""Silicon at 1150 K: cubic constants, what they tell, and files for phono3py.

Run it with ``python anharmonic.py [FOLDER]``; the results go to FOLDER.
"""

import sys
from pathlib import Path

import trajmodes as tm
from trajmodes.pipeline.export import export_job
from trajmodes.pipeline.scan import scan_job

DATA = Path(__file__).parent / "data"


def main(output: str) -> None:
    results = tm.fit_constants(
        DATA / "silicon.lammpstrj.xz",
        cell=DATA / "silicon.POSCAR",
        cutoff2=5.0,
        cutoff3=3.9,
        output=output,
    )
    for one in results.constants.quality.orders:
        kind = {2: "pairs", 3: "triplets"}[one.order]
        print(f"{kind} to {one.cutoff} Å: {one.n_parameters} constants, R² {one.r_squared:.4f}")
    gruneisen = results.gruneisen.mean
    print(f"mean γ = {gruneisen.classical:.3f} ± {gruneisen.classical_sem:.3f}")
    print(results.stability.text)

    # Shorter cutoffs cost nothing now: the trajectory is not read again.
    for row in scan_job(output):
        if row.kind == "cutoff":
            print(f"{row.label:22} left-out force {row.rms_predicted:.4f} eV/Å")

    written = export_job(output, ("phono3py",))
    print("for phono3py:", *(path.name for path in written.files["phono3py"]))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "anharmonic-results")
