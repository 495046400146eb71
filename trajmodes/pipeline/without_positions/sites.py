"""The cell file of a job as the structure that gives the sites of a run without positions."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trajmodes.config.job import Job
from trajmodes.formats.cell_file import read_atoms
from trajmodes.matching.without_positions.missing_positions import require_motion
from trajmodes.matching.without_positions.reference import (
    ReferenceAtoms,
    on_reference,
    sites_unknown,
)
from trajmodes.notes import Note
from trajmodes.readers.trajectory import Trajectory


class Sited(NamedTuple):
    """A run, and the structure that gives its sites where it has no positions."""

    trajectory: Trajectory
    """The run, with the elements of the structure if it names none."""
    reference: ReferenceAtoms | None
    """None for a run with positions."""
    notes: tuple[Note, ...]


def with_sites(trajectory: Trajectory, job: Job, type_map: Mapping[int, str] | None) -> Sited:
    """Match the atoms of a run without positions to those of the cell file; see `on_reference`.

    Raises
    ------
    UsageError
        If the job has no cell file.
    DataError
        If it is a structure of other atoms, or the run has no velocities either.
    """
    if require_motion(trajectory, "motion").has_positions:
        return Sited(trajectory, None, ())
    if job.matching.cell is None:
        raise sites_unknown(trajectory)
    file = Path(job.matching.cell)
    atoms = read_atoms(file, job.matching.species)
    if (ids := atoms.arrays.get("id")) is not None:
        atoms = atoms[np.argsort(ids)]
    reference = ReferenceAtoms(
        name=file.name,
        cell=atoms.cell.array,
        positions=atoms.positions,
        species=tuple(atoms.get_chemical_symbols()),
        ids=atoms.arrays.get("id"),
    )
    named, notes = on_reference(trajectory, reference, type_map)
    if job.matching.imperfect:
        text = f"every atom is taken to stay on its site in {file.name}: hops are not seen"
        notes = (*notes, Note("note", text))
    return Sited(named, reference, notes)
