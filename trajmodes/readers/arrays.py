"""Trajectories in memory: arrays, ASE Atoms, and displacements from an ideal structure.

All later stages take a `Trajectory`, so that displacements and forces from any source are
matched, streamed and fitted like the frames of a file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, freeze
from trajmodes.data.lattice import SAME_STRUCTURE
from trajmodes.errors import DataError, UsageError, with_location
from trajmodes.notes import Note
from trajmodes.readers.time_axis import TimeAxis
from trajmodes.readers.trajectory import AtomTable, FrameFields, Trajectory
from trajmodes.units import ASE_TIME, DALTON

if TYPE_CHECKING:
    from ase import Atoms


_FORCE_NAMES = ("forces", "force", "REF_forces", "MACE_forces")


@dataclass(frozen=True, slots=True, eq=False)
class MemoryFrames:
    """Frames in memory."""

    cells: Floats
    """(t, 3, 3), unit: Å. Rows are the box vectors; nan where there is no box."""
    positions: Floats | None
    """(t, a, 3), unit: Å."""
    velocities: Floats | None
    """(t, a, 3), unit: Å/ps."""
    forces: Floats | None
    """(t, a, 3), unit: eV/Å."""

    def __post_init__(self) -> None:
        vectors = dict.fromkeys(("positions", "velocities", "forces"), "t a 3")
        freeze(self, {}, float, **vectors, cells="t 3 3")

    def read(self, start: int, stop: int) -> FrameFields:
        """Frames [start, stop)."""
        some = slice(start, stop)
        fields = (self.positions, self.velocities, self.forces)
        return FrameFields(
            self.cells[some], *(None if one is None else one[some] for one in fields)
        )

    def place(self, frame: int, atom: int) -> str:  # noqa: ARG002 - part of the interface
        """Empty: frames in memory have no lines."""
        return ""


def trajectory_of_arrays(  # noqa: PLR0913 - each keyword is one field of the frames
    positions: npt.ArrayLike | None,
    cells: npt.ArrayLike | None,
    species: Sequence[str],
    *,
    forces: npt.ArrayLike | None = None,
    velocities: npt.ArrayLike | None = None,
    masses_da: npt.ArrayLike | None = None,
    interval_ps: float | None = None,
    ideal: npt.ArrayLike | None = None,
) -> Trajectory:
    """Make a trajectory of arrays, whose axes and units are those of `trajmodes.from_arrays`.

    `cells` is None for a molecule without a box, or for velocities alone. Without an `ideal`
    structure displacements refer to the average of the frames.

    Raises
    ------
    DataError
        If shapes disagree, there is no frame, or a number is not finite.
    UsageError
        If the time between frames is not positive.
    """
    given = {"positions": positions, "velocities": velocities, "forces": forces}
    arrays = {k: np.asarray(v, dtype=float) for k, v in given.items() if v is not None}
    if not arrays:
        raise DataError("there are neither positions nor velocities")
    name, leading = next(iter(arrays.items()))
    if leading.ndim != 3 or 0 in leading.shape or leading.shape[2] != 3:
        raise DataError(f"{name} have shape {leading.shape}, expected (frames, atoms, 3)")
    n_frames, n_atoms = leading.shape[:2]
    if len(species) != n_atoms:
        raise DataError(f"there are {len(species)} species for {n_atoms} atoms")
    if interval_ps is not None and not 0.0 < interval_ps < np.inf:
        raise UsageError(
            f"the time between frames is {interval_ps:g} ps, which is not positive"
        )
    boxes = np.full((3, 3), np.nan) if cells is None else np.asarray(cells, dtype=float)
    if boxes.ndim == 2:
        boxes = np.broadcast_to(boxes, (n_frames, *boxes.shape))
    frames = MemoryFrames(boxes, *map(arrays.get, given))
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
        has_positions="positions" in arrays,
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
    """Make a trajectory of a list of ASE Atoms.

    Forces are the stored results of a calculator, before constraints, or the array ``forces``
    of the atoms; nothing is calculated. Velocities are used if all frames have momenta.

    Parameters
    ----------
    frames
        Structures with the same atoms in the same order.
    ideal
        The structure from which the frames are displaced, if they are not from dynamics.
    interval_ps
        As in `trajectory_of_arrays`.
    isolated
        Whether this is a molecule or cluster, whose cells are ignored.

    Raises
    ------
    DataError
        If there is no frame, the number or order of atoms changes, some frames have no forces,
        a number is not finite, or there is no cell.
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
            why="they were not calculated there, and trajmodes calculates none",
            fix="attach a SinglePointCalculator with forces to every frame, or leave it out",
        )
    velocities: Floats | None = None
    if all(image.has("momenta") for image in images):
        velocities = np.stack([image.get_velocities() for image in images]) / ASE_TIME
    return trajectory_of_arrays(
        np.stack([image.positions for image in images]),
        None if isolated else np.stack([image.cell.array for image in images]),
        first.get_chemical_symbols(),
        forces=None if missing else np.stack([array for array in forces if array is not None]),
        velocities=velocities,
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
    results = {} if image.calc is None else image.calc.results
    found = [results.get("forces"), *(image.arrays.get(name) for name in _FORCE_NAMES)]
    return next((np.asarray(array, float) for array in found if array is not None), None)


@dataclass(frozen=True, slots=True)
class IdealStructure:
    """A supercell with every atom on its site."""

    cell: Floats
    """(3, 3), unit: Å. Rows are the box vectors."""
    positions: Floats
    """(a, 3), unit: Å."""
    species: tuple[str, ...]
    masses: Floats | None = None
    """(a,), unit: eV ps²/Å²; None if they are not given."""

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
    """Make a trajectory of displacements (t, a, 3) in Å and the resulting forces in eV/Å.

    They are from a file in the units ``unit_style``.

    Raises
    ------
    DataError
        If shapes disagree, there is no frame, or a number is not finite.
    """
    if displacements.shape != forces.shape or displacements.shape[1:] != ideal.positions.shape:
        raise DataError(
            f"displacements and forces have shapes {displacements.shape} and {forces.shape}, "
            f"but the supercell has {len(ideal.species)} atoms",
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
        raise with_location(error, str(path)) from None
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
    """Join snapshots of several files; raises DataError if their ideal structures differ."""
    first, *others = pieces
    if not others:
        return first
    for other in others:
        if not same_ideal_structure(first, other):
            raise DataError(
                "the files contain displacements from different structures",
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


def same_ideal_structure(one: Trajectory, other: Trajectory) -> bool:
    """Whether two trajectories contain snapshots about the same known structure."""
    if one.ideal is None or other.ideal is None or one.species != other.species:
        return False
    boxes = [whole.read(0, 1).cells[0] for whole in (one, other)]
    return bool(
        np.abs(one.ideal - other.ideal).max() < SAME_STRUCTURE.site
        and np.abs(boxes[0] - boxes[1]).max() < SAME_STRUCTURE.site
    )
