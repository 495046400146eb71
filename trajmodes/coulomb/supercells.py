"""Dipole–dipole forces and force constants of a periodic supercell.

The supercell has no macroscopic field, as in simulations with Ewald sums: C(q) is taken at its
q points, at Γ without the term K = 0. Forces follow by two fast Fourier transforms over its
cells,

    f(q) = −C(q) u(q),

and force constants, summed over periodic images, by one.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from trajmodes.arrays import Complexes, Floats, freeze
from trajmodes.coulomb.ewald import DipoleSum, dipole_matrices, dipole_sum
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Supercell


def _cell_matrices(total: DipoleSum, supercell: Supercell, shape: tuple[int, ...]) -> Complexes:
    """C (k, 3s, 3s) at the labels of a transform, with the phase of the cells."""
    labels = np.indices(shape).reshape(3, -1).T
    q_kx = (labels / np.array(supercell.shape)) @ supercell.transform.T
    phase_ks = np.exp(2j * np.pi * (q_kx @ supercell.crystal.sites.T))
    phase_kx = np.repeat(phase_ks, 3, axis=1)
    # from the phase of the positions of the atoms to that of their cells
    turns: Complexes = phase_kx[:, :, None] * phase_kx.conj()[:, None, :]
    return dipole_matrices(total, q_kx) * turns


@dataclass(frozen=True, slots=True)
class DipoleForces:
    """The linear map from displacements to dipole–dipole forces, the same for every frame."""

    supercell: Supercell
    charges: Charges
    matrices: Complexes
    """(k, 3s, 3s), unit: eV/Å². −Cᵀ(q) at the labels of a real Fourier transform."""

    def __post_init__(self) -> None:
        freeze(self, {}, complex, matrices="k x x")

    def __call__(self, displacements: Floats) -> Floats:
        """Compute forces (t, a, 3) in eV/Å from displacements (t, a, 3) in Å."""
        n_frames, shape = len(displacements), self.supercell.shape
        grid = displacements.reshape(n_frames, *shape, -1)
        waves = scipy.fft.rfftn(grid, axes=(1, 2, 3))
        by_q = waves.reshape(n_frames, *self.matrices.shape[:2]).swapaxes(0, 1)
        moved = (by_q @ self.matrices).swapaxes(0, 1).reshape(waves.shape)
        forces = scipy.fft.irfftn(moved, s=shape, axes=(1, 2, 3))
        found: Floats = forces.reshape(displacements.shape)
        return found


def dipole_forces(supercell: Supercell, charges: Charges) -> DipoleForces:
    """Prepare the forces in a supercell."""
    *most, last = supercell.shape
    total = dipole_sum(supercell.crystal, charges)
    matrices = _cell_matrices(total, supercell, (*most, last // 2 + 1))
    return DipoleForces(supercell, charges, -matrices.swapaxes(1, 2))


def folded_dipoles(supercell: Supercell, charges: Charges) -> Floats:
    """Dipole–dipole force constants (s, a, 3, 3) in eV/Å², summed over images.

    They couple the home cell to all atoms in canonical order, as in
    `symmetry.translations.fold_pairs`.
    """
    n_sites = supercell.crystal.n_sites
    total = dipole_sum(supercell.crystal, charges)
    matrices = _cell_matrices(total, supercell, supercell.shape)
    grid = matrices.reshape(*supercell.shape, n_sites, 3, n_sites, 3)
    cells = scipy.fft.fftn(grid, axes=(0, 1, 2), norm="forward").real
    by_cell = cells.reshape(supercell.n_cells, n_sites, 3, n_sites, 3)
    found: Floats = by_cell.transpose(1, 0, 3, 2, 4).reshape(n_sites, supercell.n_atoms, 3, 3)
    return found
