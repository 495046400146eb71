"""Projection from motion to mode amplitudes, for all commensurate q of a supercell at once.

    Q_qm(t) = N_c^{-½} Σ_lb √M_b e*_b(qm)·u_lb(t) e^{−iq·r_lb}

The sum over cells is a lattice FFT; the sum over sites and directions, including the mass
weights, is one (3s × 3s) matrix product per q. Frames are processed in batches that fit into
the cache. Velocities give Q̇. Forces, divided by √M instead of multiplied, give the mode force
𝓕.
"""

from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints, square_modulus
from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.symmetry.stars import star_labels
from trajmodes.symmetry.translations import HalfSpace, lattice_transform


def cartesian_modes(space: HalfSpace) -> Modes:
    """Return unit vectors in place of polarisation vectors; all branches of a star are one set.

    Spectra of such modes are those of the velocities themselves. The sum over branches is the
    same as with polarisation vectors, since these are an orthonormal basis of the same space.
    """
    crystal = space.supercell.crystal
    n_branches = 3 * crystal.n_sites
    vectors = np.eye(n_branches, dtype=complex).reshape(1, n_branches, crystal.n_sites, 3)
    _, stars = np.unique(star_labels(crystal, space.qpoints), return_inverse=True)
    return Modes(
        crystal=crystal,
        qpoints=space.qpoints,
        weights=space.weights,
        omega=np.zeros((space.n_qpoints, n_branches)),
        vectors=np.repeat(vectors, space.n_qpoints, axis=0),
        omega_sem=None,
        sets=np.repeat(stars[:, None], n_branches, axis=1),
    )


def moving_modes(space: HalfSpace) -> Modes:
    """Return `cartesian_modes`, with uniform shifts at Γ separated from all other motion.

    The three shifts are labelled −1, as the acoustic modes at Γ of force constants are.
    """
    modes, masses = cartesian_modes(space), space.supercell.crystal.masses
    # The columns of Q span first the shifts √M, then what is orthogonal to them.
    shifts = np.sqrt(np.repeat(masses, 3))[:, None] * np.tile(np.eye(3), (len(masses), 1))
    orthonormal, _ = np.linalg.qr(np.hstack([shifts, np.eye(3 * len(masses))]))
    vectors, sets = modes.vectors.copy(), modes.sets.copy()
    for q in np.flatnonzero((space.qpoints == 0.0).all(axis=1)):
        vectors[q], sets[q, :3] = orthonormal.T.reshape(-1, len(masses), 3), -1
    return replace(modes, vectors=vectors, sets=sets)


_BATCH_BYTES = 1 << 19


@dataclass(frozen=True, slots=True)
class Amplitudes:
    """Mode amplitudes of consecutive frames."""

    first_frame: int
    """Index of the first frame within the trajectory."""
    coordinate: Complexes | None
    """(q, m, t), Q in √(eV) ps; None if the trajectory has no positions."""
    velocity: Complexes | None
    """(q, m, t), Q̇ in √(eV); None if the trajectory has no velocities."""
    force: Complexes | None
    """(q, m, t), 𝓕 in √(eV)/ps; None if the trajectory has no forces."""

    @property
    def indices(self) -> Ints:
        """(t,) index of each frame within the trajectory."""
        return np.arange(self.first_frame, self.first_frame + self.n_frames)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        fields = (self.coordinate, self.velocity, self.force)
        return int(next(one.shape[-1] for one in fields if one is not None))

    def part(self, frames: slice) -> "Amplitudes":
        """Return consecutive frames, as views."""
        start, _, _ = frames.indices(self.n_frames)
        return Amplitudes(
            self.first_frame + start,
            None if self.coordinate is None else self.coordinate[..., frames],
            None if self.velocity is None else self.velocity[..., frames],
            None if self.force is None else self.force[..., frames],
        )

    def coordinate_or_raise(self, clause: str) -> Complexes:
        """Return Q; an error message starts with the clause, "mode energies need positions".

        Raises
        ------
        DataError
            If the trajectory has no positions.
        """
        if self.coordinate is None:
            raise DataError(
                f"{clause}, and the trajectory has none",
                why="mode coordinates are those of displacements from the sites",
                fix="write positions (LAMMPS: dump xu yu zu)",
            )
        return self.coordinate

    def velocity_or_raise(self, clause: str) -> Complexes:
        """Return Q̇; ``clause``, such as "spectra need velocities", begins the error message.

        Raises
        ------
        DataError
            If the trajectory has no velocities.
        """
        if self.velocity is None:
            raise DataError(
                f"{clause}, and the trajectory has none",
                why="velocities from differences of positions are attenuated: a 10 THz mode"
                " sampled every 10 fs would keep only 0.875 of its kinetic energy",
                fix="write velocities (LAMMPS: dump vx vy vz)",
            )
        return self.velocity


@dataclass(frozen=True, slots=True)
class Projector:
    """Projection of real-space fields on the modes at all commensurate q.

    Raises
    ------
    DataError
        If the modes are not given at the q points of the space, in the same order.
    """

    space: HalfSpace
    """The commensurate q points of the supercell, one of each pair ±q."""
    modes: Modes
    """The modes there, in the same order."""
    kept: Floats | None = None
    """(q, m) attenuation of velocities that are differences of positions; amplitudes are
    divided by it. None for true velocities."""
    occupied: Floats | None = None
    """(s,) occupied fraction of each site of the primitive cell; None if all sites have an
    atom."""

    def __post_init__(self) -> None:
        same = self.modes.are_at(self.space.qpoints)
        if not same or not np.array_equal(self.space.weights, self.modes.weights):
            raise DataError(
                "modes and supercell list different q points",
                fix="diagonalise at the q points of half_space(supercell)",
            )

    @property
    def n_series(self) -> int:
        """Number of complex time series: q points times branches."""
        return self.modes.omega.size

    @property
    def shares(self) -> Floats:
        """(q, m) ⟨|Q̇|²⟩/k_BT in equipartition, Σ_b |e_b|² c_b with the occupied fractions c_b.

        Every atom has ⟨m v_x²⟩ = k_BT, and an empty site has no motion. 1 without vacancies.
        """
        if self.occupied is None:
            return np.ones(self.modes.omega.shape)
        squares = square_modulus(self.modes.vectors)
        shares: Floats = np.einsum("qmsx,s->qm", squares, self.occupied)
        return shares

    def coordinates(self, displacements: Floats) -> Complexes:
        """Return Q of displacements (t, a, 3) in Å, as (q, m, t) in √(eV) ps."""
        return self._amplitudes(displacements, 0.5)

    def velocities(self, velocities: Floats) -> Complexes:
        """Return Q̇ of velocities (t, a, 3) in Å/ps, as (q, m, t) in √(eV)."""
        amplitudes = self._amplitudes(velocities, 0.5)
        if self.kept is not None:
            amplitudes /= self.kept[..., None]
        return amplitudes

    def forces(self, forces: Floats) -> Complexes:
        """Return the mode force 𝓕 of forces (t, a, 3) in eV/Å, as (q, m, t) in √(eV)/ps."""
        return self._amplitudes(forces, -0.5)

    def project(self, block: MotionBlock) -> Amplitudes:
        """Return the amplitudes of all fields of the block."""
        return Amplitudes(
            block.first_frame,
            None if block.displacements is None else self.coordinates(block.displacements),
            None if block.velocities is None else self.velocities(block.velocities),
            None if block.forces is None else self.forces(block.forces),
        )

    def _amplitudes(self, field: Floats, mass_power: float) -> Complexes:
        n_q, n_m = self.modes.omega.shape
        weights = self.modes.crystal.masses**mass_power
        bras = (self.modes.vectors.conj() * weights[:, None]).reshape(n_q, n_m, -1)
        n_frames = len(field)
        result = np.empty((n_q, n_m, n_frames), dtype=complex)
        batch = max(1, _BATCH_BYTES // max(1, field[0].nbytes)) if n_frames else 1
        for start in range(0, n_frames, batch):
            frames = slice(start, start + batch)
            cells_qtx = lattice_transform(self.space, field[frames])
            # (q, m, s x) @ (q, s x, t) → (q, m, t)
            np.matmul(bras, cells_qtx.swapaxes(1, 2), out=result[:, :, frames])
        return result
