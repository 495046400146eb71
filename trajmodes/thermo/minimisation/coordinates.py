"""Symmetric coordinates of a crystal: strains and displacements that conserve its space group.

A structure is r = (1 + ε)(r₀ + u): the displacements u are strained with the crystal, so that
constant u is constant internal strain. Uniform displacements are excluded.
"""

from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.potentials.potential import State
from trajmodes.symmetry.operations import SpaceGroup, invariant_part, space_group

_ROUNDING = 1e-8


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Symmetric strains (e) and displacements (i) of a reference structure.

    A point x has the strains first: ε = Σ x_k strains_k, u = Σ x_k shifts_k in Å.
    """

    crystal: Crystal
    """The reference structure, x = 0."""
    strains: Floats
    """(e, 3, 3) orthonormal symmetric matrices."""
    shifts: Floats
    """(i, s, 3) orthonormal displacement patterns, Cartesian."""

    def __post_init__(self) -> None:
        sizes = {"s": self.crystal.n_sites}
        freeze(self, sizes, float, strains="e 3 3", shifts="i s 3")

    @property
    def n_strains(self) -> int:
        """Number of symmetric strains."""
        return len(self.strains)

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return len(self.strains) + len(self.shifts)

    def strain(self, x: Floats) -> Floats:
        """(3, 3) strain ε at a point."""
        found: Floats = np.einsum("k,kxy->xy", x[: self.n_strains], self.strains)
        return found

    def structure(self, x: Floats) -> Crystal:
        """Crystal at a point."""
        stretch = np.eye(3) + self.strain(x)
        shift = np.einsum("k,ksx->sx", x[self.n_strains :], self.shifts)
        reference = self.crystal
        sites = reference.sites + shift @ np.linalg.inv(reference.cell)
        return replace(reference, cell=reference.cell @ stretch.T, sites=sites)

    def slopes(self, x: Floats, state: State) -> Floats:
        """(n,) derivatives of the energy in eV by the coordinates."""
        stretch = np.eye(3) + self.strain(x)
        volume = self.structure(x).volume
        # r → (1 + η) r with η = dε (1 + ε)⁻¹, and dE = V σ : η.
        by_strain = volume * state.stress @ np.linalg.inv(stretch).T
        by_shift = -state.forces @ stretch
        return np.concatenate(
            [
                np.einsum("kxy,xy->k", self.strains, by_strain),
                np.einsum("ksx,sx->k", self.shifts, by_shift),
            ]
        )

    def volume_slopes(self, x: Floats) -> Floats:
        """(n,) derivatives of the volume in Å³ by the coordinates."""
        inverse = np.linalg.inv(np.eye(3) + self.strain(x))
        by_strain = self.structure(x).volume * np.einsum("kxy,yx->k", self.strains, inverse)
        return np.concatenate([by_strain, np.zeros(len(self.shifts))])

    def volume_curvature(self, x: Floats) -> Floats:
        """(n, n) second derivatives of the volume in Å³."""
        inverse = np.linalg.inv(np.eye(3) + self.strain(x))
        parts = inverse @ self.strains
        traces = np.trace(parts, axis1=1, axis2=2)
        products = np.einsum("kxy,lyx->kl", parts, parts)
        found = np.zeros((self.size, self.size))
        n = self.n_strains
        found[:n, :n] = self.structure(x).volume * (np.outer(traces, traces) - products)
        return found


def symmetric_coordinates(crystal: Crystal) -> Coordinates:
    """Find the strains and displacements that conserve the space group of a crystal.

    Raises
    ------
    DataError
        If spglib finds no space group.
    """
    group = space_group(crystal)
    return Coordinates(crystal, _strains(group), _shifts(group))


def _strains(group: SpaceGroup) -> Floats:
    """(e, 3, 3) orthonormal symmetric strains that all rotations leave invariant."""
    unit = np.zeros((6, 3, 3))
    for k, (a, b) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        unit[k, [a, b], [b, a]] = 1.0 if a == b else np.sqrt(0.5)
    turned = np.einsum("gxu,kuv,gyv->kxy", group.cartesian, unit, group.cartesian)
    return _orthonormal((turned / group.n_operations).reshape(6, 9)).reshape(-1, 3, 3)


def _shifts(group: SpaceGroup) -> Floats:
    """(i, s, 3) orthonormal invariant displacements without a uniform one."""
    n = group.crystal.n_sites
    unit = np.eye(3 * n).reshape(3 * n, n, 3)
    found = invariant_part(group, unit)
    found -= found.mean(axis=1, keepdims=True)
    return _orthonormal(found.reshape(3 * n, 3 * n)).reshape(-1, n, 3)


def _orthonormal(rows: Floats) -> Floats:
    """Orthonormal rows that span the given ones, by Gram–Schmidt in their order."""
    found: list[Floats] = []
    for row in rows:
        rest = row.copy()
        for _ in range(2):
            for known in found:
                rest -= known * (known @ rest)
        length = np.linalg.norm(rest)
        if length > _ROUNDING**0.5:
            found.append(rest / length)
    return np.array(found).reshape(len(found), rows.shape[1])
