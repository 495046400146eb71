"""The angle about the axis of a linear molecule, which positions do not fix.

Its bending vibrations turn about the axis as they please, so a frame that turned along with
them, or jumped about the axis from frame to frame, would smear their spectra. The frame here
is carried along parallel: from one frame of the trajectory to the next it turns by the
shortest way that takes the axis along, and never about the axis. Where the axis stands still,
so does the frame. Angles are found for a whole trajectory at once, so no result depends on
where it is cut into blocks.

Frames of a molecule as motion in its Eckart frame: neither moving nor turning.

With positions x about the centre of mass and a reference r, the frame is turned by the R that
makes y = R x, u = y − r obey the Eckart conditions (C. Eckart, Phys. Rev. 47, 552 (1935))

    Σ m u = 0   and   Σ m r × u = 0 .

The R of least Σ m |R x − r|² does so (K. N. Kudin and A. Y. Dymarsky, J. Chem. Phys. 122,
224105 (2005)); it is the largest eigenvector of a 4 × 4 matrix of the Σ m x_i r_j, as a
quaternion (B. K. P. Horn, J. Opt. Soc. Am. A 4, 629 (1987)). Forces are turned by R as well.

Velocities are those that an observer sees who turns with the frame: the exact time derivative
of u,

    u̇ = R(v − V) − Ω × y ,   [Σ m (r·y) 1 − y rᵀ] Ω = Σ m r × R(v − V) ,

which obeys the Eckart conditions too. Ω is the angular velocity of the frame itself, which
differs from (moment of inertia)⁻¹ · (angular momentum) by what vibrations carry (J. D. Louck
and H. W. Galbraith, Rev. Mod. Phys. 48, 69 (1976)).

Atoms on a line have no angle about it. Their frame takes the line of Σ m (r·n) x to n and turns
about n only as `linear_frame` says; Ω then has no component along n. One atom has no angles.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal import Supercell
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.errors import DataError
from trajmodes.molecules.point_group import centred, line_of
from trajmodes.molecules.unwrap import BondTree

_OPPOSITE = 1e-12
"""1 + cos of the angle between two directions that no shortest way joins."""


def shortest_turns(heads: Floats, line: Floats) -> Floats:
    """Rotations (t, 3, 3) that take vectors (t, 3) to a direction (3,) by the shortest way."""
    units = heads / np.linalg.norm(heads, axis=1, keepdims=True)
    return _between(units, np.broadcast_to(line, units.shape))


def turned_about(line: Floats, angles: Floats) -> Floats:
    """Rotations (t, 3, 3) about a direction (3,) by angles (t,) in rad."""
    one, two = _across(line)
    cosine, sine = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    plane = np.outer(one, one) + np.outer(two, two)
    turn: Floats = (
        np.outer(line, line) + cosine * plane + sine * (np.outer(two, one) - np.outer(one, two))
    )
    return turn


def parallel_turns(heads: Iterable[Floats], line: Floats) -> Floats:
    """Angles (t,) about the line, on top of the shortest turns, that carry a frame parallel.

    Parameters
    ----------
    heads
        Blocks of vectors (t, 3) along the axis of the molecule, in order of time.
    line
        (3,) direction that they are turned to.
    """
    vectors = np.concatenate(list(heads))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    turns = shortest_turns(units, line)
    carried = _between(units[:-1], units[1:])
    # R_t = Z(χ_t) A_t, and R_{t+1} = R_t Pᵀ: A_t Pᵀ A_{t+1}ᵀ turns about the line by δχ.
    steps = turns[:-1] @ carried.swapaxes(1, 2) @ turns[1:].swapaxes(1, 2)
    one, two = _across(line)
    change = np.arctan2(
        np.einsum("x,txy,y->t", two, steps, one), np.einsum("x,txy,y->t", one, steps, one)
    )
    angles: Floats = np.concatenate([[0.0], np.cumsum(change)])
    return angles


def _across(line: Floats) -> tuple[Floats, Floats]:
    """Two directions that make a right-handed frame with the line."""
    start = np.eye(3)[np.abs(line).argmin()]
    one = np.cross(line, start)
    one /= np.linalg.norm(one)
    return one, np.cross(line, one)


def _between(start: Floats, end: Floats) -> Floats:
    """Rotations (t, 3, 3) of unit vectors (t, 3) to others by the shortest way."""
    # With s = a + b the rotation is x − s (s·x)/(½ s²) + 2 b (a·x): a goes to b, and what is
    # across both stays.
    total = start + end
    half = 0.5 * np.einsum("tx,tx->t", total, total)
    turn: Floats = (
        np.eye(3)
        - total[:, :, None] * total[:, None, :] / np.maximum(half, _OPPOSITE)[:, None, None]
        + 2.0 * end[:, :, None] * start[:, None, :]
    )
    for t in np.flatnonzero(half < _OPPOSITE):
        # Half a turn about any axis across: the angle about the line makes up for the choice.
        axis, _ = _across(end[t])
        turn[t] = 2.0 * np.outer(axis, axis) - np.eye(3)
    return turn


_UNIQUE = 1e-6
"""Least gap of the two largest eigenvalues, relative to the largest, that fixes a rotation."""
_HOP = 0.6
"""Displacement, in distances to the nearest atom, at which an atom has left its place."""


@dataclass(frozen=True, slots=True)
class EckartFrame:
    """Turns frames of a file into motion about a reference; see the module's text.

    Its motion is in the Cartesian frame of the reference, atoms in the order of the file.
    """

    molecule: Supercell
    """The reference, of one cell."""
    tree: BondTree
    """What holds it together."""
    line: Floats | None = None
    """(3,) the line that the atoms lie on; None if they lie on none."""
    turns: Floats | None = None
    """(t,), unit: rad. Angle about the line for every frame of the trajectory, see
    `linear_frame`; None for zero."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, line="3", turns="t")

    def __call__(self, block: FrameBlock) -> MotionBlock:
        """Motion of some frames.

        Raises
        ------
        DataError
            If atoms are missing, have left their places or changed them, or a number is not
            finite.
        """
        n = self.molecule.n_atoms
        if block.positions.shape[1] != n:
            raise DataError(
                f"a frame has {block.positions.shape[1]} atoms where the reference has {n}",
                where=f"frame {block.first_frame}",
                fix="give a --reference with the atoms of the trajectory, in its order",
            )
        _require_finite(block)
        masses = self.molecule.masses
        reference = centred(self.molecule.positions, masses)
        places = centred(self.tree.whole(block), masses)
        turns_txy = self._turns(places, block)
        y_tax = places @ turns_txy.swapaxes(1, 2)
        displacements = y_tax - reference
        self._refuse_hops(displacements, block)
        velocities = forces = None
        if block.velocities is not None:
            w_tax = centred(block.velocities, masses) @ turns_txy.swapaxes(1, 2)
            velocities = w_tax - np.cross(self.angular_velocity(y_tax, w_tax)[:, None], y_tax)
        if block.forces is not None:
            net = block.forces.sum(axis=1, keepdims=True)
            own = block.forces - net * (masses / masses.sum())[:, None]
            forces = own @ turns_txy.swapaxes(1, 2)
        return MotionBlock(block.first_frame, displacements, velocities, forces)

    def angular_velocity(self, y_tax: Floats, w_tax: Floats) -> Floats:
        """Ω (t, 3) in rad/ps of the frame, in its own axes.

        Parameters
        ----------
        y_tax
            (t, a, 3) turned positions about the centre of mass, in Å.
        w_tax
            (t, a, 3) turned velocities about that of the centre of mass, in Å/ps.
        """
        if self.molecule.n_atoms == 1:
            return np.zeros((len(y_tax), 3))
        masses = self.molecule.masses
        m_ax = masses[:, None] * centred(self.molecule.positions, masses)
        spin_tx = np.cross(m_ax, w_tax).sum(axis=1)
        along = np.einsum("ax,tax->t", m_ax, y_tax)
        if self.line is not None:
            across = spin_tx - np.outer(spin_tx @ self.line, self.line)
            found: Floats = across / along[:, None]
            return found
        inertia = along[:, None, None] * np.eye(3) - np.einsum("tax,ay->txy", y_tax, m_ax)
        solved: Floats = np.linalg.solve(inertia, spin_tx[..., None])[..., 0]
        return solved

    def _turns(self, places: Floats, block: FrameBlock) -> Floats:
        """Rotations (t, 3, 3) from the frames to the reference."""
        masses = self.molecule.masses
        reference = centred(self.molecule.positions, masses)
        if self.line is not None:
            heads = np.einsum("a,tax->tx", masses * (reference @ self.line), places)
            turns = shortest_turns(heads, self.line)
            if self.turns is None:
                return turns
            stop = block.first_frame + block.n_frames
            angles = self.turns[block.first_frame : stop]
            about: Floats = turned_about(self.line, angles) @ turns
            return about
        turns, gap = best_turns(places, reference, masses)
        if self.molecule.n_atoms > 1 and gap.min(initial=1.0) < _UNIQUE:
            t = int(gap.argmin())
            raise DataError(
                "the molecule is so distorted that it has no orientation",
                where=f"frame {block.first_frame + t}, step {block.steps[t]}",
                why="it is not the molecule of the reference, or atoms have changed places",
                fix="give a --reference of this molecule, atoms in the order of the trajectory",
            )
        return turns

    def _refuse_hops(self, u_tax: Floats, block: FrameBlock) -> None:
        reference = self.molecule.positions
        if len(reference) == 1:
            return
        apart = np.linalg.norm(reference[:, None] - reference[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        excess = np.linalg.norm(u_tax, axis=2) / (_HOP * apart.min(axis=1))
        if not excess.max(initial=0.0) > 1.0:
            return
        t, a = np.unravel_index(int(excess.argmax()), excess.shape)
        place = reference[a] + u_tax[t, a]
        nearest = int(np.linalg.norm(reference - place, axis=1).argmin())
        went = "" if nearest == a else f", and nearest to that of atom {nearest}"
        raise DataError(
            f"atom {a} is {np.linalg.norm(u_tax[t, a]):.2f} Å from its place{went}",
            where=f"frame {block.first_frame + t}, step {block.steps[t]}; atoms from 0",
            why="atoms have changed places, a group has turned about a bond, the cluster "
            "melted, or the reference is another molecule",
            fix="give a --reference with the atoms in the order of the trajectory, or choose "
            "frames where every atom keeps its place; modes are those of one shape",
        )


def _require_finite(block: FrameBlock) -> None:
    fields = {"position": block.positions, "velocity": block.velocities, "force": block.forces}
    for name, field in fields.items():
        if field is None or np.isfinite(field).all():
            continue
        t, a = np.argwhere(~np.isfinite(field))[0, :2]
        raise DataError(
            f"the {name} of atom {a} is not finite",
            where=f"frame {block.first_frame + t}, step {block.steps[t]}; atoms from 0",
        )


def eckart_frame(molecule: Supercell, tree: BondTree) -> EckartFrame:
    """Eckart frame of a molecule.

    Parameters
    ----------
    molecule
        The reference, of one cell. Atoms on a line must lie on it exactly.
    tree
        What holds it together.
    """
    return EckartFrame(molecule, tree, line_of(molecule.positions, molecule.masses))


def best_turns(places: Floats, reference: Floats, masses: Floats) -> tuple[Floats, Floats]:
    """Rotations of least Σ m |R x − r|².

    Parameters
    ----------
    places
        (t, a, 3) positions about their centre of mass.
    reference
        (a, 3) reference about its centre of mass.
    masses
        (a,) weights.

    Returns
    -------
    turns
        (t, 3, 3) rotations R, of determinant 1.
    gap
        (t,) distance of the two largest eigenvalues over the largest: 0 where no rotation is
        better than all others.
    """
    s = np.einsum("tax,ay->txy", places, masses[:, None] * reference)
    k = np.empty((len(s), 4, 4))
    k[:, 0, 0] = np.trace(s, axis1=1, axis2=2)
    for x in range(3):
        y, z = (x + 1) % 3, (x + 2) % 3
        k[:, x + 1, x + 1] = 2.0 * s[:, x, x] - k[:, 0, 0]
        k[:, 0, x + 1] = k[:, x + 1, 0] = s[:, y, z] - s[:, z, y]
        k[:, y + 1, z + 1] = k[:, z + 1, y + 1] = s[:, y, z] + s[:, z, y]
    values, vectors = np.linalg.eigh(k)
    largest = np.maximum(values[:, 3], np.finfo(float).tiny)
    return _matrices(vectors[:, :, 3]), (values[:, 3] - values[:, 2]) / largest


def _matrices(quaternions: Floats) -> Floats:
    """Rotation matrices (t, 3, 3) of unit quaternions (t, 4), scalar part first."""
    w, axis = quaternions[:, 0], quaternions[:, 1:]
    cross = np.zeros((len(w), 3, 3))
    for x in range(3):
        y, z = (x + 1) % 3, (x + 2) % 3
        cross[:, y, x], cross[:, x, y] = axis[:, z], -axis[:, z]
    twice: Floats = (
        (w**2 - (axis**2).sum(axis=1))[:, None, None] * np.eye(3)
        + 2.0 * axis[:, :, None] * axis[:, None, :]
        + 2.0 * w[:, None, None] * cross
    )
    return twice
