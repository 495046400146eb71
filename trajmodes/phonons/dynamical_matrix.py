"""The dynamical matrix D(q) at any list of q points.

D_{bα,b'β}(q) = (M_b M_b')^{-½} Σ_R Φ_{bα,b'β}(R) e^{iq·(R + τ_b' − τ_b)}, with the phase at the
positions of the atoms (Born and Huang, Dynamical Theory of Crystal Lattices, §24;
docs/conventions).

Φ(−R) is the transpose of Φ(R), so R and −R together give
cos(q·R)·(Φ(R) + Φ(R)ᵀ) + i sin(q·R)·(Φ(R) − Φ(R)ᵀ). Half of the lattice vectors suffice, two
real matrix products give all q points at once, and D is Hermitian by construction. The site
phases factorise and are applied last.

Charges add the dipole–dipole part, `coulomb.ewald`. At Γ it has no macroscopic field, as in a
periodic simulation, unless a direction from which Γ is approached is given.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.coulomb.ewald import DipoleSum, dipole_matrices, dipole_slopes, dipole_sum
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError

# Largest change of force constants when members are exchanged, relative to the largest force
# constant, that is accepted as rounding. Text files have few digits.
_ASYMMETRY = 1e-6
# Working memory of one chunk of q points; results do not depend on it.
_CHUNK_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class LatticeSum:
    """Mass-weighted force constants for a Fourier sum over half of the lattice vectors."""

    crystal: Crystal
    lattice: Ints
    """(r, 3) lattice vectors, one of each pair ±R, the zero vector first."""
    even: Floats
    """(r, 3s · 3s), unit: (rad/ps)². Coefficients of cos(q·R); symmetric."""
    odd: Floats
    """(r, 3s · 3s), unit: (rad/ps)². Coefficients of sin(q·R); antisymmetric."""
    dipoles: DipoleSum | None = None
    """Dipole–dipole part, to be added; None without charges."""

    @property
    def scale(self) -> float:
        """Largest diagonal element of D averaged over the zone, in (rad/ps)².

        It is the scale of the rounding errors of ω², and does not depend on the list of q
        points.
        """
        n = 3 * self.crystal.n_sites
        return float(np.abs(self.even[0, :: n + 1]).max(initial=0.0))


def checked_qpoints(qpoints: npt.ArrayLike) -> Floats:
    """Convert q points to an array (q, 3); raise a `DataError` if they are not finite."""
    q_qx = np.asarray(qpoints, dtype=float)
    if q_qx.ndim != 2 or q_qx.shape[1] != 3 or not np.isfinite(q_qx).all():
        raise DataError(
            f"q points are finite numbers of shape (q, 3), got an array of shape {q_qx.shape}"
        )
    return q_qx


def lattice_sum(constants: ForceConstants) -> LatticeSum:
    """Group the pairs by lattice vector, weight them by mass, combine R and −R; add dipoles.

    Raises
    ------
    DataError
        If the force constants of (i, j, R) and (j, i, −R) are not transposes of each other, or
        are not finite.
    """
    rest = next(lattice_sums(constants, constants.values[None]))
    if constants.charges is None:
        return rest
    return replace(rest, dipoles=dipole_sum(constants.crystal, constants.charges))


def lattice_sums(constants: ForceConstants, replicates: Floats) -> Iterator[LatticeSum]:
    """Group many sets of values (b, p, 3, 3) in eV/Å² of the same pairs, without dipoles.

    The dipole–dipole part is the same in all replicates, so that it does not change the
    variance of quantities linear in D.
    """
    s = constants.crystal.n_sites
    # Negation reverses the order of a sorted list of lattice vectors closed under it.
    found, place = np.unique(
        np.concatenate([constants.lattice, -constants.lattice, np.zeros((1, 3), int)]),
        axis=0,
        return_inverse=True,
    )
    place = place.reshape(-1)[: constants.n_pairs]
    inverse_root = 1.0 / np.sqrt(constants.crystal.masses)
    weights = inverse_root[constants.first] * inverse_root[constants.second]
    rows = (place * s + constants.first) * s + constants.second
    columns = np.arange(constants.n_pairs)
    shape = (len(found) * s * s, constants.n_pairs)
    add_up = csr_array((weights, (rows, columns)), shape=shape)
    middle = len(found) // 2
    for values in replicates:
        table = (add_up @ values.reshape(-1, 9)).reshape(len(found), s, s, 3, 3)
        phi_rkl = table.swapaxes(2, 3).reshape(len(found), 3 * s, 3 * s)
        twin_rkl = phi_rkl[::-1].swapaxes(1, 2)
        require_exchange_symmetry(phi_rkl, twin_rkl)
        phi_rkl = 0.5 * (phi_rkl + twin_rkl)[middle:]
        transposed = phi_rkl.swapaxes(1, 2)
        even, odd = phi_rkl + transposed, phi_rkl - transposed
        even[0] *= 0.5  # R = 0 equals −R
        halves = (part.reshape(len(even), -1) for part in (even, odd))
        yield LatticeSum(constants.crystal, found[middle:], *halves)


def require_exchange_symmetry(values: Floats, exchanged: Floats) -> None:
    """Refuse force constants that differ from those of the pairs in the other direction."""
    if error := exchange_error(values, exchanged, "second"):
        raise DataError(
            "the force constants of (i, j, R) and (j, i, −R) are not transposes of each "
            f"other: they differ by {error:.2g} of the largest one",
            why="a second derivative does not depend on the order of its indices",
            fix="list every pair in both directions, with values transposed",
        )


def exchange_error(values: Floats, exchanged: Floats, order: str) -> float:
    """Largest change under exchange of members over the largest value; 0 if only rounding.

    A `DataError` is raised if the values are not finite; ``order`` names them in its message.
    """
    largest = float(np.abs(values).max(initial=0.0))
    if not np.isfinite(largest):
        raise DataError(
            f"the force constants of {order} order contain numbers that are not finite"
        )
    worst = float(np.abs(values - exchanged).max(initial=0.0))
    return worst / largest if worst > _ASYMMETRY * largest else 0.0


def q_chunks(total: LatticeSum, n_qpoints: int) -> Iterator[slice]:
    """Divide a list of q points into chunks of bounded working memory."""
    bytes_per_q = 16 * (2 * len(total.lattice) + 6 * total.even.shape[1])
    step = max(1, _CHUNK_BYTES // bytes_per_q)
    for start in range(0, n_qpoints, step):
        yield slice(start, start + step)


def dynamical_matrices(
    total: LatticeSum, qpoints: Floats, directions: Floats | None = None
) -> Complexes:
    """D (q, 3s, 3s) in (rad/ps)² at q points (q, 3), Cartesian index fastest.

    ``directions`` (q, 3) are Cartesian directions from which a q ≡ Γ is approached, zero where
    there is none. They matter for crystals with charges only.
    """
    angle_qr = 2.0 * np.pi * (qpoints @ total.lattice.T)
    d_qkl = _with_site_phases(total, qpoints, np.cos(angle_qr), np.sin(angle_qr))
    if total.dipoles is not None:
        d_qkl += dipole_matrices(total.dipoles, qpoints, directions) * _mass_weights(total)
    return d_qkl


def matrix_slopes(total: LatticeSum, qpoints: Floats) -> Iterator[Complexes]:
    """∂D/∂k_x (q, 3s, 3s) in (rad/ps)² Å for each direction x, at constant site phases."""
    angle_qr = 2.0 * np.pi * (qpoints @ total.lattice.T)
    sine, cosine = np.sin(angle_qr), np.cos(angle_qr)
    rest = (
        _with_site_phases(total, qpoints, -component_r * sine, component_r * cosine)
        for component_r in (total.lattice @ total.crystal.cell).T
    )
    if total.dipoles is None:
        yield from rest
        return
    weight_kl = _mass_weights(total)
    c_qkl = dipole_matrices(total.dipoles, qpoints)
    slopes = dipole_slopes(total.dipoles, qpoints)
    for place_s, d_qkl, slope_qkl in zip(total.crystal.positions.T, rest, slopes, strict=True):
        place_k = np.repeat(place_s, 3)
        at_sites = slope_qkl - 1j * (place_k[None, :] - place_k[:, None]) * c_qkl
        yield d_qkl + at_sites * weight_kl


def matrix_gradient(total: LatticeSum, qpoints: Floats) -> Complexes:
    """∂D/∂k_x (q, 3, 3s, 3s) in (rad/ps)² Å, with the phases of the sites."""
    d_qkl = dynamical_matrices(total, qpoints)
    slopes = matrix_slopes(total, qpoints)
    gradient = []
    for place_s, slope_qkl in zip(total.crystal.positions.T, slopes, strict=True):
        place_k = np.repeat(place_s, 3)
        gradient.append(slope_qkl + 1j * (place_k[None, :] - place_k[:, None]) * d_qkl)
    return np.stack(gradient, axis=1)


def _mass_weights(total: LatticeSum) -> Floats:
    """(3s, 3s) (M M')^{-½} of the components."""
    root_k = np.repeat(1.0 / np.sqrt(total.crystal.masses), 3)
    return np.multiply.outer(root_k, root_k)


def _with_site_phases(
    total: LatticeSum, qpoints: Floats, even_qr: Floats, odd_qr: Floats
) -> Complexes:
    """Sum the even and odd parts over the lattice with given factors; multiply by phases."""
    n = 3 * total.crystal.n_sites
    d_qkl = np.empty((len(even_qr), n, n), dtype=complex)
    d_qkl.real = (even_qr @ total.even).reshape(-1, n, n)
    d_qkl.imag = (odd_qr @ total.odd).reshape(-1, n, n)
    phase_qk = np.repeat(np.exp(2j * np.pi * (qpoints @ total.crystal.sites.T)), 3, axis=1)
    d_qkl *= phase_qk.conj()[:, :, None]
    d_qkl *= phase_qk[:, None, :]
    return d_qkl
