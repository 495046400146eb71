"""Mean square displacements of the sites.

⟨u_sx u_sy⟩ = (1/N M_s) Σ_qm f(ω²) Re(e_sx e*_sy), with f = ħ(n + ½)/ω for quantum and k_BT/ω²
for classical oscillators (Maradudin, Montroll, Weiss, Ipatova, Theory of Lattice Dynamics
(1971), ch. VII). The Debye–Waller factor of a site at the wave vector k is
exp(−½ Σ_xy k_x k_y ⟨u_x u_y⟩). The isotropic displacement parameter is
B_iso = 8π²⟨u²⟩/3 (Trueblood et al., Acta Cryst. A 52, 770 (1996)); an isotropic site has the
Debye–Waller factor exp(−B k²/16π²).

In CIF files U^{ij} refers to the basis of unit reciprocal vectors: u = Σ_i Δξ_i a_i |a_i*| has
U^{ij} = ⟨Δξ_i Δξ_j⟩ (Trueblood et al.). The reciprocal vectors
carry no 2π.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.data.energies import ModeEnergies
from trajmodes.data.force_constants import jackknife_sem
from trajmodes.data.modes import Modes
from trajmodes.data.static.energies import PotentialEnergies
from trajmodes.data.thermo import RunDisplacements, ThermalDisplacements
from trajmodes.errors import UsageError
from trajmodes.project.energies.covariances import DisplacementCovariance
from trajmodes.symmetry.operations import SpaceGroup
from trajmodes.symmetry.stars import set_omega
from trajmodes.thermo.functions import quantum_functions
from trajmodes.thermo.zone_modes import ModeChunk
from trajmodes.units import BOLTZMANN

# Relative difference of two ω² below which the divided difference is the derivative.
_EQUAL = 1e-5
# Working memory of the divided differences; results do not depend on it.
_BYTES = 48 * 2**20
XY = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Components of a symmetric tensor."""
PLACES = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
"""Component of each element of a symmetric tensor."""


def displacement_sums(chunk: ModeChunk, weights: Floats, kelvin: Floats) -> Floats:
    """Σ w f(D) of a chunk, diagonal blocks (1 + b, 2, t, s, 6): value and changes.

    The second axis is quantum and classical, the last one xx, yy, zz, yz, xz, xy; the unit is
    that of mass times Å².
    """
    step = max(1, _BYTES // (8 * len(kelvin) * weights.shape[1] * (weights.shape[1] + 1)))
    starts = range(0, len(weights), step)
    parts = [_sums(chunk, weights, kelvin, slice(start, start + step)) for start in starts]
    whole: Floats = np.sum(parts, axis=0)
    return whole


def _sums(chunk: ModeChunk, weights: Floats, kelvin: Floats, part: slice) -> Floats:
    n_q, n_m = chunk.omega[part].shape
    counted = chunk.counted[part]
    # Frequency 1 stands for modes that have weight zero.
    omega = np.where(counted, chunk.omega[part], 1.0)
    weight = np.where(counted, weights[part], 0.0)
    f, slope = _variances(omega, kelvin)
    vectors = chunk.vectors[part].reshape(n_q, n_m, -1, 3)
    diagonal = np.stack(
        [(vectors[..., x] * vectors[..., y].conj()).real for x, y in XY], axis=-1
    )
    whole = (f * weight).reshape(2 * len(kelvin), -1) @ diagonal.reshape(n_q * n_m, -1)
    shape = (2, len(kelvin), vectors.shape[2], 6)
    changes = chunk.changes[:, part]
    if not len(changes):
        return whole.reshape(1, *shape)
    pairs = np.triu_indices(n_m)
    divided = _divided_differences(omega**2, weight, f, slope, pairs)
    divided *= counted[:, pairs[0]] & counted[:, pairs[1]]
    moved = changed_blocks(vectors, changes, divided.reshape(2 * len(kelvin), -1), pairs)
    return np.concatenate([whole.reshape(1, *shape), moved.reshape(-1, *shape)])


def changed_blocks(
    vectors: Complexes, changes: Complexes, divided: Floats, pairs: tuple[Ints, Ints]
) -> Floats:
    """Sum changes (b, k, s, 6) of the diagonal blocks of functions of D over q points.

    ``vectors`` are (q, m, s, 3), ``changes`` (b, q, m, m') of D in their basis, and ``divided``
    (k, q · pair) the divided differences of the functions for each pair of modes m ≤ m'.
    """
    # f[ω², ω'²] is symmetric, and δ Hermitian: pairs of modes count once.
    first, second = pairs
    outer = vectors[:, first, :, :, None] * vectors[:, second, :, None, :].conj()
    outer += outer.swapaxes(3, 4)
    outer *= np.where(first == second, 0.5, 1.0)[:, None, None, None]
    real, imaginary = (
        np.stack([one[..., x, y] for x, y in XY], axis=-1).reshape(divided.shape[1], -1)
        for one in (outer.real, outer.imag)
    )
    found = np.empty((len(changes), len(divided), real.shape[1]))
    for one, change in zip(
        found, changes[:, :, first, second].reshape(len(changes), -1, 1), strict=True
    ):
        np.matmul(divided, change.real * real - change.imag * imaginary, out=one)
    return found.reshape(*found.shape[:2], -1, 6)


def _variances(omega: Floats, kelvin: Floats) -> tuple[Floats, Floats]:
    """Variances f (2, t, q, m) and ∂f/∂ω², quantum and classical."""
    both = quantum_functions(omega, kelvin)
    square = omega**2
    # f = U/ω², and ω ∂U/∂ω = 2ω² ∂U/∂ω².
    quantum, heat = both.values[1] / square, BOLTZMANN * kelvin[:, None, None] / square
    slope = (0.5 * both.slopes[1] - both.values[1]) / square**2
    return np.stack([quantum, heat]), np.stack([slope, -heat / square])


def _divided_differences(
    square: Floats, weight: Floats, f: Floats, slope: Floats, pairs: tuple[Ints, Ints]
) -> Floats:
    """Divided differences (2, t, q, pair) of w f for pairs of modes."""
    one, other = pairs
    gap = square[:, one] - square[:, other]
    same_weight = weight[:, one] == weight[:, other]
    equal = same_weight & (np.abs(gap) < _EQUAL * (square[:, one] + square[:, other]))
    value, rate = f * weight, slope * weight
    divided = value[..., one] - value[..., other]
    divided /= np.where(gap == 0.0, 1.0, gap)
    q, p = np.nonzero(equal)
    divided[..., q, p] = 0.5 * (rate[..., q, one[p]] + rate[..., q, other[p]])
    return divided


def thermal_displacements(
    sums: Floats, group: SpaceGroup, crystal: Crystal
) -> ThermalDisplacements:
    """Mean square displacements from sums (1 + b, 2, t, s, 6), with site symmetry."""
    tensors = symmetrised(sums[..., PLACES], group) / crystal.masses[:, None, None]
    quantum, classical = tensors[0]
    cif = cif_tensors(tensors[:, 0], crystal)
    b_iso = isotropic_parameters(tensors)
    b_quantum, b_classical = b_iso[0]
    if len(tensors) == 1:
        return ThermalDisplacements(quantum, classical, cif[0], b_quantum, b_classical)
    quantum_sem, classical_sem = jackknife_sem(tensors[1:])
    b_iso_sem, b_iso_classical_sem = jackknife_sem(b_iso[1:])
    return ThermalDisplacements(
        quantum,
        classical,
        cif[0],
        b_quantum,
        b_classical,
        quantum_sem=quantum_sem,
        classical_sem=classical_sem,
        cif_sem=jackknife_sem(cif[1:]),
        b_iso_sem=b_iso_sem,
        b_iso_classical_sem=b_iso_classical_sem,
        quantum_changes=tensors[1:, 0],
        classical_changes=tensors[1:, 1],
    )


class DebyeWaller(NamedTuple):
    """Debye–Waller factors of the sites (s), for wave vectors (…)."""

    factor: Floats
    """(…, s), multiplies the amplitude that a site scatters; the intensity by its square."""
    factor_sem: Floats | None
    """(…, s) standard error; None where the force constants have none."""


def debye_waller_factors(
    displacements: ThermalDisplacements, wave_vectors: npt.ArrayLike, *, quantum: bool
) -> DebyeWaller:
    """Debye–Waller factors at the first temperature, for Cartesian k (…, 3) in 1/Å.

    Raises
    ------
    UsageError
        If a wave vector is not three finite numbers.
    """
    k = np.asarray(wave_vectors, dtype=float)
    if k.shape[-1:] != (3,) or not np.isfinite(k).all():
        raise UsageError(
            f"a wave vector is three finite numbers in 1/Å, got an array of shape {k.shape}"
        )
    name = "quantum" if quantum else "classical"
    tensors, changes = (
        getattr(displacements, attribute) for attribute in (name, f"{name}_changes")
    )
    factor = np.exp(-0.5 * np.einsum("...x,sxy,...y->...s", k, tensors[0], k))
    if changes is None:
        return DebyeWaller(factor, None)
    along = np.einsum("...x,bsxy,...y->b...s", k, changes[:, 0], k)
    return DebyeWaller(factor, 0.5 * factor * jackknife_sem(along))


def isotropic_parameters(tensors: Floats) -> Floats:
    """B_iso (…) in Å² from mean square displacements (…, 3, 3)."""
    found: Floats = 8.0 * np.pi**2 / 3.0 * np.einsum("...xx->...", tensors)
    return found


def symmetrised(tensors: Floats, group: SpaceGroup) -> Floats:
    """Mean of site tensors (…, s, 3, 3) over the images under the space group."""
    flat = tensors.reshape(*tensors.shape[:-2], 9)
    mean = np.zeros_like(flat)
    for rotation, sites in zip(group.cartesian, group.permutations, strict=True):
        mean[..., sites, :] += flat @ np.kron(rotation, rotation).T
    mean /= group.n_operations
    found: Floats = mean.reshape(tensors.shape)
    return found


def cif_tensors(tensors: Floats, crystal: Crystal) -> Floats:
    """U^{ij} (…, 3, 3) in Å², as in CIF files, from Cartesian tensors."""
    # Δξ = (reduced coordinates)/|a*|
    reciprocal = np.linalg.inv(crystal.cell)
    change = reciprocal / np.linalg.norm(reciprocal, axis=0)
    found: Floats = change.T @ tensors @ change
    return found


def run_displacements(
    covariance: DisplacementCovariance,
    modes: Modes,
    energies: ModeEnergies | PotentialEnergies,
    group: SpaceGroup,
    occupied: Floats | None = None,
) -> RunDisplacements:
    """⟨uu⟩ of a run from the covariances of its mode amplitudes, ⟨Q Q†⟩ in blocks of time.

    ⟨u_sx u_sy⟩ = (1/N M_s) Σ_q Σ_mm' Re⟨Q_m Q*_m'⟩ e_sx(m) e*_sy(m'). The error is the larger
    of two: that of the blocks, and that of the potential energies of all sets, which is valid
    if lifetimes exceed the length of the blocks.

    Parameters
    ----------
    covariance, modes, energies, group
        Results of the run, and the space group of the crystal.
    occupied
        (s,) occupied fraction of each site of the primitive cell, over which ⟨uu⟩ is averaged;
        None if all sites have an atom.
    """
    share = modes.weights / modes.weights.sum()
    e_qmsx, sums = modes.vectors, "q,qmn,qmsx,qnsy->sxy"
    listed = [
        np.einsum(sums, share, one, e_qmsx, e_qmsx.conj(), optimize=True).real
        for one in covariance.covariance
    ]
    # Mean number of atoms on a site, and on those that are equivalent by symmetry.
    filled = np.ones_like(modes.crystal.masses) if occupied is None else occupied
    atoms = filled[group.permutations].mean(axis=0)[:, None, None]
    blocks = symmetrised(np.array(listed), group) / modes.crystal.masses[:, None, None] / atoms
    portions = covariance.frames / covariance.frames.sum()
    omega, of_sets = set_omega(modes), symmetrised(displacements_of_sets(modes), group)
    steady = omega > 0.0
    stiffness = np.where(steady, omega, 1.0) ** 2
    assert energies.potential_sem is not None
    # ⟨|Q|²⟩ = 2U/ω²
    error = np.where(steady, 2.0 * energies.potential_sem / stiffness, 0.0)
    harmonic = None
    if steady.all() and energies.temperature is not None:
        harmonic = np.tensordot(BOLTZMANN * energies.temperature / stiffness, of_sets, axes=1)
    of_sets = of_sets / atoms
    measured, measured_sem = _of_blocks(blocks, portions, error, of_sets)
    parts = isotropic_parameters(blocks), portions, error, isotropic_parameters(of_sets)
    return RunDisplacements(measured, measured_sem, harmonic, *_of_blocks(*parts))


def _of_blocks(
    blocks: Floats, portions: Floats, error: Floats, of_sets: Floats
) -> tuple[Floats, Floats]:
    """Mean of blocks of time (b, …), and the larger of its two errors.

    ``error`` (g,) is that of ⟨|Q|²⟩ of each set of modes, ``of_sets`` (g, …) its contribution.
    """
    measured: Floats = np.tensordot(portions, blocks, axes=1)
    n_blocks = len(portions)
    spread = np.tensordot(portions, (blocks - measured) ** 2, axes=1)
    square = spread / (n_blocks - 1) if n_blocks > 1 else np.full_like(spread, np.nan)
    by_energy = np.tensordot(error**2, of_sets**2, axes=1)
    return measured, np.sqrt(np.fmax(square, by_energy))


def displacements_of_sets(modes: Modes) -> Floats:
    """⟨uu⟩ (g, s, 3, 3) of the sites for a mean square amplitude ⟨|Q|²⟩ = 1 of each set.

    The modes are those at one of each ±q of a supercell; the unit is that of an inverse mass.
    The tensors have the symmetry of the supercell, which may be lower than that of the crystal.
    """
    vectors = modes.vectors
    found = np.zeros((modes.n_sets, modes.crystal.n_sites, 3, 3))
    squares = (vectors[..., :, None] * vectors[..., None, :].conj()).real
    share = modes.weights / modes.weights.sum()
    inside = modes.sets >= 0
    np.add.at(found, modes.sets[inside], (share[:, None, None, None, None] * squares)[inside])
    return found / modes.crystal.masses[:, None, None]
