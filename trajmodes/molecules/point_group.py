"""An isolated molecule or cluster: its cell, and its rigid motions.

A molecule is a `Supercell` of a single cell with empty space around it, and Γ is its only q. In
contrast to a crystal, its force constants vanish for infinitesimal rotations as well as for
translations,

    Φ t_x = 0,  t_x(a) = x̂,   and   Φ r_x = 0,  r_x(a) = x̂ × r_a,

with r_a the reference positions about the centre of mass. In mass-weighted coordinates √M u
these six vectors (five if all atoms are on a line, three for one atom) span the external space.
Its orthogonal complement contains the vibrations, and the displacements of every frame under
the Eckart conditions (Wilson, Decius & Cross, Molecular Vibrations, 1955, ch. 2 and 11).
"""

from collections.abc import Sequence

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.symmetry.translations import build_supercell

_ROOM = 20.0
"""Å of empty space in addition to twice the extent; no result depends on it."""
_THIN = 1e-3
"""Ratio of thickness to length below which a molecule is linear."""


def isolated(species: Sequence[str], positions: Floats, masses: Floats) -> Supercell:
    """Put a molecule with positions (a, 3) in Å and masses in eV ps²/Å² into a cell.

    It is neither moved nor rotated.
    """
    edge = 2.0 * float(np.ptp(positions, axis=0).max()) + _ROOM
    crystal = Crystal(np.diag([edge] * 3), positions / edge, tuple(species), masses)
    return build_supercell(crystal, np.eye(3, dtype=np.int64))


def centred(positions: Floats, masses: Floats) -> Floats:
    """Positions (…, a, 3) about their centre of mass."""
    centre = np.einsum("a,...ax->...x", masses / masses.sum(), positions)
    about: Floats = positions - centre[..., None, :]
    return about


def line_of(positions: Floats, masses: Floats) -> Floats | None:
    """Find the direction (3,) of the line of all atoms; None if there is none, or one atom."""
    rows = np.sqrt(masses)[:, None] * centred(positions, masses)
    _, lengths, axes = np.linalg.svd(rows, full_matrices=False)
    if lengths[0] < 1e-9 * np.sqrt(masses.sum()) or lengths[1:].max(initial=0.0) > (
        _THIN * lengths[0]
    ):
        return None
    axis: Floats = axes[0]
    return axis


def rigid_motions(molecule: Supercell) -> Floats:
    """Orthonormal basis (k, 3a) of translations and rotations in mass-weighted coordinates.

    Rows are √M t and √M r made orthonormal, translations first; k is 6, or 5 for a linear
    molecule, or 3 for one atom.
    """
    root = np.sqrt(molecule.masses)
    about = centred(molecule.positions, molecule.masses)
    shifts_xay = np.eye(3)[:, None, :] * (root / np.sqrt(molecule.masses.sum()))[:, None]
    rotations_xay = np.cross(np.eye(3)[:, None, :], about) * root[:, None]
    n = 3 * molecule.n_atoms
    _, lengths, rotations = np.linalg.svd(rotations_xay.reshape(3, n), full_matrices=False)
    # The squares of the lengths are moments of inertia; that about a line is zero.
    exists = lengths > _THIN * max(lengths[0], 1e-9 * np.sqrt(molecule.masses.sum()))
    rows: Floats = np.concatenate([shifts_xay.reshape(3, n), rotations[: len(exists)][exists]])
    return rows


def vibrational_space(molecule: Supercell) -> Floats:
    """Orthonormal basis (d, 3a) of the vibrations in mass-weighted coordinates.

    d is 3a − 6, or 3a − 5 for a linear molecule.
    """
    external = rigid_motions(molecule)
    full, _ = np.linalg.qr(external.T, mode="complete")
    rows: Floats = np.ascontiguousarray(full[:, len(external) :].T)
    return rows


def pairs_of_hessian(
    molecule: Supercell, hessian: Floats, replicates: Floats | None = None
) -> ForceConstants:
    """Force constants of a molecule from its second derivatives (3a, 3a) in eV/Å².

    ``replicates`` (b, 3a, 3a) are delete-one-block estimates.
    """
    n = molecule.n_atoms
    first, second = np.divmod(np.arange(n * n), n)

    def pairs(matrices: Floats) -> Floats:
        blocks: Floats = matrices.reshape(-1, n, 3, n, 3).swapaxes(2, 3)
        return blocks.reshape(-1, n * n, 3, 3)

    return ForceConstants(
        crystal=molecule.crystal,
        first=first,
        second=second,
        lattice=np.zeros((n * n, 3), dtype=np.int64),
        values=pairs(hessian)[0],
        replicates=None if replicates is None else pairs(replicates),
    )


def hessian_of(constants: ForceConstants) -> Floats:
    """Hessians (1 + b, 3a, 3a) in eV/Å² of a molecule: values, then replicates."""
    n = constants.crystal.n_sites
    values = [constants.values[None]]
    values += [] if constants.replicates is None else [constants.replicates]
    blocks_bpxy = np.concatenate(values)
    full = np.zeros((len(blocks_bpxy), n, n, 3, 3))
    full[:, constants.first, constants.second] = blocks_bpxy
    matrices: Floats = full.swapaxes(2, 3).reshape(len(full), 3 * n, 3 * n)
    return matrices
