"""Neighbour shells of a crystal, and names of their independent constants.

A shell is the star of a bond under the space group and the exchange of its ends. The constants
K = −Φ of a bond are a matrix that the stabiliser of the bond leaves invariant. In the axes of a
cubic crystal, with a bond of components h_x ≥ h_y ≥ h_z in units of half the lattice parameter,
it is written

    K = [[α1, β3 + γ3, β2 − γ2], [β3 − γ3, α2, β1 + γ1], [β2 + γ2, β1 − γ1, α3]].

The antisymmetric γ vanish if an operation exchanges the ends of the bond, such as inversion in
crystals of one atom per cell (for bcc and fcc, shells 1 to 5: Squires, Arkiv Fysik 25, 21
(1963)). In other crystals the components of the symmetric part are named xx, yy, zz, yz, zx, xy
in Cartesian axes, and those of the antisymmetric part yz−zy = (K_yz − K_zy)/2, zx−xz, xy−yx.
The independent constants are the first of these components that determine all others.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError
from trajmodes.symmetry.clusters import classify, cluster_orbits
from trajmodes.symmetry.operations import (
    SpaceGroup,
    conventional_vectors,
    space_group,
    symmetry_dataset,
)
from trajmodes.symmetry.tensors import SymmetryBasis, symmetry_basis

_CUBIC = 195
"""Number of the first cubic space group."""
_ROUNDING = 1e-8
_TOWARDS = np.array([1.0, 0.2, 0.04])
_SHORT = 1e-6
"""In Å: bonds that are shorter are those of an atom with itself."""
_SAME = 1e-4
"""Difference in Å of bonds that are equal."""

CUBIC_NAMES = ("α1", "α2", "α3", "β1", "β2", "β3", "γ1", "γ2", "γ3")
"""Components of a matrix in cubic axes: diagonal, yz zx xy, and the antisymmetric ones."""
CARTESIAN_NAMES = ("xx", "yy", "zz", "yz", "zx", "xy", "yz−zy", "zx−xz", "xy−yx")
"""The same of crystals that are not cubic."""


def _components() -> Floats:
    """(9, 3, 3) matrices with one component equal to 1 each, in the order of the names."""
    unit = np.zeros((9, 3, 3))
    for k in range(3):
        y, z = (k + 1) % 3, (k + 2) % 3
        unit[k, k, k] = 1.0
        unit[3 + k, [y, z], [z, y]] = 1.0
        unit[6 + k, [y, z], [z, y]] = 1.0, -1.0
    return unit


_UNIT = _components()


@dataclass(frozen=True, slots=True)
class NeighbourShells:
    """Shells (h) of bonds of a crystal, and their independent constants (n)."""

    basis: SymmetryBasis
    """Orbits of the bonds, and the tensors that symmetry allows on each."""
    axes: Floats
    """(3, 3) axes in which the constants are named, as rows in Cartesian components."""
    half_parameter: float | None
    """Half the lattice parameter of a cubic crystal in Å; None for others."""
    bonds: Ints
    """(h,) cluster of the basis that represents each shell."""
    shell: Ints
    """(n,) shell of each constant, ascending."""
    component: Ints
    """(n,) component that each constant is, by its place in the names."""
    matrices: Floats
    """(n, 3, 3) K of the representative bond for a unit of each constant, in `axes`."""
    parameters: Floats
    """(n, n) derivative of the parameters of the basis by the constants."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, bonds="h", shell="n", component="n")
        freeze(self, sizes, float, axes="3 3", matrices="n 3 3", parameters="n n")

    @property
    def crystal(self) -> Crystal:
        """The crystal."""
        return self.basis.orbits.group.crystal

    @property
    def n_shells(self) -> int:
        """Number of shells."""
        return len(self.bonds)

    @property
    def names(self) -> tuple[str, ...]:
        """(n,) names of the constants."""
        known = CARTESIAN_NAMES if self.half_parameter is None else CUBIC_NAMES
        return tuple(known[one] for one in self.component)

    @property
    def sites(self) -> Ints:
        """(h, 2) sites of the representative bonds."""
        return self.basis.orbits.sites[self.bonds]

    @property
    def lattice(self) -> Ints:
        """(h, 3) cell of the second end relative to that of the first."""
        cells: Ints = self.basis.orbits.lattice[self.bonds, 1]
        return cells

    @property
    def vectors(self) -> Floats:
        """(h, 3), unit: Å. Representative bonds in the axes of the names."""
        return _vectors(self.basis, self.bonds) @ self.axes.T

    @property
    def distances(self) -> Floats:
        """(h,), unit: Å. Lengths of the bonds."""
        lengths: Floats = np.linalg.norm(self.vectors, axis=1)
        return lengths

    @property
    def indices(self) -> Floats:
        """(h, 3) bonds in units of half the lattice parameter, or in Å if not cubic."""
        unit = 1.0 if self.half_parameter is None else self.half_parameter
        found: Floats = np.round(self.vectors / unit, 6) + 0.0
        return found

    @property
    def multiplicity(self) -> Floats:
        """(h,) bonds of the shell per site of its first end's species, on average."""
        species = np.array(self.crystal.species)
        first = self.basis.orbits.sites[:, 0]
        found = []
        for h, (site, _) in enumerate(self.sites):
            own = (self.basis.orbits.orbit == h) & (species[first] == species[site])
            found.append(own.sum() / (species == species[site]).sum())
        return np.array(found, dtype=float)

    @property
    def species(self) -> tuple[str, ...]:
        """(h,) species of the ends, such as Na–Cl."""
        return tuple("–".join(self.crystal.species[s] for s in row) for row in self.sites)


def shells_within(crystal: Crystal, cutoff: float) -> NeighbourShells:
    """List all shells of a crystal up to a distance in Å, nearest first."""
    return _named(symmetry_basis(cluster_orbits(space_group(crystal), 2, cutoff)))


def nearest_shells(crystal: Crystal, number: int) -> NeighbourShells:
    """List the nearest shells; inequivalent bonds of one length count separately."""
    group = space_group(crystal)
    cutoff = 1.2 * (crystal.volume / crystal.n_sites) ** (1 / 3)
    while True:
        orbits = cluster_orbits(group, 2, cutoff)
        has_length = orbits.radii > _SHORT
        if has_length.sum() > number:
            return _named(_nearest(symmetry_basis(orbits.selected(has_length)), number))
        cutoff *= 1.4


def shells_of(constants: ForceConstants) -> NeighbourShells:
    """Sort the bonds of force constants into shells.

    Raises
    ------
    DataError
        If they contain no complete shell.
    """
    sites, lattice = constants.members
    return _named(symmetry_basis(classify(space_group(constants.crystal), sites, lattice)))


def selected(shells: NeighbourShells, number: int) -> NeighbourShells:
    """Keep the nearest shells."""
    return _named(_nearest(shells.basis, number))


def _nearest(basis: SymmetryBasis, number: int) -> SymmetryBasis:
    wanted = np.arange(basis.orbits.n_orbits) < number
    return basis.selected(wanted)[0]


def _vectors(basis: SymmetryBasis, clusters: Ints) -> Floats:
    """(c, 3) bonds in Å, in Cartesian components."""
    crystal, sites = basis.orbits.group.crystal, basis.orbits.sites[clusters]
    ends = crystal.sites[sites] + basis.orbits.lattice[clusters]
    vectors: Floats = (ends[:, 1] - ends[:, 0]) @ crystal.cell
    return vectors


def _named(whole: SymmetryBasis) -> NeighbourShells:
    """Name the independent constants of the orbits whose bonds have a length."""
    basis = whole.selected(whole.orbits.radii > _SHORT)[0]
    orbits = basis.orbits
    if not orbits.n_orbits:
        raise DataError(
            "there is no whole shell of neighbours",
            why="the force constants have no pairs, or not all pairs of any shell",
        )
    axes, half = _axes(orbits.group)
    bonds, shell, component, matrices = [], [], [], []
    blocks = np.zeros((basis.n_parameters, basis.n_parameters))
    for h, start in enumerate(basis.starts[:-1]):
        members = np.flatnonzero(orbits.orbit == h)
        bond = _representative(basis, members, axes)
        count = int(basis.counts[h])
        tensors = axes @ basis.tensors[bond, :count].reshape(count, 3, 3) @ axes.T
        chosen, inverse = _independent(tensors)
        own = slice(int(start), int(start) + count)
        # K = −Φ: a unit of a constant is minus that of the tensors.
        blocks[own, own] = -inverse.T
        bonds.append(bond)
        shell += [h] * count
        component += chosen
        matrices.append(np.einsum("nk,kxy->nxy", inverse, tensors))
    return NeighbourShells(
        basis=basis,
        axes=axes,
        half_parameter=half,
        bonds=np.array(bonds),
        shell=np.array(shell, dtype=np.int64),
        component=np.array(component, dtype=np.int64),
        matrices=np.concatenate(matrices),
        parameters=blocks,
    )


def _axes(group: SpaceGroup) -> tuple[Floats, float | None]:
    """Axes of a cubic crystal, and half its lattice parameter; else Cartesian axes."""
    dataset = symmetry_dataset(group.crystal, 1e-4)
    if dataset is None or dataset.number < _CUBIC:
        return np.eye(3), None
    rows = conventional_vectors(group.crystal) @ group.crystal.cell
    parameter = float(np.linalg.norm(rows, axis=1).mean())
    left, _, right = np.linalg.svd(rows)
    return left @ right, parameter / 2.0


def _representative(basis: SymmetryBasis, members: Ints, axes: Floats) -> int:
    """Choose the bond of a shell that is farthest along a direction near the first axis.

    In all cubic classes the star contains the bond with all signs of its components, because
    the ends are exchanged too. The components of the chosen bond are therefore not negative. In
    the classes 432, 4̄3m and m3̄m it contains all orders of the components, and the chosen bond
    has h_x ≥ h_y ≥ h_z ≥ 0. In 23 and m3̄, as in pyrite, components are only permuted
    cyclically.
    """
    far_c = _vectors(basis, members) @ axes.T @ _TOWARDS
    farthest = members[far_c > far_c.max() - _SAME]
    sites = basis.orbits.sites[farthest]
    return int(farthest[np.lexsort((sites[:, 1], sites[:, 0]))[0]])


def _independent(tensors: Floats) -> tuple[list[int], Floats]:
    """Find the first components that determine all others of (k, 3, 3) tensors.

    Returns
    -------
    chosen
        (k,) indices of these components among the names.
    inverse
        (k, k) row n: sum of the tensors of which component n is 1 and the other chosen are 0.
    """
    weights = np.einsum("cxy,cxy->c", _UNIT, _UNIT)
    parts_kc = np.einsum("kxy,cxy->kc", tensors, _UNIT) / weights
    chosen: list[int] = []
    for c in range(9):
        trial = parts_kc[:, [*chosen, c]]
        if np.linalg.matrix_rank(trial, tol=_ROUNDING) == len(chosen) + 1:
            chosen.append(c)
    return chosen, np.linalg.inv(parts_kc[:, chosen].T).T
