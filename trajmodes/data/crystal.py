"""The primitive crystal, the simulated supercell, and the atoms on its sites."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.errors import DataError
from trajmodes.units import DALTON

if TYPE_CHECKING:
    from ase import Atoms


_READ_WITH_SUPERCELL = "read them with trajmodes.read_force_constants(path, supercell=...)"


@dataclass(frozen=True, slots=True)
class Crystal:
    """A primitive cell in the user's Cartesian axes.

    Raises
    ------
    DataError
        If shapes disagree, a mass is not positive, or the cell is left-handed or has no volume.
    """

    cell: Floats
    """(3, 3), unit: Å. Rows are the lattice vectors."""
    sites: Floats
    """(s, 3), reduced coordinates of the sites."""
    species: tuple[str, ...]
    """(s,) chemical symbols."""
    masses: Floats
    """(s,), unit: eV ps²/Å²."""

    def __post_init__(self) -> None:
        sizes = {"s": len(self.species)}
        freeze(self, sizes, float, cell="3 3", sites="s 3", masses="s")
        object.__setattr__(self, "species", tuple(self.species))
        if not (np.isfinite(self.cell).all() and np.isfinite(self.sites).all()):
            raise DataError(
                "a lattice vector or a site is not finite",
                why="a number of the cell file is damaged",
                fix="check its lattice vectors and positions",
            )
        if not self.volume > 0.0:
            raise DataError(
                f"the cell has volume {self.volume:.6g} Å³",
                why="its vectors are left-handed or coplanar",
                fix="give three vectors with a positive triple product",
            )
        if not (self.masses > 0.0).all():
            raise DataError(f"masses must be positive, got {self.masses}")

    @property
    def n_sites(self) -> int:
        """Number of sites in the primitive cell."""
        return len(self.species)

    @property
    def formula(self) -> str:
        """Species and their numbers in the cell, such as Si2."""
        kinds = dict.fromkeys(self.species)
        counts = ((kind, self.species.count(kind)) for kind in kinds)
        return "".join(f"{kind}{n if n > 1 else ''}" for kind, n in counts)

    @property
    def volume(self) -> float:
        """Volume of the cell in Å³."""
        a, b, c = (tuple(map(float, row)) for row in self.cell)
        return (
            a[0] * (b[1] * c[2] - b[2] * c[1])
            - a[1] * (b[0] * c[2] - b[2] * c[0])
            + a[2] * (b[0] * c[1] - b[1] * c[0])
        )

    @classmethod
    def from_ase(cls, atoms: "Atoms") -> "Crystal":
        """Take cell, sites, species and masses of ASE Atoms unchanged."""
        return cls(
            cell=atoms.cell.array,
            sites=atoms.get_scaled_positions(wrap=False),
            species=tuple(atoms.get_chemical_symbols()),
            masses=atoms.get_masses() * DALTON,
        )

    def to_ase(self) -> "Atoms":
        """Make ASE Atoms of the cell."""
        from ase import Atoms  # noqa: PLC0415 - loads slowly

        return Atoms(
            self.species,
            cell=self.cell,
            scaled_positions=self.sites,
            masses=self.masses / DALTON,
            pbc=True,
        )

    @property
    def positions(self) -> Floats:
        """(s, 3) Cartesian positions of the sites in Å."""
        return self.sites @ self.cell


@dataclass(frozen=True, slots=True)
class Supercell:
    """``matrix @ crystal.cell``, with its cells in the order of a product of cyclic groups.

    The cells of a supercell form the finite abelian group Z³/(Z³·matrix). Its Smith normal
    form ``U matrix V = diag(shape)`` labels cell n by ``(n @ transform) mod shape``, so that a
    lattice Fourier transform is an ordinary three-dimensional FFT over ``shape``.

    Canonical atom order, used by every `MotionBlock`: atom = cell · n_sites + site, cells in
    C order of their group label. Build one with `trajmodes.symmetry.build_supercell`.
    """

    crystal: Crystal
    matrix: Ints
    """(3, 3). Rows are the supercell vectors in units of the primitive ones."""
    shape: tuple[int, int, int]
    """Orders d1, d2, d3 of the cyclic groups; their product is the number of cells."""
    transform: Ints
    """(3, 3). The unimodular V of the Smith normal form."""
    cells: Ints
    """(c, 3). Integer primitive-lattice vector of each cell, in canonical order."""

    def __post_init__(self) -> None:
        sizes = {"c": int(np.prod(self.shape))}
        freeze(self, sizes, np.int64, matrix="3 3", transform="3 3", cells="c 3")

    @property
    def n_cells(self) -> int:
        """Number of primitive cells."""
        return len(self.cells)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return self.n_cells * self.crystal.n_sites

    @property
    def cell(self) -> Floats:
        """(3, 3) supercell vectors in Å, as rows."""
        return self.matrix @ self.crystal.cell

    @property
    def masses(self) -> Floats:
        """(a,) masses of all atoms in canonical order."""
        return np.tile(self.crystal.masses, self.n_cells)

    @property
    def species(self) -> tuple[str, ...]:
        """(a,) chemical symbols in canonical order."""
        return self.crystal.species * self.n_cells

    @property
    def site_index(self) -> Ints:
        """(a,) site of each atom in canonical order."""
        return np.tile(np.arange(self.crystal.n_sites), self.n_cells)

    @property
    def positions(self) -> Floats:
        """(a, 3) ideal positions in Å in canonical order, not folded into the supercell."""
        reduced = self.cells[:, None, :] + self.crystal.sites[None, :, :]
        return (reduced @ self.crystal.cell).reshape(-1, 3)


@dataclass(frozen=True, slots=True)
class Occupation:
    """The atoms on the sites of a supercell that is not a perfect crystal.

    An alloy, isotopes, vacancies: sites of one lattice hold different atoms, or none.
    """

    supercell: Supercell
    """The perfect crystal; each site has the mean mass of the atoms on it."""
    species: tuple[str, ...]
    """(a,) element on each site in canonical order; an empty text on an empty site."""
    masses: Floats
    """(a,) mass of the atom on each site in canonical order, zero on an empty site."""
    n_extra: int = 0
    """Number of atoms of the run that are on no site and are left out."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "species", tuple(self.species))
        freeze(self, {"a": self.supercell.n_atoms}, float, masses="a")

    @property
    def occupied(self) -> Bools:
        """(a,) sites that are not empty."""
        return np.array([bool(name) for name in self.species])

    @property
    def n_vacancies(self) -> int:
        """Number of empty sites."""
        return self.species.count("")

    @property
    def by_site(self) -> Floats | None:
        """(s,) occupied fraction of each site of the primitive cell; None without vacancies."""
        if not self.n_vacancies:
            return None
        fraction: Floats = self.occupied.reshape(self.supercell.n_cells, -1).mean(axis=0)
        return fraction

    @property
    def only_isotopes(self) -> bool:
        """Whether every site has an atom of its own element, so that only masses differ."""
        return self.species == self.supercell.species and self.n_extra == 0

    @property
    def mass_scale(self) -> Floats:
        """(a,) √(m/M), with the mass M of the perfect crystal; zero on an empty site.

        With u √(m/M) in place of the displacements u, the modes of the perfect crystal have the
        kinetic energy of the actual masses.
        """
        scale: Floats = np.sqrt(self.masses / self.supercell.masses)
        return scale

    @property
    def occupants(self) -> tuple[str, ...]:
        """Elements on the sites, and ``empty`` if there are vacancies."""
        names = sorted({name for name in self.species if name})
        return (*names, "empty") if self.n_vacancies else tuple(names)

    @property
    def counts(self) -> Ints:
        """(s, o) number of sites of the supercell that hold each of the occupants."""
        names = np.array([name or "empty" for name in self.species])
        by_site = names.reshape(self.supercell.n_cells, -1)
        columns = [(by_site == name).sum(axis=0) for name in self.occupants]
        return np.stack(columns, axis=1)

    @property
    def mass_variance(self) -> Floats:
        """(s,) g = Σ_i c_i (1 − m_i/M)² of the atoms on each site, M the mass of the site.

        S.-I. Tamura, Phys. Rev. B 27, 858 (1983).
        """
        shape = self.supercell.n_cells, -1
        occupied = self.occupied.reshape(shape)
        ratio = (self.masses / self.supercell.masses).reshape(shape)
        squares = np.where(occupied, (1.0 - ratio) ** 2, 0.0).sum(axis=0)
        variance: Floats = squares / np.maximum(occupied.sum(axis=0), 1)
        return variance

    @property
    def composition(self) -> dict[str, dict[str, int]]:
        """Number of atoms of each element on the sites of each element of the crystal.

        Empty sites are counted under the empty text.
        """
        counts: dict[str, dict[str, int]] = {}
        for own, found in zip(self.supercell.species, self.species, strict=True):
            of_own = counts.setdefault(own, {})
            of_own[found] = of_own.get(found, 0) + 1
        return counts


def known_supercell(known: Supercell | None, *, fix: str = _READ_WITH_SUPERCELL) -> Supercell:
    """Return the supercell of force constants; a `DataError` is raised if it is not known."""
    if known is None:
        raise DataError("the supercell of these force constants is not known", fix=fix)
    return known
