"""Motion of a molecule in its Eckart frame, without translation and rotation.

With positions x about the centre of mass and a reference r, the frame is rotated by the R for
which y = R x and u = y − r obey the Eckart conditions (C. Eckart, Phys. Rev. 47, 552 (1935))

    Σ m u = 0   and   Σ m r × u = 0 .

The R that minimises Σ m |R x − r|² obeys them (K. N. Kudin and A. Y. Dymarsky, J. Chem. Phys.
122, 224105 (2005)). As a quaternion it is the eigenvector of largest eigenvalue of a 4 × 4
matrix of the sums Σ m x_i r_j (B. K. P. Horn, J. Opt. Soc. Am. A 4, 629 (1987)). Forces are
rotated by R as well.

Velocities are those in the rotating frame, the exact time derivative of u,

    u̇ = R(v − V) − Ω × y ,   [Σ m (r·y) 1 − y rᵀ] Ω = Σ m r × R(v − V) ,

which obeys the Eckart conditions too. Ω is the angular velocity of the frame. It differs from
(moment of inertia)⁻¹ · (angular momentum) by the vibrational angular momentum (J. D. Louck and
H. W. Galbraith, Rev. Mod. Phys. 48, 69 (1976)). One atom has no orientation.

For atoms on a line, the angle about the line is undefined. The shortest rotation takes the
direction of Σ m (r·n) x to the line n, and Ω has no component along n. The angle about n must
be chosen: bending vibrations rotate about the axis, so a frame that followed them, or jumped
from frame to frame, would broaden their spectra. Here the frame is parallel-transported:
between consecutive frames of the trajectory it makes the shortest rotation that maps one axis
to the next. The angles are found for the whole trajectory at once, so that results do not
depend on its blocks.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal import Supercell
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.errors import DataError
from trajmodes.molecules.geometry import BondTree, centred, line_of

_OPPOSITE = 1e-12
"""1 + cos of the angle of two directions below which the shortest rotation is not unique."""


def shortest_rotations(heads: Floats, line: Floats) -> Floats:
    """Find the shortest rotations (t, 3, 3) of vectors (t, 3) to a direction (3,)."""
    units = heads / np.linalg.norm(heads, axis=1, keepdims=True)
    return _shortest(units, np.broadcast_to(line, units.shape))


def rotations_about(line: Floats, angles: Floats) -> Floats:
    """Rotations (t, 3, 3) about a direction (3,) by angles (t,) in rad."""
    one, two = _across(line)
    cosine, sine = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    plane = np.outer(one, one) + np.outer(two, two)
    turn: Floats = (
        np.outer(line, line) + cosine * plane + sine * (np.outer(two, one) - np.outer(one, two))
    )
    return turn


def parallel_angles(heads: Iterable[Floats], line: Floats) -> Floats:
    """Angles (t,) about a line, after the shortest rotations, of a parallel-transported frame.

    ``heads`` are blocks of vectors (t, 3) along the axis of the molecule, in order of time;
    ``line`` (3,) is the direction to which they are rotated.
    """
    vectors = np.concatenate(list(heads))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    turns = shortest_rotations(units, line)
    carried = _shortest(units[:-1], units[1:])
    # R_t = Z(χ_t) A_t, and R_{t+1} = R_t Pᵀ: A_t Pᵀ A_{t+1}ᵀ rotates about the line by δχ.
    steps = turns[:-1] @ carried.swapaxes(1, 2) @ turns[1:].swapaxes(1, 2)
    one, two = _across(line)
    change = np.arctan2(
        np.einsum("x,txy,y->t", two, steps, one), np.einsum("x,txy,y->t", one, steps, one)
    )
    angles: Floats = np.concatenate([[0.0], np.cumsum(change)])
    return angles


def _across(line: Floats) -> tuple[Floats, Floats]:
    """Two directions that form a right-handed frame with the line."""
    start = np.eye(3)[np.abs(line).argmin()]
    one = np.cross(line, start)
    one /= np.linalg.norm(one)
    return one, np.cross(line, one)


def _shortest(start: Floats, end: Floats) -> Floats:
    """Shortest rotations (t, 3, 3) of unit vectors (t, 3) to others."""
    # With s = a + b the rotation is x − s (s·x)/(½ s²) + 2 b (a·x): a is rotated to b, and
    # vectors perpendicular to both are unchanged.
    total = start + end
    half = 0.5 * np.einsum("tx,tx->t", total, total)
    turn: Floats = (
        np.eye(3)
        - total[:, :, None] * total[:, None, :] / np.maximum(half, _OPPOSITE)[:, None, None]
        + 2.0 * end[:, :, None] * start[:, None, :]
    )
    for t in np.flatnonzero(half < _OPPOSITE):
        # A rotation by π about any perpendicular axis; the angle about the line compensates.
        axis, _ = _across(end[t])
        turn[t] = 2.0 * np.outer(axis, axis) - np.eye(3)
    return turn


_UNIQUE = 1e-6
"""Least gap of the two largest eigenvalues, relative to the largest, for a unique rotation."""
_HOP = 0.6
"""Displacement, in distances to the nearest atom, at which an atom has left its site."""


@dataclass(frozen=True, slots=True)
class EckartFrame:
    """Callable that converts frames to motion about a reference, in the frame of the reference.

    Atoms are in the order of the file.
    """

    molecule: Supercell
    """The reference, of one cell."""
    tree: BondTree
    """Links that make the molecule whole."""
    line: Floats | None = None
    """(3,) direction of the line of the atoms; None if they are not on a line."""
    angles: Floats | None = None
    """(t,), unit: rad. Angle about the line for every frame of the trajectory; None for
    zero."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, line="3", angles="t")

    @property
    def reference(self) -> Floats:
        """(a, 3), unit: Å. Reference positions about their centre of mass."""
        return centred(self.molecule.positions, self.molecule.masses)

    def __call__(self, block: FrameBlock) -> MotionBlock:
        """Compute the motion of a block of frames.

        Raises
        ------
        DataError
            If atoms are missing, have left or exchanged their sites, or a number is not finite.
        """
        n = self.molecule.n_atoms
        if (n_atoms := block.positions_or_raise().shape[1]) != n:
            raise DataError(
                f"a frame has {n_atoms} atoms, but the reference has {n}",
                where=f"frame {block.first_frame}",
                fix="give a --reference with the atoms of the trajectory, in its order",
            )
        _require_finite(block)
        masses = self.molecule.masses
        x_tax = centred(self.tree.whole(block), masses)
        r_txy = self._rotations(x_tax, block)
        y_tax = x_tax @ r_txy.swapaxes(1, 2)
        displacements = y_tax - self.reference
        self._refuse_hops(displacements, block)
        velocities = forces = None
        if block.velocities is not None:
            w_tax = centred(block.velocities, masses) @ r_txy.swapaxes(1, 2)
            velocities = w_tax - np.cross(self.angular_velocity(y_tax, w_tax)[:, None], y_tax)
        if block.forces is not None:
            net = block.forces.sum(axis=1, keepdims=True)
            own = block.forces - net * (masses / masses.sum())[:, None]
            forces = own @ r_txy.swapaxes(1, 2)
        return MotionBlock(block.first_frame, displacements, velocities, forces)

    def angular_velocity(self, y_tax: Floats, w_tax: Floats) -> Floats:
        """Angular velocity Ω (t, 3) in rad/ps of the frame, in its own axes.

        ``y_tax`` in Å and ``w_tax`` in Å/ps are rotated positions and velocities about the
        centre of mass.
        """
        if self.molecule.n_atoms == 1:
            return np.zeros((len(y_tax), 3))
        m_ax = self.molecule.masses[:, None] * self.reference
        spin_tx = np.cross(m_ax, w_tax).sum(axis=1)
        along = np.einsum("ax,tax->t", m_ax, y_tax)
        if self.line is not None:
            across = spin_tx - np.outer(spin_tx @ self.line, self.line)
            found: Floats = across / along[:, None]
            return found
        inertia = along[:, None, None] * np.eye(3) - np.einsum("tax,ay->txy", y_tax, m_ax)
        solved: Floats = np.linalg.solve(inertia, spin_tx[..., None])[..., 0]
        return solved

    def _rotations(self, x_tax: Floats, block: FrameBlock) -> Floats:
        """Rotations (t, 3, 3) from the frames to the reference."""
        masses = self.molecule.masses
        if self.line is not None:
            heads = np.einsum("a,tax->tx", masses * (self.reference @ self.line), x_tax)
            shortest = shortest_rotations(heads, self.line)
            if self.angles is None:
                return shortest
            stop = block.first_frame + block.n_frames
            angles = self.angles[block.first_frame : stop]
            about: Floats = rotations_about(self.line, angles) @ shortest
            return about
        rotations, gap = best_rotations(x_tax, self.reference, masses)
        if self.molecule.n_atoms > 1 and gap.min(initial=1.0) < _UNIQUE:
            t = int(gap.argmin())
            raise DataError(
                "the molecule is so distorted that its orientation is not defined",
                where=f"frame {block.first_frame + t}, step {block.steps[t]}",
                why="it is not the molecule of the reference, or atoms have exchanged sites",
                fix="give a --reference of this molecule, atoms in the order of the trajectory",
            )
        return rotations

    def _refuse_hops(self, u_tax: Floats, block: FrameBlock) -> None:
        reference = self.molecule.positions
        if len(reference) == 1:
            return
        distances = np.linalg.norm(reference[:, None] - reference[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        excess = np.linalg.norm(u_tax, axis=2) / (_HOP * distances.min(axis=1))
        if not excess.max(initial=0.0) > 1.0:
            return
        t, a = np.unravel_index(int(excess.argmax()), excess.shape)
        place = reference[a] + u_tax[t, a]
        nearest = int(np.linalg.norm(reference - place, axis=1).argmin())
        other = "" if nearest == a else f", nearest to that of atom {nearest}"
        raise DataError(
            f"atom {a} is {np.linalg.norm(u_tax[t, a]):.2f} Å from its site{other}",
            where=f"frame {block.first_frame + t}, step {block.steps[t]}; atoms from 0",
            why="atoms have exchanged sites, a group has rotated about a bond, the cluster "
            "melted, or the reference is another molecule",
            fix="give a --reference with the atoms in the order of the trajectory, or choose "
            "frames in which every atom keeps its site; normal modes are of one conformation",
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
    """Eckart frame of a reference of one cell; atoms on a line must be on it exactly."""
    return EckartFrame(molecule, tree, line_of(molecule.positions, molecule.masses))


def best_rotations(x_tax: Floats, reference: Floats, masses: Floats) -> tuple[Floats, Floats]:
    """Rotations that minimise Σ m |R x − r|², with x and r about their centres of mass.

    Returns
    -------
    rotations
        (t, 3, 3) R, of determinant 1.
    gap
        (t,) difference of the two largest eigenvalues over the largest: 0 if the rotation is
        not unique.
    """
    s = np.einsum("tax,ay->txy", x_tax, masses[:, None] * reference)
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
