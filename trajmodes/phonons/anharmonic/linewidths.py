"""Linewidths of perturbation theory: three-phonon scattering, to stand beside those from MD.

From Φ2 and Φ3 phono3py (A. Togo, L. Chaput, I. Tanaka, Phys. Rev. B 91, 094306 (2015)) finds
Γ(ω_qm), half the width in cyclic THz, to lowest order in Φ3 and with the tetrahedron method.
Full width at half maximum: 2Γ. Lifetime: 1/(4πΓ).

Phonons of molecular dynamics are classical: n = k_BT/ħω, without the ½ of the zero point.
phono3py knows Bose–Einstein occupation only. But Γ is a sum of terms linear in
n_1 + n_2 + 1 and n_1 − n_2, and n = k_BT/ħω − ½ + ħω/12k_BT − …: the halves cancel in both, so
that Γ(T')/T' at a temperature T' ≫ ħω/k_B is the classical Γ(T)/T, up to (ħω/k_BT')²/12.
"""

import importlib
from math import gcd, lcm
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints
from trajmodes.data.anharmonic import PerturbativeWidths
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.anharmonic.strain import triplets_of
from trajmodes.phonons.dynamical_matrix import checked_qpoints
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import commensurate
from trajmodes.phonons.renormalised.supercell_constants import (
    dense_triplets,
    joined_axes,
    pair_reach,
    smallest_supercell,
    triplet_reach,
)
from trajmodes.symmetry.folding import fold_pairs
from trajmodes.symmetry.translations import atom_at
from trajmodes.units import BOLTZMANN, DALTON, HBAR, THZ

# ħω/k_BT' of the highest mode: the classical width is then right to 1e-9.
_CLASSICAL = 1e-4
# Frequencies in THz below which phono3py takes a mode to be none; its own default.
_LOWEST_THZ = 1e-4
# Largest difference from our frequencies, relative to the highest one.
_SAME = 1e-5


def perturbative_linewidths(
    constants: ForceConstants,
    supercell: Supercell,
    divisions: tuple[int, int, int],
    temperature: float,
    qpoints: npt.ArrayLike | None = None,
) -> PerturbativeWidths:
    """Three-phonon linewidths from the constants alone.

    Parameters
    ----------
    constants
        Force constants with triplets. They must have the symmetry of the crystal.
    supercell
        The supercell of the run.
    divisions
        Mesh of scattering partners at least as fine as this, points along each reciprocal
        lattice vector; it is enlarged to hold all q points of the supercell. Widths converge
        slowly with it: compare two meshes.
    temperature
        Temperature in K.
    qpoints
        (q, 3) points of that mesh; the commensurate ones of the supercell where not given.

    Raises
    ------
    UsageError
        If phono3py is not installed, the temperature or a division is not positive, or a q is
        no point of the mesh.
    DataError
        If there are no triplets, the q points are not finite numbers (q, 3), or phono3py does
        not find the frequencies of these constants.
    """
    triplets_of(constants)
    if not temperature > 0.0:
        raise UsageError(f"the temperature must be positive, got {temperature} K")
    mesh = shared_mesh(supercell, divisions)
    q_qx = checked_qpoints(commensurate(supercell)[0] if qpoints is None else qpoints)
    addresses = _addresses(q_qx, mesh)
    peer = _phono3py(constants, supercell)
    peer.mesh_numbers = mesh
    # Without these three the width depends on which of several equal q or modes is asked.
    peer.init_phph_interaction(
        symmetrize_tetrahedra=True, exclude_gamma_acoustic=True, average_degenerate_weights=True
    )
    from phonopy.phonon.grid import get_ir_grid_points  # noqa: PLC0415 - phonopy loads slowly

    _, _, ir_map = get_ir_grid_points(peer.grid)
    regular = ir_map[addresses @ np.array([1, mesh[0], mesh[0] * mesh[1]])]
    asked, place = np.unique(regular, return_inverse=True)
    peer.run_phonon_solver()
    all_thz, _, _ = peer.get_phonon_data()
    hot = max(temperature, HBAR * THZ * float(all_thz.max()) / (_CLASSICAL * BOLTZMANN))
    peer.run_thermal_conductivity(
        temperatures=[temperature, hot], grid_points=peer.grid.grg2bzg[asked]
    )
    freq_thz = _frequencies(constants, q_qx, peer.thermal_conductivity.frequencies[place])
    # (smearing, temperature, grid point, mode), half widths
    half_tqm = peer.thermal_conductivity.gamma[0][:, place]
    half_tqm = np.where(freq_thz > _LOWEST_THZ, half_tqm, np.nan)
    return PerturbativeWidths(
        temperature=temperature,
        mesh=mesh,
        qpoints=q_qx,
        omega=freq_thz * THZ,
        quantum=2.0 * half_tqm[0] * THZ,
        classical=2.0 * half_tqm[1] * (temperature / hot) * THZ,
        # Rounding leaves the acoustic modes at Γ a little below zero.
        left_out=float((all_thz[peer.grid.grg2bzg] < -_LOWEST_THZ).mean()),
    )


def shared_mesh(supercell: Supercell, divisions: tuple[int, int, int]) -> tuple[int, int, int]:
    """Smallest mesh through Γ, no coarser than asked, that holds all q of a supercell.

    Axes that the point group mixes are divided alike.

    Parameters
    ----------
    supercell
        Any supercell, a skew one included.
    divisions
        Smallest number of points along each reciprocal lattice vector.

    Raises
    ------
    UsageError
        If a number of points is not positive.
    """
    if min(divisions) < 1:
        raise UsageError(f"a mesh has three positive numbers of points, got {divisions}")
    # q = S⁻¹ m for integer m, and S⁻¹ is an integer matrix over det S.
    n_cells = supercell.n_cells
    rows = np.rint(np.linalg.inv(supercell.matrix) * n_cells).astype(int).tolist()
    needed = [n_cells // gcd(n_cells, *row) for row in rows]
    mesh = [1, 1, 1]
    for group in joined_axes(supercell.crystal):
        unit = lcm(*(needed[axis] for axis in group))
        least = max(divisions[axis] for axis in group)
        for axis in group:
            mesh[axis] = unit * -(-least // unit)
    return mesh[0], mesh[1], mesh[2]


def _addresses(q_qx: Floats, mesh: tuple[int, int, int]) -> Ints:
    """(q, 3) integer places of q points on a mesh."""
    steps = q_qx * mesh
    addresses = np.rint(steps).astype(np.int64)
    off = np.abs(steps - addresses).max(axis=1, initial=0.0)
    if (off > 1e-4).any():
        worst = q_qx[off.argmax()]
        raise UsageError(
            f"q = {worst.tolist()} is no point of the mesh {mesh}",
            fix="ask for a mesh that holds it",
        )
    return addresses % mesh


def _phono3py(constants: ForceConstants, supercell: Supercell) -> Any:
    """Make a Phono3py object, which carries no types, that holds the constants."""
    try:
        phono3py = importlib.import_module("phono3py")
    except ImportError as error:
        raise UsageError(
            "perturbative linewidths need phono3py, which is not installed",
            fix="pip install 'trajmodes[kappa]'",
        ) from error
    crystal = constants.crystal
    small = smallest_supercell(crystal, triplet_reach(constants))
    # Constants shared among images of the supercell of the run belong to that supercell.
    large = supercell
    if constants.cutoff is not None:
        large = smallest_supercell(crystal, pair_reach(constants))
    from phonopy.structure.atoms import PhonopyAtoms  # noqa: PLC0415 - phonopy loads slowly

    unit = PhonopyAtoms(
        symbols=list(crystal.species),
        cell=crystal.cell,
        scaled_positions=crystal.sites,
        masses=crystal.masses / DALTON,
    )
    peer = phono3py.Phono3py(
        unit,
        supercell_matrix=small.matrix.T,
        phonon_supercell_matrix=large.matrix.T,
        primitive_matrix=np.eye(3),
        cutoff_frequency=_LOWEST_THZ,
    )
    sites, order = _order(peer.phonon_supercell, peer.phonon_primitive, large)
    pairs = fold_pairs(constants, large)
    peer.fc2 = np.array([pairs[s, atoms] for s, atoms in zip(sites, order, strict=True)])
    sites, order = _order(peer.supercell, peer.primitive, small)
    cubic = dense_triplets(triplets_of(constants), small)
    peer.fc3 = np.array(
        [cubic[s][atoms[:, None], atoms] for s, atoms in zip(sites, order, strict=True)]
    )
    return peer


def _order(theirs: Any, primitive: Any, supercell: Supercell) -> tuple[Ints, Ints]:
    """Our site (s,) of each of their primitive atoms, and our atom (s, a) of each of theirs.

    Their primitive atoms may lie in any cell: ours are counted from the cell of each.
    """
    crystal = supercell.crystal
    site_of = {int(atom): site for site, atom in enumerate(theirs.u2s_map)}
    sites = np.array([site_of[int(atom)] for atom in theirs.s2u_map], dtype=np.int64)
    reduced = theirs.positions @ np.linalg.inv(crystal.cell) - crystal.sites[sites]
    cells = np.rint(reduced).astype(np.int64)
    home = np.asarray(primitive.p2s_map)
    if np.abs(reduced - cells).max() > 1e-4:
        raise DataError(
            "phono3py's supercell is not ours",
            why="its convention for supercells may have changed",
            fix="use a version of phono3py that trajmodes was tested with",
        )
    return sites[home], atom_at(supercell, sites, cells - cells[home][:, None])


def _frequencies(constants: ForceConstants, q_qx: Floats, theirs_thz: Floats) -> Floats:
    """Our frequencies in THz, (q, m), if those that phono3py worked with are the same."""
    freq_thz = frequencies_at(constants, q_qx)[0] / THZ
    highest = np.abs(freq_thz).max(initial=0.0)
    # Squares, for near zero the root of a rounding error is large.
    worst = np.abs(freq_thz * np.abs(freq_thz) - theirs_thz * np.abs(theirs_thz)).max(initial=0)
    if worst > _SAME * highest**2:
        raise DataError(
            "phono3py does not find the frequencies of these force constants: "
            f"squares differ by {worst / highest**2:.2g} of the highest",
            why="they lack the symmetry of the crystal, or reach beyond the supercell of the "
            "run",
            fix="give the supercell that the constants were made for",
        )
    return freq_thz
