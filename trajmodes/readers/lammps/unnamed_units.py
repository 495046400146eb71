"""Frames of one run that do not name their units, beside others that do.

A restart does not change units, but files that are given together may be of two runs. So the
numbers are compared: two unit styles of LAMMPS differ by a factor of ten or more in velocities
or forces, which a change of temperature does not explain, or by 1.9 in lengths. Lengths alone
do not decide, for metal and real both measure them in Å.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Ints
from trajmodes.errors import UsageError
from trajmodes.notes import Note
from trajmodes.readers.trajectory import Trajectory

_SAME_LENGTH = 1.25
_SAME_MOTION = 3.0


@dataclass(frozen=True, slots=True)
class UnnamedUnits:
    """Frames whose units are not named, and others of the same run whose units are."""

    frames: Ints
    """(s,) those without the name of their units."""
    others: Ints
    """(n,) those with it."""
    file: str
    """File of the first frame without it."""
    other_file: str
    """File of the first frame with it."""


def check_unnamed_units(unnamed: UnnamedUnits, dump: Trajectory) -> Note:
    """Note that frames which do not name their units have those of the others.

    Parameters
    ----------
    unnamed
        The frames.
    dump
        All frames, read as if all were in the units that some of them name.

    Raises
    ------
    UsageError
        If the numbers do not show that they are.
    """
    one, other = (_sizes(dump, frames) for frames in (unnamed.others, unnamed.frames))
    ratios = {name: other[name] / one[name] for name in one if one[name] and other[name]}
    limits = {name: _SAME_LENGTH if name == "box" else _SAME_MOTION for name in ratios}
    unlike = [
        f"{name}: its numbers are {ratio:.3g} times those of the other"
        for name, ratio in ratios.items()
        if not 1.0 / limits[name] < ratio < limits[name]
    ]
    # The box, and something that moves or pulls.
    if unlike or len(ratios) < max(len(one), 2):
        raise UsageError(
            f"{unnamed.file} does not say which units it is in, and {unnamed.other_file} is in "
            f"{dump.unit_style}",
            why=f"they may differ: {', '.join(unlike)}"
            if unlike
            else "nothing moves in it that would show whether it is in the same"
            if len(one) > 1
            else "the box alone does not show it: two styles measure lengths in Å",
            fix=f"--units {dump.unit_style} if all files are of one run; else analyse each run "
            "by itself; for later runs: dump_modify ID units yes",
        )
    compared = ", ".join(ratios)
    text = (
        f"{unnamed.file} does not name its units: they are taken to be {dump.unit_style}, as "
        f"in {unnamed.other_file}, for its {compared} are of the same size as there"
    )
    return Note("warning", text)


def _sizes(dump: Trajectory, frames: Ints) -> dict[str, float]:
    """Largest size of the numbers of some frames, for the first may be a lattice at rest."""
    found: dict[str, float] = {}
    for t in {int(frames[0]), int(frames[len(frames) // 2]), int(frames[-1])}:
        block = dump.read(t, t + 1)
        box = np.cbrt(abs(np.linalg.det(block.cells)))
        fields = {"box": box, "velocities": block.velocities, "forces": block.forces}
        for name, values in fields.items():
            if values is not None:
                found[name] = max(found.get(name, 0.0), float(np.sqrt((values**2).mean())))
    return found
