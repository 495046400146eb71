"""Expansion of the forces in the displacements, before any constraint is imposed.

f = −Φ1 − Φ2 u − ½ Φ3 uu − (1/6) Φ4 uuu, where each Φn is a linear combination, with parameters
z, of the symmetry-adapted tensors of the orbits of its clusters. A column of the design matrix
is the force of one parameter. Constraints, shorter cutoffs and fewer orders select subspaces of
z afterwards (`model`), so that one pass over a trajectory serves them all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from trajmodes.arrays import Bools, Ints
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.lattice import nearest_neighbour
from trajmodes.errors import UsageError
from trajmodes.notes import Note
from trajmodes.symmetry.clusters import SHELL_TOLERANCE, Orbits, cluster_orbits
from trajmodes.symmetry.cutoffs import Cutoff, admissible_radius, largest_radius, single_layer
from trajmodes.symmetry.operations import SpaceGroup, supercell_group
from trajmodes.symmetry.supercell_clusters import supercell_orbits, supercell_pair_orbits
from trajmodes.symmetry.tensors import SymmetryBasis, symmetry_basis

_MOST_CUTOFFS = 12
"""Most cutoffs tried for one order, spread evenly over its shells."""

HIGHEST_ORDER = 4
"""Fourth-order force constants: forces of third order in the displacements."""

CutoffChoice = float | Cutoff | Literal["supercell"] | None
"""Range of the force constants of one order: a radius in Å or radii by species;
``"supercell"`` for all clusters of atoms of the supercell, shared among nearest images
(Wigner–Seitz); None for the largest radius with a single nearest image, or all pairs where no
neighbour lies within it."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """Symmetry-adapted bases of the orders 1, 2, …; their parameters z are concatenated."""

    bases: tuple[SymmetryBasis, ...]
    cutoffs: tuple[Cutoff | None, ...]
    """Cutoff of each order; None for order 1, and for all clusters of a supercell."""

    def __iter__(self) -> Iterator[SymmetryBasis]:
        return iter(self.bases)

    @property
    def crystal(self) -> Crystal:
        """The crystal."""
        return self.group.crystal

    @property
    def group(self) -> SpaceGroup:
        """Symmetry operations of the force constants."""
        return self.bases[0].orbits.group

    @property
    def orders(self) -> tuple[int, ...]:
        """Orders, ascending."""
        return tuple(basis.order for basis in self.bases)

    @property
    def shares_images(self) -> bool:
        """Whether clusters are atoms of one supercell, with the sums over their images."""
        return any(basis.orbits.images is not None for basis in self)

    @property
    def starts(self) -> Ints:
        """(orders + 1,) first parameter of each order, and their total number."""
        return np.cumsum([0, *(basis.n_parameters for basis in self.bases)])

    @property
    def n_parameters(self) -> int:
        """Number of parameters of all orders."""
        return int(self.starts[-1])

    def columns(self, order: int) -> slice:
        """Return the slice of the parameters of one order."""
        start, stop = self.starts[order - 1 : order + 1].tolist()
        return slice(start, stop)

    def radii_between_shells(self, order: int) -> list[float]:
        """List at most 12 radii in Å, half-way between shells of an order and beyond."""
        basis, own = self.bases[order - 1], self.cutoffs[order - 1]
        longest = np.inf if own is None else own.largest
        radii = np.unique(np.round(basis.orbits.radii, 3))
        radii = radii[radii > 0.0]
        beyond = np.append(radii[1:], radii[-1] + 0.1)
        between = np.round((radii + np.minimum(beyond, radii + 0.1)) / 2.0, 3)
        found = np.unique(np.minimum(between, longest))
        if len(found) > _MOST_CUTOFFS:
            found = found[np.linspace(0, len(found) - 1, _MOST_CUTOFFS).astype(int)]
        return [float(r) for r in found]

    def restricted(self, cutoffs: Mapping[int, Cutoff | None]) -> tuple["Expansion", Bools]:
        """Select fewer orders and shorter cutoffs; also return the (z,) mask of the parameters.

        A cutoff of None leaves that of the order unchanged. Orders that are not named are
        removed, except the first.

        Raises
        ------
        UsageError
            If the expansion lacks a requested order, or its cutoff is shorter than requested.
        """
        bases, reaches, masks = [], [], []
        for basis, own in zip(self.bases, self.cutoffs, strict=True):
            if basis.order > 1 and basis.order not in cutoffs:
                masks.append(np.zeros(basis.n_parameters, dtype=bool))
                continue
            wanted = cutoffs.get(basis.order)
            part, mask = _shorter(basis, own, wanted)
            bases.append(part)
            reaches.append(own if wanted is None else wanted)
            masks.append(mask)
        missing = set(cutoffs) - {basis.order for basis in bases}
        if missing or len(bases) != bases[-1].order:
            raise UsageError(
                f"orders {sorted(cutoffs)} cannot be fitted",
                where=f"the normal equations have orders {self.orders[1:]}",
                fix="fit with a cutoff for each order up to the highest",
            )
        return Expansion(tuple(bases), tuple(reaches)), np.concatenate(masks)


def _shorter(
    basis: SymmetryBasis, own: Cutoff | None, wanted: Cutoff | None
) -> tuple[SymmetryBasis, Bools]:
    if wanted is None:
        return basis, np.ones(basis.n_parameters, dtype=bool)
    crystal = basis.orbits.group.crystal
    if own is not None and (wanted.matrix(crystal) > own.matrix(crystal) + 1e-6).any():
        raise UsageError(
            f"the cutoff of {wanted} Å is longer than that of the normal equations, {own} Å",
            fix=f"read the trajectory again with the longer cutoff of order {basis.order}",
        )
    return basis.selected(basis.orbits.within(wanted))


def expansion_of(
    group: SpaceGroup, supercell: Supercell, cutoffs: Mapping[int, CutoffChoice]
) -> Expansion:
    """Construct the bases of all orders up to the highest that has a cutoff.

    Raises
    ------
    UsageError
        If an order is missing, the cutoff of order 2 is larger than the supercell admits or
        shorter than the distance of nearest neighbours, or the clusters of the supercell are
        too many.
    """
    orders = sorted({2, *cutoffs})
    if orders != list(range(2, 2 + len(orders))) or orders[-1] > HIGHEST_ORDER:
        raise UsageError(
            f"cutoffs are given for orders {sorted(cutoffs)}",
            fix=f"give one for each order from 2 to the highest, which is {HIGHEST_ORDER}",
        )
    cutoffs = {order: cutoffs.get(order) for order in orders}
    if cutoffs[2] is None and _is_filled_by_neighbours(supercell):
        cutoffs[2] = "supercell"
    sharing = [one for one in orders if _shares_images(cutoffs[one], one, supercell)]
    lost: tuple[Note, ...] = ()
    if sharing:
        lost = _lost_symmetry(group, supercell, sharing)
        group = supercell_group(group, supercell)
    bases: list[SymmetryBasis] = []
    reaches: list[Cutoff | None] = []
    for order in orders:
        orbits, reach = _orbits(group, order, supercell, cutoffs[order])
        if sharing and order == sharing[0]:
            orbits = replace(orbits, notes=(*lost, *orbits.notes))
        if order == 2 and not orbits.radii.any():
            raise UsageError(
                f"no other atom is within the cutoff of {reach} Å",
                fix="give a cutoff beyond the nearest neighbours, which are at "
                f"{nearest_neighbour(group.crystal):.2f} Å",
            )
        bases.append(symmetry_basis(orbits))
        reaches.append(reach)
    # Clusters of order 1 are single sites: any radius lists them.
    singles = symmetry_basis(cluster_orbits(group, 1, Cutoff(1.0)))
    return Expansion((singles, *bases), (None, *reaches))


def _lost_symmetry(
    group: SpaceGroup, supercell: Supercell, sharing: list[int]
) -> tuple[Note, ...]:
    """Warn if clusters share images in a supercell of lower symmetry than the crystal."""
    kept = supercell_group(group, supercell).n_operations
    if kept == group.n_operations:
        return ()
    reach = f"{admissible_radius(supercell):.2f} Å"
    cutoffs = " ".join(f"--cutoff{order}" for order in sharing)
    cells = "n × n × 1" if single_layer(supercell.crystal) is not None else "n × n × n"
    return (
        Note(
            "warning",
            f"the force constants have only {kept} of the {group.n_operations} symmetry "
            "operations of the crystal: frequencies, elastic constants and sums over the zone "
            "are not exactly those of a crystal with this symmetry",
            why="the supercell has a lower symmetry than the crystal, and atoms farther apart "
            f"than {reach} share force constants among their images in it",
            fix=f"run a supercell with the symmetry of the crystal, such as {cells} primitive "
            f"cells, or fit with {cutoffs} of at most {reach}",
            concerns="fit",
        ),
    )


def _shares_images(wanted: CutoffChoice, order: int, supercell: Supercell) -> bool:
    """Whether clusters are those of atoms of the supercell, shared among nearest images."""
    if wanted is None or wanted == "supercell":
        return wanted is not None
    beyond = _cutoff(wanted).largest > admissible_radius(supercell) + 1e-6
    return order > 2 and beyond


def _is_filled_by_neighbours(supercell: Supercell) -> bool:
    """Whether even nearest neighbours have several nearest images, as in a single cell."""
    inside = admissible_radius(supercell) - SHELL_TOLERANCE
    return inside <= nearest_neighbour(supercell.crystal)


def _cutoff(wanted: float | Cutoff) -> Cutoff:
    return wanted if isinstance(wanted, Cutoff) else Cutoff(float(wanted))


def _orbits(
    group: SpaceGroup, order: int, supercell: Supercell, wanted: CutoffChoice
) -> tuple[Orbits, Cutoff | None]:
    """Orbits of one order and their cutoff; None for all clusters of the supercell."""
    if wanted is None:
        reach = Cutoff(largest_radius(supercell))
        orbits = cluster_orbits(group, order, reach, supercell=supercell)
        # The largest admissible cutoff lies on the boundary by definition: drop that note.
        return replace(orbits, notes=()), reach
    if wanted == "supercell":
        if order == 2:
            return supercell_pair_orbits(group, supercell), None
        return supercell_orbits(group, order, supercell), None
    reach = _cutoff(wanted)
    if _shares_images(wanted, order, supercell):
        orbits = supercell_orbits(group, order, supercell, reach)
        text = (
            f"the cutoff of {reach} Å reaches beyond the sphere inscribed in the supercell "
            f"({admissible_radius(supercell):.2f} Å): the force constants of order {order} are "
            "shared among the nearest images of the atoms"
        )
        return replace(orbits, notes=(Note("note", text), *orbits.notes)), reach
    return cluster_orbits(group, order, reach, supercell=supercell), reach
