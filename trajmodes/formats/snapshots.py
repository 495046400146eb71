"""Snapshots: frames that were displaced from an ideal structure which is known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal_difference import SAME_STRUCTURE
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.readers.arrays import MemoryFrames, trajectory_of_arrays
from trajmodes.readers.time_axis import TimeAxis
from trajmodes.readers.trajectory import Trajectory
from trajmodes.units import DALTON


@dataclass(frozen=True, slots=True)
class IdealStructure:
    """A supercell with every atom on its site."""

    cell: Floats
    """(3, 3), unit: Å. Rows are the box vectors."""
    positions: Floats
    """(a, 3), unit: Å."""
    species: tuple[str, ...]
    masses: Floats | None = None
    """(a,), unit: eV ps²/Å²; None where they are not given."""

    def __post_init__(self) -> None:
        sizes = {"a": len(self.species)}
        freeze(self, sizes, float, cell="3 3", positions="a 3", masses="a")


def displaced_frames(
    ideal: IdealStructure,
    displacements: Floats,
    forces: Floats,
    path: Path,
    *,
    unit_style: str,
    notes: tuple[Note, ...] = (),
) -> Trajectory:
    """Trajectory of displacements from an ideal structure, and of the forces that they cause.

    Parameters
    ----------
    ideal
        The structure.
    displacements
        (t, a, 3) in Å.
    forces
        (t, a, 3) in eV/Å.
    path
        File that they come from.
    unit_style
        Whose units it was written in.
    notes
        Warnings for the user.

    Raises
    ------
    DataError
        If shapes disagree, there is no frame, or a number is not finite.
    """
    if displacements.shape != forces.shape or displacements.shape[1:] != ideal.positions.shape:
        raise DataError(
            f"displacements and forces have shapes {displacements.shape} and {forces.shape}, "
            f"and the supercell has {len(ideal.species)} atoms",
            where=str(path),
        )
    try:
        whole = trajectory_of_arrays(
            ideal.positions + displacements,
            ideal.cell,
            ideal.species,
            forces=forces,
            masses_da=None if ideal.masses is None else ideal.masses / DALTON,
            ideal=ideal.positions,
        )
    except DataError as error:
        where = f"{path}, {error.where}" if error.where else str(path)
        raise DataError(error.what, where=where, why=error.why, fix=error.fix) from None
    return replace(
        whole,
        paths=(path,),
        unit_style=unit_style,
        columns=("displacements", "forces"),
        unwrapped=True,
        n_bytes=path.stat().st_size,
        notes=notes,
    )


def join_snapshots(pieces: Sequence[Trajectory]) -> Trajectory:
    """Snapshots about one ideal structure, from several files, as one trajectory.

    Parameters
    ----------
    pieces
        Trajectories of displaced frames, in the order wanted.

    Raises
    ------
    DataError
        If they are about different structures.
    """
    first, *others = pieces
    if not others:
        return first
    for other in others:
        if not about_one_structure(first, other):
            raise DataError(
                "the files hold displacements from different structures",
                where=f"{first.paths[0]}, {other.paths[0]}",
                fix="fit them as separate runs",
            )
    blocks = [piece.read(0, piece.n_frames) for piece in pieces]
    forces = [block.forces for block in blocks if block.forces is not None]
    return replace(
        first,
        paths=tuple(path for piece in pieces for path in piece.paths),
        time=TimeAxis.uniform(sum(piece.n_frames for piece in pieces)),
        n_bytes=sum(piece.n_bytes for piece in pieces),
        notes=tuple(dict.fromkeys(note for piece in pieces for note in piece.notes)),
        frames=MemoryFrames(
            cells=np.concatenate([block.cells for block in blocks]),
            positions=np.concatenate([block.positions for block in blocks]),
            velocities=None,
            forces=np.concatenate(forces),
        ),
    )


def about_one_structure(one: Trajectory, other: Trajectory) -> bool:
    """Whether two trajectories hold snapshots about the same known structure."""
    if one.ideal is None or other.ideal is None or one.species != other.species:
        return False
    boxes = [whole.read(0, 1).cells[0] for whole in (one, other)]
    return bool(
        np.abs(one.ideal - other.ideal).max() < SAME_STRUCTURE.site
        and np.abs(boxes[0] - boxes[1]).max() < SAME_STRUCTURE.site
    )
