"""The reference structure of a molecule, from a file or as the average of the run.

The average is self-consistent: frames are rotated to the Eckart frame of their average and
averaged again until it converges. A molecule that is linear on average is put exactly on its
axis, since its mean off-axis positions are statistical errors.
"""

import os
import warnings
from dataclasses import replace
from pathlib import Path

import ase.data
import numpy as np

from trajmodes.arrays import Floats
from trajmodes.errors import DataError, TrajmodesError, UsageError
from trajmodes.molecules.eckart import (
    EckartFrame,
    best_rotations,
    eckart_frame,
    parallel_angles,
    shortest_rotations,
)
from trajmodes.molecules.geometry import bond_tree, centred, isolated, line_of
from trajmodes.notes import Note
from trajmodes.readers.ase import read_with_ase
from trajmodes.readers.trajectory import Trajectory
from trajmodes.streaming.schedule import cut_blocks
from trajmodes.units import DALTON

_SAMPLE = 2000
_SAMPLE_VALUES = 2_000_000
"""Largest number of atoms times frames in the average: 48 MB."""
_CONVERGED = 1e-11
"""Change of a converged average in Å."""
_ITERATIONS = 200


def molecule_reference(
    trajectory: Trajectory,
    species: tuple[str, ...],
    file: str | os.PathLike[str] | None = None,
) -> tuple[EckartFrame, tuple[Note, ...]]:
    """Find the Eckart frame of the reference of a run of one molecule or cluster.

    Parameters
    ----------
    species
        (a,) chemical symbols of its atoms.
    file
        File of the reference, with the atoms in the order of the trajectory. By default the
        reference is the average structure of the run.

    Returns
    -------
    The frame, and notes on the reference.

    Raises
    ------
    UsageError
        If the file is missing or cannot be read.
    DataError
        If the file contains other atoms, or the same atoms in another order, or the frames have
        no common structure.
    """
    masses = _masses(trajectory, species)
    if file is None:
        frame, notes = _average(trajectory, species, masses)
    else:
        positions = _from_file(Path(file), species)
        positions, notes = _straightened(positions, masses)
        molecule = isolated(species, positions, masses)
        frame = eckart_frame(molecule, bond_tree(positions))
    return follow_axis(frame, trajectory), notes


def follow_axis(frame: EckartFrame, trajectory: Trajectory) -> EckartFrame:
    """Add the angles about the axis for a run to the frame of a linear molecule."""
    if frame.line is None:
        return frame
    masses = frame.molecule.masses
    weights = masses * (centred(frame.molecule.positions, masses) @ frame.line)
    heads = (
        np.einsum("a,tax->tx", weights, frame.tree.whole(trajectory.read(start, stop)))
        for start, stop in cut_blocks(trajectory.segments, trajectory.n_atoms)
    )
    return replace(frame, angles=parallel_angles(heads, frame.line))


def _masses(trajectory: Trajectory, species: tuple[str, ...]) -> Floats:
    if trajectory.masses is not None:
        return trajectory.masses
    unknown = sorted(set(species) - set(ase.data.chemical_symbols[1:]))
    if unknown:
        raise DataError(
            f"{', '.join(unknown)} is not a chemical element, so its mass is not known",
            fix="write masses into the trajectory, or name the elements: --species O,H",
        )
    numbers = [ase.data.atomic_numbers[symbol] for symbol in species]
    return np.asarray(ase.data.atomic_masses[numbers] * DALTON, dtype=float)


def _from_file(file: Path, species: tuple[str, ...]) -> Floats:
    """Read positions (a, 3); check that the atoms are those of the trajectory, in its order."""
    if not file.is_file():
        raise UsageError("the reference file does not exist", where=str(file))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = read_with_ase(file)
    except TrajmodesError:
        raise
    # ASE's readers raise exceptions of any kind.
    except Exception as error:
        raise UsageError(
            "ASE cannot read the reference file",
            where=str(file),
            why=f"{type(error).__name__}: {error}",
            fix="write it as XYZ",
        ) from error
    symbols = tuple(found.get_chemical_symbols())
    if sorted(symbols) != sorted(species):
        raise DataError(
            f"the reference is {found.get_chemical_formula()}, but the trajectory is "
            f"{_formula(species)}",
            where=str(file),
            why="it is another molecule, or some of its atoms are missing",
        )
    if symbols != species:
        atom = next(
            a for a, pair in enumerate(zip(symbols, species, strict=True)) if len({*pair}) > 1
        )
        raise DataError(
            "the atoms of the reference are not in the order of the trajectory",
            where=f"{file}, atom {atom}: {symbols[atom]}, in the trajectory {species[atom]}; "
            "atoms from 0",
            fix="write the reference in the order of the trajectory",
        )
    positions = np.asarray(found.positions, dtype=float)
    if not np.isfinite(positions).all():
        raise DataError("a position of the reference is not finite", where=str(file))
    return positions


def _formula(species: tuple[str, ...]) -> str:
    return "".join(
        f"{kind}{species.count(kind) if species.count(kind) > 1 else ''}"
        for kind in sorted(set(species))
    )


def _straightened(positions: Floats, masses: Floats) -> tuple[Floats, tuple[Note, ...]]:
    """Put atoms that are nearly on a line exactly on it."""
    line = line_of(positions, masses)
    if line is None:
        return positions, ()
    about = centred(positions, masses)
    on_line = np.outer(about @ line, line)
    moved = float(np.linalg.norm(about - on_line, axis=1).max())
    texts = [
        "all atoms of the reference are on a line: there are five external motions, not six"
    ]
    if moved > 1e-9:
        texts.append(f"its atoms were moved to the line by up to {moved:.1e} Å")
    return positions - about + on_line, tuple(Note("note", text) for text in texts)


def _average(
    trajectory: Trajectory, species: tuple[str, ...], masses: Floats
) -> tuple[EckartFrame, tuple[Note, ...]]:
    """Eckart frame of the average structure of a sample of frames."""
    limit = max(8, min(_SAMPLE, _SAMPLE_VALUES // trajectory.n_atoms))
    count = min(limit, trajectory.n_frames)
    frames = np.unique(np.linspace(0, trajectory.n_frames - 1, count).astype(np.int64))
    blocks = [trajectory.read(int(t), int(t) + 1) for t in frames]
    has_box = bool(np.isfinite(blocks[0].cells).all())
    tree = bond_tree(blocks[0].positions_or_raise()[0], blocks[0].cells[0] if has_box else None)
    places = centred(np.concatenate([tree.whole(block) for block in blocks]), masses)
    if len(masses) == 1:
        return eckart_frame(isolated(species, places[0], masses), tree), ()
    line = _common_line(places, masses)
    mean, converged = _average_in_eckart_frame(places, masses, line)
    if not converged:
        raise DataError(
            f"the average structure did not converge in {_ITERATIONS} iterations",
            why="the frames have no common structure: groups rotate about bonds, or the "
            "cluster melted",
            fix="give a --reference",
        )
    sample = "all frames" if len(frames) == trajectory.n_frames else f"{len(frames)} frames"
    texts = [f"the reference is the average structure of {sample} in their Eckart frames"]
    if line is not None:
        texts.append(
            "the molecule is linear on average: there are five external motions, not six"
        )
    # The links are found again, because the lengths of the first ones were those of one frame.
    notes = tuple(Note("note", text) for text in texts)
    return eckart_frame(isolated(species, mean, masses), bond_tree(mean)), notes


def _common_line(places: Floats, masses: Floats) -> Floats | None:
    """Axis of the first frame, if the molecule is linear on average; None otherwise.

    The extent across the axis of a linear molecule is due to bending only, and fluctuates as
    much as its mean. In a bent molecule it is large in every frame.
    """
    rows = np.sqrt(masses)[:, None] * places
    _, lengths, axes = np.linalg.svd(rows, full_matrices=False)
    along, across = lengths[:, 0] ** 2, (lengths[:, 1:] ** 2).sum(axis=1)
    thin = across.mean() < 0.05 * along.mean()
    bends = across.std() > 0.5 * across.mean() or across.mean() < 1e-6 * along.mean()
    axis: Floats = axes[0, 0]
    return axis if thin and bends else None


def _average_in_eckart_frame(
    places: Floats, masses: Floats, line: Floats | None
) -> tuple[Floats, bool]:
    """Average (a, 3) of frames in their Eckart frames about it, and whether it converged."""
    mean = places[0]
    if line is not None:
        mean = np.outer(mean @ line, line)
    for _ in range(_ITERATIONS):
        if line is None:
            rotations, _ = best_rotations(places, mean, masses)
        else:
            heads = np.einsum("a,tax->tx", masses * (mean @ line), places)
            rotations = shortest_rotations(heads, line)
        new = np.einsum("txy,tay->ax", rotations, places) / len(places)
        if line is not None:
            new = np.outer(new @ line, line)
        change = float(np.abs(new - mean).max())
        mean = new
        if change < _CONVERGED:
            return mean, True
    return mean, False
