"""Force constants of a shell model, between all atoms of a crystal.

Without shells they are the second derivatives along the bonds, and the dipole–dipole forces of
the charges themselves (Z* = z, ε∞ = 1); nothing is left out.

Shells that follow their cores couple all atoms. Force constants are then those of the dynamical
matrices on a mesh of q points,

    Φ(R) = N⁻¹ Σ_q [√M D(q) √M' − C(q)] e^{−iq·r},

without the part C of Z*, ε∞ and the dynamical quadrupoles (`trajmodes.coulomb`). At the points
of the mesh phonons are those of the model, and as q → 0 along any direction too. Between these
points they differ by the forces of octupoles beyond half of the mesh, of order 1/r⁵. The mesh
is refined until frequencies halfway between its points are those of the model.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from trajmodes.arrays import Complexes, Floats
from trajmodes.coulomb.ewald import dipole_matrices, dipole_sum
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.potentials.differences import wide_supercell
from trajmodes.potentials.terms.particles import Blocks
from trajmodes.symmetry.supercell_matrices import pair_list

_SHORTEST, _STEP = 6.0, 2.0
"""Half-width of the supercell of the first mesh, and its increase in each step, in Å."""
_CLOSE = 1e-4
"""Root mean square error of the frequencies, relative to the highest, of a sufficient mesh."""
_MOST_ATOMS = 6000
"""Largest number of atoms in the supercell of the finest mesh."""

Matrices = Callable[[Floats], Complexes]
"""D (q, 3s, 3s) in (rad/ps)² at reduced q (q, 3)."""


@dataclass(frozen=True, slots=True)
class MeshConstants:
    """Force constants of a mesh of q points."""

    constants: ForceConstants
    supercell: Supercell
    """Its q points are those of the mesh."""
    error: float
    """Root mean square error of frequencies halfway between points of the mesh, in rad/ps."""


def constants_of_bonds(
    crystal: Crystal, blocks: Blocks, charges: Charges | None
) -> ForceConstants:
    """Sum the second derivatives of bonds, each listed once, into force constants."""
    own = np.arange(crystal.n_sites)
    first = np.concatenate([own, blocks.first, blocks.second])
    second = np.concatenate([own, blocks.second, blocks.first])
    lattice = np.concatenate([np.zeros((len(own), 3), int), blocks.lattice, -blocks.lattice])
    both = np.concatenate([blocks.values, blocks.values.swapaxes(1, 2)])
    pairs, place = np.unique(
        np.column_stack([first, second, lattice]), axis=0, return_inverse=True
    )
    place = place.reshape(-1)
    values = np.zeros((len(pairs), 3, 3))
    np.add.at(values, place[len(own) :], both)
    # A uniform shift causes no force.
    rest = np.zeros((crystal.n_sites, 3, 3))
    np.add.at(rest, pairs[:, 0], values)
    values[place[: len(own)]] -= rest
    one, two, cells = pairs[:, 0], pairs[:, 1], pairs[:, 2:]
    apart = (cells + crystal.sites[two] - crystal.sites[one]) @ crystal.cell
    return ForceConstants(
        crystal, one, two, cells, values,
        has_static_part=True,
        cutoff=float(np.linalg.norm(apart, axis=1).max()),
        charges=charges,
    )  # fmt: skip


def constants_of_mesh(
    crystal: Crystal, matrices: Matrices, charges: Charges | None
) -> MeshConstants:
    """Find force constants with the frequencies of the model between the points of the mesh.

    The mesh consists of the q points of a supercell of about equal width in all directions. It
    is refined up to a large supercell, even if the frequencies are not converged there.
    """
    root = np.repeat(np.sqrt(crystal.masses), 3)
    weight = root[:, None] * root
    dipoles = None if charges is None else dipole_sum(crystal, charges)

    def of_dipoles(qpoints: Floats) -> Complexes | float:
        return 0.0 if dipoles is None else dipole_matrices(dipoles, qpoints) / weight

    reach = _SHORTEST
    while True:
        supercell = wide_supercell(crystal, reach)
        pairs = pair_list(supercell)
        rest = matrices(pairs.space.qpoints) - of_dipoles(pairs.space.qpoints)
        constants = replace(
            pairs.constants(pairs.values(rest), None, None),
            has_static_part=True,
            charges=charges,
        )
        between = _between(supercell)
        known = matrices(between)
        summed = _summed(constants, between) / weight + of_dipoles(between)
        omega, found = _frequencies(known), _frequencies(summed)
        error = float(np.sqrt(np.mean((found - omega) ** 2)))
        reach += _STEP
        is_fine = error < _CLOSE * omega.max()
        if is_fine or wide_supercell(crystal, reach).n_atoms > _MOST_ATOMS:
            return MeshConstants(constants, supercell, error)


def _between(supercell: Supercell) -> Floats:
    """Points halfway between Γ and its neighbours on the mesh, and the same far from Γ."""
    halves = np.array(list(product((0.0, 0.5), repeat=3))[1:])
    wanted = np.concatenate([halves, halves + np.array(supercell.shape) // 4])
    found: Floats = np.linalg.solve(supercell.matrix, wanted.T).T
    return found


def _summed(constants: ForceConstants, qpoints: Floats) -> Complexes:
    """Σ Φ e^{iq·r} (q, 3s, 3s) in eV/Å², with r the vector between the atoms."""
    crystal = constants.crystal
    s = crystal.n_sites
    apart = constants.lattice + crystal.sites[constants.second] - crystal.sites[constants.first]
    place = constants.first * s + constants.second
    found = np.zeros((len(qpoints), s * s, 3, 3), dtype=complex)
    for q, sums in zip(qpoints, found, strict=True):
        phase = np.exp(2j * np.pi * apart @ q)
        np.add.at(sums, place, phase[:, None, None] * constants.values)
    matrices: Complexes = found.reshape(-1, s, s, 3, 3).swapaxes(2, 3).reshape(-1, 3 * s, 3 * s)
    return matrices


def _frequencies(matrices: Complexes) -> Floats:
    """(q, m) in rad/ps, negative for an imaginary mode."""
    square = np.linalg.eigvalsh(matrices)
    return np.asarray(np.sign(square) * np.sqrt(np.abs(square)), dtype=float)
