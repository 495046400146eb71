"""phono3py with force constants of trajmodes, for sums over three-phonon scattering.

phono3py (A. Togo, L. Chaput, I. Tanaka, Phys. Rev. B 91, 094306 (2015)) computes half the width
Γ of a mode, as a cyclic frequency, from Φ2 and Φ3, to lowest order in Φ3 and with the
tetrahedron method.

Phonons of molecular dynamics are classical, with n = k_BT/ħω and no zero-point term ½. phono3py
uses Bose–Einstein occupation. At every frequency Γ is a sum of terms linear in n_1 + n_2 + 1
and n_1 − n_2, and n = k_BT/ħω − ½ + ħω/12k_BT − …, so that the halves cancel in both. Γ(T')/T'
at a temperature T' ≫ ħω/k_B is therefore the classical Γ(T)/T, up to (ħω/k_BT')²/12.

phono3py stores force constants between the home cell and all atoms of a supercell, summed over
periodic images. If no cluster extends farther than half the shortest supercell vector, each of
these belongs to one image, the nearest. A supercell much smaller than that of the run can then
represent the same force constants.
"""

import importlib
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.coulomb.supercells import folded_dipoles
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.data.labels import point
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import joined_axes
from trajmodes.phonons.strain import triplets_of
from trajmodes.symmetry.clusters import SHELL_TOLERANCE, inscribed_radius
from trajmodes.symmetry.images import are_of_nearest, images_of_pairs
from trajmodes.symmetry.translations import atom_at, build_supercell, fold_pairs, fold_triplets
from trajmodes.units import BOLTZMANN, COULOMB, DALTON, HBAR, THZ

LOWEST = 1e-4 * THZ
"""Frequency in rad/ps below which phono3py ignores a mode; its own default."""

# ħω/k_BT' of the highest mode; the classical width is then accurate to 1e-9.
_CLASSICAL = 1e-4
# Largest difference between phono3py's ω² and ours, relative to the highest ω².
_SAME = 1e-5
# Margin in Å by which the inscribed sphere must exceed the longest distance.
_MARGIN = 1e-3
# Reach of Ewald's sum over cells, which phono3py leaves out, over the cube root of the volume.
_NEAR = 1.6


@dataclass(frozen=True, slots=True)
class Scattering:
    """phono3py with force constants, ready for sums over the scattering on a mesh."""

    peer: Any
    """Untyped Phono3py object, its phonons solved."""
    cells: tuple[Supercell, Supercell]
    """Its supercells of triplets and of pairs."""
    mesh: tuple[int, int, int]
    """Number of points along each reciprocal lattice vector."""
    highest: float
    """Highest frequency of the mesh in rad/ps."""
    left_out: float
    """Fraction of the modes of the mesh that are left out because they are imaginary."""

    def hot(self, temperature: float) -> float:
        """Temperature in K at which the occupation of all modes is classical."""
        return max(temperature, HBAR * self.highest / (_CLASSICAL * BOLTZMANN))

    def with_constants(self, constants: ForceConstants) -> "Scattering":
        """Return the same for other values of the same clusters; this one becomes invalid."""
        return _solved(self.peer, *self.cells, constants, self.mesh)

    def half_widths(self, points: Ints, temperature: float) -> Floats:
        """Γ (2, q, m) in rad/ps, quantum and classical, at the frequencies of the modes."""
        hot = self.hot(temperature)
        self.peer.run_thermal_conductivity(temperatures=[temperature, hot], grid_points=points)
        # (smearing, temperature, grid point, mode)
        factor = THZ * np.array([1.0, temperature / hot])[:, None, None]
        found: Floats = self.peer.thermal_conductivity.gamma[0] * factor
        return found

    def frequencies(self, points: Ints) -> Floats:
        """Frequencies (q, m) in rad/ps."""
        found: Floats = THZ * self.peer.get_phonon_data()[0][points]
        return found

    def grid_points(self, qpoints: Floats) -> tuple[Ints, Ints]:
        """Irreducible points of phono3py's grid for q points (q, 3), and that of each q.

        Raises
        ------
        UsageError
            If a q is not a point of the mesh.
        """
        from phonopy.phonon.grid import get_ir_grid_points  # noqa: PLC0415 - loads slowly

        addresses = _addresses(qpoints, self.mesh)
        grid = self.peer.grid
        _, _, ir_map = get_ir_grid_points(grid)
        steps = np.array([1, self.mesh[0], self.mesh[0] * self.mesh[1]])
        asked, place = np.unique(ir_map[addresses @ steps], return_inverse=True)
        return grid.grg2bzg[asked], place


def scattering_on(
    constants: ForceConstants, supercell: Supercell, mesh: tuple[int, int, int]
) -> Scattering:
    """Give phono3py the force constants, and compute the phonons of a mesh.

    Raises
    ------
    UsageError
        If phono3py is not installed.
    DataError
        If there is no third order.
    """
    triplets_of(constants)
    return _solved(*_cells(constants, supercell), constants, mesh)


def _solved(
    peer: Any,
    small: Supercell,
    large: Supercell,
    constants: ForceConstants,
    mesh: tuple[int, int, int],
) -> Scattering:
    _give(peer, constants, small, large)
    peer.mesh_numbers = mesh
    # Without these options the widths of symmetry-equivalent modes differ.
    peer.init_phph_interaction(
        symmetrize_tetrahedra=True, exclude_gamma_acoustic=True, average_degenerate_weights=True
    )
    peer.run_phonon_solver()
    omega_bm = THZ * peer.get_phonon_data()[0]
    # Rounding can make the acoustic modes at Γ slightly imaginary.
    left_out = float((omega_bm[peer.grid.grg2bzg] < -LOWEST).mean())
    return Scattering(peer, (small, large), mesh, float(omega_bm.max()), left_out)


def _addresses(q_qx: Floats, mesh: tuple[int, int, int]) -> Ints:
    """Integer addresses (q, 3) of q points on a mesh."""
    steps = q_qx * mesh
    addresses = np.rint(steps).astype(np.int64)
    off = np.abs(steps - addresses).max(axis=1, initial=0.0)
    if (off > 1e-4).any():
        worst = q_qx[off.argmax()]
        raise UsageError(
            f"q = {point(worst)} is not a point of the mesh {' × '.join(map(str, mesh))}",
            fix="use a mesh that contains it",
        )
    return addresses % mesh


def _cells(constants: ForceConstants, supercell: Supercell) -> tuple[Any, Supercell, Supercell]:
    """Phono3py object without force constants, its supercells for triplets and for pairs."""
    try:
        phono3py = importlib.import_module("phono3py")
    except ImportError as error:
        raise UsageError(
            "perturbative linewidths need phono3py, which is not installed",
            fix="pip install 'trajmodes[kappa]'",
        ) from error
    crystal = constants.crystal
    triplets = triplets_of(constants)
    small = smallest_supercell(
        crystal, longest_side(crystal, triplets.sites, triplets.lattice, triplets.values)
    )
    listed = triplets.sites, triplets.lattice, triplets.values
    images = images_of_pairs(supercell, SHELL_TOLERANCE)
    if small.n_atoms > supercell.n_atoms and are_of_nearest(images, *listed):
        # Images in the supercell of the run share the force constants, as phono3py does it.
        small = supercell
    # Force constants without a cutoff are shared among images in the supercell of the run.
    large = supercell
    if constants.cutoff is not None:
        side = longest_side(crystal, *constants.members, constants.values)
        if constants.charges is not None:
            side = max(side, _NEAR * float(np.cbrt(crystal.volume)))
        large = smallest_supercell(crystal, side)
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
        cutoff_frequency=LOWEST / THZ,
    )
    return peer, small, large


def _give(peer: Any, constants: ForceConstants, small: Supercell, large: Supercell) -> None:
    """Set the force constants of both orders."""
    sites, order = _atom_order(peer.phonon_supercell, peer.phonon_primitive, large)
    pairs = fold_pairs(constants, large)
    if (charges := constants.charges) is not None:
        pairs += folded_dipoles(large, charges)
    peer.fc2 = np.array([pairs[s, atoms] for s, atoms in zip(sites, order, strict=True)])
    if charges is not None:
        peer.nac_params = {
            "born": charges.born[sites], "dielectric": charges.dielectric, "factor": COULOMB,
        }  # fmt: skip
    sites, order = _atom_order(peer.supercell, peer.primitive, small)
    cubic = dense_triplets(triplets_of(constants), small)
    peer.fc3 = np.array(
        [cubic[s][atoms[:, None], atoms] for s, atoms in zip(sites, order, strict=True)]
    )


def _atom_order(theirs: Any, primitive: Any, supercell: Supercell) -> tuple[Ints, Ints]:
    """Site (s,) of each primitive atom of phono3py; canonical atom (s, a) of each atom.

    The primitive atoms of phono3py may be in any cell; canonical atoms are relative to the cell
    of each.
    """
    crystal = supercell.crystal
    site_of = {int(atom): site for site, atom in enumerate(theirs.u2s_map)}
    sites = np.array([site_of[int(atom)] for atom in theirs.s2u_map], dtype=np.int64)
    reduced = theirs.positions @ np.linalg.inv(crystal.cell) - crystal.sites[sites]
    cells = np.rint(reduced).astype(np.int64)
    home = np.asarray(primitive.p2s_map)
    if np.abs(reduced - cells).max() > 1e-4:
        raise DataError(
            "phono3py's supercell differs from that of trajmodes",
            why="phono3py may have changed its convention for supercells",
            fix="use a version of phono3py that trajmodes was tested with",
        )
    return sites[home], atom_at(supercell, sites, cells - cells[home][:, None])


def checked_frequencies(constants: ForceConstants, q_qx: Floats, theirs: Floats) -> Floats:
    """Frequencies (q, m) of trajmodes; raise a `DataError` if those of phono3py differ."""
    omega, _ = frequencies_at(constants, q_qx)
    highest = np.abs(omega).max(initial=0.0)
    # Squares are compared: near zero the root of a rounding error is large.
    worst = np.abs(omega * np.abs(omega) - theirs * np.abs(theirs)).max(initial=0.0)
    if worst > _SAME * highest**2:
        raise DataError(
            "phono3py finds other frequencies of these force constants: "
            f"ω² differs by {worst / highest**2:.2g} of the highest",
            why="the force constants lack the symmetry of the crystal, or extend beyond the "
            "supercell of the run",
            fix="give the supercell that the constants were made for",
        )
    return omega


def dense_triplets(triplets: ClusterConstants, supercell: Supercell) -> Floats:
    """Third-order force constants (s, a, a, 3, 3, 3) in eV/Å³ of home cell and supercell.

    Atoms are in canonical order.
    """
    n_atoms = supercell.n_atoms
    folded = np.zeros((supercell.crystal.n_sites, n_atoms, n_atoms, 3, 3, 3))
    for site, atom, slab in fold_triplets(triplets, supercell):
        folded[site, atom] = slab
    return folded


def longest_side(crystal: Crystal, sites: Ints, lattice: Ints, values: Floats) -> float:
    """Largest distance in Å of two members of a cluster whose force constants are not zero."""
    strong = values.any(axis=tuple(range(1, values.ndim)))
    places_cnx = (lattice + crystal.sites[sites])[strong] @ crystal.cell
    sides = places_cnx - np.roll(places_cnx, 1, axis=1)
    return float(np.linalg.norm(sides, axis=2).max(initial=0.0))


def smallest_supercell(crystal: Crystal, reach: float) -> Supercell:
    """Smallest repetition of the cell in which pairs up to ``reach`` Å have one nearest image.

    Axes that the point group mixes are repeated equally often.
    """
    wanted = reach + _MARGIN
    # Lattice planes at twice the distance are far enough apart, whatever the cell.
    spacing = 1.0 / np.linalg.norm(np.linalg.inv(crystal.cell), axis=0)
    most = [math.ceil(2.0 * wanted / float(height)) for height in spacing]
    groups = joined_axes(crystal)
    top = [max(most[axis] for axis in group) for group in groups]
    choices = itertools.product(*(range(1, n + 1) for n in top))

    def repeated(choice: tuple[int, ...]) -> Supercell:
        counts = np.zeros(3, dtype=np.int64)
        for group, n in zip(groups, choice, strict=True):
            counts[list(group)] = n
        return build_supercell(crystal, np.diag(counts))

    found = sorted((repeated(choice) for choice in choices), key=lambda cell: cell.n_atoms)
    return next(cell for cell in found if inscribed_radius(cell) >= wanted)
