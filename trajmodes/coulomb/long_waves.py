"""Dipole–dipole forces under long waves and homogeneous strain, without a macroscopic field.

They are the terms of C(k) (`coulomb.ewald`) at Γ of order zero, one and two in k.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.coulomb.ewald import DipoleSum, dipole_matrices, dipole_slopes, dipole_sum
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.units import COULOMB

_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_DIRECTIONS = np.array(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]]
) / np.sqrt([[1.0], [1.0], [1.0], [2.0], [2.0], [2.0]])
_STEP = 0.02
"""Length of the shorter wave vector in 1/Å."""


@dataclass(frozen=True, slots=True)
class LongWaveDipoles:
    """The dipole–dipole part of the long-wave expansion."""

    stiffness: Floats
    """(s, s, 3, 3), unit: eV/Å². C at Γ."""
    force: Floats
    """(s, 3, 3, 3), unit: eV/Å. Force on each site under a displacement gradient."""
    curvature: Floats
    """(3, 3, 3, 3), unit: eV. ∂²C/∂k_c∂k_d at Γ, summed over all pairs of sites."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, stiffness="s s 3 3", force="s 3 3 3", curvature="3 3 3 3")


def long_wave_dipoles(crystal: Crystal, charges: Charges) -> LongWaveDipoles:
    """Expand the dipole–dipole part at Γ to second order in the wave vector."""
    total, gamma, s = dipole_sum(crystal, charges), np.zeros((1, 3)), crystal.n_sites
    uniform = dipole_matrices(total, gamma)[0].real
    # Im ∂C/∂k at Γ is Σ_R Φ(R) r without a macroscopic field: (δ, s, λ, s', γ).
    moment = dipole_slopes(total, gamma)[:, 0].imag.reshape(3, s, 3, s, 3)
    return LongWaveDipoles(
        stiffness=uniform.reshape(s, 3, s, 3).swapaxes(1, 2),
        force=-moment.sum(axis=3).transpose(1, 2, 3, 0),
        curvature=_curvature(total),
    )


def _curvature(total: DipoleSum) -> Floats:
    """Extrapolate the curvature from two short wave vectors along each direction.

    The part that depends on the direction of k is that of the macroscopic field. The rest is
    even in k and zero at Γ.
    """
    crystal, charges, n = total.crystal, total.charges, total.crystal.n_sites
    field = 4.0 * np.pi * COULOMB / crystal.volume
    total_charge = charges.born.sum(axis=0)
    squares = []
    for step in (_STEP, 2.0 * _STEP):
        k_nx = step * _DIRECTIONS
        matrices = dipole_matrices(total, k_nx @ crystal.cell.T / (2.0 * np.pi))
        summed = matrices.reshape(-1, n, 3, n, 3).sum(axis=(1, 3)).real
        moment = k_nx @ total_charge + 0j
        if charges.quadrupoles is not None:
            whole = charges.quadrupoles.sum(axis=0)
            moment += 0.5j * np.einsum("nx,ny,xyz->nz", k_nx, k_nx, whole)
        screened = np.einsum("nx,xy,ny->n", k_nx, charges.dielectric, k_nx)
        outer = (moment[:, :, None] * moment.conj()[:, None, :]).real / screened[:, None, None]
        squares.append(2.0 * (summed - field * outer) / step**2)
    curvature = (4.0 * squares[0] - squares[1]) / 3.0
    # Along x, y, z, and along the diagonals between them.
    found = np.empty((3, 3, 3, 3))
    for k, (c, d) in enumerate(_PAIRS):
        mixed = curvature[k] if c == d else curvature[k] - 0.5 * (curvature[c] + curvature[d])
        found[:, :, c, d] = found[:, :, d, c] = mixed
    return found
