"""Force constants of any potential, by central differences of its forces.

Each atom of the home cell is displaced by ±h in a supercell that is at least twice as wide as
the reach of the forces, so that periodic images have no effect:

    Φ_ij = −[F_j(+h_i) − F_j(−h_i)]/2h,
    Φ_ijk = −[F_k(+,+) − F_k(+,−) − F_k(−,+) + F_k(−,−)]/4h²  with ±h of i and of j.

Both have an error of order h². The results are averaged over exchanges of members; the self
terms of second order follow from the sum rule.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.errors import DataError
from trajmodes.potentials.neighbours import TOLERANCE, Bonds, bonds_within
from trajmodes.potentials.potential import Order, Potential, State, summed_over_cells
from trajmodes.symmetry.translations import atom_at, build_supercell

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

Forces = Callable[[Supercell, Floats], Floats]
"""Forces (t, a, 3) in eV/Å at displacements (t, a, 3) in Å of the atoms of a supercell."""

STEP = 1e-3
"""Displacement in Å for which the errors of the difference and of rounding are both small."""

# Change of a force beyond the reach, relative to the largest, up to which it is rounding.
_BEYOND = 1e-5
_LEAST_THIRD = 1.0
"""Third-order constants in eV/Å³ are compared with this where all of a pair are smaller."""


def force_constants_by_differences(
    forces: Forces, crystal: Crystal, reach: float, *, order: Order = 2, step: float = STEP
) -> ForceConstants:
    """Compute static force constants from the forces at displaced atoms.

    Parameters
    ----------
    reach
        Distance in Å beyond which a displaced atom changes no force. It is twice the cutoff of
        an embedded-atom or three-body potential.
    step
        Displacement in Å.

    Raises
    ------
    DataError
        If displacements change forces beyond the reach.
    """
    bonds = _with_self_bonds(crystal, bonds_within(crystal, reach))
    supercell = wide_supercell(crystal, reach)
    n = crystal.n_sites
    home = atom_at(supercell, np.arange(n), np.zeros((n, 3), int))
    moves = np.zeros((n, 3, supercell.n_atoms, 3))
    for x in range(3):
        moves[np.arange(n), x, home, x] = step
    phi = -_slopes(forces, supercell, moves, step)
    places = atom_at(supercell, bonds.second, bonds.lattice)
    values_pxy = phi[bonds.first, :, places]
    phi[bonds.first, :, places] = 0.0
    _require_short(np.abs(phi).max(), np.abs(values_pxy).max(), reach, "eV/Å²")
    sites = np.stack([bonds.first, bonds.second], axis=1)
    lattice = np.stack([np.zeros_like(bonds.lattice), bonds.lattice], axis=1)
    values_pxy = _averaged(sites, lattice, values_pxy)
    values_pxy[:n] = 0.0
    np.subtract.at(values_pxy, bonds.first, values_pxy.copy())
    constants = ForceConstants(
        crystal=crystal,
        first=bonds.first,
        second=bonds.second,
        lattice=bonds.lattice,
        values=values_pxy,
        has_static_part=True,
        cutoff=reach,
    )
    if order == 2:
        return constants
    triplets = _triplets(forces, supercell, bonds, reach, step)
    return replace(constants, triplets=triplets)


def wide_supercell(crystal: Crystal, reach: float) -> Supercell:
    """Multiply the lattice vectors until images are more than twice the reach in Å apart."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(crystal.cell), axis=0)
    return build_supercell(crystal, np.diag(np.floor(2.0 * reach / heights).astype(int) + 1))


def forces_of(potential: Potential) -> Forces:
    """Make a function for the forces of a potential in a supercell."""

    def forces(supercell: Supercell, u_tax: Floats) -> Floats:
        places = supercell.positions + u_tax
        to_reduced = np.linalg.inv(supercell.cell)
        cells = (
            Crystal(supercell.cell, place @ to_reduced, supercell.species, supercell.masses)
            for place in places
        )
        return np.stack([potential.state(cell).forces for cell in cells])

    return forces


@dataclass(frozen=True, slots=True)
class CalculatorPotential:
    """Any calculator of ASE as a potential, with force constants by central differences."""

    calculator: "Calculator"
    reach: float
    """Distance in Å beyond which a displaced atom changes no force."""
    step: float = STEP
    """Displacement in Å."""

    def state(self, crystal: Crystal) -> State:
        """Compute energy, forces and stress with the calculator."""
        atoms = crystal.to_ase()
        atoms.calc = self.calculator
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        return State(energy, forces, atoms.get_stress(voigt=False))

    def force_constants(self, crystal: Crystal, order: Order = 2) -> ForceConstants:
        """Compute static force constants by central differences of the forces."""

        def forces(supercell: Supercell, u_tax: Floats) -> Floats:
            atoms = Crystal(
                supercell.cell,
                supercell.positions @ np.linalg.inv(supercell.cell),
                supercell.species,
                supercell.masses,
            ).to_ase()
            atoms.calc = self.calculator
            found = np.empty_like(u_tax)
            for t, u_ax in enumerate(u_tax):
                atoms.positions = supercell.positions + u_ax
                found[t] = atoms.get_forces()
            return found

        return force_constants_by_differences(
            forces, crystal, self.reach, order=order, step=self.step
        )

    def hessian(self, crystal: Crystal) -> Floats:
        """Compute second derivatives (3s, 3s) for equal displacements in all cells."""
        return summed_over_cells(self.force_constants(crystal))


def _with_self_bonds(crystal: Crystal, bonds: Bonds) -> Bonds:
    """Put the pair of each atom with itself before the bonds."""
    own = np.arange(crystal.n_sites)
    zero = np.zeros((len(own), 3))
    return Bonds(
        np.concatenate([own, bonds.first]),
        np.concatenate([own, bonds.second]),
        np.concatenate([zero, bonds.lattice]),
        np.concatenate([zero, bonds.vectors]),
    )


def _slopes(forces: Forces, supercell: Supercell, moves: Floats, step: float) -> Floats:
    """(…, a, 3) derivative of the forces along each displacement (…, a, 3) of length step."""
    flat = moves.reshape(-1, *moves.shape[-2:])
    change = forces(supercell, flat) - forces(supercell, -flat)
    slopes: Floats = change.reshape(moves.shape) / (2.0 * step)
    return slopes


def _require_short(beyond: float, largest: float, reach: float, unit: str) -> None:
    if beyond > _BEYOND * largest:
        raise DataError(
            f"a displaced atom changes forces more than {reach:.4g} Å away, by {beyond:.2g} "
            f"{unit}, more than {_BEYOND:g} of {largest:.3g} {unit}",
            why="the reach is too short: that of an embedded-atom or three-body potential is "
            "twice its cutoff, that of charges is infinite",
            fix="give a longer reach",
        )


def _triplets(
    forces: Forces, supercell: Supercell, bonds: Bonds, reach: float, step: float
) -> ClusterConstants:
    """Third-order force constants among atoms that are within the reach of each other."""
    sites, lattice = _triangles(supercell.crystal, bonds, reach)
    values = np.empty((len(sites), 3, 3, 3))
    places = atom_at(supercell, sites, lattice)
    pairs, pair = np.unique(places[:, :2], axis=0, return_inverse=True)
    for p, (i, j) in enumerate(pairs):
        moves = np.zeros((2, 3, 3, supercell.n_atoms, 3))
        for x, y in np.ndindex(3, 3):
            for sign in range(2):
                moves[sign, x, y, i, x] += step
                moves[sign, x, y, j, y] += (1 - 2 * sign) * step
        plus, minus = moves.reshape(2, 9, -1, 3)
        found = forces(supercell, np.concatenate([plus, -plus, minus, -minus]))
        parts = found.reshape(4, 9, -1, 3)
        phi = -(parts[0] + parts[1] - parts[2] - parts[3]) / (4.0 * step**2)
        mine = pair.reshape(-1) == p
        values[mine] = phi.reshape(3, 3, -1, 3)[:, :, places[mine, 2]].transpose(2, 0, 1, 3)
        phi[:, places[mine, 2]] = 0.0
        largest = max(np.abs(values[mine]).max(), _LEAST_THIRD)
        _require_short(np.abs(phi).max(), largest, reach, "eV/Å³")
    return ClusterConstants(sites, lattice, _averaged(sites, lattice, values), cutoff=reach)


def _triangles(crystal: Crystal, bonds: Bonds, reach: float) -> tuple[Ints, Ints]:
    """Sites (c, 3) and cells (c, 3, 3) of triplets with all distances within the reach."""
    sites, lattice = [], []
    for own in range(crystal.n_sites):
        mine = np.flatnonzero(bonds.first == own)
        apart = bonds.vectors[mine][:, None] - bonds.vectors[mine]
        two, three = np.nonzero((apart**2).sum(axis=-1) <= (reach + TOLERANCE) ** 2)
        j, k = mine[two], mine[three]
        sites.append(np.stack([np.full(len(j), own), bonds.second[j], bonds.second[k]], axis=1))
        cells = [np.zeros((len(j), 3), int), bonds.lattice[j], bonds.lattice[k]]
        lattice.append(np.stack(cells, axis=1))
    return np.concatenate(sites), np.concatenate(lattice)


def _averaged(sites: Ints, lattice: Ints, values: Floats) -> Floats:
    """Average over the orders of the members; clusters (c, n) are listed in every order."""
    mean = np.zeros_like(values)
    ascending = np.argsort(_keys(sites, lattice))
    orders = list(permutations(range(sites.shape[1])))
    for order in orders:
        moved = lattice[:, order] - lattice[:, order[:1]]
        rows = np.empty(len(sites), dtype=np.int64)
        rows[np.argsort(_keys(sites[:, order], moved))] = ascending
        mean += values[rows].transpose(0, *(1 + np.argsort(order)))
    return mean / len(orders)


def _keys(sites: Ints, lattice: Ints) -> Ints:
    """(c,) one integer for each cluster; the range of cells is that of a closed list."""
    reach = int(np.abs(lattice).max())
    low = lattice[:, 1:].reshape(len(sites), -1) + reach
    spans = (*sites.shape[1] * (int(sites.max()) + 1,), *low.shape[1] * (2 * reach + 1,))
    keys: Ints = np.ravel_multi_index((*sites.T, *low.T), spans)
    return keys
