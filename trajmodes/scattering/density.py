"""Fourier components of density and current at the Q of a line or a plane.

    ρ(Q, t) = Σ_j f_j e^{−iQ·r_j(t)},    j(Q, t) = Σ_j f_j v_j(t) e^{−iQ·r_j(t)} .

The Q that a supercell admits in a plane are Q_0 + m b_1 + n b_2 with integer m, n. Hence the
sum over atoms is a product of two matrices of phases,

    ρ_mn = Σ_j e^{−im b_1·r_j} [f_j e^{−i(Q_0 + n b_2)·r_j}],

whose elements are powers of two exponentials for each atom. On a line of K points with spacing
b the same holds with b_1 = b and b_2 = √K b. The product costs 8 operations for each atom and
Q, at the speed of a matrix product.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.data.motion import MotionBlock
from trajmodes.data.spectra import Wavevectors, Weights
from trajmodes.errors import DataError
from trajmodes.kernels import kernel


class _Grid(NamedTuple):
    """The Q as points of a grid."""

    shape: tuple[int, int]
    waves: Floats
    """(3, 3) Q_0, b_1 and b_2, Cartesian, in 1/Å."""
    flat: Ints
    """(k,) place of each Q in the flattened grid."""


@dataclass(frozen=True, slots=True)
class DensitySeries:
    """Density and current of consecutive frames."""

    first_frame: int
    values: Complexes
    """(c, k, t) ρ; with currents also the components of j along Q and along two normals, in
    Å/ps."""

    @property
    def indices(self) -> Ints:
        """(t,) index of each frame."""
        return np.arange(self.first_frame, self.first_frame + self.values.shape[-1])

    def part(self, frames: slice) -> "DensitySeries":
        """Return consecutive frames, as views."""
        start, _, _ = frames.indices(self.values.shape[-1])
        return DensitySeries(self.first_frame + start, self.values[..., frames])


@dataclass(frozen=True, slots=True)
class DensityTransform:
    """Callable from a block of motion to `DensitySeries`; picklable and thread-safe."""

    grid: _Grid
    order: Ints
    """(a,) atoms, species after species."""
    ends: tuple[int, ...]
    """End of each species in this order."""
    sites: Floats
    """(a, 3) ideal positions in Å, in canonical order."""
    factors: Floats
    """(e, k) amplitude of each species."""
    frames: Floats | None
    """(k, 3, 3) rows: unit vectors along Q and normal to it; None without currents."""

    @property
    def n_channels(self) -> int:
        """Number of complex series for each Q."""
        return 1 if self.frames is None else 4

    def __call__(self, block: MotionBlock) -> DensitySeries:
        """Density and current of every frame of a block.

        Raises
        ------
        DataError
            If currents are wanted, and the run has no velocities.
        """
        (rows, columns), n_q = self.grid.shape, len(self.grid.flat)
        n_atoms, width = len(self.order), 1
        velocities = np.zeros((block.n_frames, 0, 3))
        if self.frames is not None:
            if block.velocities is None:
                raise DataError(
                    "currents need velocities, and the trajectory has none",
                    fix="write velocities (LAMMPS: dump vx vy vz), or leave out the currents",
                )
            velocities, width = block.velocities, 4
        left = np.empty((n_atoms, rows), dtype=complex)
        right = np.empty((n_atoms, width, columns), dtype=complex)
        found = np.zeros((width, n_q, block.n_frames), dtype=complex)
        for t in range(block.n_frames):
            place = self.sites + block.displacements[t]
            _fill_phases(place, velocities[t], self.order, self.grid.waves, left, right)
            start = 0
            for stop, factor in zip(self.ends, self.factors, strict=True):
                part = slice(start, stop)
                # (m, a) @ (a, c n) → (m, c n)
                product = left[part].T @ right[part].reshape(stop - start, -1)
                by_channel = product.reshape(rows, width, columns).swapaxes(0, 1)
                found[:, :, t] += by_channel.reshape(width, -1)[:, self.grid.flat] * factor
                start = stop
        if self.frames is not None:
            found[1:] = np.einsum("kcx,xkt->ckt", self.frames, found[1:])
        return DensitySeries(block.first_frame, found)


def density_transform(
    supercell: Supercell, waves: Wavevectors, amplitudes: Weights, *, currents: bool = False
) -> DensityTransform:
    """Prepare the sums over atoms; the Q must be admitted by the supercell."""
    names = np.array([amplitudes.species.index(name) for name in supercell.species])
    order = np.argsort(names, kind="stable")
    ends = np.cumsum(np.bincount(names, minlength=len(amplitudes.species)))
    return DensityTransform(
        grid=_grid(supercell, waves),
        order=order,
        ends=tuple(ends.tolist()),
        sites=np.ascontiguousarray(supercell.positions),
        factors=np.ascontiguousarray(amplitudes.values.T),
        frames=_directions(waves.cartesian) if currents else None,
    )


def _directions(waves: Floats) -> Floats:
    """(k, 3, 3) rows: unit vectors along Q and along two normals; nan at Q = 0."""
    length = np.linalg.norm(waves, axis=1, keepdims=True)
    along = np.divide(waves, length, out=np.full_like(waves, np.nan), where=length > 1e-9)
    # The axis least along Q gives the first normal.
    axis = np.eye(3)[np.abs(waves).argmin(axis=1)]
    normal = np.cross(along, axis)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.stack([along, normal, np.cross(along, normal)], axis=1)


def _grid(supercell: Supercell, waves: Wavevectors) -> _Grid:
    integers = np.rint(waves.qpoints @ supercell.matrix.T).astype(np.int64)
    steps = integers - integers[0]
    vectors = _reduced(_lattice_basis(np.unique(steps, axis=0).tolist()))
    basis = np.array(vectors, dtype=np.int64).reshape(-1, 3)
    counts = np.zeros((len(steps), 2), dtype=np.int64)
    if len(basis):
        counts[:, : len(basis)] = np.rint(np.linalg.lstsq(basis.T, steps.T)[0].T)
    low = counts.min(axis=0)
    counts -= low
    first = integers[0] + low[: len(basis)] @ basis
    both = np.zeros((2, 3), dtype=np.int64)
    both[: len(basis)] = basis
    shape = counts.max(axis=0) + 1
    if len(basis) < 2:
        rows = int(np.ceil(np.sqrt(shape[0])))
        both[1] = rows * both[0]
        counts = np.stack([counts[:, 0] % rows, counts[:, 0] // rows], axis=1)
        shape = counts.max(axis=0) + 1
    # Rows of 2π S⁻¹ are the Cartesian vectors of the integers.
    reciprocal = 2.0 * np.pi * np.linalg.inv(supercell.cell).T
    return _Grid(
        (int(shape[0]), int(shape[1])),
        np.vstack([first, both]) @ reciprocal,
        counts[:, 0] * shape[1] + counts[:, 1],
    )


def _lattice_basis(rows: Iterable[list[int]]) -> list[list[int]]:
    """Basis of the lattice of integer vectors, by Euclid's algorithm."""
    basis: dict[int, list[int]] = {}
    for row in rows:
        vector = row
        for axis in range(3):
            if axis not in basis and vector[axis]:
                basis[axis] = vector
                break
            while vector[axis]:
                pivot = basis[axis]
                times = pivot[axis] // vector[axis]
                rest = [x - times * y for x, y in zip(pivot, vector, strict=True)]
                basis[axis], vector = vector, rest
    return [basis[axis] for axis in sorted(basis)]


def _reduced(basis: list[list[int]]) -> list[list[int]]:
    """Shortest basis of a lattice of two dimensions (Lagrange); other bases as they are."""
    if len(basis) != 2:
        return basis
    short, long = (np.array(one) for one in basis)
    while True:
        if short @ short > long @ long:
            short, long = long, short
        times = int(np.rint(short @ long / (short @ short)))
        if times == 0:
            return [short.tolist(), long.tolist()]
        long = long - times * short


@kernel()
def _fill_phases(r_ax, v_ax, order, waves, left, right):  # type: ignore[no-untyped-def]
    """Fill e^{−im b_1·r} (a, m) and [1, v] e^{−i(Q_0 + n b_2)·r} (a, c, n)."""
    for k in range(len(order)):
        a = order[k]
        first = step = other = 0.0
        for x in range(3):
            first += waves[0, x] * r_ax[a, x]
            step += waves[1, x] * r_ax[a, x]
            other += waves[2, x] * r_ax[a, x]
        turn = complex(np.cos(step), -np.sin(step))
        phase = complex(1.0, 0.0)
        for m in range(left.shape[1]):
            left[k, m] = phase
            phase *= turn
        turn = complex(np.cos(other), -np.sin(other))
        phase = complex(np.cos(first), -np.sin(first))
        for n in range(right.shape[2]):
            right[k, 0, n] = phase
            for x in range(right.shape[1] - 1):
                right[k, 1 + x, n] = phase * v_ax[a, x]
            phase *= turn
