"""Elastic constants and velocities of sound, by the method of long waves.

To second order in q, an acoustic wave with polarisation u has ρ ω² u_α = Σ Λ_αβγλ q_γ q_λ u_β
with the acoustic tensor (Born and Huang, Dynamical Theory of Crystal Lattices, §26)

V Λ_αβγλ = −½ Σ_p Φ_αβ r_γ r_λ − Σ_s f_s^{αγ}·X_s^{βλ},  symmetric in γλ,

summed over all pairs p with distance r. The second term is the relaxation of the sublattices: f
are the forces on the sites under a displacement gradient, X the displacements that balance them
(`trajmodes.phonons.strain`). No q point is involved, and no mesh.

Λ_αβγλ = ½(C_αγβλ + C_αλβγ) gives the elastic constants if the crystal is free of initial stress
and its force constants are invariant under rotation. Otherwise no C reproduces Λ exactly: C is
the least-squares solution, and the remainder is reported (Huang's conditions). Velocities of
sound are the eigenvalues of Σ Λ_αβγλ n_γ n_λ/ρ for a direction n (Christoffel), without
reference to C.

With charges, Λ is that without a macroscopic field: the elastic constants are those at constant
field, and velocities of sound lack the stiffening by piezoelectricity.

A layer has the constants per layer, Λ times the period along its normal.

Voigt's average assumes equal strain, Reuss's equal stress, and Hill's is their mean (Hill,
Proc. Phys. Soc. A 65, 349 (1952)); the universal anisotropy is that of Ranganathan and
Ostoja-Starzewski, Phys. Rev. Lett. 101, 055504 (2008).
"""

from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.coulomb.long_waves import LongWaveDipoles
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.lattice import layer_of
from trajmodes.data.thermo import Elasticity, Moduli
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.modes import signed_root
from trajmodes.phonons.strain import dipoles_of, internal_strain
from trajmodes.symmetry.operations import space_group
from trajmodes.units import BOLTZMANN, HBAR

_PAIRS = {
    3: ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)),
    2: ((0, 0), (1, 1), (0, 1)),
}
_ANGLES = np.linspace(0.0, 2.0 * np.pi, 181)


def _half_sphere(n: int) -> tuple[Floats, Floats]:
    """Directions (k, 3) in one half of space, and their weights, of sum 1."""
    cosine, weight = np.polynomial.legendre.leggauss(n)
    angle = np.pi * (np.arange(n) + 0.5) / n
    sine = np.sqrt(1.0 - cosine**2)[:, None]
    unit = np.stack(
        np.broadcast_arrays(sine * np.cos(angle), sine * np.sin(angle), cosine[:, None]), -1
    )
    return unit.reshape(-1, 3), np.repeat(0.5 * weight / n, n)


_HALF_SPHERE = _half_sphere(32)


class SoundVelocities(NamedTuple):
    """Acoustic waves along directions (…), by ascending velocity."""

    velocity: Floats
    """(…, 3), unit: Å/ps. Negative for an unstable wave."""
    polarisation: Floats
    """(…, 3, 3) unit vectors, one in each row."""
    velocity_sem: Floats | None
    """(…, 3), unit: Å/ps. Standard error; None without replicates."""


def acoustic_tensor(constants: ForceConstants, dipoles: LongWaveDipoles | None) -> Floats:
    """Λ (3, 3, 3, 3) in eV/Å³: two directions of polarisation, two of the wave vector.

    ``dipoles`` are those of `trajmodes.phonons.strain.dipoles_of`.

    Raises
    ------
    DataError
        If a strain acts on an internal displacement without restoring force.
    """
    crystal = constants.crystal
    apart = constants.lattice + crystal.sites[constants.second]
    r_px = (apart - crystal.sites[constants.first]) @ crystal.cell
    moments = np.einsum("pc,pd->pcd", r_px, r_px)
    clamped = -0.5 * np.tensordot(constants.values, moments, axes=(0, 0))
    if dipoles is not None:
        clamped += 0.5 * dipoles.curvature
    displacement, force = internal_strain(constants, dipoles)
    relaxed = np.einsum("slac,slbd->abcd", force, displacement)
    whole = clamped - relaxed
    whole = 0.5 * (whole + whole.swapaxes(2, 3))
    found: Floats = 0.5 * (whole + whole.swapaxes(0, 1)) / crystal.volume
    return found


def _tensors(constants: ForceConstants) -> list[Floats]:
    """Acoustic tensor of the force constants, and of each replicate."""
    values = () if constants.replicates is None else constants.replicates
    others = (replace(constants, values=one, replicates=None) for one in values)
    dipoles = dipoles_of(constants)
    return [acoustic_tensor(one, dipoles) for one in (constants, *others)]


def sound_velocities(constants: ForceConstants, directions: npt.ArrayLike) -> SoundVelocities:
    """Velocities of sound along Cartesian directions (…, 3) of any length.

    Raises
    ------
    UsageError
        If a direction is zero or not finite.
    """
    given = np.asarray(directions, dtype=float)
    length = np.linalg.norm(given, axis=-1, keepdims=True)
    if given.shape[-1:] != (3,) or not (np.isfinite(length) & (length > 0.0)).all():
        raise UsageError("a direction of sound is a vector of three numbers, not all zero")
    return _sound(_tensors(constants), given / length, _density(constants.crystal))


def _sound(tensors: list[Floats], directions: Floats, density: float) -> SoundVelocities:
    """Velocities of sound along unit vectors (…, 3), of a tensor and its replicates."""
    unit, shape = directions.reshape(-1, 3), directions.shape
    square, columns = _christoffel(tensors[0], unit, density)
    sem = None
    if len(tensors) > 1:
        outer = np.einsum("kam,kbm,kc,kd->kmabcd", columns, columns, unit, unit)
        flat = outer.reshape(-1, 81) / density
        changed = [(flat @ one.ravel()).reshape(square.shape) for one in tensors[1:]]
        sem = _velocity_sem(square, jackknife_sem(changed)).reshape(shape)
    polarisation = columns.swapaxes(1, 2).reshape(*shape, 3)
    return SoundVelocities(signed_root(square).reshape(shape), polarisation, sem)


def _velocity_sem(square: Floats, square_sem: Floats) -> Floats:
    """Error of a root: error of the square over twice the root, at most its own root."""
    bound = np.sqrt(square_sem)
    largest = np.maximum(2.0 * np.sqrt(np.abs(square)), np.where(bound > 0.0, bound, 1.0))
    found: Floats = square_sem / largest
    return found


def _contracted(tensor: Floats, unit: Floats) -> Floats:
    contracted: Floats = np.einsum("abcd,kc,kd->kab", tensor, unit, unit)
    return contracted


def _christoffel(tensor: Floats, unit: Floats, density: float) -> tuple[Floats, Floats]:
    """Squared velocities (k, 3), and polarisations (k, 3, 3) in columns."""
    square, columns = np.linalg.eigh(_contracted(tensor, unit) / density)
    return square, columns


def _density(crystal: Crystal) -> float:
    return float(crystal.masses.sum()) / crystal.volume


def debye_temperature_of_sound(constants: ForceConstants) -> tuple[float, float | None]:
    """Debye temperature in K of the velocities of sound, and its standard error.

    It is nan for a layer, and where a wave is unstable.
    """
    return _debye_temperature(_tensors(constants), constants.crystal)


def _debye_temperature(tensors: list[Floats], crystal: Crystal) -> tuple[float, float | None]:
    """Debye temperature of a tensor, and its error to first order in those of replicates."""
    if layer_of(crystal.cell, crystal.sites) is not None:
        return np.nan, None
    unit, weight = _HALF_SPHERE
    density = _density(crystal)
    square, columns = _christoffel(tensors[0], unit, density)
    if not (square > 0.0).all():
        return np.nan, None
    mean = float(weight @ (square**-1.5).mean(axis=1))
    highest = (6.0 * np.pi**2 * crystal.n_sites / crystal.volume) ** (1.0 / 3.0)
    theta = HBAR / BOLTZMANN * highest * mean ** (-1.0 / 3.0)
    if len(tensors) == 1:
        return theta, None
    # ∂ ln Θ/∂Λ = ½ ⟨v⁻⁵ e e n n⟩/(ρ ⟨v⁻³⟩)
    rate = square**-2.5 * weight[:, None] / (6.0 * mean * density)
    slope = np.einsum("km,kam,kbm,kc,kd->abcd", rate, columns, columns, unit, unit)
    changes = [theta * np.asarray((slope * one).sum()) for one in tensors[1:]]
    return theta, float(jackknife_sem(changes))


def elasticity(constants: ForceConstants) -> Elasticity:
    """Elastic constants, averages, stability and slices of the velocities of sound.

    Raises
    ------
    DataError
        If a strain acts on an internal displacement without restoring force, or the elastic
        constants are singular.
    """
    crystal = constants.crystal
    axes, unit = _axes(crystal)
    tensors = _tensors(constants)
    found = [_stiffness(unit * _along(one, axes)) for one in tensors]
    stiffness, rest = found[0]
    rotations = space_group(crystal).cartesian
    means = [_stiffness(unit * _along(_mean(one, rotations), axes))[0] for one in tensors]
    planes, directions = _slices(axes)
    sound = _sound(tensors, directions, _density(crystal))
    value, error = _debye_temperature(tensors, crystal)
    replicates = np.array([one for one, _ in found[1:]])
    eigenvalues = _eigenvalues(stiffness)
    errors: dict[str, Floats] = {}
    if len(replicates):
        roots = [_eigenvalues(one) for one in replicates]
        errors["stiffness_sem"] = jackknife_sem(replicates)
        errors["symmetric_sem"] = jackknife_sem(means[1:])
        errors["asymmetry_sem"] = jackknife_sem(replicates - means[1:])
        errors["eigenvalues_sem"] = jackknife_sem(roots)
    return Elasticity(
        crystal,
        axes,
        stiffness,
        eigenvalues,
        _moduli(stiffness, replicates),
        rest,
        planes,
        _ANGLES,
        sound.velocity,
        value,
        means[0],
        velocities_sem=sound.velocity_sem,
        debye_temperature_sem=error,
        **errors,
    )


def stiffness_of(constants: ForceConstants) -> tuple[Floats, Floats | None]:
    """Elastic constants (6, 6) in eV/Å³, and their standard errors; (3, 3) in eV/Å² of a layer.

    Raises
    ------
    DataError
        If a strain acts on an internal displacement without restoring force.
    """
    axes, unit = _axes(constants.crystal)
    found = [_stiffness(unit * _along(one, axes))[0] for one in _tensors(constants)]
    return found[0], jackknife_sem(np.array(found[1:])) if len(found) > 1 else None


def compliances(constants: ForceConstants) -> Floats:
    """Strain of a primitive cell per stress times volume, (1 + b, 3, 3, 3, 3) in 1/eV.

    The first is that of the force constants, the others are those of the replicates. That of a
    layer has no components out of its plane.
    """
    axes, unit = _axes(constants.crystal)
    found = []
    for tensor in _tensors(constants):
        stiffness, _ = _stiffness(unit * _along(tensor, axes))
        scale = _mandel(np.ones_like(stiffness))
        # In Mandel's notation the inverse of the matrix is the matrix of the inverse tensor.
        soft = _full(np.asarray(np.linalg.inv(_checked(_mandel(stiffness)))) / scale)
        found.append(np.einsum("ijkl,ia,jb,kc,ld->abcd", soft, axes, axes, axes, axes))
    return np.array(found) * (unit / constants.crystal.volume)


def _checked(matrix: Floats) -> Floats:
    """Raise a `DataError` if a matrix of elastic constants is singular."""
    if np.linalg.cond(matrix) > 1e12:
        raise DataError(
            "the elastic constants are singular: a strain has no restoring force",
            why="force constants without rotational invariance or of a chain or molecule",
        )
    return matrix


def _axes(crystal: Crystal) -> tuple[Floats, float]:
    """Directions of strain (d, 3), and the length by which constants are multiplied."""
    layer = layer_of(crystal.cell, crystal.sites)
    if layer is None:
        return np.eye(3), 1.0
    flat = np.eye(3) - np.outer(layer.normal, layer.normal)
    # x, or y where x is nearly normal to the layer
    first = flat[0] if np.linalg.norm(flat[0]) > 0.5 else flat[1]
    first = first / np.linalg.norm(first)
    return np.stack([first, np.cross(layer.normal, first)]), layer.period


def _along(tensor: Floats, axes: Floats) -> Floats:
    turned: Floats = np.einsum("abcd,ia,jb,kc,ld->ijkl", tensor, axes, axes, axes, axes)
    return turned


def _mean(tensor: Floats, rotations: Floats) -> Floats:
    """Mean of a tensor (3, 3, 3, 3) over rotations (g, 3, 3)."""
    squares = np.einsum("gia,gjb->gijab", rotations, rotations)
    found: Floats = np.einsum(
        "gijab,gklcd,abcd->ijkl", squares, squares, tensor, optimize=True
    ) / len(rotations)
    return found


def _full(stiffness: Floats) -> Floats:
    """Tensor (…, d, d, d, d) of constants (…, c, c)."""
    pairs = _PAIRS[3 if stiffness.shape[-1] == 6 else 2]
    d = 3 if len(pairs) == 6 else 2
    place = np.empty((d, d), dtype=int)
    for k, (i, j) in enumerate(pairs):
        place[i, j] = place[j, i] = k
    found: Floats = stiffness[..., place[:, :, None, None], place]
    return found


def _stiffness(tensor: Floats) -> tuple[Floats, float]:
    """Elastic constants (c, c) closest to an acoustic tensor, and the remaining part."""
    n = len(_PAIRS[len(tensor)])
    rows, columns = np.triu_indices(n)
    basis = np.zeros((len(rows), n, n))
    basis[np.arange(len(rows)), rows, columns] = 1.0
    basis[np.arange(len(rows)), columns, rows] = 1.0
    # C_αγβλ with axes (α, γ, β, λ) → (α, β, γ, λ)
    full = _full(basis).transpose(0, 1, 3, 2, 4)
    waves = 0.5 * (full + full.swapaxes(3, 4))
    design = waves.reshape(len(rows), -1).T
    parameters, *_ = np.linalg.lstsq(design, tensor.ravel(), rcond=None)
    rest = np.linalg.norm(tensor.ravel() - design @ parameters)
    return np.tensordot(parameters, basis, axes=1), float(rest / np.linalg.norm(tensor))


def _mandel(stiffness: Floats) -> Floats:
    """Matrix with the eigenvalues of the tensor: shear components times √2."""
    n = stiffness.shape[-1]
    scale = np.array([1.0 if i == j else np.sqrt(2.0) for i, j in _PAIRS[3 if n == 6 else 2]])
    found: Floats = stiffness * scale[:, None] * scale
    return found


def _eigenvalues(stiffness: Floats) -> Floats:
    return np.asarray(np.linalg.eigvalsh(_mandel(stiffness)))


def _moduli(stiffness: Floats, replicates: Floats) -> Moduli:
    values = _averages(stiffness)
    bulk, shear, young, poisson, (anisotropy, _, _) = values
    if not len(replicates):
        return Moduli(bulk, shear, young, poisson, float(anisotropy))
    sem = jackknife_sem(_averages(one) for one in replicates)
    return Moduli(
        bulk, shear, young, poisson, float(anisotropy),
        bulk_sem=sem[0], shear_sem=sem[1], young_sem=sem[2], poisson_sem=sem[3],
        anisotropy_sem=float(sem[4, 0]),
    )  # fmt: skip


def _averages(stiffness: Floats) -> Floats:
    """Bulk, shear, Young modulus, Poisson ratio (5, 3) and, in the last row, anisotropy."""
    d = 3 if len(stiffness) == 6 else 2
    matrix = _checked(_mandel(stiffness))
    k_voigt, g_voigt = _invariants(matrix, d)
    softness, slip = _invariants(np.asarray(np.linalg.inv(matrix)), d)
    # K_R = 1/S_iijj and G_R = 1/4μ' with the shear compliance μ'
    k_reuss, g_reuss = 1.0 / (softness * d**2), 1.0 / (4.0 * slip)
    bulk = np.array([k_voigt, k_reuss, 0.5 * (k_voigt + k_reuss)])
    shear = np.array([g_voigt, g_reuss, 0.5 * (g_voigt + g_reuss)])
    if d == 3:
        young = 9.0 * bulk * shear / (3.0 * bulk + shear)
        poisson = (3.0 * bulk - 2.0 * shear) / (6.0 * bulk + 2.0 * shear)
        anisotropy = 5.0 * g_voigt / g_reuss + k_voigt / k_reuss - 6.0
    else:
        young = 4.0 * bulk * shear / (bulk + shear)
        poisson = (bulk - shear) / (bulk + shear)
        anisotropy = 2.0 * g_voigt / g_reuss + k_voigt / k_reuss - 3.0
    return np.stack([bulk, shear, young, poisson, np.full(3, anisotropy)])


def _invariants(matrix: Floats, d: int) -> tuple[float, float]:
    """C_iijj/d² and (C_ijij − C_iijj/d)/(d² + d − 2) of a matrix in Mandel's notation."""
    trace = float(matrix[:d, :d].sum())
    return trace / d**2, (float(np.trace(matrix)) - trace / d) / (d**2 + d - 2)


def _slices(axes: Floats) -> tuple[tuple[str, ...], Floats]:
    """Names of the planes, and directions (p, a, 3) in them."""
    names = "xyz"
    pairs = [(i, j) for i, j in product(range(len(axes)), repeat=2) if i < j]
    directions = [
        np.cos(_ANGLES)[:, None] * axes[i] + np.sin(_ANGLES)[:, None] * axes[j]
        for i, j in pairs
    ]
    return tuple(names[i] + names[j] for i, j in pairs), np.stack(directions)
