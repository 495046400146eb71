r"""Dipole–dipole force constants at any q by Ewald's method.

Displacements u cause dipoles p_b = Z*_b u_b, which interact through the potential of a point
charge in the medium, φ(r) = k/√(det ε · r·ε⁻¹·r) with k = e²/4πε₀ (X. Gonze, C. Lee, Phys. Rev.
B 55, 10355 (1997), section V). The force constants −Z*ᵀ ∇∇φ(r) Z* fall off as 1/r³, and their
lattice sum depends on the direction in which q → 0. A Gaussian of width 1/Λ divides it into two
sums that converge quickly. With K = q + G, sites at τ and D² = r·ε⁻¹·r

    C_bb'(q) = 4πk/V Σ_{K≠0} (Z*_bᵀK)(KᵀZ*_b') / (K·ε·K) e^{−K·ε·K/4Λ²} e^{iG·(τ_b−τ_b')}
             − k/√det ε Σ_R Z*_bᵀ [∇∇ erfc(ΛD)/D] Z*_b' e^{iq·r},   r = R + τ_b' − τ_b.

Both parts together do not depend on Λ. The phase is that of the positions of the atoms, as in
`phonons.dynamical_matrix`; masses are not included. The term of an atom with itself follows
from the sum rule (Gonze and Lee, eq. 75): uniform shifts cause no forces at q = 0 if the term K
= 0 is left out. It must also be symmetric, since Φ_bb is a second derivative. If symmetry
permits an antisymmetric part a_b of Σ_b' C_bb'(0), couplings w(r)(λ_b − λ_b') of neighbours
with antisymmetric matrices λ compensate it. λ solves Σ w (λ_b − λ_b') = −a_b, and w is a
Gaussian that is small beyond the neighbours. The couplings are invariant under the space group,
as a_b is.

Dynamical quadrupoles Q, if they are given, replace Z*ᵀK by Z*ᵀK + ½i KᵀQK in the sum over K (M.
Royo, K. R. Hahn, M. Stengel, Phys. Rev. Lett. 125, 217602 (2020)). These forces are of order
1/r⁴ and beyond. Their sum over cells is of short range and is left to the other force
constants, so that the part with quadrupoles depends on Λ.

At q = 0 the term K = 0 is left out, which describes a periodic crystal without macroscopic
field, as in simulations with Ewald sums. A direction n adds its limit for q → 0 along n, which
splits longitudinal and transverse modes,

    4πk/V (Z*_bᵀn)(nᵀZ*_b') / (n·ε·n).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import erfc

from trajmodes.arrays import Complexes, Floats, Ints, freeze
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import cells_within
from trajmodes.units import COULOMB

_WIDTH = 2.0
"""Λ³V/√det ε, which balances both sums."""

_REACH = 6.0
"""Both sums end where their Gaussians are e^{−36}."""

_NEIGHBOURS = 2.0
"""Exponent of w = e^{−2 r²/d²}, d³ the volume per atom."""

_AT_GAMMA = 1e-9
"""Reduced coordinates of q below which it is a reciprocal lattice vector."""

_CHUNK_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class DipoleSum:
    """The two sums of Ewald's method for a crystal with charges."""

    crystal: Crystal
    charges: Charges
    width: float
    """Λ in the metric of ε⁻¹, in 1/Å."""
    lattice: Ints
    """(r, 3) lattice vectors of the sum over cells."""
    near: Floats
    """(r, 3s, 3s), unit: eV/Å². Terms of this sum, including those of an atom with itself."""
    waves: Ints
    """(g, 3) reciprocal lattice vectors G for q in [−½, ½]³."""

    def __post_init__(self) -> None:
        freeze(self, {}, np.int64, lattice="r 3", waves="g 3")
        freeze(self, {}, float, near="r x x")


def dipole_sum(crystal: Crystal, charges: Charges, width: float = _WIDTH) -> DipoleSum:
    """Construct the sums of a crystal; results do not depend on ``width``, Λ³V/√det ε."""
    root = _root(charges)
    volume = crystal.volume / float(np.linalg.det(root))
    beta = float(np.cbrt(width / volume))
    apart = crystal.sites[:, None] - crystal.sites
    scaled = crystal.cell @ np.linalg.inv(root)
    # `cells_within` expects differences of sites in [−½, ½]³.
    beyond = float(np.linalg.norm((apart - np.clip(apart, -0.5, 0.5)) @ scaled, axis=-1).max())
    lattice = cells_within(scaled, _REACH / beta + beyond)
    reciprocal = 2.0 * np.pi * np.linalg.inv(crystal.cell).T @ root
    waves = cells_within(reciprocal, 2.0 * _REACH * beta)
    lattice = _no_farther(lattice, scaled, _REACH / beta + beyond)
    waves = _no_farther(waves, reciprocal, 2.0 * _REACH * beta)
    near = _near(crystal, charges, lattice, beta)
    return _with_self_terms(DipoleSum(crystal, charges, beta, lattice, near, waves))


def _root(charges: Charges) -> Floats:
    """Symmetric √ε: with x = r ε^−½ and k = K ε^½, D² = x·x and K·ε·K = k·k."""
    squares, axes = np.linalg.eigh(charges.dielectric)
    root: Floats = (axes * np.sqrt(squares)) @ axes.T
    return root


def _no_farther(vectors: Ints, cell: Floats, radius: float) -> Ints:
    """Keep n that may be within the radius when a vector of [−½, ½]³ is added."""
    corners = np.indices((2, 2, 2)).reshape(3, -1).T - 0.5
    margin = np.linalg.norm(corners @ cell, axis=1).max()
    kept: Ints = vectors[np.linalg.norm(vectors @ cell, axis=1) <= radius + margin]
    return kept


def _vectors(crystal: Crystal, lattice: Ints) -> Floats:
    """(r, s, s', 3) vectors R + τ' − τ in Å."""
    apart = crystal.sites[None, :] - crystal.sites[:, None]
    vectors: Floats = (lattice[:, None, None, :] + apart) @ crystal.cell
    return vectors


def _near(crystal: Crystal, charges: Charges, lattice: Ints, beta: float) -> Floats:
    """(r, 3s, 3s) terms of the sum over cells, except that of an atom with itself."""
    root = _root(charges)
    inverse = np.linalg.inv(root)
    x_rstx = _vectors(crystal, lattice) @ inverse
    d_rst = np.linalg.norm(x_rstx, axis=-1)
    own = d_rst < 1e-6
    d_rst = np.where(own, 1.0, d_rst)
    g_rst = 2.0 * beta / np.sqrt(np.pi) * np.exp(-((beta * d_rst) ** 2))
    first = -erfc(beta * d_rst) / d_rst**2 - g_rst / d_rst
    second = -2.0 * first / d_rst + 2.0 * beta**2 * g_rst
    along = (second - first / d_rst) / d_rst**2
    hessian = along[..., None, None] * x_rstx[..., :, None] * x_rstx[..., None, :]
    hessian += (first / d_rst)[..., None, None] * np.eye(3)
    hessian[own] = 0.0
    strength = -COULOMB / float(np.linalg.det(root))
    born = inverse @ charges.born
    near = strength * np.einsum("sza,rstzw,twb->rsatb", born, hessian, born, optimize=True)
    n = 3 * crystal.n_sites
    result: Floats = near.reshape(len(lattice), n, n)
    return result


def _with_self_terms(bare: DipoleSum) -> DipoleSum:
    """Add terms that make the forces of a uniform shift vanish; see the module docstring."""
    crystal = bare.crystal
    n_sites = crystal.n_sites
    at_zero = dipole_matrices(bare, np.zeros((1, 3)))[0].real
    sums = at_zero.reshape(n_sites, 3, n_sites, 3).sum(axis=2)
    twisted = 0.5 * (sums - sums.swapaxes(1, 2))
    near = bare.near.reshape(len(bare.lattice), n_sites, 3, n_sites, 3).copy()
    if np.abs(twisted).max() > 1e-12 * np.abs(sums).max(initial=1e-300):
        square = (_vectors(crystal, bare.lattice) ** 2).sum(axis=-1)
        w_rst = np.exp(-_NEIGHBOURS * square / np.cbrt(crystal.volume / n_sites) ** 2)
        w_st = w_rst.sum(axis=0)
        graph = np.diag(w_st.sum(axis=1)) - w_st
        turn = -(np.linalg.pinv(graph) @ twisted.reshape(n_sites, 9)).reshape(n_sites, 3, 3)
        bonds = turn[:, None] - turn[None, :]
        near += (w_rst[..., None, None] * bonds).transpose(0, 1, 3, 2, 4)
    (home,) = np.flatnonzero((bare.lattice == 0).all(axis=1))
    for s in range(n_sites):
        near[home, s, :, s] -= sums[s] - twisted[s]
    return replace(bare, near=near.reshape(bare.near.shape))


class Pairs(NamedTuple):
    """Second-order force constants of pairs, listed as in `ForceConstants`."""

    first: Ints
    """(p,) site in the home cell."""
    second: Ints
    """(p,) site of the neighbour."""
    lattice: Ints
    """(p, 3) lattice vector of the neighbour."""
    values: Floats
    """(p, 3, 3), unit: eV/Å²."""


def near_pairs(total: DipoleSum, smallest: float = 1e-11) -> Pairs:
    """List the force constants of the sum over cells, for programs that leave this sum out.

    Such programs keep the sum over K, with the sum rule of each atom. Pairs whose force
    constants are below ``smallest`` in eV/Å² are left out.
    """
    n_sites = total.crystal.n_sites
    blocks = total.near.reshape(-1, n_sites, 3, n_sites, 3).swapaxes(2, 3).copy()
    (home,) = np.flatnonzero((total.lattice == 0).all(axis=1))
    sites = np.arange(n_sites)
    blocks[home, sites, sites] -= blocks.sum(axis=(0, 2))
    r, first, second = np.nonzero(np.abs(blocks).max(axis=(3, 4)) > smallest)
    return Pairs(first, second, total.lattice[r], blocks[r, first, second])


def q_chunks(total: DipoleSum, n_qpoints: int) -> Iterator[slice]:
    """Divide a list of q points into chunks of bounded working memory."""
    n = 3 * total.crystal.n_sites
    bytes_per_q = 16 * (2 * len(total.lattice) + (5 + 3 * n) * len(total.waves) + 6 * n * n)
    step = max(1, _CHUNK_BYTES // bytes_per_q)
    for start in range(0, n_qpoints, step):
        yield slice(start, start + step)


def dipole_matrices(
    total: DipoleSum, qpoints: npt.ArrayLike, directions: Floats | None = None
) -> Complexes:
    """Dipole–dipole force constants C (q, 3s, 3s) in eV/Å², Cartesian index fastest.

    Parameters
    ----------
    qpoints
        (q, 3) reduced coordinates.
    directions
        (q, 3) Cartesian directions from which a q ≡ Γ is approached. Where they are zero, and
        without them, the crystal at Γ has no macroscopic field. They are not used at other q.
    """
    q_qx = np.asarray(qpoints, dtype=float)
    n = 3 * total.crystal.n_sites
    c_qkl = np.empty((len(q_qx), n, n), dtype=complex)
    for part in q_chunks(total, len(q_qx)):
        waves = _waves(total, q_qx[part], None if directions is None else directions[part])
        phase_qr = np.exp(2j * np.pi * (q_qx[part] @ total.lattice.T))
        near_qkl = (phase_qr @ total.near.reshape(len(total.lattice), -1)).reshape(-1, n, n)
        site_qk = _site_phases(total, q_qx[part])
        near_qkl *= site_qk.conj()[:, :, None] * site_qk[:, None, :]
        v_qgk = waves.vectors
        scaled_qgk = v_qgk.conj() * (waves.weight * waves.strength)[:, :, None]
        c_qkl[part] = near_qkl + v_qgk.swapaxes(1, 2) @ scaled_qgk
    return c_qkl


def dipole_slopes(total: DipoleSum, qpoints: npt.ArrayLike) -> Complexes:
    """∂C/∂k (3, q, 3s, 3s) in eV/Å along Cartesian x, y, z, of C as in `dipole_matrices`.

    At q ≡ Γ it is the derivative without the term K = 0, which has no derivative there.
    """
    q_qx = np.asarray(qpoints, dtype=float)
    crystal, epsilon = total.crystal, total.charges.dielectric
    n = 3 * crystal.n_sites
    c_xqkl = np.empty((3, len(q_qx), n, n), dtype=complex)
    apart = np.repeat(np.repeat(_vectors(crystal, np.zeros((1, 3), int))[0], 3, 0), 3, 1)
    table = total.near.reshape(len(total.lattice), -1)
    for part in q_chunks(total, len(q_qx)):
        waves = _waves(total, q_qx[part], None)
        phase_qr = np.exp(2j * np.pi * (q_qx[part] @ total.lattice.T))
        site_qk = _site_phases(total, q_qx[part])
        factor_qkl = site_qk.conj()[:, :, None] * site_qk[:, None, :]
        near_qkl = (phase_qr @ table).reshape(-1, n, n)
        weight_qg = waves.weight * waves.strength
        v_qgk = waves.vectors
        # d ln(weight)/dK = −2 εK/(K·ε·K) − εK/2Λ²
        bend_qg = -2.0 / waves.square - 0.5 / total.width**2
        pull_qgx = (waves.k @ epsilon) * bend_qg[:, :, None]
        for x, length_r in enumerate((total.lattice @ crystal.cell).T):
            near_x = ((1j * length_r * phase_qr) @ table).reshape(-1, n, n)
            near_x += 1j * apart[:, :, x] * near_qkl
            slope_qgk = waves.phases * _source_slope(total.charges, waves.k, x)
            mixed = (weight_qg[:, :, None] * slope_qgk).swapaxes(1, 2) @ v_qgk.conj()
            bent = (weight_qg * pull_qgx[:, :, x])[:, :, None] * v_qgk
            own = bent.swapaxes(1, 2) @ v_qgk.conj()
            c_xqkl[x, part] = factor_qkl * near_x + mixed + mixed.conj().swapaxes(1, 2) + own
    return c_xqkl


class _Waves(NamedTuple):
    """Terms of the sum over reciprocal lattice vectors."""

    k: Floats
    """(q, g, 3) K in 1/Å."""
    square: Floats
    """(q, g) K·ε·K."""
    weight: Floats
    """(q, g) e^{−K·ε·K/4Λ²}/(K·ε·K); 0 for K = 0."""
    phases: Complexes
    """(q, g, 3s) e^{iG·τ}."""
    vectors: Complexes
    """(q, g, 3s) (Z*ᵀK + ½i KᵀQK) e^{iG·τ}."""
    strength: float
    """4πk/V."""


def _waves(total: DipoleSum, q_qx: Floats, directions: Floats | None) -> _Waves:
    """Terms at q points; each q is moved into [−½, ½]³, and the phases account for that."""
    crystal, charges = total.crystal, total.charges
    whole_qx = np.rint(q_qx)
    near_qx = q_qx - whole_qx
    near_qx[np.abs(near_qx).max(axis=1) < _AT_GAMMA] = 0.0
    # K = q + G with G = waves − whole, so that K is that of the q in [−½, ½]³.
    k_qgx = (near_qx[:, None] + total.waves) @ (2.0 * np.pi * np.linalg.inv(crystal.cell).T)
    gauss = np.full(k_qgx.shape[:2], 0.25 / total.width**2)
    home = (total.waves == 0).all(axis=1)
    at_gamma = (near_qx == 0.0).all(axis=1)[:, None] & home
    if directions is not None:
        k_qgx[at_gamma] = directions[at_gamma.any(axis=1)]
        gauss[at_gamma] = 0.0
    square_qg = np.einsum("qgx,xy,qgy->qg", k_qgx, charges.dielectric, k_qgx, optimize=True)
    vanishing = square_qg == 0.0
    square_qg[vanishing] = 1.0
    weight_qg = np.where(vanishing, 0.0, np.exp(-square_qg * gauss) / square_qg)
    phase_gs = np.exp(2j * np.pi * (total.waves @ crystal.sites.T))
    shift_qs = np.exp(-2j * np.pi * (whole_qx @ crystal.sites.T))
    phases = np.repeat(phase_gs * shift_qs[:, None, :], 3, axis=2)
    sources = np.tensordot(k_qgx, charges.born, axes=(2, 1)).reshape(phases.shape)
    if charges.quadrupoles is not None:
        # A direction stands for q → 0, where quadrupoles vanish.
        short_qgx = np.where((gauss == 0.0)[:, :, None], 0.0, k_qgx)
        second = np.einsum(
            "qgx,qgy,sxyz->qgsz", short_qgx, short_qgx, charges.quadrupoles, optimize=True
        )
        sources = sources + 0.5j * second.reshape(phases.shape)
    strength = 4.0 * np.pi * COULOMB / crystal.volume
    return _Waves(k_qgx, square_qg, weight_qg, phases, sources * phases, strength)


def _source_slope(charges: Charges, k_qgx: Floats, x: int) -> Floats | Complexes:
    """∂/∂K_x of Z*ᵀK + ½i KᵀQK."""
    born = charges.born[:, x].ravel()
    if charges.quadrupoles is None:
        return born
    turned = np.tensordot(k_qgx, charges.quadrupoles[:, x], axes=(2, 1))
    slope: Complexes = born + 1j * turned.reshape(*k_qgx.shape[:2], -1)
    return slope


def _site_phases(total: DipoleSum, q_qx: Floats) -> Complexes:
    """(q, 3s) e^{iq·τ} of each component."""
    return np.repeat(np.exp(2j * np.pi * (q_qx @ total.crystal.sites.T)), 3, axis=1)
