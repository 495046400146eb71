"""Fourier components of density and current at the Q of a line or a plane.

    ρ(Q, t) = Σ_j f_j e^{−iQ·r_j(t)},    j(Q, t) = Σ_j f_j v_j(t) e^{−iQ·r_j(t)} .

The Q that a supercell admits in a plane are Q_0 + m b_1 + n b_2 with integer m, n. Hence the
sum over atoms is a product of two matrices of phases,

    ρ_mn = Σ_j e^{−im b_1·r_j} [f_j e^{−i(Q_0 + n b_2)·r_j}],

whose elements are powers of two exponentials for each atom. On a line of K points with spacing
b the same holds with b_1 = b and b_2 = √K b. Real and imaginary parts are rows of one real
product: 8 operations for each atom and Q, at the speed of a matrix product.
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
from trajmodes.kernels import inner_kernel, kernel

_PHASE_BYTES = 16 << 20
"""Memory of the phases in bytes; if more is needed, atoms are summed in parts."""


class _Grid(NamedTuple):
    """The Q as points of a grid."""

    shape: tuple[int, int]
    waves: Floats
    """(3, 3) Q_0, b_1 and b_2, Cartesian, in 1/Å without 2π."""
    flat: Ints
    """(k,) index of each Q in the flattened grid."""


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
        """Compute density and current of every frame of a block.

        Raises
        ------
        DataError
            If currents are requested, and the run has no velocities.
        """
        (rows, columns), n_q, width = self.grid.shape, len(self.grid.flat), 1
        velocities = np.zeros((block.n_frames, 0, 3))
        if self.frames is not None:
            if block.velocities is None:
                raise DataError(
                    "currents need velocities, and the trajectory has none",
                    fix="write velocities (LAMMPS: dump vx vy vz), or leave out the currents",
                )
            velocities, width = block.velocities, 4
        displacements = block.displacements_or_raise()
        shape = (2, rows, width, 2, columns)
        n_left, n_right = 2 * rows, 2 * columns * width
        product = np.empty((n_left, n_right))
        parts = self._parts(max(1, _PHASE_BYTES // (8 * (n_left + n_right))))
        most = max(len(atoms) for atoms, _ in parts)
        held = [np.empty(n * most) for n in (n_left, n_right, 6)]
        found = np.zeros((width, n_q, block.n_frames), dtype=complex)
        for t in range(block.n_frames):
            place = self.sites + displacements[t]
            for atoms, factor in parts:
                n = len(atoms)
                left, right, work = (one[: len(one) // most * n] for one in held)
                _fill_phases(
                    place,
                    velocities[t],
                    (atoms, self.grid.waves),
                    work.reshape(3, 2, n),
                    left.reshape(2, rows, n),
                    right.reshape(width, 2, columns, n),
                )
                # (r m, a) @ (a, c s n), real and imaginary parts r and s
                np.matmul(left.reshape(-1, n), right.reshape(-1, n).T, out=product)
                _add_products(product.reshape(shape), self.grid.flat, factor, found[..., t])
        if self.frames is not None:
            # (k, c, x) @ (k, x, t) → (k, c, t)
            found[1:] = (self.frames @ found[1:].swapaxes(0, 1)).swapaxes(0, 1)
        return DensitySeries(block.first_frame, found)

    def _parts(self, most: int) -> list[tuple[Ints, Floats]]:
        """List parts of at most ``most`` atoms of one species, with its amplitudes (k,)."""
        starts = (0, *self.ends[:-1])
        return [
            (self.order[first : min(first + most, stop)], factor)
            for start, stop, factor in zip(starts, self.ends, self.factors, strict=True)
            for first in range(start, stop, most)
        ]


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
    # The axis with the smallest component of Q gives the first normal.
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
    reciprocal = np.linalg.inv(supercell.cell).T
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
    """Shortest basis of a two-dimensional lattice (Lagrange); other bases are unchanged."""
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


@inner_kernel(inline="always")
def _cosine_and_sine(turns):  # type: ignore[no-untyped-def]
    """Return cos 2πx and sin 2πx by Taylor series, which compile to vector instructions."""
    quarters = np.rint(4.0 * turns)
    x = (turns - 0.25 * quarters) * (2.0 * np.pi)
    y = x * x
    sine, cosine = -1.0 / 1307674368000.0, -1.0 / 87178291200.0
    sine = 1.0 / 362880.0 + y * (-1.0 / 39916800.0 + y * (1.0 / 6227020800.0 + y * sine))
    sine = x * (1.0 + y * (-1.0 / 6.0 + y * (1.0 / 120.0 + y * (-1.0 / 5040.0 + y * sine))))
    cosine = 1.0 / 40320.0 + y * (-1.0 / 3628800.0 + y * (1.0 / 479001600.0 + y * cosine))
    cosine = 1.0 + y * (-0.5 + y * (1.0 / 24.0 + y * (-1.0 / 720.0 + y * cosine)))
    quadrant = quarters - 4.0 * np.floor(0.25 * quarters)
    odd = abs(quadrant - 2.0) == 1.0
    c = sine if odd else cosine
    s = cosine if odd else sine
    if abs(quadrant - 1.5) == 0.5:
        c = -c
    if quadrant >= 2.0:
        s = -s
    return c, s


@inner_kernel(inline="always")
def _fill_powers(powers, cosine, sine):  # type: ignore[no-untyped-def]
    """Fill powers (2, m, a), real and imaginary, of a phase; the first is given."""
    for m in range(1, powers.shape[1]):
        for k in range(powers.shape[2]):
            real, imaginary = powers[0, m - 1, k], powers[1, m - 1, k]
            powers[0, m, k] = real * cosine[k] - imaginary * sine[k]
            powers[1, m, k] = real * sine[k] + imaginary * cosine[k]


@inner_kernel(inline="always")
def _fill_turns(r_ax, order, waves, work):  # type: ignore[no-untyped-def]
    """Fill e^{−iQ_0·r}, e^{−ib_1·r} and e^{−ib_2·r} (3, 2, a)."""
    for k in range(len(order)):
        a = order[k]
        for w in range(3):
            turns = 0.0
            for x in range(3):
                turns -= waves[w, x] * r_ax[a, x]
            work[w, 0, k] = turns
    for w in range(3):
        for k in range(len(order)):
            c, s = _cosine_and_sine(work[w, 0, k])
            work[w, 0, k] = c
            work[w, 1, k] = s


@kernel()
def _fill_phases(r_ax, v_ax, plan, work, left, right):  # type: ignore[no-untyped-def]
    """Fill e^{−im b_1·r} (2, m, a) and [1, v] e^{−i(Q_0 + n b_2)·r} (c, 2, n, a) of a frame."""
    order, waves = plan
    _fill_turns(r_ax, order, waves, work)
    left[0, 0] = 1.0
    left[1, 0] = 0.0
    _fill_powers(left, work[1, 0], work[1, 1])
    for part in range(2):
        for k in range(len(order)):
            right[0, part, 0, k] = work[0, part, k]
    _fill_powers(right[0], work[2, 0], work[2, 1])
    for x in range(right.shape[0] - 1):
        for k in range(len(order)):
            work[0, 0, k] = v_ax[order[k], x]
        for part in range(2):
            for n in range(right.shape[2]):
                for k in range(len(order)):
                    right[1 + x, part, n, k] = right[0, part, n, k] * work[0, 0, k]


@kernel()
def _add_products(product, flat, factor, found_ck):  # type: ignore[no-untyped-def]
    """Add f_k times the complex products at the places (k,) of the grid."""
    columns = product.shape[4]
    for c in range(product.shape[2]):
        for k in range(len(flat)):
            m, n = flat[k] // columns, flat[k] % columns
            real = product[0, m, c, 0, n] - product[1, m, c, 1, n]
            imaginary = product[0, m, c, 1, n] + product[1, m, c, 0, n]
            found_ck[c, k] += factor[k] * complex(real, imaginary)
