"""A molecule or cluster by itself: one cell of empty space, and its motions as a rigid body.

Everything behind the readers lives on a `Supercell`; a molecule is one of a single cell, so
wide that its edges mean nothing, and Γ is its only q. What tells it from a crystal is that the
force constants vanish for infinitesimal rotations as well as for translations,

    Φ t_x = 0,  t_x(a) = x̂,   and   Φ r_x = 0,  r_x(a) = x̂ × r_a,

with r_a the reference positions about the centre of mass. In mass-weighted coordinates √M u
these six vectors (five if all atoms lie on a line, three for one atom) span the external space;
its orthogonal complement holds the vibrations, and is where the Eckart conditions put every
frame (Wilson, Decius & Cross, Molecular Vibrations, 1955, ch. 2 and 11).
"""

from collections.abc import Sequence

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.symmetry.translations import build_supercell

_ROOM = 20.0
"""Å of empty space on top of twice the extent: only a picture would show it."""
_THIN = 1e-3
"""A body is a line if it is thinner than this part of its length."""


def isolated(species: Sequence[str], positions: Floats, masses: Floats) -> Supercell:
    """Put a molecule into a cell by itself, where it is and as it is turned.

    Parameters
    ----------
    species
        (a,) chemical symbols.
    positions
        (a, 3) in Å.
    masses
        (a,) in eV ps²/Å².
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
    """Find the direction of the line that all atoms lie on; None if there is none.

    Parameters
    ----------
    positions
        (a, 3) in Å.
    masses
        (a,) weights.

    Returns
    -------
    (3,) unit vector; None for atoms on no line, or a single atom.
    """
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

    Parameters
    ----------
    molecule
        The molecule, of one cell.

    Returns
    -------
    Rows √M t and √M r made orthonormal, translations first; k is 6, 5 for atoms on a line, 3
    for one atom.
    """
    root = np.sqrt(molecule.masses)
    about = centred(molecule.positions, molecule.masses)
    shifts_xay = np.eye(3)[:, None, :] * (root / np.sqrt(molecule.masses.sum()))[:, None]
    turns_xay = np.cross(np.eye(3)[:, None, :], about) * root[:, None]
    n = 3 * molecule.n_atoms
    _, lengths, turns = np.linalg.svd(turns_xay.reshape(3, n), full_matrices=False)
    # About a line the third moment of inertia is zero; the squares of these are the moments.
    some = lengths > _THIN * max(lengths[0], 1e-9 * np.sqrt(molecule.masses.sum()))
    rows: Floats = np.concatenate([shifts_xay.reshape(3, n), turns[: len(some)][some]])
    return rows


def vibrational_space(molecule: Supercell) -> Floats:
    """Orthonormal basis (d, 3a) of all that is neither translation nor rotation.

    Parameters
    ----------
    molecule
        The molecule, of one cell.

    Returns
    -------
    Rows in mass-weighted coordinates; d = 3a − 6, or 3a − 5 for atoms on a line.
    """
    external = rigid_motions(molecule)
    full, _ = np.linalg.qr(external.T, mode="complete")
    rows: Floats = np.ascontiguousarray(full[:, len(external) :].T)
    return rows


def pairs_of_hessian(
    molecule: Supercell, hessian: Floats, replicates: Floats | None = None
) -> ForceConstants:
    """Force constants of a molecule from its second derivatives.

    Parameters
    ----------
    molecule
        The molecule, of one cell.
    hessian
        (3a, 3a) in eV/Å², symmetric.
    replicates
        (b, 3a, 3a) delete-one-block estimates of it.
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
    """Matrices (1 + b, 3a, 3a) in eV/Å²: the constants of a molecule, then their replicates."""
    n = constants.crystal.n_sites
    values = [constants.values[None]]
    values += [] if constants.replicates is None else [constants.replicates]
    blocks_bpxy = np.concatenate(values)
    full = np.zeros((len(blocks_bpxy), n, n, 3, 3))
    full[:, constants.first, constants.second] = blocks_bpxy
    matrices: Floats = full.swapaxes(2, 3).reshape(len(full), 3 * n, 3 * n)
    return matrices
