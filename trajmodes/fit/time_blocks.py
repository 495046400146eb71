"""Blocks of time: what both reductions of the fit have in common.

Frame t of n falls in block t·B // n, whatever the cuts of the stream. A state maps block of
time → sums; two states of neighbouring stretches share at most one block.
"""

import itertools
from collections.abc import Iterator
from typing import Protocol, TypeVar

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data import MotionBlock, Supercell
from trajmodes.errors import DataError

__all__ = ["added_up", "in_order", "pieces", "site_sums"]


class _Sums(Protocol):
    """Sums of some frames, to which those of others can be added."""

    def __add__(self: "Sums", other: "Sums") -> "Sums": ...


Sums = TypeVar("Sums", bound=_Sums)


def pieces(
    block: MotionBlock, n_frames: int, n_blocks: int
) -> Iterator[tuple[int, Floats, Floats]]:
    """Cut a stretch of frames at the borders of the blocks of time.

    Parameters
    ----------
    block
        The frames.
    n_frames
        Number of frames of the whole trajectory.
    n_blocks
        Number of blocks of time.

    Yields
    ------
    Block of time, displacements and forces (t, a, 3) of the frames in it.

    Raises
    ------
    DataError
        If the trajectory has no forces.
    """
    if block.forces is None:
        raise DataError(
            "the trajectory has no forces, and constants are fitted to forces",
            where=f"frames from {block.first_frame}",
            fix="add fx fy fz to the dump: dump 1 all custom 10 run.lammpstrj "
            "id type xu yu zu vx vy vz fx fy fz",
        )
    labels = block.indices * n_blocks // n_frames
    cuts = [0, *(np.flatnonzero(np.diff(labels)) + 1), block.n_frames]
    for start, stop in itertools.pairwise(cuts):
        if stop > start:
            part = slice(start, stop)
            yield int(labels[start]), block.displacements[part], block.forces[part]


def added_up(earlier: dict[int, Sums], later: dict[int, Sums]) -> dict[int, Sums]:
    """Add up the states of two stretches of time.

    Parameters
    ----------
    earlier
        Block of time → sums.
    later
        The same of later frames.
    """
    both = {b: earlier[b] + later[b] for b in earlier.keys() & later.keys()}
    return {**earlier, **later, **both}


def in_order(state: dict[int, Sums]) -> list[Sums]:
    """Sort the sums of the blocks by time.

    Parameters
    ----------
    state
        Block of time → sums.

    Raises
    ------
    DataError
        If there was no frame.
    """
    if not state:
        raise DataError("there are no frames to fit")
    return [state[b] for b in sorted(state)]


def site_sums(supercell: Supercell, field: Floats) -> Floats:
    """(s, 3) sum over frames of the mean over the cells of a field (t, a, 3).

    Parameters
    ----------
    supercell
        The supercell.
    field
        (t, a, 3) in canonical order.
    """
    by_site = (supercell.n_cells, supercell.crystal.n_sites, 3)
    mean: Floats = field.sum(axis=0).reshape(by_site).mean(axis=0)
    return mean
