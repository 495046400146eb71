"""The average structure of a run, from a sample of frames spread over it."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.errors import DataError
from trajmodes.readers.trajectory import Trajectory

__all__ = ["AverageStructure", "average_structure", "box_change", "nearest_images"]

_SAMPLE = 64
_SAMPLE_VALUES = 5_000_000
"""Atoms times frames that are kept at most: 120 MB."""
_FIXED = 1e-6
"""Relative change of the box that still counts as none."""


@dataclass(frozen=True, slots=True)
class AverageStructure:
    """Mean positions in the frame of the file, about which the sampled frames move."""

    frames: Ints
    """(t,) frames that were sampled."""
    box: Floats
    """(3, 3), unit: Å. Rows are the mean box vectors."""
    positions: Floats
    """(a, 3), unit: Å. Near the positions of the first frame, the drift taken out."""
    deviations: Floats
    """(t, a, 3), unit: Å. Sampled positions minus the mean, the drift taken out."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, frames="t")
        freeze(self, sizes, float, box="3 3", positions="a 3", deviations="t a 3")


def average_structure(trajectory: Trajectory, *, n_frames: int = _SAMPLE) -> AverageStructure:
    """Average frames that are spread evenly over a run.

    Atoms may be folded into the box, may have hopped whole boxes, and the crystal may drift any
    distance: every frame is compared with the first by nearest images about their common shift.

    Parameters
    ----------
    trajectory
        The run.
    n_frames
        Number of frames to sample; fewer where the run is short or very large.

    Raises
    ------
    DataError
        If the box changes in time or the trajectory is empty.
    """
    if trajectory.n_frames == 0:
        raise DataError(
            "the trajectory holds no complete frame", where=str(trajectory.paths[0])
        )
    most = max(4, _SAMPLE_VALUES // trajectory.n_atoms)
    n_frames = min(n_frames, most, trajectory.n_frames)
    frames = np.unique(np.linspace(0, trajectory.n_frames - 1, n_frames).astype(np.int64))
    blocks = [trajectory.read(int(t), int(t) + 1) for t in frames]
    cells = np.concatenate([block.cells for block in blocks])
    box = cells.mean(axis=0)
    _require_fixed_box(cells, box, frames)
    first = blocks[0].positions[0]
    moved_tax = np.stack([nearest_images(block.positions[0] - first, box) for block in blocks])
    mean = moved_tax.mean(axis=0)
    return AverageStructure(frames, box, first + mean, moved_tax - mean)


def nearest_images(apart: Floats, box: Floats) -> Floats:
    """Differences (a, 3) in Å folded to nearest images about their common shift, less its mean.

    The common shift is the circular mean over the atoms, so that it may be any distance.
    """
    reduced = apart @ np.linalg.inv(box)
    waves = np.exp(2j * np.pi * reduced).mean(axis=0)
    reduced = reduced - np.angle(waves) / (2.0 * np.pi)
    folded = (reduced - np.rint(reduced)) @ box
    result: Floats = folded - folded.mean(axis=0)
    return result


def box_change(cells: Floats, box: Floats) -> Floats:
    """Largest component (t,) of the strain that takes one box (3, 3) to others (t, 3, 3)."""
    strain: Floats = np.abs(np.linalg.inv(box) @ cells - np.eye(3)).max(axis=(1, 2))
    return strain


def _require_fixed_box(cells: Floats, box: Floats, frames: Ints) -> None:
    change = box_change(cells, box)
    worst = int(change.argmax())
    if change[worst] > _FIXED:
        raise DataError(
            f"the box changes in time, by up to {change[worst]:.2e} relative",
            where=f"frame {frames[worst]}",
            why="the run was made at constant pressure (NPT), or its box was deformed",
            fix="run at a fixed box (NVE or NVT), with the mean box of this run",
        )
