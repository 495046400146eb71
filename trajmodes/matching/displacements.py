"""From the frames of a file to displacements, velocities and forces about the reference.

Every frame is treated separately, so that the result does not depend on the blocks. The crystal
may have drifted any distance, and atoms may have been wrapped into the box. The drift d is
first estimated as the circular mean of x − reference over a few atoms, which only decides
between images. Then u is the minimum image of (x − reference − d), rotated to the user's frame
and sorted in canonical order, minus its mass-weighted mean.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.lattice import layer_of, reduced_cell
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.errors import DataError
from trajmodes.kernels import inner_kernel, kernel
from trajmodes.matching.average import (
    BOX_CHANGED,
    USE_FIXED_BOX,
    Place,
    box_change,
    box_motion,
    in_box,
    require_near,
)
from trajmodes.matching.match import Match
from trajmodes.matching.outliers import Limits, Outliers, count_outliers, outlier_error

Hops = Literal["refuse", "exclude"]

_PROBES = 16
"""Number of atoms for the first estimate of the drift of a frame."""
_HOP = 0.8
"""Displacement, in distances of nearest neighbours, beyond which an atom has changed its site.
A hop is about 1. In bcc zirconium at 1400 K, where all atoms keep their sites, displacements
reach 0.63 and cross the faces of the Wigner–Seitz cells, so that 0.5 is not a hop. Along the
normal of a layer there are no other sites, and bending waves displace atoms farther.
"""
_FIXED = 2e-6
"""Relative change of the box below which it is fixed."""
_FAR = 0.06
"""Strain from the mean box beyond any fluctuation of a crystal at constant pressure."""


class FrameFigures(NamedTuple):
    """Drift, net force and largest displacement of the kept frames, in the user's frame."""

    drift: Floats | None
    """(t, 3), unit: Å. Centre of mass relative to that of the reference, up to box vectors."""
    drift_velocity: Floats | None
    """(t, 3), unit: Å/ps. Velocity of the centre of mass."""
    net_force: Floats | None
    """(t, 3), unit: eV/Å. Sum of the forces."""
    farthest: Floats | None
    """(t,), unit: Å. Largest displacement of an atom; in a layer, its component in the
    plane."""


class _Farthest(NamedTuple):
    """The largest displacement in each frame."""

    distance: Floats
    """(t,), unit: Å."""
    atom: Ints
    """(t,) place of its atom in the file."""


class _Plan(NamedTuple):
    """Arrays of a match for the compiled loops."""

    reference: Floats
    permutation: Ints
    shares: Floats
    """(a,) mass of each atom of the file relative to the total."""
    probes: Ints
    box: Floats
    inverse: Floats
    rotation: Floats
    normal: Floats
    """(3,) normal of a layer in the user's frame; zero in a bulk crystal."""


@dataclass(frozen=True, slots=True)
class Displacer:
    """Callable that converts a `FrameBlock` to a `MotionBlock`; picklable and thread-safe.

    If the box fluctuates, displacements are those of the reduced coordinates in the mean box;
    `trajmodes.matching.average` describes the approximation.
    """

    match: Match
    hops: Hops = "refuse"
    """Whether a frame in which an atom has left its site is an error, or is left out. Frames
    that are left out make the others unevenly spaced in time, so that this is for fits only. A
    block may become empty."""
    outliers: Outliers = "refuse"
    """The same for a frame in which a value exceeds the limits."""
    limits: Limits | None = None
    """Largest values; None for no limits."""
    place: Place | None = None
    """Function that names file and line of a frame and an atom in error messages."""
    _plan: _Plan = field(init=False, repr=False)

    def __post_init__(self) -> None:
        match = self.match
        masses = match.masses[match.permutation]
        n_atoms = len(masses)
        # In the reduced cell, rounding gives the minimum image for the largest displacements.
        box, _ = reduced_cell(match.box)
        crystal = match.supercell.crystal
        layer = layer_of(crystal.cell, crystal.sites)
        plan = _Plan(
            np.ascontiguousarray(match.reference),
            np.ascontiguousarray(match.permutation),
            masses / masses.sum(),
            np.unique(np.linspace(0, n_atoms - 1, min(_PROBES, n_atoms)).astype(np.int64)),
            np.ascontiguousarray(box),
            np.ascontiguousarray(np.linalg.inv(box)),
            np.ascontiguousarray(match.rotation),
            np.zeros(3) if layer is None else layer.normal,
        )
        object.__setattr__(self, "_plan", plan)

    def __call__(self, block: FrameBlock) -> MotionBlock:
        """Motion of every frame of a block; see `measure`."""
        return self.measure(block)[0]

    def measure(self, block: FrameBlock) -> tuple[MotionBlock, FrameFigures]:
        """Motion of every frame of a block, with its drift and net force.

        Raises
        ------
        DataError
            If the box is not that of the match; if hops are refused and an atom is farther from
            its site than 0.8 of the distance of neighbours; if outliers are refused and a value
            exceeds the limits; or if a position is too far away to be exact.
        """
        self._check_box(block)
        block = self.on_sites(block)
        shape = (block.n_frames, self.match.supercell.n_atoms, 3)
        u_tax = drift_tx = far = None
        if block.positions is not None:
            positions = block.positions
            if self.match.box_motion is not None:
                positions = in_box(positions, block.cells, self.match.box)
            u_tax, drift_tx = self._field(shape), np.empty((shape[0], 3))
            far = _Farthest(np.empty(shape[0]), np.empty(shape[0], dtype=np.int64))
            _displace(positions, self._plan, u_tax, drift_tx, far)
            require_near(block, self.match.box, self.match.ids, self._named_place)
        velocities = drift_velocity = forces = net_force = None
        if block.velocities is not None:
            velocities, drift_velocity = self._field(shape), np.empty((shape[0], 3))
            _rotate(block.velocities, self._plan, self._plan.shares, velocities, drift_velocity)
        if block.forces is not None:
            forces, net_force = self._field(shape), np.empty((shape[0], 3))
            mean, n_atoms = self.match.mean_forces, len(self.match.ids)
            varying = block.forces if mean is None else block.forces - mean
            equal = np.full(n_atoms, 1.0 / n_atoms)
            _rotate(varying, self._plan, equal, forces, net_force)
            net_force *= n_atoms
        motion = MotionBlock(block.first_frame, u_tax, velocities, forces)
        beyond = np.zeros(shape[0], dtype=np.int64)
        if self.limits is not None:
            beyond = count_outliers(motion, self.limits)
        kept = self._kept(block, motion, far, beyond)
        farthest = None if far is None else far.distance
        figures = FrameFigures(drift_tx, drift_velocity, net_force, farthest)
        return (motion, figures) if kept.all() else _kept_part(motion, figures, kept)

    def on_sites(self, block: FrameBlock) -> FrameBlock:
        """Leave out the atoms of a block that are on no site."""
        atoms = self.match.atoms
        if atoms is None or len(atoms) == block.n_atoms:
            return block
        x, v, f = block.positions, block.velocities, block.forces
        return replace(
            block,
            positions=None if x is None else x[:, atoms],
            velocities=None if v is None else v[:, atoms],
            forces=None if f is None else f[:, atoms],
        )

    def _field(self, shape: tuple[int, int, int]) -> Floats:
        """Allocate a field in canonical order; zero where sites are empty."""
        return np.empty(shape) if len(self.match.ids) == shape[1] else np.zeros(shape)

    def _check_box(self, block: FrameBlock) -> None:
        if block.n_atoms != self.match.n_file_atoms:
            raise DataError(
                f"a frame has {block.n_atoms} atoms, but the match has "
                f"{self.match.n_file_atoms}",
                where=f"frame {block.first_frame}",
            )
        change = box_change(block.cells, self.match.box)
        fluctuates = self.match.box_motion is not None
        wrong = np.flatnonzero(~(change <= (_FAR if fluctuates else _FIXED)))
        if len(wrong):
            t = wrong[0]
            raise DataError(
                f"the box differs from that of the match by {change[t]:.2e} relative",
                where=f"frame {block.first_frame + t}, step {block.steps[t]}; "
                f"{box_motion(block.cells).summary}",
                why=BOX_CHANGED,
                fix="use a part of the run with a constant mean box"
                if fluctuates
                else USE_FIXED_BOX,
            )

    def _kept(
        self, block: FrameBlock, motion: MotionBlock, far: "_Farthest | None", beyond: Ints
    ) -> Bools:
        """Frames (t,) without hops and outliers; raise a `DataError` if others are refused.

        Without positions hops are not seen.
        """
        drop = self.outliers == "drop"
        kept: Bools = beyond == 0 if drop else np.ones(len(beyond), dtype=bool)
        if far is not None:
            limit = _HOP * self.match.spacing
            farthest, atom = far
            hopped = np.isnan(farthest) if self.hops == "exclude" else ~(farthest <= limit)
            if (hopped & kept).any():
                t = int((hopped & kept).argmax())
                raise self._hop_error(block, t, int(atom[t]), float(farthest[t]))
            kept &= farthest <= limit
        refused = kept & (beyond > 0)
        if refused.any() and self.limits is not None:
            t = int(refused.argmax())
            raise outlier_error(block, t, motion, self.limits, self.match, self._named_place)
        return kept

    def _hop_error(self, block: FrameBlock, t: int, atom: int, distance: float) -> DataError:
        limit = _HOP * self.match.spacing
        frame = block.first_frame + t
        return DataError(
            f"atom {self.match.ids[atom]} is {distance:.2f} Å from its site",
            where=f"frame {frame}, step {block.steps[t]}; the limit, {_HOP} of the distance of "
            f"neighbours, is {limit:.2f} Å; {self._named_place(frame, atom)}",
            why="the atom hopped to another site, the crystal melted, or the position in the "
            "file is wrong",
            fix="use a temperature, or a part of the run, where every atom keeps its site; "
            "or exclude such frames from the fit: --hops exclude",
        )

    def _named_place(self, frame: int, atom: int) -> str:
        if self.match.atoms is not None:
            atom = int(self.match.atoms[atom])
        return f"atom {atom} of the frame" if self.place is None else self.place(frame, atom)


def _kept_part(
    motion: MotionBlock, figures: FrameFigures, kept: Bools
) -> tuple[MotionBlock, FrameFigures]:

    def part(values: Floats | None) -> Floats | None:
        return None if values is None else values[kept]

    first = motion.first_frame
    return MotionBlock(
        first,
        part(motion.displacements),
        part(motion.velocities),
        part(motion.forces),
        frames=first + np.flatnonzero(kept),
    ), FrameFigures(
        part(figures.drift),
        part(figures.drift_velocity),
        part(figures.net_force),
        part(figures.farthest),
    )


@kernel()
def _displace(x_tax, plan, u_tax, drift_tx, farthest):  # type: ignore[no-untyped-def]
    """Fill displacements (t, a, 3), drift (t, 3), and the largest distances and their atoms."""
    n_frames, n_atoms, _ = x_tax.shape
    rotation = plan.rotation
    start, d, centre = np.empty(3), np.empty(3), np.empty(3)
    for t in range(n_frames):
        _estimate_drift(x_tax[t], plan, start)
        for x in range(3):
            centre[x] = 0.0
        for a in range(n_atoms):
            for x in range(3):
                d[x] = x_tax[t, a, x] - plan.reference[a, x] - start[x]
            _take_minimum_image(d, plan.box, plan.inverse)
            atom = plan.permutation[a]
            for y in range(3):
                u = d[0] * rotation[0, y] + d[1] * rotation[1, y] + d[2] * rotation[2, y]
                u_tax[t, atom, y] = u
                centre[y] += plan.shares[a] * u
        for y in range(3):
            drift_tx[t, y] = centre[y]
            for x in range(3):
                drift_tx[t, y] += start[x] * rotation[x, y]
        farthest[0][t], farthest[1][t] = _subtract_centre(u_tax[t], centre, plan)


@inner_kernel(inline="always")
def _take_minimum_image(d, box, inverse):  # type: ignore[no-untyped-def]
    """Replace a vector by its minimum image."""
    for y in range(3):
        reduced = d[0] * inverse[0, y] + d[1] * inverse[1, y] + d[2] * inverse[2, y]
        boxes = np.rint(reduced)
        if boxes != 0.0:
            for x in range(3):
                d[x] -= boxes * box[y, x]


@inner_kernel(inline="always")
def _subtract_centre(u_ax, centre, plan):  # type: ignore[no-untyped-def]
    """Subtract the centre of mass; return the largest distance, and the atom of the file."""
    worst, where = -1.0, 0
    for a in range(len(plan.permutation)):
        atom = plan.permutation[a]
        square = out = 0.0
        for x in range(3):
            u = u_ax[atom, x] - centre[x]
            u_ax[atom, x] = u
            square += u * u
            out += u * plan.normal[x]
        square -= out * out
        if square < 0.0:  # noqa: PLR1730 - max() may lose a nan
            square = 0.0
        # Written so that a nan counts as the largest.
        if not square <= worst:
            worst, where = square, a
    return np.sqrt(worst), where


@inner_kernel(inline="always")
def _estimate_drift(x_ax, plan, start):  # type: ignore[no-untyped-def]
    """Circular mean in Å of x − reference over a few atoms, in the frame of the file."""
    for x in range(3):
        start[x] = 0.0
    for y in range(3):
        cosine = sine = 0.0
        for a in plan.probes:
            phase = 0.0
            for x in range(3):
                phase += (x_ax[a, x] - plan.reference[a, x]) * plan.inverse[x, y]
            cosine += np.cos(2.0 * np.pi * phase)
            sine += np.sin(2.0 * np.pi * phase)
        mean = np.arctan2(sine, cosine) / (2.0 * np.pi)
        for x in range(3):
            start[x] += mean * plan.box[y, x]


@kernel()
def _rotate(v_tax, plan, shares, out_tax, mean_tx):  # type: ignore[no-untyped-def]
    """Rotate, reorder and centre a field (t, a, 3); the weights of its mean are ``shares``."""
    n_frames, n_atoms, _ = v_tax.shape
    rotation, mean = plan.rotation, np.empty(3)
    for t in range(n_frames):
        for x in range(3):
            mean[x] = 0.0
        for a in range(n_atoms):
            atom = plan.permutation[a]
            for y in range(3):
                v = (
                    v_tax[t, a, 0] * rotation[0, y]
                    + v_tax[t, a, 1] * rotation[1, y]
                    + v_tax[t, a, 2] * rotation[2, y]
                )
                out_tax[t, atom, y] = v
                mean[y] += shares[a] * v
        for a in range(n_atoms):
            atom = plan.permutation[a]
            for y in range(3):
                out_tax[t, atom, y] -= mean[y]
        for y in range(3):
            mean_tx[t, y] = mean[y]
