"""phonopy: FORCE_CONSTANTS, force_constants.hdf5 and phonopy_params.yaml, of second order.

phonopy stores force constants between the primitive atoms and all atoms of the supercell,
summed over periodic images. When it needs a phase it divides each of them among the nearest
images. Those of trajmodes are folded onto the supercell in the same way, by lattice vector.
phonopy therefore gives the frequencies of the given force constants at the commensurate q, and
at every q if they do not reach beyond the Wigner–Seitz cell of the supercell.

phonopy's THz uses older values of e and u, which lowers its frequencies by a relative 1.2e-7.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.base import ConstantsReader, Export, Format
from trajmodes.formats.folding import beyond_nearest, fold_pairs, spread_pairs
from trajmodes.formats.hdf5 import is_hdf5, looks_like
from trajmodes.formats.phonopy_cells import (
    PhonopyCells,
    cells_of,
    phonopy_object,
    read_cells,
    supercell_of,
)
from trajmodes.formats.phonopy_data import SNAPSHOTS
from trajmodes.readers.text.tables import Numbers

if TYPE_CHECKING:
    from phonopy import Phonopy

_YAML = ("phonopy_params.yaml", "phonopy.yaml", "phonopy_disp.yaml", "phono3py_params.yaml",
         "phono3py.yaml", "phono3py_disp.yaml")  # fmt: skip


def write_phonopy(
    constants: ForceConstants, supercell: Supercell, folder: Path, *, compact: bool = True
) -> tuple[Path, Path]:
    """Write FORCE_CONSTANTS and phonopy_params.yaml, each complete in itself.

    Parameters
    ----------
    supercell
        The supercell of the run, with any integer matrix.
    folder
        An existing folder.
    compact
        Whether rows are written for the atoms of one primitive cell only, or for all atoms of
        the supercell.

    Returns
    -------
    Paths of FORCE_CONSTANTS and phonopy_params.yaml.

    Raises
    ------
    DataError
        If a species is not a chemical symbol, sites coincide, or phonopy's supercell differs.
    """
    from phonopy.file_IO import write_FORCE_CONSTANTS  # noqa: PLC0415 - loads slowly

    phonon, rows = to_phonopy(constants, supercell, compact=compact)
    text, parameters = folder / "FORCE_CONSTANTS", folder / "phonopy_params.yaml"
    folded = np.asarray(phonon.force_constants)
    write_FORCE_CONSTANTS(folded, text, p2s_map=rows if compact else None)
    phonon.save(parameters, settings={"force_constants": True})
    return text, parameters


def to_phonopy(
    constants: ForceConstants, supercell: Supercell, *, compact: bool = True
) -> tuple["Phonopy", Ints]:
    """Make phonopy's object of pair constants, and the atoms (s,) that its rows belong to.

    Raises
    ------
    DataError
        If a species is no chemical symbol, sites coincide, or phonopy's supercell is not ours.
    """
    phonon = phonopy_object(supercell)
    cells = cells_of(phonon, supercell)
    rows = cells.rows if compact else np.arange(supercell.n_atoms)
    phonon.force_constants = fold_pairs(constants, cells.order, rows)
    return phonon, rows


def from_phonopy(phonon: "Phonopy") -> tuple[ForceConstants, Supercell]:
    """Pair constants and supercell of phonopy's object, which must be in Å and eV/Å².

    Raises
    ------
    UsageError
        If it holds no force constants.
    DataError
        If it is in the units of another calculator, their shape does not belong to its cells,
        or a number is not finite.
    """
    if phonon.force_constants is None:
        raise UsageError(
            "the Phonopy object holds no force constants",
            fix="call its produce_force_constants(), or set force_constants",
        )
    from phonopy.physical_units import get_calculator_physical_units  # noqa: PLC0415 - loads slowly

    units = get_calculator_physical_units(phonon.calculator)
    if (units.distance_to_A, units.force_to_eVperA) != (1.0, 1.0):
        raise DataError(
            f"the Phonopy object is in the units of {phonon.calculator}",
            fix="save it, and read its yaml file with trajmodes.read_force_constants",
        )
    supercell = supercell_of(phonon)
    cells = cells_of(phonon, supercell)
    values = np.asarray(phonon.force_constants, dtype=float)
    rows = values[row_numbers(values.shape, None, cells, Path("Phonopy object"))]
    if not np.isfinite(rows).all():
        raise DataError("the Phonopy object holds numbers that are not finite")
    spread = spread_pairs(rows, cells.order, cells.rows)
    return ForceConstants(supercell.crystal, *spread), supercell


def write(constants: ForceConstants, supercell: Supercell, folder: Path) -> Export:
    """Write both files, with notes on what they do not contain."""
    text, parameters = write_phonopy(constants, supercell, folder)
    notes = []
    if constants.triplets is not None or constants.quartets is not None:
        notes.append("phonopy has second order only: third and fourth order are not written")
    if "pairs" in beyond_nearest(constants, supercell):
        notes.append(
            "pairs reach beyond the nearest images of the supercell: phonopy gives their "
            "frequencies at the commensurate q only"
        )
    return Export((parameters, text), tuple(notes))


def _is_constants(path: Path) -> bool:
    """Whether a file is FORCE_CONSTANTS, force_constants.hdf5 or a yaml that contains them."""
    if is_hdf5(path):
        return looks_like(path, _has_pairs_only, "force_constants.hdf5")
    if _is_yaml(path):
        with path.open(encoding="utf-8", errors="replace") as lines:
            return any(line.startswith("force_constants:") for line in lines)
    return path.name.startswith("FORCE_CONSTANTS") and not path.name.endswith(("_3RD", "_4TH"))


def _has_pairs_only(file: h5py.File) -> bool:
    return "fc3" not in file and ("force_constants" in file or "fc2" in file)


def read(path: Path, supercell: Supercell | None) -> ForceConstants:
    """Read second-order force constants, each divided equally among its nearest images.

    Parameters
    ----------
    path
        FORCE_CONSTANTS, force_constants.hdf5, or a phonopy.yaml-like file with force constants.
    supercell
        The supercell of the force constants; phonopy would order its atoms in the same way.
        None to read it from the phonopy.yaml-like file in the folder.
    """
    if supercell is not None:
        return read_on_cells(path, cells_of(phonopy_object(supercell), supercell))
    return read_on_cells(path, read_cells(path if _is_yaml(path) else _sibling_yaml(path)))


def read_supercell(path: Path) -> Supercell:
    """Read the supercell from the file itself or the phonopy.yaml-like one beside it."""
    return read_cells(path if _is_yaml(path) else _sibling_yaml(path)).order.supercell


def read_on_cells(path: Path, cells: PhonopyCells) -> ForceConstants:
    """Read second-order force constants of known cells; see `read`."""
    if _is_yaml(path):
        numbers = None
        folded = read_cells(path).constants if cells.constants is None else cells.constants
        if folded is None:
            raise DataError("the file contains no force constants", where=str(path))
    elif is_hdf5(path):
        folded, numbers = _read_hdf5(path, cells)
    else:
        folded, numbers = _read_text(path)
    rows = folded[row_numbers(folded.shape, numbers, cells, path)]
    if not np.isfinite(rows).all():
        raise DataError("the file contains numbers that are not finite", where=str(path))
    values = rows * cells.unit_of_pairs
    spread = spread_pairs(values, cells.order, cells.rows)
    return ForceConstants(cells.order.supercell.crystal, *spread)


def row_numbers(
    shape: tuple[int, ...], numbers: Ints | None, cells: PhonopyCells, path: Path
) -> Ints:
    """Rows of one atom of each site, whichever rows a file contains.

    Parameters
    ----------
    shape
        (s, a, …) or (a, a, …), the shape of its force constants.
    numbers
        (s,) or (a,) numbers of the atoms of the rows, if the file gives them.
    cells
        The cells that they must belong to.
    path
        The file, for errors.

    Raises
    ------
    DataError
        If the rows belong to other atoms.
    """
    n_atoms, n_sites = cells.order.supercell.n_atoms, len(cells.rows)
    is_known = shape[2:] in ((3, 3), (n_atoms, 3, 3, 3))
    if is_known and shape[:2] == (n_atoms, n_atoms):
        return cells.rows
    if not (is_known and shape[:2] == (n_sites, n_atoms)):
        found = shape if shape[:2] == (n_sites, n_atoms) else shape[:2]
        raise DataError(
            f"the file contains {' × '.join(map(str, found))} force constants, but the cells "
            f"require {n_sites} or {n_atoms} × {n_atoms}",
            where=str(path),
            fix="give the cells that the force constants were made with",
        )
    if numbers is not None and not np.array_equal(numbers, cells.rows):
        raise DataError(
            f"the rows of the file belong to the atoms {(numbers + 1).tolist()[:8]}, but "
            f"the primitive cell requires the atoms {(cells.rows + 1).tolist()[:8]}",
            where=str(path),
            why="they were made with another primitive cell",
            fix="give the cells that the force constants were made with",
        )
    return np.arange(n_sites)


def row_atoms(file: h5py.File, cells: PhonopyCells) -> Ints | None:
    """Numbers of the atoms of the rows of an HDF5 file, if it gives them."""
    stored = file.get("p2s_map")
    if stored is None:
        return None
    if stored.size > cells.order.supercell.n_atoms:
        raise ValueError(f"p2s_map has {stored.size} entries")
    return np.asarray(stored, dtype=np.int64)


def _is_yaml(path: Path) -> bool:
    return path.suffix in {".yaml", ".yml"}


def _sibling_yaml(path: Path) -> Path:
    """Find the phonopy.yaml-like file in the folder of the force constants."""
    for name in _YAML:
        if (path.parent / name).exists():
            return path.parent / name
    raise DataError(
        "the file does not describe the crystal of its force constants",
        where=str(path),
        why=f"none of {', '.join(_YAML)} is in its folder",
        fix="copy the phonopy.yaml-like file into its folder, or give the supercell",
    )


def _read_hdf5(path: Path, cells: PhonopyCells) -> tuple[Floats, Ints | None]:
    """Force constants and the numbers of the atoms of their rows."""
    try:
        with h5py.File(path) as file:
            stored = file["fc2" if "fc2" in file else "force_constants"]
            numbers = row_atoms(file, cells)
            # The shape is checked before memory is reserved for it.
            row_numbers(stored.shape, numbers, cells, path)
            folded = np.asarray(stored, dtype=float)
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(
            f"the force constants cannot be read: {error}",
            where=str(path),
            why="the file was truncated, or is of another kind",
        ) from error
    return folded, numbers


def _read_text(path: Path) -> tuple[Floats, Ints]:
    """Force constants and the numbers of the atoms of their rows."""
    lines = Numbers(path)
    header = lines.all_integers("the number of atoms, or of rows and atoms,")
    n_rows, n_atoms = header[0], header[-1]
    if not (len(header) <= 2 and 0 < n_rows <= n_atoms):
        raise lines.error(f"the number of atoms expected, found {header}")
    lines.require_lines(4 * n_rows * n_atoms, "constants of two atoms")
    folded = np.empty((n_rows, n_atoms, 3, 3))
    numbers = np.empty(n_rows, dtype=np.int64)
    for row in range(n_rows):
        for atom in range(n_atoms):
            first, second = lines.integers(2, "the numbers of two atoms")
            if second != atom + 1 or (atom and first != numbers[row] + 1):
                raise lines.error(f"constants with atom {atom + 1} expected, found {second}")
            numbers[row] = first - 1
            folded[row, atom] = lines.rows(3, 3, "constants of two atoms")
    lines.finish()
    return folded, numbers


FORMAT = Format(
    write_force_constants=write,
    constants=ConstantsReader(_is_constants, read, read_supercell),
    snapshots=SNAPSHOTS,
)
