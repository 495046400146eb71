"""Cell files: a crystal or a supercell from POSCAR, CIF, phonopy's yaml, or what ASE reads.

A conventional cell or a supercell is reduced to a primitive cell, in the file's own Cartesian
frame and at the file's own positions, so that results are in the frame that the user knows.
Sites are moved only by the rounding of the file, to the positions that the space group has.

POSCAR is VASP's format and also TDEP's, in infile.ucposcar and infile.ssposcar. It is written
here, and read here where exactly one crystal is expected.
"""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import reduced_cell
from trajmodes.errors import DataError, TrajmodesError, UsageError
from trajmodes.formats.phonopy_data import looks_like_phonopy, unit_cell_of
from trajmodes.formats.snapshots import IdealStructure
from trajmodes.formats.text import Numbers
from trajmodes.notes import Note
from trajmodes.readers.safe_formats import read_with_ase
from trajmodes.readers.text.source import read_head
from trajmodes.symmetry.operations import space_group, symmetry_dataset
from trajmodes.symmetry.primitive import ReducedCrystal, fold_atoms, on_symmetric_sites
from trajmodes.units import DALTON

if TYPE_CHECKING:
    from ase import Atoms

_TOLERANCE = 1e-3
"""Å. Atoms of a cell file closer than this to a translated image are that image: files with
four digits must pass."""
_POSCAR_SUFFIXES = {".vasp", ".poscar", ".ucposcar", ".ssposcar"}


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


def load_crystal(path: str | os.PathLike[str]) -> ReducedCrystal:
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
    return ReducedCrystal(crystal, tuple(Note("note", text) for text in texts))


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
    atoms = unit_cell_of(file) if looks_like_phonopy(file, read_head(file)) else _from_ase(file)
    _check_atoms(atoms, file)
    return atoms


def _from_ase(file: Path) -> "Atoms":
    # ASE knows POSCAR by its name only.
    kind = "vasp" if file.suffix.lower() in _POSCAR_SUFFIXES else None
    plain = (
        _plain_poscar(file) if kind or "POSCAR" in file.name or "CONTCAR" in file.name else None
    )
    if plain is not None:
        return plain
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


def _plain_poscar(file: Path) -> "Atoms | None":
    """Read a POSCAR to the bit as ASE does, whose readers take long to load.

    None where it is not of the plain kind: one positive scale, elements named, no selective
    dynamics.
    """
    from ase import Atoms  # noqa: PLC0415 - ase loads slowly

    scale = file.read_text(encoding="utf-8", errors="replace").splitlines()[1:2]
    try:
        poscar = _poscar(file)
        if len(scale[0].split()) != 1 or not float(scale[0]) > 0.0:
            return None
    except (DataError, ValueError):
        return None
    atoms = Atoms(poscar.species, cell=poscar.cell, pbc=True)
    if poscar.is_cartesian:
        atoms.set_positions(poscar.places)
    else:
        atoms.set_scaled_positions(poscar.places)
    return atoms


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
    """Primitive crystal, and the largest distance in Å that an atom was moved."""
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


def read_supercell(path: Path) -> IdealStructure:
    """Ideal supercell of a file, atoms in its order, masses only where the file gives them.

    Raises
    ------
    UsageError
        If the file is missing or of an unknown format.
    DataError
        If it holds no crystal.
    """
    atoms = read_atoms(path)
    masses = np.asarray(atoms.get_masses()) * DALTON if atoms.has("masses") else None
    return IdealStructure(
        atoms.cell.array, atoms.positions, tuple(atoms.get_chemical_symbols()), masses
    )


def grouped(species: tuple[str, ...]) -> Ints:
    """Order that puts atoms of one species side by side, species as they first appear."""
    first = {name: place for place, name in reversed(list(enumerate(species)))}
    return np.argsort([first[name] for name in species], kind="stable")


def write_poscar(path: Path, cell: Floats, reduced: Floats, species: tuple[str, ...]) -> None:
    """Write a POSCAR of a cell whose atoms are grouped by species.

    Parameters
    ----------
    path
        The file.
    cell
        (3, 3) lattice vectors in Å, as rows.
    reduced
        (a, 3) reduced coordinates.
    species
        (a,) chemical symbols, equal ones side by side.
    """
    names = list(dict.fromkeys(species))
    lines = ["trajmodes", "1.0"]
    lines += [" ".join(f"{x:22.16f}" for x in row) for row in cell]
    lines += [" ".join(names), " ".join(str(species.count(name)) for name in names)]
    lines += ["direct coordinates"]
    lines += [" ".join(f"{x:20.16f}" for x in row) for row in reduced]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


class _Poscar(NamedTuple):
    cell: Floats
    species: tuple[str, ...]
    places: Floats
    """(a, 3) Cartesian in Å, or reduced."""
    is_cartesian: bool


def _poscar(path: Path) -> _Poscar:
    """Read a POSCAR that names its elements, and has no selective dynamics."""
    numbers = Numbers(path)
    numbers.words("a title")
    scale = numbers.floats(1, "the scale of the cell")[0]
    cell = numbers.rows(3, 3, "a lattice vector")
    # A negative number is the volume.
    cell *= scale if scale > 0 else (-scale / abs(np.linalg.det(cell))) ** (1 / 3)
    names = numbers.words("chemical symbols")
    counts = numbers.all_integers("the number of atoms of each species")
    if len(counts) != len(names) or any(name not in atomic_numbers for name in names):
        raise numbers.error(f"a number of atoms for each of {' '.join(names)[:60]} expected")
    kind = numbers.words("“direct” or “Cartesian”")[0][0].lower()
    if kind not in "dc":
        raise numbers.error("“direct” or “Cartesian” expected")
    places = numbers.rows(sum(counts), 3, "the place of an atom")
    if kind == "c":
        places = places * (scale if scale > 0 else 1.0)
    numbers.finish(whole=False)
    species = tuple(n for n, count in zip(names, counts, strict=True) for _ in range(count))
    return _Poscar(cell, species, places, kind == "c")


def read_poscar(path: Path) -> Crystal:
    """Read the crystal of a POSCAR; masses are the standard ones of its elements.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    poscar = _poscar(path)
    cell, species, sites = poscar.cell, poscar.species, poscar.places
    if poscar.is_cartesian:
        sites = sites @ np.linalg.inv(cell)
    masses = np.array([atomic_masses[atomic_numbers[name]] for name in species]) * DALTON
    try:
        return Crystal(cell, sites, species, masses)
    except DataError as error:
        raise DataError(error.what, where=str(path), why=error.why, fix=error.fix) from error
