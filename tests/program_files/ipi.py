"""Trajectories of i-PI: one quantity a file, with its unit and the cell in the comment line."""

import numpy as np
from ase import Atoms
from scipy import constants as codata

BOHR = codata.value("Bohr radius") / codata.angstrom
CELL = Atoms(cell=[9.0, 10.0, 11.0, 80.0, 95.0, 90.0]).cell


def ipi(
    path, values, title, *,
    every=2, bead=0, cell_unit="angstrom", cell="abcABC", box=CELL, names="OHHOH",
):  # fmt: skip
    """Write frames as i-PI does."""
    scale = 1.0 / BOHR if cell_unit == "atomic_unit" else 1.0
    lengths, angles = box.cellpar()[:3] * scale, box.cellpar()[3:]
    rows = {"abcABC": np.concatenate([lengths, angles]), "H": box.array.T.ravel() * scale}
    lines = []
    for t, frame in enumerate(values):
        head = "  ".join(f"{x:12.7f}" for x in rows[cell])
        lines.append(str(len(names)))
        lines.append(
            f"# CELL({cell}): {head}  Step: {every * t:10d}  Bead: {bead:7d} {title}  "
            f"cell{{{cell_unit}}}"
        )
        for name, row in zip(names, frame, strict=True):
            lines.append(f"{name:>8} " + " ".join(f"{x:12.8e}" for x in row))
    path.write_text("\n".join(lines) + "\n")
    return path


def ipi_run(folder, fields, **more):
    return [
        ipi(folder / "sim.pos_0.xyz", fields["pos"], "positions{angstrom}", **more),
        ipi(folder / "sim.vel_0.xyz", fields["vel"], "velocities{atomic_unit}", **more),
        ipi(folder / "sim.for_0.xyz", fields["for"], "forces{atomic_unit}", **more),
    ]
