"""A crystal from a cell file: POSCAR, CIF, phonopy's yaml, or anything else that ASE reads.

A conventional cell or a supercell is reduced to a primitive cell, in the file's own Cartesian
frame and at the file's own positions: results are later told in the frame that the user knows.
Sites are only moved by the rounding of the file, to where the space group has them.
"""

import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data import Crystal
from trajmodes.data.lattice import reduced_cell, wrap
from trajmodes.errors import DataError, TrajmodesError, UsageError
from trajmodes.notes import Note
from trajmodes.readers.compressed import read_head
from trajmodes.readers.phonopy_yaml import looks_like_phonopy, unit_cell_of
from trajmodes.readers.safe_formats import read_with_ase
from trajmodes.symmetry.operations import SpaceGroup, space_group, symmetry_dataset
from trajmodes.units import DALTON

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "CrystalFile",
    "fold_atoms",
    "load_crystal",
    "on_symmetric_sites",
    "read_atoms",
    "read_crystal",
]

_TOLERANCE = 1e-3
"""Å. Atoms of a cell file closer than this to a translated image are that image: files with
four digits must pass."""


_POSCAR_SUFFIXES = {".vasp", ".poscar", ".ucposcar", ".ssposcar"}


@dataclass(frozen=True, slots=True)
class CrystalFile:
    """A crystal, and what was done to the cell of the file to get it."""

    crystal: Crystal
    notes: tuple[Note, ...]
    """What the user should know."""


def read_crystal(path: str | os.PathLike[str]) -> Crystal:
    """Primitive crystal of a cell file; see `load_crystal`.

    Raises
    ------
    UsageError
        If the file is missing or ASE does not know its format.
    DataError
        If it holds no crystal: no cell, unknown elements, partly occupied sites.
    """
    return load_crystal(path).crystal


def load_crystal(path: str | os.PathLike[str]) -> CrystalFile:
    """Primitive crystal of a cell file, and a note where the cell was reduced.

    A primitive cell is taken as it stands. Another one is reduced by the pure translations
    that spglib finds; sites are means over the atoms that become one. Sites that miss their
    symmetric place by less than 0.001 Å, as rounded coordinates do, are put there. The masses
    are those of the file, or the standard ones where it gives none.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    UsageError
        If the file is missing or ASE does not know its format.
    DataError
        If it holds no crystal: no cell, unknown elements, partly occupied sites.
    """
    file = Path(path)
    atoms = read_atoms(file)
    whole = Crystal(
        atoms.cell.array,
        atoms.get_scaled_positions(wrap=False),
        tuple(atoms.get_chemical_symbols()),
        atoms.get_masses() * DALTON,
    )
    crystal, folded = _primitive(whole, file)
    crystal, moved = on_symmetric_sites(space_group(crystal, tolerance=_TOLERANCE))
    texts = []
    if crystal.n_sites < whole.n_sites:
        texts.append(
            f"{file.name}: the cell of {whole.n_sites} atoms is "
            f"{whole.n_sites // crystal.n_sites} primitive cells of {crystal.n_sites}; the "
            "primitive one is used, in the same frame"
        )
    if folded + moved > 1e-6:
        texts.append(
            f"{file.name}: sites were moved by up to {folded + moved:.1e} Å to obey the "
            "symmetry that they have within 0.001 Å"
        )
    return CrystalFile(crystal, tuple(Note("note", text) for text in texts))


def read_atoms(file: Path) -> "Atoms":
    """Atoms of a cell file as they stand in it: POSCAR, CIF, phonopy's yaml, what ASE reads.

    Parameters
    ----------
    file
        The file.

    Raises
    ------
    UsageError
        If the file is missing or ASE does not know its format.
    DataError
        If it holds no crystal: no cell, unknown elements, partly occupied sites.
    """
    if not file.is_file():
        raise UsageError("the cell file is missing or no file", where=str(file))
    atoms = unit_cell_of(file) if looks_like_phonopy(read_head(file)) else _from_ase(file)
    _check_atoms(atoms, file)
    return atoms


def _from_ase(file: Path) -> "Atoms":
    # ASE knows POSCAR by its name only.
    kind = "vasp" if file.suffix.lower() in _POSCAR_SUFFIXES else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_with_ase(file, known=kind)
    except TrajmodesError:
        raise
    # ASE's readers fail with whatever exception comes first.
    except Exception as error:
        raise UsageError(
            "ASE cannot read the cell file",
            where=str(file),
            why=f"{type(error).__name__}: {error}",
            fix="name it POSCAR, *.vasp or *.cif, or convert it to one of these",
        ) from error


def _check_atoms(atoms: "Atoms", file: Path) -> None:
    if len(atoms) == 0 or abs(atoms.cell.volume) < 1e-6:
        raise DataError("the file holds no crystal: no cell, or no atoms", where=str(file))
    if not np.isfinite(atoms.positions).all() or (atoms.numbers == 0).any():
        raise DataError("a position or an element is not known", where=str(file))
    occupancy = atoms.info.get("occupancy", {})
    if any(len(kinds) > 1 or min(kinds.values()) < 0.999 for kinds in occupancy.values()):
        raise DataError(
            "sites are partly occupied or shared between elements",
            where=str(file),
            why="lattice dynamics needs one definite atom on every site",
            fix="give an ordered cell",
        )


def _primitive(whole: Crystal, file: Path) -> tuple[Crystal, float]:
    """Reduce a crystal; also tell how far an atom was moved at most, in Å."""
    dataset = symmetry_dataset(whole, _TOLERANCE)
    if dataset is None:
        raise DataError(
            "spglib finds no space group for the cell file",
            where=str(file),
            why="atoms coincide",
            fix="remove atoms that are listed twice",
        )
    classes = np.asarray(dataset.mapping_to_primitive, dtype=np.int64)
    n_cells = len(classes) // (int(classes.max()) + 1)
    if n_cells == 1:
        return whole, 0.0
    # Whole multiples, so that the primitive lattice holds the file's lattice exactly.
    multiple = np.rint(whole.cell @ np.linalg.inv(dataset.primitive_lattice))
    lattice, _ = reduced_cell(np.linalg.inv(multiple) @ whole.cell)
    crystal, moved = fold_atoms(lattice, whole, classes)
    if abs(whole.volume / crystal.volume - n_cells) > 1e-6 * n_cells or moved > 10 * _TOLERANCE:
        raise DataError(
            "the primitive cell that spglib finds does not repeat to the cell of the file",
            where=f"{file}, atoms {moved:.2g} Å off",
            fix="give the primitive cell",
        )
    return crystal, moved


def on_symmetric_sites(group: SpaceGroup) -> tuple[Crystal, float]:
    """Put the sites of a crystal exactly where its space group has them.

    Parameters
    ----------
    group
        The space group, found with some tolerance.

    Returns
    -------
    The crystal, every site at the mean of the images that fall on it, and the largest move in
    Å. A crystal that obeys its group but for rounding is returned as it is.
    """
    crystal = group.crystal
    # (g, s, 3) reduced image W x_s + w − n, near the site p(s)
    images = np.einsum("gxy,sy->gsx", group.rotations, crystal.sites)
    images += group.translations[:, None] - group.shifts
    sites = np.zeros_like(crystal.sites)
    for places, reduced in zip(group.permutations, images, strict=True):
        sites[places] += reduced
    sites /= group.n_operations
    moved = float(np.linalg.norm((sites - crystal.sites) @ crystal.cell, axis=1).max())
    if moved < 1e-9:
        return crystal, 0.0
    return replace(crystal, sites=sites), moved


def fold_atoms(lattice: Floats, whole: Crystal, classes: Ints) -> tuple[Crystal, float]:
    """Fold a large cell into a small one: every class of translated atoms becomes one site.

    Parameters
    ----------
    lattice
        (3, 3) vectors of the small cell in Å, as rows, in the frame of the large one.
    whole
        The large cell.
    classes
        (a,) label of the site that each atom becomes.

    Returns
    -------
    The small crystal, sites in the order of their first atoms, each at the mean of its atoms
    near the first one, masses as means; and the largest distance in Å of an atom from its site.
    """
    if np.linalg.det(lattice) < 0.0:
        lattice = -lattice
    labels, first = np.unique(classes, return_index=True)
    order = np.argsort(first)
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels))
    site = rank[np.searchsorted(labels, classes)]
    first = first[order]
    counts = np.bincount(site)
    reduced = whole.positions @ np.linalg.inv(lattice)
    apart = wrap(reduced - reduced[first][site])
    # (s, 3) mean over the atoms of a class, about the first one
    total = np.stack([np.bincount(site, apart[:, x]) for x in range(3)], axis=1)
    mean = total / counts[:, None]
    moved = float(np.linalg.norm((apart - mean[site]) @ lattice, axis=1).max())
    species = tuple(whole.species[a] for a in first)
    masses = np.bincount(site, whole.masses) / counts
    return Crystal(lattice, reduced[first] + mean, species, masses), moved
