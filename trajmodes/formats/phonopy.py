"""Pair constants for phonopy: FORCE_CONSTANTS, force_constants.hdf5, phonopy_params.yaml.

phonopy keeps constants between the primitive atoms and all atoms of the supercell, summed over
periodic images; when it needs a phase it divides each of them among the shortest images. Ours
are folded onto the supercell the same way, by lattice vector, so phonopy gives the frequencies
of the given constants at every q if these reach no farther than the Wigner–Seitz cell of the
supercell, and at the commensurate q always.

phonopy's THz rests on older values of e and u, which makes its frequencies lower by 1.2e-7 of
their value.
"""

from pathlib import Path

import h5py
import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError
from trajmodes.formats.base import ConstantsReader, Export, Format
from trajmodes.formats.folding import beyond_nearest, fold_pairs, spread_pairs
from trajmodes.formats.hdf5 import is_hdf5, looks_like
from trajmodes.formats.phonopy_cells import PhonopyCells, cells_of, phonopy_object, read_cells
from trajmodes.formats.phonopy_data import SNAPSHOTS
from trajmodes.formats.text import Numbers

_YAML = ("phonopy_params.yaml", "phonopy.yaml", "phonopy_disp.yaml", "phono3py_params.yaml",
         "phono3py.yaml", "phono3py_disp.yaml")  # fmt: skip


def write_phonopy(
    constants: ForceConstants, supercell: Supercell, folder: Path, *, compact: bool = True
) -> tuple[Path, Path]:
    """Write FORCE_CONSTANTS and phonopy_params.yaml, each complete in itself.

    Parameters
    ----------
    constants
        The force constants.
    supercell
        The supercell of the run, any integer matrix.
    folder
        An existing folder.
    compact
        Rows for the atoms of one primitive cell only; else for all atoms of the supercell.

    Returns
    -------
    Paths of FORCE_CONSTANTS and phonopy_params.yaml.

    Raises
    ------
    DataError
        If a species is no chemical symbol, sites coincide, or phonopy's supercell is not ours.
    """
    from phonopy.file_IO import write_FORCE_CONSTANTS  # noqa: PLC0415 - loads slowly

    phonon = phonopy_object(supercell)
    cells = cells_of(phonon, supercell)
    rows = cells.rows if compact else np.arange(supercell.n_atoms)
    phonon.force_constants = fold_pairs(constants, cells.order, rows)
    text, parameters = folder / "FORCE_CONSTANTS", folder / "phonopy_params.yaml"
    write_FORCE_CONSTANTS(phonon.force_constants, text, p2s_map=cells.rows if compact else None)
    phonon.save(parameters, settings={"force_constants": True})
    return text, parameters


def write(constants: ForceConstants, supercell: Supercell, folder: Path) -> Export:
    """Write both files, and say what they do not hold."""
    text, parameters = write_phonopy(constants, supercell, folder)
    notes = []
    if constants.triplets is not None or constants.quartets is not None:
        notes.append("phonopy holds pair constants only: cubic and quartic ones are left out")
    if "pairs" in beyond_nearest(constants, supercell):
        notes.append(
            "pairs reach beyond the nearest images of the supercell: phonopy gives their "
            "frequencies at the commensurate q only"
        )
    return Export((parameters, text), tuple(notes))


def _is_constants(path: Path) -> bool:
    """Whether it is a FORCE_CONSTANTS, a force_constants.hdf5 or a yaml that holds them."""
    if is_hdf5(path):
        return looks_like(path, _has_pairs_only, "force_constants.hdf5")
    if _is_yaml(path):
        with path.open(encoding="utf-8", errors="replace") as lines:
            return any(line.startswith("force_constants:") for line in lines)
    return path.name.startswith("FORCE_CONSTANTS") and not path.name.endswith(("_3RD", "_4TH"))


def _has_pairs_only(file: h5py.File) -> bool:
    return "fc3" not in file and ("force_constants" in file or "fc2" in file)


def read(path: Path, supercell: Supercell | None) -> ForceConstants:
    """Read pair constants, each shared by its nearest images in equal parts.

    Parameters
    ----------
    path
        FORCE_CONSTANTS, force_constants.hdf5, or a phonopy.yaml-like file with constants.
    supercell
        The supercell that the constants belong to, in whose order phonopy would put its atoms;
        None to read it from the phonopy.yaml-like file beside.

    Raises
    ------
    DataError
        If the file is damaged, or does not belong to the cells.
    """
    if supercell is not None:
        return read_with(path, cells_of(phonopy_object(supercell), supercell))
    return read_with(path, read_cells(path if _is_yaml(path) else _yaml_beside(path)))


def read_supercell(path: Path) -> Supercell:
    """Read the supercell from the file itself or the phonopy.yaml-like one beside it."""
    return read_cells(path if _is_yaml(path) else _yaml_beside(path)).order.supercell


def read_with(path: Path, cells: PhonopyCells) -> ForceConstants:
    """Read pair constants of known cells; see `read`."""
    if _is_yaml(path):
        numbers = None
        folded = read_cells(path).constants if cells.constants is None else cells.constants
        if folded is None:
            raise DataError("the file holds no force constants", where=str(path))
    elif is_hdf5(path):
        folded, numbers = _read_hdf5(path, cells)
    else:
        folded, numbers = _read_text(path)
    rows = folded[row_numbers(folded.shape, numbers, cells, path)]
    if not np.isfinite(rows).all():
        raise DataError("the file holds numbers that are not finite", where=str(path))
    values = rows * cells.unit_of_pairs
    spread = spread_pairs(values, cells.order, cells.rows)
    return ForceConstants(cells.order.supercell.crystal, *spread)


def row_numbers(
    shape: tuple[int, ...], numbers: Ints | None, cells: PhonopyCells, path: Path
) -> Ints:
    """Rows of one atom of each site, whichever rows a file holds.

    Parameters
    ----------
    shape
        (s, a, …) or (a, a, …), the shape of its constants.
    numbers
        (s,) or (a,) which atoms the rows are, where the file says so.
    cells
        The cells they ought to belong to.
    path
        The file, for errors.

    Raises
    ------
    DataError
        If the rows are those of other atoms.
    """
    n_atoms, n_sites = cells.order.supercell.n_atoms, len(cells.rows)
    is_known = shape[2:] in ((3, 3), (n_atoms, 3, 3, 3))
    if is_known and shape[:2] == (n_atoms, n_atoms):
        return cells.rows
    if not (is_known and shape[:2] == (n_sites, n_atoms)):
        found = shape if shape[:2] == (n_sites, n_atoms) else shape[:2]
        raise DataError(
            f"the file holds {' × '.join(map(str, found))} constants where the cells ask "
            f"for {n_sites} or {n_atoms} × {n_atoms}",
            where=str(path),
            fix="give the cells that the constants were made with",
        )
    if numbers is not None and not np.array_equal(numbers, cells.rows):
        raise DataError(
            f"the rows of the file are those of the atoms {(numbers + 1).tolist()[:8]}, where "
            f"the primitive cell asks for the atoms {(cells.rows + 1).tolist()[:8]}",
            where=str(path),
            why="they were made with another primitive cell",
            fix="give the cells that the constants were made with",
        )
    return np.arange(n_sites)


def row_atoms(file: h5py.File, cells: PhonopyCells) -> Ints | None:
    """Numbers of the atoms that the rows of an HDF5 file belong to, where it says so."""
    stored = file.get("p2s_map")
    if stored is None:
        return None
    if stored.size > cells.order.supercell.n_atoms:
        raise ValueError(f"p2s_map has {stored.size} entries")
    return np.asarray(stored, dtype=np.int64)


def _is_yaml(path: Path) -> bool:
    return path.suffix in {".yaml", ".yml"}


def _yaml_beside(path: Path) -> Path:
    """Find the phonopy.yaml-like file in the folder of the constants."""
    for name in _YAML:
        if (path.parent / name).exists():
            return path.parent / name
    raise DataError(
        "the file does not say to which crystal its constants belong",
        where=str(path),
        why=f"none of {', '.join(_YAML)} lies beside it",
        fix="put the phonopy.yaml-like file beside it, or give the supercell",
    )


def _read_hdf5(path: Path, cells: PhonopyCells) -> tuple[Floats, Ints | None]:
    """Constants and the numbers of the atoms of their rows."""
    try:
        with h5py.File(path) as file:
            stored = file["fc2" if "fc2" in file else "force_constants"]
            numbers = row_atoms(file, cells)
            # The shape is checked before memory is reserved for it.
            row_numbers(stored.shape, numbers, cells, path)
            folded = np.asarray(stored, dtype=float)
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(
            f"the constants cannot be read: {error}",
            where=str(path),
            why="the file was cut off, or is of another kind",
        ) from error
    return folded, numbers


def _read_text(path: Path) -> tuple[Floats, Ints]:
    """Constants and the numbers of the atoms of their rows."""
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
    write_constants=write,
    constants=ConstantsReader(_is_constants, read, read_supercell),
    snapshots=SNAPSHOTS,
)
