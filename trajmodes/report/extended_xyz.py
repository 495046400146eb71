"""Frames of a supercell as extended XYZ, with all digits, for viewers and other programs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Supercell


def write_xyz(
    path: Path,
    supercell: Supercell,
    displacements: Floats,
    velocities: Floats | None,
    comments: Sequence[str],
) -> None:
    """Write frames of a supercell as extended XYZ.

    The ideal positions are inside the supercell.

    Parameters
    ----------
    displacements
        (t, a, 3) in Å from the ideal positions, atoms in canonical order.
    velocities
        (t, a, 3) in Å/ps, or None.
    comments
        Further ``key=value`` pairs of the comment line of each frame.
    """
    ideal = inside(supercell)
    columns = "species:S:1:pos:R:3" + ("" if velocities is None else ":vel:R:3")
    lattice = " ".join(f"{x:.10f}" for x in supercell.cell.ravel())
    unit = "" if velocities is None else ' velocity_unit="Angstrom/ps"'
    head = f'Lattice="{lattice}" Properties={columns} pbc="T T T"{unit}'
    with path.open("w", encoding="utf-8") as file:
        for t, comment in enumerate(comments):
            fields = [ideal + displacements[t]]
            fields += [] if velocities is None else [velocities[t]]
            file.write(f"{supercell.n_atoms}\n{head} {comment}\n")
            for name, row in zip(supercell.species, np.hstack(fields), strict=True):
                file.write(f"{name} " + " ".join(f"{x:.10f}" for x in row) + "\n")


def inside(supercell: Supercell) -> Floats:
    """Ideal positions (a, 3) in Å, inside the supercell."""
    reduced = supercell.positions @ np.linalg.inv(supercell.cell)
    found: Floats = (reduced - np.floor(reduced + 1e-9)) @ supercell.cell
    return found
