"""Frames that are in memory: as arrays, or as a list of ASE Atoms.

Everything behind the readers takes a `Trajectory`, so that displacements and forces from any
source are matched, displaced, streamed and fitted as the frames of a file are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, freeze
from trajmodes.errors import DataError, UsageError
from trajmodes.readers.atom_table import AtomTable
from trajmodes.readers.time_axis import TimeAxis
from trajmodes.readers.trajectory import FrameFields, Trajectory
from trajmodes.units import ASE_TIME, DALTON

if TYPE_CHECKING:
    from ase import Atoms


_FORCE_NAMES = ("forces", "force", "REF_forces", "MACE_forces")
# ASE's unit of time is Å √(u/eV); in ps that is √(u in eV ps²/Å²).


@dataclass(frozen=True, slots=True, eq=False)
class MemoryFrames:
    """Frames in memory."""

    cells: Floats
    """(t, 3, 3), unit: Å. Rows are the box vectors; nan where there is no box."""
    positions: Floats
    """(t, a, 3), unit: Å."""
    velocities: Floats | None
    """(t, a, 3), unit: Å/ps."""
    forces: Floats | None
    """(t, a, 3), unit: eV/Å."""

    def __post_init__(self) -> None:
        t, a, _ = self.positions.shape
        sizes = {"t": t, "a": a}
        freeze(self, sizes, float, cells="t 3 3", positions="t a 3")
        freeze(self, sizes, float, velocities="t a 3", forces="t a 3")

    def read(self, start: int, stop: int) -> FrameFields:
        """Frames [start, stop)."""
        velocities, forces = (
            None if array is None else array[start:stop]
            for array in (self.velocities, self.forces)
        )
        return FrameFields(
            self.cells[start:stop], self.positions[start:stop], velocities, forces
        )

    def place(self, frame: int, atom: int) -> str:  # noqa: ARG002 - nothing is known
        """Nothing: frames in memory have no lines."""
        return ""


def trajectory_of_arrays(  # noqa: PLR0913 - each keyword is one field of the frames
    positions: npt.ArrayLike,
    cells: npt.ArrayLike | None,
    species: Sequence[str],
    *,
    forces: npt.ArrayLike | None = None,
    velocities: npt.ArrayLike | None = None,
    masses_da: npt.ArrayLike | None = None,
    interval_ps: float | None = None,
    ideal: npt.ArrayLike | None = None,
) -> Trajectory:
    """Trajectory of frames that are given as arrays.

    Parameters
    ----------
    positions
        (t, a, 3) in Å, folded into the box or not.
    cells
        (3, 3) or (t, 3, 3) box vectors in Å, as rows; None for a molecule without a box.
    species
        (a,) chemical symbols.
    forces
        (t, a, 3) in eV/Å.
    velocities
        (t, a, 3) in Å/ps.
    masses_da
        (a,) in Da; the standard ones of the elements where they are not given.
    interval_ps
        Time between frames in ps, where they are frames of one run.
    ideal
        (a, 3) positions in Å from which the frames are displaced, where they are snapshots
        about a known structure; the reference of the displacements is else their average.

    Raises
    ------
    DataError
        If shapes disagree, there is no frame, or a number is not finite.
    UsageError
        If the time between frames is not positive.
    """
    places = np.asarray(positions, dtype=float)
    if places.ndim != 3 or 0 in places.shape or places.shape[2] != 3:
        raise DataError(f"positions have shape {places.shape} where (frames, atoms, 3) is due")
    n_frames, n_atoms = places.shape[:2]
    if len(species) != n_atoms:
        raise DataError(f"there are {len(species)} species for {n_atoms} atoms")
    if interval_ps is not None and not 0.0 < interval_ps < np.inf:
        raise UsageError(
            f"the time between frames is {interval_ps:g} ps, which is not positive"
        )
    boxes = np.full((3, 3), np.nan) if cells is None else np.asarray(cells, dtype=float)
    if boxes.ndim == 2:
        boxes = np.broadcast_to(boxes, (n_frames, *boxes.shape))
    given = {"positions": places, "velocities": velocities, "forces": forces}
    arrays = {k: np.asarray(v, dtype=float) for k, v in given.items() if v is not None}
    frames = MemoryFrames(boxes, places, arrays.get("velocities"), arrays.get("forces"))
    structure = None if ideal is None else np.asarray(ideal, dtype=float)
    found = Trajectory(
        paths=(),
        n_atoms=n_atoms,
        time=TimeAxis.uniform(n_frames, interval_ps),
        atoms=AtomTable(
            species=tuple(species),
            masses=None if masses_da is None else np.asarray(masses_da, dtype=float) * DALTON,
        ),
        unit_style="memory",
        columns=tuple(arrays),
        has_velocities="velocities" in arrays,
        has_forces="forces" in arrays,
        unwrapped=False,
        n_bytes=sum(array.nbytes for array in arrays.values()),
        precision_digits=16,
        rounding=0.0,
        notes=(),
        ideal=structure,
        frames=frames,
    )
    _check_numbers(frames, structure, boxed=cells is not None)
    return found


def trajectory_of_atoms(
    frames: "Sequence[Atoms]",
    *,
    ideal: "Atoms | None" = None,
    interval_ps: float | None = None,
    isolated: bool = False,
) -> Trajectory:
    """Trajectory of a list of ASE Atoms.

    Forces are those that a calculator has left with its results, before constraints, or the
    array ``forces`` of the atoms; nothing is calculated. Velocities are taken where all frames
    have momenta.

    Parameters
    ----------
    frames
        Structures with the same atoms in the same order.
    ideal
        The structure that they are displaced from, where they are no run of dynamics.
    interval_ps
        Time between frames in ps, where they are one.
    isolated
        Whether this is a molecule or cluster, whose cells do not count.

    Raises
    ------
    DataError
        If there is no frame, numbers or order of atoms change, some frames have no forces, a
        number is not finite, or there is no cell.
    """
    images = list(frames)
    if not images:
        raise DataError("the list of Atoms is empty")
    first = images[0]
    for t, image in enumerate(images if ideal is None else [*images, ideal]):
        _check_atoms(image, first, f"frame {t}" if t < len(images) else "the ideal structure")
    forces = [_forces_of(image) for image in images]
    missing = [t for t, array in enumerate(forces) if array is None]
    if missing and len(missing) < len(images):
        raise DataError(
            f"{len(missing)} of {len(images)} frames have no forces",
            where=f"frame {missing[0]}",
            why="they were not calculated there; nothing is calculated here",
            fix="attach a SinglePointCalculator with forces to every frame, or leave it out",
        )
    moving = all(image.has("momenta") for image in images)
    return trajectory_of_arrays(
        np.stack([image.positions for image in images]),
        None if isolated else np.stack([image.cell.array for image in images]),
        first.get_chemical_symbols(),
        forces=None if missing else np.stack([array for array in forces if array is not None]),
        velocities=np.stack([image.get_velocities() for image in images]) / ASE_TIME
        if moving
        else None,
        masses_da=first.get_masses(),
        interval_ps=interval_ps,
        ideal=None if ideal is None else ideal.positions,
    )


def _check_numbers(frames: MemoryFrames, ideal: Floats | None, *, boxed: bool) -> None:
    names = ("positions", "velocities", "forces", *(("cells",) if boxed else ()))
    for name in names:
        array: Floats | None = getattr(frames, name)
        if array is not None and not np.isfinite(array).all():
            place = np.argwhere(~np.isfinite(array))[0]
            what = "the cell" if name == "cells" else f"{name} of atom {place[1]}"
            raise DataError(f"{what} is not finite", where=f"frame {place[0]}")
    volumes = np.abs(np.linalg.det(frames.cells)) if boxed else np.full(1, np.inf)
    flat = np.flatnonzero(~(volumes > 1e-6))
    if len(flat):
        raise DataError(
            "the cell has no volume",
            where=f"frame {flat[0]}",
            fix="give three box vectors in Å: a crystal is periodic",
        )
    if ideal is not None and not np.isfinite(ideal).all():
        raise DataError("an ideal position is not finite")


def _check_atoms(image: "Atoms", first: "Atoms", name: str) -> None:
    if len(image) != len(first):
        raise DataError(f"{name} has {len(image)} atoms and frame 0 has {len(first)}")
    if (image.numbers != first.numbers).any():
        atom = int(np.flatnonzero(image.numbers != first.numbers)[0])
        raise DataError(
            "the order or kind of the atoms changes",
            where=f"{name}, atom {atom}: {image.symbols[atom]} where frame 0 has "
            f"{first.symbols[atom]}",
            why="a program sorted or exchanged atoms between frames",
            fix="write all frames in one order",
        )


def _forces_of(image: "Atoms") -> Floats | None:
    """Find forces that are there already."""
    results = {} if image.calc is None else image.calc.results
    found = [results.get("forces"), *(image.arrays.get(name) for name in _FORCE_NAMES)]
    return next((np.asarray(array, float) for array in found if array is not None), None)
