"""Particles of a periodic cell, and sums of energies over them."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints, freeze


@dataclass(frozen=True, slots=True)
class Particles:
    """Cores and shells (n) of a cell."""

    cell: Floats
    """(3, 3), unit: Å. Rows are the lattice vectors."""
    positions: Floats
    """(n, 3), unit: Å."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, cell="3 3", positions="n 3")

    @property
    def count(self) -> int:
        """Number of particles."""
        return len(self.positions)

    @property
    def volume(self) -> float:
        """Volume of the cell in Å³."""
        return abs(float(np.linalg.det(self.cell)))

    @property
    def reciprocal(self) -> Floats:
        """(3, 3), unit: 1/Å, 2π included. Rows are the reciprocal lattice vectors."""
        return np.asarray(2.0 * np.pi * np.linalg.inv(self.cell).T, dtype=float)

    def apart(self, first: Ints, second: Ints, lattice: Ints) -> Floats:
        """(k, 3) vectors in Å from first particles to second particles in other cells."""
        vectors: Floats = self.positions[second] + lattice @ self.cell - self.positions[first]
        return vectors


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Energy of all particles of a cell, and its derivatives."""

    energy: float
    """eV."""
    gradient: Floats
    """(n, 3), unit: eV/Å. ∂E/∂r."""
    virial: Floats
    """(3, 3), unit: eV. ∂E/∂ε for r → (1 + ε) r."""

    def __add__(self, other: "Derivatives") -> "Derivatives":
        """Add two energies of the same particles."""
        return Derivatives(
            self.energy + other.energy,
            self.gradient + other.gradient,
            self.virial + other.virial,
        )


def lengths(vectors: Floats) -> Floats:
    """(k,) lengths of vectors (k, 3)."""
    found: Floats = np.sqrt(np.einsum("kx,kx->k", vectors, vectors))
    return found


def gathered(count: int, index: Ints, vectors: Floats) -> Floats:
    """(n, 3) sums of the vectors (k, 3) of each of n particles."""
    parts = [np.bincount(index, vectors[:, x], count) for x in range(3)]
    return np.stack(parts, axis=1)


def no_energy(particles: Particles) -> Derivatives:
    """Make zero energy and zero derivatives."""
    return Derivatives(0.0, np.zeros((particles.count, 3)), np.zeros((3, 3)))


@dataclass(frozen=True, slots=True)
class Blocks:
    """Second derivatives ∂²E/∂(first)∂(second) between different atoms, each listed once.

    The block of the exchanged pair is the transpose. Self terms follow from the sum rule.
    """

    first: Ints
    """(k,) particle in the home cell."""
    second: Ints
    """(k,) other particle."""
    lattice: Ints
    """(k, 3) cell of the second."""
    values: Floats
    """(k, 3, 3), unit: eV/Å²."""

    @classmethod
    def joined(cls, parts: list["Blocks"]) -> "Blocks":
        """Join several lists."""
        names = ("first", "second", "lattice", "values")
        if not parts:
            none = np.zeros(0, dtype=np.int64)
            return cls(none, none, np.zeros((0, 3), dtype=np.int64), np.zeros((0, 3, 3)))
        return cls(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))

    def summed(self, count: int, qpoints: Floats, sites: Floats) -> Complexes:
        """Sum the blocks of n particles into Hermitian matrices at reduced q.

        Parameters
        ----------
        count
            n, the number of particles.
        qpoints
            (q, 3) reduced coordinates.
        sites
            (n, 3) reduced positions to which the phases e^{iq·r} refer.

        Returns
        -------
        Matrices (q, 3n, 3n) without self terms, in eV/Å².
        """
        reach = np.abs(self.lattice).max(initial=0)
        cells = np.indices((2 * reach + 1,) * 3).reshape(3, -1).T - reach
        row = np.ravel_multi_index(tuple((self.lattice + reach).T), (2 * reach + 1,) * 3)
        # Only cells with particles of the list
        listed = np.bincount(row, minlength=len(cells)) > 0
        cells, row = cells[listed], (np.cumsum(listed) - 1)[row]
        place = (row * count + self.first) * count + self.second
        size = len(cells) * count * count * 9
        index = (9 * place[:, None] + np.arange(9)).ravel()
        table = np.bincount(index, self.values.ravel(), size).reshape(len(cells), -1)
        # One product of matrices sums over the cells for all q.
        angle = 2.0 * np.pi * qpoints @ cells.T
        found = np.empty((len(qpoints), count * count * 9), dtype=complex)
        found.real, found.imag = np.cos(angle) @ table, np.sin(angle) @ table
        blocks = found.reshape(-1, count, count, 3, 3)
        phase = np.exp(2j * np.pi * qpoints @ sites.T)
        blocks *= (phase.conj()[:, :, None] * phase[:, None, :])[..., None, None]
        matrices = blocks.transpose(0, 1, 3, 2, 4).reshape(-1, 3 * count, 3 * count)
        result: Complexes = matrices + matrices.conj().swapaxes(1, 2)
        return result
