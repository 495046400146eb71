"""Cell files: a crystal or a supercell, from POSCAR, CIF, files of LAMMPS or what ASE reads.

A conventional cell or a supercell is reduced to the standard primitive cell (of spglib, and of
phonopy's ``auto``) in the Cartesian frame of the file. The q points are therefore those of
phonopy, and results are in the frame of the user. Sites are moved only within the rounding of
the file, to the positions that the space group requires.

POSCAR is VASP's format, and also TDEP's in infile.ucposcar and infile.ssposcar. It is written
here, and read here if exactly one crystal is expected.
"""

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from trajmodes.arrays import Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.data.crystal import Crystal
from trajmodes.errors import (
    DataError,
    TrajmodesError,
    UnitsError,
    UsageError,
    instead_of_path,
    system_errors,
)
from trajmodes.formats.lammps_data import read_lammps_data
from trajmodes.formats.phonopy_yaml import looks_like_phonopy, unit_cell_of
from trajmodes.matching.find_cell import without_noise
from trajmodes.matching.species import species_in_order, species_of_run
from trajmodes.notes import Note
from trajmodes.readers.arrays import IdealStructure
from trajmodes.readers.ase import read_with_ase
from trajmodes.readers.lammps.open import open_lammps_dump
from trajmodes.readers.lammps.recognise import dump_form
from trajmodes.readers.other_kinds import (
    beginning,
    is_data_file,
    refuse_folder,
    refuse_other_kind,
)
from trajmodes.readers.text.source import read_head
from trajmodes.readers.text.tables import Numbers
from trajmodes.readers.trajectory import Trajectory
from trajmodes.symmetry.operations import (
    ReducedCrystal,
    fold_atoms,
    in_symmetric_cell,
    on_symmetric_sites,
    space_group,
    standard_primitive,
    symmetry_dataset,
)
from trajmodes.units import DALTON

if TYPE_CHECKING:
    from ase import Atoms

ROUNDING = 1e-3
"""Å. Atoms of a cell file closer than this to a translated image are that image, which admits
files with four digits."""
_FEW, _LARGE = 48, 300
"""Numbers of atoms above which spglib is not asked for translations, and not for operations, of
a cell that may have noise."""
_FULL = 0.999
_POSCAR_SUFFIXES = {".vasp", ".poscar", ".ucposcar", ".ssposcar"}


def load_crystal(
    path: str | os.PathLike[str], species: tuple[str, ...] = (), tolerance: float = ROUNDING
) -> ReducedCrystal:
    """Read the primitive crystal of a cell file, with a note if the cell was reduced.

    ``species`` are the chemical symbols of the atom types of a LAMMPS data file; the tolerance
    is that of `reduce_cell`.

    Raises
    ------
    UsageError
        If the file is missing or ASE does not know its format.
    DataError
        If it contains no crystal: no cell, unknown elements, partly occupied sites.
    """
    file = Path(path)
    return reduce_cell(Crystal.from_ase(read_atoms(file, species)), file, tolerance)


def reduce_cell(whole: Crystal, file: Path, tolerance: float = ROUNDING) -> ReducedCrystal:
    """Reduce the cell of a file to the primitive crystal, with a note if it was reduced.

    A primitive cell is kept as it is. Any other cell is reduced to the standard primitive cell
    by its pure translations; each site is the mean over the equivalent atoms. Sites within the
    tolerance in Å of their symmetric position are moved to it, and lattice vectors too if the
    tolerance exceeds rounding. The masses are those of the file, or the standard masses if it
    gives none.

    Raises
    ------
    DataError
        If atoms coincide, or the primitive cell does not tile the cell of the file.
    """
    crystal, folded = _primitive(whole, file, tolerance)
    group = space_group(crystal, tolerance=tolerance)
    crystal, moved = on_symmetric_sites(group)
    if tolerance > ROUNDING:
        crystal = in_symmetric_cell(crystal, group)
    texts = []
    if crystal.n_sites < whole.n_sites:
        texts.append(
            f"{file.name}: the cell of {whole.n_sites} atoms is "
            f"{whole.n_sites // crystal.n_sites} primitive cells of {crystal.n_sites}; the "
            "primitive cell is used, in the same frame"
        )
    if folded + moved > 1e-6:
        texts.append(
            f"{file.name}: sites were moved by up to {folded + moved:.1e} Å to obey the "
            f"symmetry that they have within {tolerance:g} Å, {group.symbol}"
        )
    return ReducedCrystal(crystal, tuple(Note("note", text) for text in texts))


def has_no_symmetry(whole: Crystal) -> bool:
    """Whether no operation maps the cell of a file onto itself, within rounding.

    For a cell with many atoms only translations are tried, because the space group takes too
    long.
    """
    if whole.n_sites > _LARGE:
        return without_noise(whole, ROUNDING) is None
    dataset = symmetry_dataset(whole, ROUNDING)
    return dataset is not None and len(dataset.rotations) == 1


def read_atoms(file: Path, species: tuple[str, ...] = ()) -> "Atoms":
    """Read the atoms of a cell file as they are, with the errors of `load_crystal`.

    ``species`` are the chemical symbols of the atom types of a LAMMPS data file.
    """
    if file.is_dir():
        refuse_folder(file, "structure")
    if not file.is_file():
        fix = "" if file.exists() else instead_of_path(file)
        raise UsageError("the cell file is missing or not a file", where=str(file), fix=fix)
    head = read_head(file)
    if looks_like_phonopy(file, head):
        atoms = unit_cell_of(file)
    elif is_data_file(head):
        atoms = read_lammps_data(file, species)
    elif dump_form(file, head):
        atoms = _last_of_dump(file, species)
    else:
        refuse_other_kind(file, head, "structure")
        atoms = _from_ase(file)
    _check_atoms(atoms, file)
    return atoms


def named_by_cell(
    trajectory: Trajectory, file: str | None, species: tuple[str, ...]
) -> tuple[Trajectory, tuple[Note, ...]]:
    """Name atoms without elements, types and masses after a cell file of the same atoms.

    ``species`` are as in `read_atoms`. The note says that the file names them.
    """
    atoms = trajectory.atoms
    known = any(one is not None for one in (atoms.species, atoms.types, atoms.masses))
    if known or file is None:
        return trajectory, ()
    found = species_in_order(trajectory, read_atoms(Path(file), species))
    if found is None:
        return trajectory, ()
    text = f"the elements of the atoms are those of {Path(file).name}, in its order"
    return replace(trajectory, atoms=replace(atoms, species=found)), (Note("note", text),)


def _last_of_dump(file: Path, species: tuple[str, ...]) -> "Atoms":
    """Read the last frame of a dump of LAMMPS, by default in the units metal, with its ids."""
    from ase import Atoms  # noqa: PLC0415 - ase loads slowly

    try:
        run = open_lammps_dump([file], ReadOptions())
    except UnitsError:
        run = open_lammps_dump([file], ReadOptions(units="metal"))
    frame = run.read(run.n_frames - 1, run.n_frames)
    atoms = Atoms(
        species_of_run(run, dict(enumerate(species, start=1)) or None),
        positions=frame.positions_or_raise()[0],
        cell=frame.cells[0],
        pbc=True,
    )
    if run.ids is not None:
        atoms.set_array("id", np.array(run.ids))
    if run.masses is not None:
        atoms.set_masses(run.masses / DALTON)
    return atoms


def _from_ase(file: Path) -> "Atoms":
    # ASE recognises POSCAR by its name only.
    kind = "vasp" if file.suffix.lower() in _POSCAR_SUFFIXES else None
    is_poscar = kind or "POSCAR" in file.name or "CONTCAR" in file.name
    if is_poscar and (plain := _plain_poscar(file)) is not None:
        return plain
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_with_ase(file, known=kind)
    except TrajmodesError:
        raise
    # ASE's readers raise exceptions of any type.
    except Exception as error:
        why = f"it is damaged, or ASE does not know it ({type(error).__name__}: {error})"
        if is_poscar and isinstance(error, KeyError):
            why = f"“{error.args[0]}” is not a chemical symbol"
        raise UsageError(
            f"the cell file has no structure that can be read; {beginning(read_head(file))}",
            where=str(file),
            why=why,
            fix="give a POSCAR (named POSCAR or *.vasp), a CIF, a data file of LAMMPS, or one "
            "frame of the run as a dump or extended XYZ",
        ) from error


def _plain_poscar(file: Path) -> "Atoms | None":
    """Read a POSCAR exactly as ASE does, but without its slow import.

    None unless the file is simple: one positive scale, named elements, no selective dynamics.
    """
    from ase import Atoms  # noqa: PLC0415 - ase loads slowly

    with system_errors(file):
        scale = file.read_text(encoding="utf-8", errors="replace").splitlines()[1:2]
    try:
        poscar = _poscar(file)
        if len(scale[0].split()) != 1 or not float(scale[0]) > 0.0:
            return None
    except (DataError, ValueError):
        return None
    atoms = Atoms(poscar.species, cell=poscar.cell, pbc=True)
    if poscar.is_cartesian:
        atoms.set_positions(poscar.positions)
    else:
        atoms.set_scaled_positions(poscar.positions)
    return atoms


def _check_atoms(atoms: "Atoms", file: Path) -> None:
    finite = np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()
    if not finite or (atoms.numbers == 0).any():
        what = "a lattice vector, a position or an element is unknown"
        raise DataError(what, where=str(file))
    if len(atoms) == 0 or abs(atoms.cell.volume) < 1e-6:
        raise DataError("the file contains no crystal: no cell, or no atoms", where=str(file))
    occupancy = atoms.info.get("occupancy", {})
    if any(
        len(kinds) > 1 or not all(map(_is_full, kinds.values())) for kinds in occupancy.values()
    ):
        raise DataError(
            "sites are partly occupied or shared between elements",
            where=str(file),
            why="lattice dynamics requires one definite atom on every site",
            fix="give an ordered cell",
        )


def _is_full(occupancy: float | str) -> bool:
    """Whether a site is fully occupied; a damaged CIF file may give text."""
    try:
        return float(occupancy) >= _FULL
    except ValueError:
        return False


def _primitive(whole: Crystal, file: Path, tolerance: float) -> tuple[Crystal, float]:
    """Primitive crystal, and the largest displacement of an atom in Å."""
    ideal, noise = whole, 0.0
    if whole.n_sites > _FEW or tolerance > ROUNDING:
        # spglib takes minutes for many atoms with noise.
        found = without_noise(whole, tolerance)
        if found is None and whole.n_sites > _FEW:
            return whole, 0.0
        ideal, noise = found or (whole, 0.0)
    dataset = symmetry_dataset(ideal, tolerance)
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
    # Integers, so that the lattice of the file is an exact sublattice.
    matrix = np.rint(np.linalg.inv(standard_primitive(dataset)))
    lattice = np.linalg.inv(matrix) @ whole.cell
    crystal, moved = fold_atoms(lattice, ideal, classes)
    if abs(whole.volume / crystal.volume - n_cells) > 1e-6 * n_cells or moved > 10 * tolerance:
        raise DataError(
            "the primitive cell found by spglib does not tile the cell of the file",
            where=f"{file}, atoms {moved:.2g} Å off",
            fix="give the primitive cell",
        )
    return crystal, noise + moved


def read_supercell(path: Path) -> IdealStructure:
    """Read the ideal supercell of a file, its atoms in the order of the file.

    Masses are those of the file; None if it gives none. Errors are those of `load_crystal`.
    """
    atoms = read_atoms(path)
    masses = np.asarray(atoms.get_masses()) * DALTON if atoms.has("masses") else None
    return IdealStructure(
        atoms.cell.array, atoms.positions, tuple(atoms.get_chemical_symbols()), masses
    )


def grouped_by_species(species: tuple[str, ...]) -> Ints:
    """Order that groups atoms by species, species in order of first appearance."""
    first = {name: place for place, name in reversed(list(enumerate(species)))}
    return np.argsort([first[name] for name in species], kind="stable")


def write_poscar(path: Path, cell: Floats, reduced: Floats, species: tuple[str, ...]) -> None:
    """Write a POSCAR of a cell (3, 3) in Å with reduced coordinates (a, 3).

    Atoms of one species must be adjacent.
    """
    names = list(dict.fromkeys(species))
    lines = ["trajmodes", "1.0"]
    lines += [" ".join(f"{x:22.16f}" for x in row) for row in cell]
    lines += [" ".join(names), " ".join(str(species.count(name)) for name in names)]
    lines += ["direct coordinates"]
    lines += [" ".join(f"{x:20.16f}" for x in row) for row in reduced]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


class _Poscar(NamedTuple):
    """Contents of a POSCAR."""

    cell: Floats
    """(3, 3), unit: Å. Rows are the lattice vectors."""
    species: tuple[str, ...]
    positions: Floats
    """(a, 3) Cartesian in Å, or reduced."""
    is_cartesian: bool


def _poscar(path: Path) -> _Poscar:
    """Read a POSCAR that names its elements, without selective dynamics."""
    numbers = Numbers(path)
    numbers.words("a title")
    scale = numbers.floats(1, "the scale of the cell")[0]
    cell = numbers.rows(3, 3, "a lattice vector")
    # A negative number is the volume.
    cell *= scale if scale > 0 else (-scale / abs(np.linalg.det(cell))) ** (1 / 3)
    names = numbers.words("chemical symbols")
    counts = numbers.all_integers("the number of atoms of each species")
    unknown = [name for name in names if name not in atomic_numbers]
    if unknown:
        raise numbers.error(f"“{unknown[0][:20]}” is not a chemical symbol")
    if len(counts) != len(names):
        raise numbers.error(f"a number of atoms for each of {' '.join(names)[:60]} expected")
    if min(counts) < 0:
        raise numbers.error("a number of atoms is negative")
    kind = numbers.words("“direct” or “Cartesian”")[0][0].lower()
    if kind not in "dc":
        raise numbers.error("“direct” or “Cartesian” expected")
    positions = numbers.rows(sum(counts), 3, "the position of an atom")
    if kind == "c":
        positions = positions * (scale if scale > 0 else 1.0)
    numbers.finish(whole=False)
    species = tuple(n for n, count in zip(names, counts, strict=True) for _ in range(count))
    return _Poscar(cell, species, positions, kind == "c")


def read_poscar(path: Path) -> Crystal:
    """Read the crystal of a POSCAR, with the standard masses of its elements."""
    poscar = _poscar(path)
    cell, species, sites = poscar.cell, poscar.species, poscar.positions
    if poscar.is_cartesian:
        sites = sites @ np.linalg.inv(cell)
    masses = atomic_masses[[atomic_numbers[name] for name in species]] * DALTON
    try:
        return Crystal(cell, sites, species, masses)
    except DataError as error:
        raise DataError(error.what, where=str(path), why=error.why, fix=error.fix) from error
