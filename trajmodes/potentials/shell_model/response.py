r"""Elastic, piezoelectric and dielectric tensors of a shell model.

Particles, cores and shells, are at r = (1 + ε)(r₀ + u). With the second derivatives of the
energy with respect to displacements, B = ∂²E/∂u∂u, and to displacements and strain, Λ =
∂²E/∂u∂η, and the charges z (Born and Huang, Dynamical Theory of Crystal Lattices, §§ 11, 32)

    C = (1/V)[∂²E/∂η∂η − Λᵀ B⁻¹ Λ],   e = −(1/V) zᵀ B⁻¹ Λ,   ε = 1 + (4πk/V) zᵀ B⁻¹ z,

without uniform shifts, and without macroscopic field in B. B and Λ of the shells alone give the
tensors of clamped atoms. A homogeneous strain of all charges causes no proper polarisation.
Derivatives with respect to strain are central differences of the first derivatives, of fourth
order.

With initial stress C is this second derivative of the energy with respect to a symmetric
strain, which differs from the derivative of the stress.
"""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.potentials.response import StaticResponse
from trajmodes.errors import DataError
from trajmodes.potentials.shell_model.lists import Lists
from trajmodes.potentials.terms.particles import Particles
from trajmodes.units import COULOMB

_STRAIN = 1e-3
_SOFT = 1e-9
"""Eigenvalue of B, relative to the largest, below which there is no restoring force."""
_ROWS, _COLUMNS = np.array([0, 1, 2, 1, 0, 0]), np.array([0, 1, 2, 2, 2, 1])
_HALVES = 0.5 * np.eye(3)[_ROWS][:, :, None] * np.eye(3)[_COLUMNS][:, None, :]
_UNITS = _HALVES + _HALVES.swapaxes(1, 2)
"""(6, 3, 3) strains of unit η, in Voigt's order."""


def static_response(lists: Lists, particles: Particles, crystal: Crystal) -> StaticResponse:
    """Compute the tensors of a crystal with its shells at rest.

    Raises
    ------
    DataError
        If the energy is not at a minimum with respect to the positions of the atoms.
    """
    volume, shells = crystal.volume, slice(3 * crystal.n_sites, None)
    strained, coupling = _strained(lists, particles)
    b = lists.second(particles, crystal, np.zeros((1, 3)))[0].real
    basis = _without_shifts(particles.count)
    soft = basis @ _inverse(basis.T @ b @ basis) @ basis.T
    clamped = np.zeros_like(b)
    clamped[shells, shells] = _inverse(b[shells, shells])
    stiffness, stiffness_clamped = (
        (strained - coupling.T @ one @ coupling) / volume for one in (soft, clamped)
    )
    if lists.ewald is None:
        return StaticResponse(stiffness, stiffness_clamped)
    z = np.kron(lists.ewald.charges[:, None], np.eye(3))
    field = 4.0 * np.pi * COULOMB / volume
    piezoelectric, piezoelectric_clamped = (
        -z.T @ one @ coupling / volume for one in (soft, clamped)
    )
    static, electronic = (np.eye(3) + field * z.T @ one @ z for one in (soft, clamped))
    return StaticResponse(
        stiffness, stiffness_clamped, piezoelectric, piezoelectric_clamped, static, electronic
    )


def _strained(lists: Lists, particles: Particles) -> tuple[Floats, Floats]:
    """∂²E/∂η∂η (6, 6) in eV, and Λ (3n, 6) in eV/Å."""
    by_strain, by_both = np.zeros((6, 6)), np.zeros((3 * particles.count, 6))
    for k, unit in enumerate(_UNITS):
        for step, factor in ((1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0)):
            gradient = np.eye(3) + step * _STRAIN * unit
            moved = Particles(particles.cell @ gradient, particles.positions @ gradient)
            found = lists.derivatives(moved)
            weight = factor / (12.0 * _STRAIN)
            slope = np.linalg.solve(gradient, found.virial)
            by_strain[:, k] += weight * np.einsum("cxy,xy->c", _UNITS, slope)
            by_both[:, k] += weight * (found.gradient @ gradient).ravel()
    return 0.5 * (by_strain + by_strain.T), by_both


def _without_shifts(count: int) -> Floats:
    """(3n, 3n − 3) orthonormal displacements without uniform shifts."""
    basis, _ = np.linalg.qr(np.tile(np.eye(3), (count, 1)), mode="complete")
    inner: Floats = basis[:, 3:]
    return inner


def _inverse(matrix: Floats) -> Floats:
    """Inverse of a positive matrix, which may be empty."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    if values.size and values[0] <= _SOFT * values[-1]:
        raise DataError(
            "elastic and dielectric constants do not exist: the energy is not at a minimum "
            "with respect to the positions of the atoms",
            why="a mode at Γ is unstable, or has no restoring force",
            fix="relax the positions, or take another structure",
        )
    found: Floats = (vectors / values) @ vectors.T
    return found
