"""The average structure of a run, from a sample of frames spread over it.

Snapshots about a known structure have no need of an average: the structure is the reference.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.lattice import deformation, relative_displacements
from trajmodes.data.motion import FrameBlock
from trajmodes.errors import DataError
from trajmodes.matching.box import BoxMotion, box_change, box_motion, in_box
from trajmodes.matching.registration import Registration
from trajmodes.readers.trajectory import Trajectory
from trajmodes.symmetry.operations import SpaceGroup

_SAMPLE = 64
_SAMPLE_VALUES = 5_000_000
"""Atoms times frames that are kept at most: 120 MB."""
_FIXED = 1e-6
"""Relative change of the box that still counts as none."""
_BOXES = 2.0**20
"""Boxes beyond which a position is refused. LAMMPS counts no more of them, and at
20 Å each a double precision number is then rounded by 10⁻⁹ Å, a single precision one by 1 Å."""


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
    exact: bool = False
    """Whether the positions are those of a known structure, and no average: no frame is then
    among those sampled."""
    motion: BoxMotion | None = None
    """How the box moves, where it may; positions are then those in the mean box."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, frames="t")
        freeze(self, sizes, float, box="3 3", positions="a 3", deviations="t a 3")


def average_structure(
    trajectory: Trajectory,
    *,
    n_frames: int = _SAMPLE,
    box: Literal["fixed", "average"] = "fixed",
) -> AverageStructure:
    """Average frames that are spread evenly over a run.

    Atoms may be folded into the box, may have hopped whole boxes, and the crystal may drift any
    distance: every frame is compared with the first by nearest images about their common shift.

    Parameters
    ----------
    trajectory
        The run.
    n_frames
        Number of frames to sample; fewer where the run is short or very large.
    box
        Whether the box has to be the same in all frames, or may move about its average: see
        `trajmodes.matching.box`.

    Raises
    ------
    DataError
        If the box changes in time and may not, a position is too far away to be exact, or the
        trajectory is empty.
    """
    if trajectory.n_frames == 0:
        raise DataError(
            "the trajectory holds no complete frame", where=str(trajectory.paths[0])
        )
    most = max(4, _SAMPLE_VALUES // trajectory.n_atoms)
    n_frames = min(n_frames, most, trajectory.n_frames)
    frames = np.unique(np.linspace(0, trajectory.n_frames - 1, n_frames).astype(np.int64))
    blocks = [trajectory.read(int(t), int(t) + 1) for t in frames]
    for block in blocks:
        _require_near(block, trajectory)
    motion = box_motion(np.concatenate([block.cells for block in blocks]))
    moves = box == "average" and motion.largest > _FIXED
    if not moves or trajectory.ideal is not None:
        _require_fixed_box(motion, blocks, frames)
    if trajectory.ideal is not None:
        none = np.empty((0, trajectory.n_atoms, 3))
        return AverageStructure(frames[:0], motion.mean, trajectory.ideal, none, exact=True)
    places = [_positions(block, motion.mean if moves else None) for block in blocks]
    moved_tax = np.stack(
        [relative_displacements(x_ax - places[0], motion.mean) for x_ax in places]
    )
    mean = moved_tax.mean(axis=0)
    return AverageStructure(
        frames,
        motion.mean,
        places[0] + mean,
        moved_tax - mean,
        motion=motion if moves else None,
    )


def _positions(block: FrameBlock, box: Floats | None) -> Floats:
    """Positions (a, 3) of a single frame, in another box if one is given."""
    places: Floats = block.positions
    if box is not None:
        places = in_box(places, block.cells, box)
    first: Floats = places[0]
    return first


def _require_near(block: FrameBlock, trajectory: Trajectory) -> None:
    """Refuse a single frame with a position that is too far away to be exact."""
    far = np.abs(block.positions[0]).max(axis=1) > farthest_position(block.cells[0])
    if far.any():
        atom = int(far.argmax())
        number = atom + 1 if trajectory.ids is None else int(trajectory.ids[atom])
        raise far_position(block, 0, atom, number, trajectory.place)


def farthest_position(box: Floats) -> float:
    """Coordinate in Å beyond which a position is refused.

    Parameters
    ----------
    box
        (3, 3) box vectors in Å, as rows.
    """
    return _BOXES * float(np.linalg.norm(box, axis=1).min())


def far_position(
    block: FrameBlock, t: int, atom: int, number: int, place: Callable[[int, int], str]
) -> DataError:
    """Error that names a position too far away to be exact.

    Parameters
    ----------
    block
        Frames as the reader has them.
    t
        The frame, counted from the first of the block.
    atom
        Index of the atom.
    number
        Id of the atom.
    place
        Names the file and the line of a frame and an atom.
    """
    x = int(np.abs(block.positions[t, atom]).argmax())
    frame = block.first_frame + t
    return DataError(
        f"{'xyz'[x]} of atom {number} is {block.positions[t, atom, x]:.6g} Å, more than "
        f"{_BOXES:.0f} boxes away",
        where=f"frame {frame}, step {block.steps[t]}; {place(frame, atom)}",
        why="the number is damaged, or the unit of length is another one; so far away "
        "coordinates are too coarse to tell displacements",
        fix="correct the number, or leave the frame out by --frames",
    )


def _require_fixed_box(motion: BoxMotion, blocks: list[FrameBlock], frames: Ints) -> None:
    if motion.largest <= _FIXED:
        return
    change = [float(box_change(block.cells, motion.mean)[0]) for block in blocks]
    raise DataError(
        f"the box changes in time, by up to {motion.largest:.2e} relative",
        where=f"frame {frames[int(np.argmax(change))]}; {motion.told}",
        why="the run was made at constant pressure (NPT), or its box was deformed",
        fix="run at a fixed box (NVE or NVT), with the mean box of this run; or count "
        "displacements in the mean box: --box average",
    )


def symmetric_box(
    group: SpaceGroup, average: AverageStructure, found: Registration
) -> tuple[AverageStructure, Registration]:
    """Carry an average structure into the box of the strain that symmetry allows.

    The mean of a fluctuating box is strained by noise, and a cubic crystal in it is no longer
    cubic. Only the part of the strain that the point group allows is kept,
    ε → Σ_g C ε Cᵀ / |G|, unless the rest exceeds the fluctuation of single frames.

    Parameters
    ----------
    group
        Space group of the crystal.
    average
        The average structure, in its mean box.
    found
        Where the crystal lies in it.

    Returns
    -------
    Both in the symmetric box; as they are if the box is fixed, or the strain is no noise.
    """
    if average.motion is None:
        return average, found
    strain, turn = deformation(found.map)
    turned = group.cartesian @ strain @ group.cartesian.swapaxes(1, 2)
    allowed = turned.mean(axis=0)
    if not np.abs(strain - allowed).max() <= average.motion.rms:
        return average, found
    even = (np.eye(3) + allowed) @ turn
    carry = np.linalg.inv(found.map) @ even
    box = average.box @ carry
    moved = replace(
        average,
        box=box,
        positions=average.positions @ carry,
        deviations=average.deviations @ carry,
        motion=replace(average.motion, mean=box),
    )
    placement = replace(found.placement, offset=found.placement.offset @ carry)
    return moved, replace(found, map=even, shift=found.shift @ carry, placement=placement)
