"""The sites of a run without positions, from a structure of the same atoms.

Velocities do not show where an atom is. A snapshot of the simulation, or the data file that it
was started from, does: an atom has the site that it has there. Atoms are matched by id, or by
order where the structure has no ids, and reduced coordinates are those of the structure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.lattice import EXPANSION
from trajmodes.errors import DataError, UsageError
from trajmodes.matching.species import species_of_run
from trajmodes.matching.without_positions.missing_positions import lines_with_positions
from trajmodes.notes import Note
from trajmodes.readers.trajectory import FrameFields, FrameReader, Trajectory

_LISTED = 5


@dataclass(frozen=True, slots=True)
class ReferenceAtoms:
    """A structure with the atoms of a run."""

    name: str
    """Name of its file."""
    cell: Floats
    """(3, 3), unit: Å. Rows are the box vectors."""
    positions: Floats
    """(a, 3), unit: Å."""
    species: tuple[str, ...]
    """(a,) chemical symbols."""
    ids: Ints | None
    """(a,) sorted ids; None where the file has none."""

    def __post_init__(self) -> None:
        sizes = {"a": len(self.species)}
        freeze(self, sizes, float, cell="3 3", positions="a 3")
        freeze(self, sizes, np.int64, ids="a")

    def in_box(self, box: Floats) -> Floats:
        """Positions (a, 3) in Å of the same reduced coordinates in a box (3, 3).

        Raises
        ------
        DataError
            If the box differs by more than thermal expansion.
        """
        change = np.linalg.inv(self.cell) @ box
        largest = float(np.abs(change - np.eye(3)).max())
        if largest > EXPANSION.strain:
            raise DataError(
                "the box of the run is not that of the structure that gives the sites",
                where=f"{self.name}: its box vectors ({_vectors(self.cell)}) differ from those "
                f"of the run ({_vectors(box)}) by up to {largest:.1%}",
                why="another supercell, other axes, or another order of the box vectors",
                fix="give the data file or a snapshot of this simulation: --cell FILE",
            )
        return self.positions @ change


@dataclass(frozen=True, slots=True, eq=False)
class FramesInBox:
    """Frames in the box of a structure, where the files of a run have none."""

    frames: FrameReader
    box: Floats
    """(3, 3), unit: Å. Rows are the box vectors."""

    def read(self, start: int, stop: int) -> FrameFields:
        """Read frames [start, stop)."""
        found = self.frames.read(start, stop)
        missing = np.isnan(found.cells).any(axis=(1, 2), keepdims=True)
        return found._replace(cells=np.where(missing, self.box, found.cells))

    def place(self, frame: int, atom: int) -> str:
        """File and line of an atom in a frame."""
        return self.frames.place(frame, atom)


def sites_unknown(trajectory: Trajectory) -> UsageError:
    """Error that no structure gives the sites of a run without positions."""
    return UsageError(
        "the sites of the atoms are unknown: the run has no positions",
        where=trajectory.file_names,
        why="velocities alone do not show where an atom is",
        fix="give a structure of the same atoms, the data file or a snapshot of the "
        f"simulation: --cell FILE; or write positions:\n{lines_with_positions(trajectory)}",
    )


def on_reference(
    trajectory: Trajectory, reference: ReferenceAtoms, type_map: Mapping[int, str] | None
) -> tuple[Trajectory, tuple[Note, ...]]:
    """Match the atoms of a run to those of a structure.

    The structure gives their elements and the box if the run has none. Notes say how the atoms
    were matched, and where the box comes from.

    Raises
    ------
    DataError
        If numbers, ids or elements of the atoms differ.
    """
    _require_same_ids(trajectory, reference)
    atoms = trajectory.atoms
    if type_map is None and atoms.species is None and atoms.masses is None:
        _require_one_element_per_type(atoms.types, reference)
        trajectory = replace(trajectory, atoms=replace(atoms, species=reference.species))
    elements = species_of_run(trajectory, type_map)
    other = [
        a for a, (x, y) in enumerate(zip(elements, reference.species, strict=True)) if x != y
    ]
    if other:
        a = other[0]
        raise _other_atoms(
            f"{len(other)} atoms have other elements, the first one, number {a + 1} in order, "
            f"{elements[a]} in the run and {reference.species[a]} in {reference.name}",
            trajectory,
        )
    by = "by id"
    if reference.ids is None or trajectory.ids is None:
        lacks = reference.name if reference.ids is None else "the run"
        order = "order" if trajectory.ids is None else "order of the ids"
        by = f"in {order}, because {lacks} has no ids"
    text = (
        f"the run has no positions: the sites of its atoms are those of {reference.name}, "
        f"matched {by}"
    )
    notes = [Note("note", text)]
    if np.isnan(trajectory.read(0, 1).cells).any():
        trajectory = replace(trajectory, frames=FramesInBox(trajectory.frames, reference.cell))
        text = f"the run has no box: that of {reference.name} is used in all frames"
        notes.append(Note("note", text))
    return trajectory, tuple(notes)


def _require_same_ids(trajectory: Trajectory, reference: ReferenceAtoms) -> None:
    n_atoms = len(reference.species)
    if n_atoms != trajectory.n_atoms:
        raise _other_atoms(
            f"{reference.name} has {n_atoms} atoms, the run {trajectory.n_atoms}", trajectory
        )
    if reference.ids is None or trajectory.ids is None:
        return
    alone = np.setxor1d(reference.ids, trajectory.ids)
    if len(alone):
        listed = ", ".join(map(str, alone[:_LISTED].tolist()))
        what = f"ids are in {reference.name} or in the run only: {listed}"
        raise _other_atoms(what, trajectory)


def _require_one_element_per_type(types: Ints | None, reference: ReferenceAtoms) -> None:
    if types is None:
        return
    symbols = np.array(reference.species)
    for kind in np.unique(types):
        found = sorted(set(symbols[types == kind].tolist()))
        if len(found) > 1:
            raise DataError(
                f"atoms of type {kind} are {' and '.join(found)} in {reference.name}",
                why="its atoms are in another order than those of the run",
                fix="give the data file of the simulation, which has ids, or write the "
                "elements: dump_modify ID element SYMBOLS",
            )


def _other_atoms(what: str, trajectory: Trajectory) -> DataError:
    return DataError(
        what,
        where=trajectory.file_names,
        why="a run without positions needs the structure of its own atoms, because their "
        "sites are not known otherwise",
        fix="give the data file or a snapshot of this simulation: --cell FILE; or write "
        f"positions:\n{lines_with_positions(trajectory)}",
    )


def _vectors(cell: Floats) -> str:
    return "; ".join(" ".join(f"{x:.4g}" for x in row) for row in cell)
