r"""Born charges, ε∞ and dynamical quadrupoles of a shell model.

At q = 0 without macroscopic field the second derivatives B of cores and shells give

    Z*_i = z_i 1 − Σ_s z_s (B_ss⁻¹ B_sc)_si,   ε∞ = 1 + (4πk/V) Σ_ss' z_s (B_ss⁻¹)_ss' z_s'.

At small q the charge of a core and its shells, at offsets d from the site, is

    Σ_p z_p q·w_p(q) e^{−iq·d_p} = q·Z* − ½i qᵀQ q + …,

with w = (1, −B_ss⁻¹ B_sc), also without macroscopic field (R. M. Martin, Phys. Rev. B 5, 1607
(1972)). Q comes from the imaginary part at two short q along six directions.
"""

import numpy as np

from trajmodes.arrays import Complexes, Floats
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.potentials.ewald import Ewald
from trajmodes.potentials.shell_model.lists import Lists, eliminated
from trajmodes.potentials.terms.particles import Particles
from trajmodes.units import COULOMB

_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_DIRECTIONS = np.array(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]]
) / np.sqrt([[1.0], [1.0], [1.0], [2.0], [2.0], [2.0]])
_STEP = 0.02
"""Shorter length of q in 1/Å."""
_NONE = 1e-6
"""Quadrupole in e Å below which it is rounding."""


def charges_of(lists: Lists, ewald: Ewald, particles: Particles, crystal: Crystal) -> Charges:
    """Compute Born charges, ε∞ and, where symmetry permits them, quadrupoles."""
    n_cores, z = crystal.n_sites, ewald.charges
    gamma = lists.second(particles, crystal, np.zeros((1, 3)))
    follow = eliminated(gamma, n_cores)[1][0].real
    born = z[:n_cores, None, None] * np.eye(3)
    moved = follow.reshape(-1, 3, n_cores, 3)
    born = born + np.einsum("m,mxsy->sxy", z[n_cores:], moved)
    epsilon = np.eye(3)
    if particles.count > n_cores:
        k = 3 * n_cores
        soft = np.linalg.inv(gamma[0, k:, k:].real).reshape(*2 * (len(z) - n_cores, 3))
        polarised = np.einsum("m,mxny,n->xy", z[n_cores:], soft, z[n_cores:])
        epsilon += 4.0 * np.pi * COULOMB / crystal.volume * 0.5 * (polarised + polarised.T)
    quadrupoles = _quadrupoles(lists, ewald, particles, crystal)
    is_zero = np.abs(quadrupoles).max() < _NONE
    return Charges(born, epsilon, None if is_zero else quadrupoles)


def _quadrupoles(lists: Lists, ewald: Ewald, particles: Particles, crystal: Crystal) -> Floats:
    """(s, 3, 3, 3) in e Å, extrapolated from two lengths of q."""
    squares = []
    for step in (_STEP, 2.0 * _STEP):
        sources = _sources(lists, ewald, particles, crystal, step * _DIRECTIONS)
        squares.append(-2.0 * sources.imag / step**2)
    along = (4.0 * squares[0] - squares[1]) / 3.0
    found = np.empty((crystal.n_sites, 3, 3, 3))
    for k, (c, d) in enumerate(_PAIRS):
        mixed = along[k] if c == d else along[k] - 0.5 * (along[c] + along[d])
        found[:, c, d] = found[:, d, c] = mixed
    return found


def _sources(
    lists: Lists, ewald: Ewald, particles: Particles, crystal: Crystal, k_qx: Floats
) -> Complexes:
    """(q, s, 3) Σ_p z_p q·w_p(q) e^{−iq·d_p} at Cartesian q."""
    n_cores, z = crystal.n_sites, ewald.charges
    b_qkl = lists.second(particles, crystal, k_qx @ crystal.cell.T / (2.0 * np.pi), field=False)
    follow = eliminated(b_qkl, n_cores)[1].reshape(len(k_qx), -1, 3, n_cores, 3)
    offset = particles.positions[n_cores:] - crystal.positions[lists.layout.site[n_cores:]]
    phase = z[n_cores:] * np.exp(-1j * k_qx @ offset.T)
    own = z[:n_cores, None] * k_qx[:, None, :]
    found: Complexes = own + np.einsum("qm,qx,qmxsy->qsy", phase, k_qx, follow)
    return found
