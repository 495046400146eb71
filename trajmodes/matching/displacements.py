"""From frames as the file has them to motion about the reference.

Every frame is treated alone, so that results do not depend on where blocks are cut. The crystal
may have drifted any distance and atoms may have been folded or hopped whole boxes: the drift
d is first taken roughly, as the circular mean of x − reference over a few atoms, then u is the
nearest image of (x − reference − d), turned to the user's frame, put in canonical order, less
its mass-weighted mean. The choice of those few atoms only decides between images.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numba import njit

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.lattice import reduced_cell
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.errors import DataError
from trajmodes.matching.average import far_position, farthest_position
from trajmodes.matching.box import box_change, box_motion, in_box
from trajmodes.matching.match import Match
from trajmodes.matching.outliers import (
    Limits,
    Outliers,
    Place,
    count_beyond,
    count_outliers,
    outlier_error,
)

Hops = Literal["refuse", "exclude"]

_PROBES = 16
"""Atoms that the drift of a frame is first taken from."""
_HOP = 0.8
"""Displacement, in distances of nearest neighbours, beyond which an atom has changed its site.
One that has moves about 1; but bcc zirconium at 1400 K, whose atoms all keep their sites, goes
out to 0.63 and through the faces of its Wigner–Seitz cells, so half the distance is no hop."""
_FIXED = 2e-6
"""Relative change of the box that still counts as none."""
_FAR = 0.06
"""Strain from the mean box that no crystal at a given temperature and pressure shows."""


class FrameFigures(NamedTuple):
    """What was taken away from the frames of a block that are left, in the user's frame."""

    drift: Floats
    """(t, 3), unit: Å. Centre of mass about that of the reference, known up to box vectors."""
    drift_velocity: Floats | None
    """(t, 3), unit: Å/ps. Velocity of the centre of mass."""
    net_force: Floats | None
    """(t, 3), unit: eV/Å. Sum of the forces."""
    farthest: Floats
    """(t,), unit: Å. Largest displacement of an atom."""
    excluded: Ints
    """(k,) number of each frame that was left out: an atom had left its site, or a value was an
    outlier."""


class _Plan(NamedTuple):
    reference: Floats
    slots: Ints
    shares: Floats
    """(a,) mass of each atom of the file as a part of the whole."""
    probes: Ints
    box: Floats
    inverse: Floats
    rotation: Floats


@dataclass(frozen=True, slots=True)
class Displacer:
    """Callable that turns a `FrameBlock` into a `MotionBlock`; picklable and thread-safe.

    Where the match allows the box to move, displacements are those of the reduced coordinates
    in the mean box: see `trajmodes.matching.box` for what that neglects.
    """

    match: Match
    hops: Hops = "refuse"
    """Whether a frame in which an atom has left its site is an error, or is left out of the
    motion. That is for fits only: frames are no longer at equal distances in time. A block may
    be left without a frame."""
    outliers: Outliers = "refuse"
    """The same of a frame in which a value is beyond the limits."""
    limits: Limits | None = None
    """What no value may exceed; None for any."""
    place: Place | None = None
    """Names file and line of a frame and an atom, for errors."""
    _plan: _Plan = field(init=False, repr=False)
    _far: Floats = field(init=False, repr=False)
    """(a, 3), unit: Å. Coordinates that are too large to be exact."""

    def __post_init__(self) -> None:
        match = self.match
        masses = match.supercell.masses[match.slots]
        n_atoms = len(masses)
        # Reduced vectors of the same lattice have the widest cell to round in.
        box, _ = reduced_cell(match.box)
        plan = _Plan(
            np.ascontiguousarray(match.reference),
            np.ascontiguousarray(match.slots),
            masses / masses.sum(),
            np.unique(np.linspace(0, n_atoms - 1, min(_PROBES, n_atoms)).astype(np.int64)),
            np.ascontiguousarray(box),
            np.ascontiguousarray(np.linalg.inv(box)),
            np.ascontiguousarray(match.rotation),
        )
        object.__setattr__(self, "_plan", plan)
        far = np.full((n_atoms, 3), farthest_position(match.box))
        far.flags.writeable = False
        object.__setattr__(self, "_far", far)

    def __call__(self, block: FrameBlock) -> MotionBlock:
        """Motion of every frame of a block; see `measure`."""
        return self.measure(block)[0]

    def measure(self, block: FrameBlock) -> tuple[MotionBlock, FrameFigures]:
        """Motion of every frame of a block, and what was taken away from it.

        Parameters
        ----------
        block
            Frames of the run that was matched.

        Raises
        ------
        DataError
            If the box is not that of the match, or an atom is farther from its site than atoms
            get that keep it, 0.8 of the distance between neighbours, and hops are refused; or
            a value is beyond the limits, and outliers are refused; or a position is too far
            away to be exact.
        """
        self._check_box(block)
        positions = block.positions
        if self.match.box_motion is not None:
            positions = in_box(positions, block.cells, self.match.box)
        shape = positions.shape
        u_tax, drift_tx = np.empty(shape), np.empty((shape[0], 3))
        farthest, atom = np.empty(shape[0]), np.empty(shape[0], dtype=np.int64)
        _displace(positions, self._plan, u_tax, drift_tx, (farthest, atom))
        self._require_near(block)
        velocities = drift_velocity = forces = net_force = None
        if block.velocities is not None:
            velocities, drift_velocity = np.empty(shape), np.empty((shape[0], 3))
            _turn(block.velocities, self._plan, self._plan.shares, velocities, drift_velocity)
        if block.forces is not None:
            forces, net_force = np.empty(shape), np.empty((shape[0], 3))
            even = np.full(shape[1], 1.0 / shape[1])
            _turn(block.forces, self._plan, even, forces, net_force)
            net_force *= shape[1]
        whole = MotionBlock(block.first_frame, u_tax, velocities, forces)
        beyond = np.zeros(shape[0], dtype=np.int64)
        if self.limits is not None:
            beyond = count_outliers(whole, self.limits)
        kept = self._sound(block, whole, (farthest, atom, beyond))
        figures = FrameFigures(
            drift_tx, drift_velocity, net_force, farthest, np.empty(0, dtype=np.int64)
        )
        return (whole, figures) if kept.all() else _kept_part(whole, figures, kept)

    def _check_box(self, block: FrameBlock) -> None:
        if block.positions.shape[1] != len(self.match.slots):
            raise DataError(
                f"a frame has {block.positions.shape[1]} atoms where {len(self.match.slots)} "
                "were matched",
                where=f"frame {block.first_frame}",
            )
        change = box_change(block.cells, self.match.box)
        moves = self.match.box_motion is not None
        wrong = np.flatnonzero(~(change <= (_FAR if moves else _FIXED)))
        if len(wrong):
            t = wrong[0]
            raise DataError(
                f"the box differs from that of the match by {change[t]:.2e} relative",
                where=f"frame {block.first_frame + t}, step {block.steps[t]}; "
                f"{box_motion(block.cells).told}",
                why="the run was made at constant pressure (NPT), or its box was deformed",
                fix="use a part of the run with one mean box"
                if moves
                else "run at a fixed box (NVE or NVT), with the mean box of this run; or count "
                "displacements in the mean box: --box average",
            )

    def _require_near(self, block: FrameBlock) -> None:
        """Refuse frames with positions so many boxes away that displacements are not exact."""
        far = farthest_position(self.match.box)
        for t in np.flatnonzero(count_beyond(block.positions, self._far)):
            size = np.abs(block.positions[t]).max(axis=1)
            atom = int(np.nan_to_num(size).argmax())
            if size[atom] > far:
                number = int(self.match.ids[atom])
                raise far_position(block, int(t), atom, number, self._named_place)

    def _sound(
        self, block: FrameBlock, motion: MotionBlock, found: tuple[Floats, Ints, Ints]
    ) -> Bools:
        """(t,) frames without hops and outliers; refuses others if it has to."""
        farthest, atom, beyond = found
        drop = self.outliers == "drop"
        kept: Bools = beyond == 0 if drop else np.ones(len(beyond), dtype=bool)
        limit = _HOP * self.match.spacing
        lost = np.isnan(farthest) if self.hops == "exclude" else ~(farthest <= limit)
        if (lost & kept).any():
            t = int((lost & kept).argmax())
            raise self._hop(block, t, int(atom[t]), float(farthest[t]))
        kept &= farthest <= limit
        odd = kept & (beyond > 0)
        if odd.any() and self.limits is not None:
            t = int(odd.argmax())
            raise outlier_error(block, t, motion, self.limits, self.match, self._named_place)
        return kept

    def _hop(self, block: FrameBlock, t: int, atom: int, distance: float) -> DataError:
        limit = _HOP * self.match.spacing
        frame = block.first_frame + t
        return DataError(
            f"atom {self.match.ids[atom]} is {distance:.2f} Å from its site",
            where=f"frame {frame}, step {block.steps[t]}; {_HOP} of the distance between "
            f"neighbours is {limit:.2f} Å; {self._named_place(frame, atom)}",
            why="the atom hopped to another site, the crystal melted, or the position in the "
            "file is wrong",
            fix="use a temperature, or a part of the run, where every atom keeps its site; "
            "or leave such frames out of the fit: --hops exclude",
        )

    def _named_place(self, frame: int, atom: int) -> str:
        return f"atom {atom} of the frame" if self.place is None else self.place(frame, atom)


def _kept_part(
    motion: MotionBlock, figures: FrameFigures, kept: Bools
) -> tuple[MotionBlock, FrameFigures]:
    """Return the frames that are kept, and the numbers of the others."""
    v, v_drift, f, f_net = (
        None if one is None else one[kept]
        for one in (
            motion.velocities,
            figures.drift_velocity,
            motion.forces,
            figures.net_force,
        )
    )
    first = motion.first_frame
    part = MotionBlock(
        first, motion.displacements[kept], v, f, frames=first + np.flatnonzero(kept)
    )
    excluded = first + np.flatnonzero(~kept)
    return part, FrameFigures(
        figures.drift[kept], v_drift, f_net, figures.farthest[kept], excluded
    )


@njit(nogil=True, cache=True)
def _displace(x_tax, plan, u_tax, drift_tx, farthest):  # type: ignore[no-untyped-def]
    """Fill displacements (t, a, 3), drift (t, 3), and the largest distances and their atoms."""
    n_frames, n_atoms, _ = x_tax.shape
    turn = plan.rotation
    start, apart, centre = np.empty(3), np.empty(3), np.empty(3)
    for t in range(n_frames):
        _rough_drift(x_tax[t], plan, start)
        for x in range(3):
            centre[x] = 0.0
        for a in range(n_atoms):
            for x in range(3):
                apart[x] = x_tax[t, a, x] - plan.reference[a, x] - start[x]
            _fold(apart, plan.box, plan.inverse)
            slot = plan.slots[a]
            for y in range(3):
                u = apart[0] * turn[0, y] + apart[1] * turn[1, y] + apart[2] * turn[2, y]
                u_tax[t, slot, y] = u
                centre[y] += plan.shares[a] * u
        for y in range(3):
            drift_tx[t, y] = centre[y]
            for x in range(3):
                drift_tx[t, y] += start[x] * turn[x, y]
        farthest[0][t], farthest[1][t] = _centre(u_tax[t], centre, plan.slots)


@njit(nogil=True, cache=True, inline="always")
def _fold(apart, box, inverse):  # type: ignore[no-untyped-def]
    """Replace a vector by its nearest image; folded atoms only are off by half a box."""
    for y in range(3):
        reduced = apart[0] * inverse[0, y] + apart[1] * inverse[1, y] + apart[2] * inverse[2, y]
        boxes = np.rint(reduced)
        if boxes != 0.0:
            for x in range(3):
                apart[x] -= boxes * box[y, x]


@njit(nogil=True, cache=True, inline="always")
def _centre(u_ax, centre, slots):  # type: ignore[no-untyped-def]
    """Take the centre of mass away; the largest distance that is left, and the file's atom."""
    worst, where = -1.0, 0
    for a in range(len(slots)):
        square = 0.0
        for x in range(3):
            u = u_ax[slots[a], x] - centre[x]
            u_ax[slots[a], x] = u
            square += u * u
        # Written so that a nan counts as the largest.
        if not square <= worst:
            worst, where = square, a
    return np.sqrt(worst), where


@njit(nogil=True, cache=True, inline="always")
def _rough_drift(x_ax, plan, start):  # type: ignore[no-untyped-def]
    """Circular mean in Å, in the frame of the file, of x − reference over the probes."""
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


@njit(nogil=True, cache=True)
def _turn(v_tax, plan, shares, out_tax, mean_tx):  # type: ignore[no-untyped-def]
    """Turn and reorder a field (t, a, 3), less its mean with given shares (a,), kept too."""
    n_frames, n_atoms, _ = v_tax.shape
    turn, mean = plan.rotation, np.empty(3)
    for t in range(n_frames):
        for x in range(3):
            mean[x] = 0.0
        for a in range(n_atoms):
            slot = plan.slots[a]
            for y in range(3):
                v = (
                    v_tax[t, a, 0] * turn[0, y]
                    + v_tax[t, a, 1] * turn[1, y]
                    + v_tax[t, a, 2] * turn[2, y]
                )
                out_tax[t, slot, y] = v
                mean[y] += shares[a] * v
        for a in range(n_atoms):
            for y in range(3):
                out_tax[t, a, y] -= mean[y]
        for y in range(3):
            mean_tx[t, y] = mean[y]
