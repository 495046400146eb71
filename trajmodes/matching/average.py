"""The average structure and the average box of a run, from a sample of frames spread over it.

Snapshots about a known structure need no average; the structure is the reference.

At constant pressure (NPT) the box h(t) fluctuates. With rows as box vectors, x = s h(t) has the
reduced coordinates s, and in the mean box ⟨h⟩ the same atoms are at s ⟨h⟩ = x h(t)⁻¹ ⟨h⟩.
Displacements are defined in the mean box: u = (s − s_ref) ⟨h⟩. Velocities and forces remain
Cartesian. They are not transformed by the strain of the frame, which gives a relative error
equal to that strain (about 10⁻³). Velocities must be peculiar velocities, relative to the
changing box, as written by LAMMPS and GROMACS. Otherwise they include the deformation of the
box, strain rate times distance.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import (
    SAME_CRYSTAL,
    SAME_STRUCTURE,
    deformation,
    layer_of,
    relative_displacements,
)
from trajmodes.data.motion import BoxMotion, FrameBlock
from trajmodes.errors import DataError
from trajmodes.kernels import kernel
from trajmodes.matching.acceptance import refuse
from trajmodes.matching.registration import Registration
from trajmodes.matching.without_positions.reference import ReferenceAtoms
from trajmodes.notes import Note, Subject
from trajmodes.readers.trajectory import Trajectory
from trajmodes.symmetry.operations import SpaceGroup

_SAMPLE = 64
_SAMPLE_VALUES = 5_000_000
"""Largest number of atoms times frames: 120 MB."""
_FIXED = 1e-6
"""Relative change of the box below which it is fixed."""
_BLOCKS = 8
"""Consecutive parts of the sampled boxes, for errors of the mean box and of its fluctuation."""
Place = Callable[[int, int], str]
"""Function that names the file, and the line if known, of a frame and an atom."""
BOX_CHANGED = "the run was made at constant pressure (NPT), or its box was deformed"
USE_FIXED_BOX = (
    "run with a fixed box (NVE or NVT), the mean box of this run; or use the mean box, and "
    "displacements in it: --box average"
)
_BOXES = 2.0**20
"""Number of box lengths beyond which a position is refused. LAMMPS counts no more. For boxes of
20 Å, rounding is then 10⁻⁹ Å in double precision, and 1 Å in single precision."""


@dataclass(frozen=True, slots=True)
class AverageStructure:
    """Mean positions in the frame of the file, and the sampled displacements from them."""

    frames: Ints
    """(t,) sampled frames."""
    box: Floats
    """(3, 3), unit: Å. Rows are the mean box vectors."""
    positions: Floats
    """(a, 3), unit: Å. Near the positions of the first frame, without drift."""
    deviations: Floats
    """(t, a, 3), unit: Å. Sampled positions minus the mean, without drift."""
    exact: bool = False
    """Whether the positions are a known structure instead of an average; no frame is then
    sampled."""
    motion: BoxMotion | None = None
    """Fluctuation of the box, if allowed; positions are then those in the mean box."""
    forces: Floats | None = None
    """(a, 3), unit: eV/Å. Mean forces in the same frames; None if there are none."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, frames="t")
        freeze(self, sizes, float, box="3 3", positions="a 3", deviations="t a 3")
        freeze(self, sizes, float, forces="a 3")


def average_structure(
    trajectory: Trajectory,
    *,
    n_frames: int = _SAMPLE,
    box: Literal["fixed", "average"] = "fixed",
    reference: ReferenceAtoms | None = None,
) -> AverageStructure:
    """Average frames that are spread evenly over a run.

    Atoms may be wrapped into the box, and the crystal may drift any distance: every frame is
    compared with the first by minimum images about their common shift. Fewer than ``n_frames``
    are sampled if the run is short or very large. With an average ``box``, the box may
    fluctuate. Without positions the structure is that of the ``reference``, in the box of the
    run.

    Raises
    ------
    DataError
        If the box must be fixed but changes in time, a position is too far away to be exact, or
        the trajectory is empty.
    """
    if trajectory.n_frames == 0:
        raise DataError("the trajectory has no complete frame", where=str(trajectory.paths[0]))
    _require_run(trajectory)
    limit = max(4, _SAMPLE_VALUES // trajectory.n_atoms)
    n_frames = min(n_frames, limit, trajectory.n_frames)
    frames = np.unique(np.linspace(0, trajectory.n_frames - 1, n_frames).astype(np.int64))
    ids = np.arange(1, trajectory.n_atoms + 1) if trajectory.ids is None else trajectory.ids
    positions, boxes = [], []
    forces = np.zeros((trajectory.n_atoms, 3))
    for t in frames:
        block = trajectory.read(int(t), int(t) + 1)
        boxes.append(block.cells[0])
        if block.positions is not None:
            require_near(block, block.cells[0], ids, trajectory.place)
            # A view would keep velocities and forces in memory.
            positions.append(block.positions[0].copy())
        if block.forces is not None:
            forces += block.forces[0] / len(frames)
    cells = np.array(boxes)
    motion = box_motion(cells)
    fluctuates = box == "average" and motion.largest > _FIXED
    if not fluctuates or trajectory.ideal is not None:
        _require_fixed_box(motion, frames[box_change(cells, motion.mean).argmax()])
    if trajectory.ideal is not None:
        none = np.empty((0, trajectory.n_atoms, 3))
        return AverageStructure(frames[:0], motion.mean, trajectory.ideal, none, exact=True)
    kept = motion if fluctuates else None
    if reference is not None:
        # One frame, which does not deviate from its mean.
        still = np.zeros((1, trajectory.n_atoms, 3))
        return AverageStructure(
            frames[:1], motion.mean, reference.in_box(motion.mean), still, motion=kept
        )
    if fluctuates:
        positions = [
            in_box(x_ax[None], cell[None], motion.mean)[0]
            for x_ax, cell in zip(positions, cells, strict=True)
        ]
    first = positions[0]
    u_tax = np.stack([relative_displacements(x_ax - first, motion.mean) for x_ax in positions])
    mean = u_tax.mean(axis=0)
    return AverageStructure(
        frames,
        motion.mean,
        first + mean,
        u_tax - mean,
        motion=kept,
        forces=forces if trajectory.has_forces else None,
    )


def _require_run(trajectory: Trajectory) -> None:
    """Raise if the trajectory is a structure: one frame of positions alone."""
    if trajectory.n_frames > 1 or trajectory.ideal is not None:
        return
    if trajectory.has_positions and not (trajectory.has_velocities or trajectory.has_forces):
        raise DataError(
            "this is one structure, not a trajectory: a single frame with positions alone",
            where=trajectory.file_names,
            fix="give the trajectory first, and the structure as --cell FILE",
        )


def require_near(block: FrameBlock, box: Floats, ids: Ints, place: Place) -> None:
    """Refuse a position that is too many boxes (3, 3) away to be exact; ``ids`` are (a,)."""
    farthest, positions = _BOXES * float(np.linalg.norm(box, axis=1).min()), block.positions
    if positions is None or np.abs(positions).max(initial=0.0) <= farthest:
        return
    size = np.nan_to_num(np.abs(positions).max(axis=2))
    t = int((size > farthest).any(axis=1).argmax())
    atom = int(size[t].argmax())
    if not size[t, atom] > farthest:
        return
    x = int(np.abs(positions[t, atom]).argmax())
    frame = block.first_frame + t
    raise DataError(
        f"{'xyz'[x]} of atom {ids[atom]} is {positions[t, atom, x]:.6g} Å, more than "
        f"{_BOXES:.0f} boxes away",
        where=f"frame {frame}, step {block.steps[t]}; {place(frame, atom)}",
        why="the number is damaged, or the unit of length is wrong; displacements cannot be "
        "computed from such large coordinates",
        fix="correct the number, or leave the frame out by --frames",
    )


def _require_fixed_box(motion: BoxMotion, frame: int) -> None:
    """Refuse a box that changes; the change is largest in the given frame."""
    if motion.largest <= _FIXED:
        return
    raise DataError(
        f"the box changes in time, by up to {100.0 * motion.largest:.2g} %",
        where=f"frame {frame}; {motion.summary}",
        why=BOX_CHANGED,
        fix=USE_FIXED_BOX,
    )


def symmetric_box(
    group: SpaceGroup, average: AverageStructure, found: Registration
) -> tuple[AverageStructure, Registration]:
    """Transform an average structure to the box whose strain symmetry allows.

    The mean of a fluctuating box is strained by noise, so that a cubic crystal would not be
    cubic. Only the part of the strain that the point group allows is kept, ε → Σ_g C ε Cᵀ /
    |G|. Both are returned unchanged if the box is fixed, or if the rest of the strain exceeds
    the fluctuation of single frames.
    """
    if average.motion is None:
        return average, found
    strain, rotation = deformation(found.map)
    allowed = _allowed_strain(group, strain)
    if not np.abs(strain - allowed).max() <= average.motion.rms:
        return average, found
    symmetric = (np.eye(3) + allowed) @ rotation
    change = np.linalg.inv(found.map) @ symmetric
    box = average.box @ change
    transformed = replace(
        average,
        box=box,
        positions=average.positions @ change,
        deviations=average.deviations @ change,
        motion=replace(
            average.motion,
            mean=box,
            means=_symmetric_means(group, average.motion, rotation) @ change,
        ),
    )
    placement = replace(found.placement, offset=found.placement.offset @ change)
    shift = found.shift @ change
    return transformed, replace(found, map=symmetric, shift=shift, placement=placement)


def _allowed_strain(group: SpaceGroup, strain: Floats) -> Floats:
    """Part (3, 3) of a strain (3, 3) that the point group allows."""
    images = group.cartesian @ strain @ group.cartesian.swapaxes(1, 2)
    allowed: Floats = images.mean(axis=0)
    return allowed


def _symmetric_means(group: SpaceGroup, motion: BoxMotion, rotation: Floats) -> Floats:
    """Mean boxes (b, 3, 3) of parts, with only the strain from their mean that symmetry allows.

    ``rotation`` (3, 3) is that of row vectors from the crystal to the file.
    """
    strain = rotation @ _strains(motion.means, motion.mean) @ rotation.T
    allowed = np.array([_allowed_strain(group, one) for one in strain]).reshape(-1, 3, 3)
    means: Floats = motion.mean @ (np.eye(3) + rotation.T @ allowed @ rotation)
    return means


def in_vacuum_of(
    crystal: Crystal, average: AverageStructure
) -> tuple[Crystal, tuple[Note, ...]]:
    """Give a layer the period of the run along its normal; any other crystal is unchanged.

    The vacuum in a cell file is arbitrary, so it may differ from that of the run.
    """
    layer = layer_of(crystal.cell, crystal.sites)
    run = layer_of(average.box, average.positions @ np.linalg.inv(average.box))
    if layer is None or run is None or run.gaps % layer.gaps:
        return crystal, ()
    period = run.period * layer.gaps / run.gaps
    if abs(period - layer.period) < SAME_STRUCTURE.site:
        return crystal, ()
    # All sites on one side of the empty space.
    sites = crystal.sites.copy()
    sites[:, layer.axis] -= layer.copies(sites[:, layer.axis])
    cell = crystal.cell.copy()
    cell[layer.axis] = period * layer.normal
    sites = sites @ crystal.cell @ np.linalg.inv(cell)
    text = (
        f"layers are {period:.4g} Å apart in the run and {layer.period:.4g} Å in the cell "
        "file: the distance in the run is used"
    )
    return replace(crystal, cell=cell, sites=sites), (Note("note", text),)


def volume_scale(
    crystal: Crystal, average: AverageStructure, accept: Collection[Subject]
) -> tuple[float, tuple[Note, ...]]:
    """Factor by which an accepted difference in volume scales the lengths of the crystal, or 1.

    Raises
    ------
    DataError
        If the volumes differ by more than in one crystal, and ``volume`` is not accepted.
    """
    run = abs(float(np.linalg.det(average.box))) / len(average.positions)
    cell = crystal.volume / crystal.n_sites
    ratio = (run / cell) ** (1 / 3)
    if abs(ratio - 1.0) <= SAME_CRYSTAL.strain:
        return 1.0, ()
    other = Note(
        "error",
        f"the run has {run:.4g} Å³ per atom, the cell file {cell:.4g}: lengths differ by "
        f"{ratio - 1.0:+.1%}",
        why="it is another crystal or phase, the crystal melted, or the unit of length differs",
        fix="give the cell file of the simulated crystal, and check the unit style; --accept "
        "volume scales the cell to the run",
        subject="volume",
    )
    return ratio, refuse(other, accept)


def box_motion(cells: Floats) -> BoxMotion:
    """Mean box and strain of boxes (t, 3, 3) in Å, rows as vectors, in order of time."""
    mean = cells.mean(axis=0)
    strain = _strains(cells, mean)
    half = len(cells) // 2
    drift = strain[-half:].mean(axis=0) - strain[:half].mean(axis=0) if half else np.zeros(1)
    # Estimates with one part left out each; the lengths of the parts differ by at most one
    # frame.
    parts = np.array_split(np.arange(len(cells)), max(1, min(_BLOCKS, len(cells) // 2)))
    others = [np.delete(cells, part, axis=0) for part in parts] if len(parts) > 1 else []
    means = [some.mean(axis=0) for some in others]
    spreads = [_rms(_strains(*one)) for one in zip(others, means, strict=True)]
    return BoxMotion(
        mean,
        np.reshape(means, (-1, 3, 3)),
        _rms(strain),
        np.reshape(spreads, (-1, 3, 3)),
        n_frames=len(cells),
        largest=float(box_change(cells, mean).max()),
        drift=float(np.abs(drift).max()),
    )


def _strains(cells: Floats, box: Floats) -> Floats:
    """Symmetric strains (t, 3, 3) from one box (3, 3) to others (t, 3, 3)."""
    linear = np.linalg.inv(box) @ cells - np.eye(3)
    # The antisymmetric part is a rotation of the box.
    symmetric: Floats = 0.5 * (linear + linear.swapaxes(1, 2))
    return symmetric


def _rms(strain: Floats) -> Floats:
    """Root mean square (3, 3) of each component of strains (t, 3, 3)."""
    rms: Floats = np.sqrt((strain**2).mean(axis=0))
    return rms


def box_change(cells: Floats, box: Floats) -> Floats:
    """Largest component (t,) of the strain from one box (3, 3) to others (t, 3, 3)."""
    strain: Floats = np.abs(np.linalg.inv(box) @ cells - np.eye(3)).max(axis=(1, 2))
    return strain


def in_box(positions: Floats, cells: Floats, box: Floats) -> Floats:
    """Transform positions (t, a, 3) from the boxes of their frames (t, 3, 3) to one box (3, 3).

    Reduced coordinates stay the same.
    """
    transformed = np.empty(positions.shape)
    _map_frames(positions, np.ascontiguousarray(np.linalg.inv(cells) @ box), transformed)
    return transformed


def box_notes(motion: BoxMotion | None) -> tuple[Note, ...]:
    """Note on the mean box and its fluctuation; none if the box is fixed."""
    if motion is None:
        return ()
    lengths = np.linalg.norm(motion.mean, axis=1)
    sides = " × ".join(f"{length:.5g}" for length in lengths)
    unit = motion.mean / lengths[:, None]
    cosines = np.clip((unit @ unit.T)[[1, 2, 0], [2, 0, 1]], -1.0, 1.0)
    angles = ", ".join(f"{angle:.2f}°" for angle in np.degrees(np.arccos(cosines)))
    text = (
        f"the box fluctuates ({motion.summary}): the crystal is that in the mean box, {sides} "
        f"Å, {angles}; displacements are those of reduced coordinates"
    )
    why = (
        "a barostat couples to long waves and strains the lattice in time, which increases "
        "linewidths"
    )
    return (Note("warning", text, why=why, fix="for lifetimes, run NVE in this mean box"),)


@kernel()
def _map_frames(x_tax, maps_txy, out_tay):  # type: ignore[no-untyped-def]
    """Apply its linear map to every frame."""
    for t in range(x_tax.shape[0]):
        for a in range(x_tax.shape[1]):
            x0, x1, x2 = x_tax[t, a, 0], x_tax[t, a, 1], x_tax[t, a, 2]
            for y in range(3):
                out_tay[t, a, y] = (
                    x0 * maps_txy[t, 0, y] + x1 * maps_txy[t, 1, y] + x2 * maps_txy[t, 2, y]
                )
