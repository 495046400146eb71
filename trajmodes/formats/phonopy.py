"""phonopy: FORCE_CONSTANTS, force_constants.hdf5 and phonopy_params.yaml, of second order.

phonopy stores force constants between the primitive atoms and all atoms of the supercell,
summed over periodic images. To compute phases it divides each of them among the nearest images.
The force constants of trajmodes are folded onto the supercell in the same way, by lattice
vector. phonopy therefore gives the frequencies of the given force constants at the commensurate
q, and at every q if they do not reach beyond the Wigner–Seitz cell of the supercell.
`PhonopyCells` relates phonopy's order of the atoms of a supercell to sites and lattice vectors.

With Born charges they are still total force constants: phonopy subtracts the dipole–dipole part
before it computes phases (Gonze and Lee), and so does the reader here.

phonopy's THz uses older values of e and u, which lowers its frequencies by a relative 1.2e-7.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.coulomb.charges import symmetric_charges
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.formats import ConstantsReader, Export, Format
from trajmodes.formats.charges import charges_in, read_charges
from trajmodes.formats.dipoles import without_dipoles
from trajmodes.formats.folding import AtomOrder, beyond_nearest, fold_pairs, spread_pairs
from trajmodes.formats.hdf5 import is_hdf5, looks_like, opened
from trajmodes.formats.phonopy_yaml import SNAPSHOTS, yaml_beside
from trajmodes.readers.text.plain_yaml import read_yaml
from trajmodes.readers.text.tables import Numbers
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import COULOMB, DALTON

if TYPE_CHECKING:
    from phonopy import Phonopy

PHONO3PY_YAML = ("phono3py_params.yaml", "phono3py.yaml", "phono3py_disp.yaml")
_YAML = ("phonopy_params.yaml", "phonopy.yaml", "phonopy_disp.yaml", *PHONO3PY_YAML)
_NOT_A_CRYSTAL = (AttributeError, LookupError, TypeError, ValueError, RuntimeError)
_MOST_ATOMS = 1_000_000
"""Atoms of a supercell, which phonopy makes from a few numbers of the file."""


@dataclass(frozen=True, slots=True)
class PhonopyCells:
    """Atoms of the supercell in the order of phonopy, and the factors of its units."""

    order: AtomOrder
    rows: Ints
    """(s,) number of the atom that represents each site (phonopy's p2s_map)."""
    unit_of_pairs: float = 1.0
    """Factor from the unit of second-order force constants to eV/Å²."""
    unit_of_triplets: float = 1.0
    """Factor from the unit of third-order force constants to eV/Å³."""
    constants: Floats | None = None
    """(s, a, 3, 3) or (a, a, 3, 3) second-order force constants of the file, in its unit."""


def phonopy_object(supercell: Supercell) -> "Phonopy":
    """Make the same supercell in phonopy, whose supercell matrix is the transpose."""
    from phonopy import Phonopy  # noqa: PLC0415 - loads slowly
    from phonopy.structure.atoms import PhonopyAtoms  # noqa: PLC0415

    crystal = supercell.crystal
    try:
        unit = PhonopyAtoms(
            symbols=list(crystal.species),
            cell=crystal.cell,
            scaled_positions=crystal.sites,
            masses=crystal.masses / DALTON,
        )
        # A symmetry search over a large supercell takes minutes and is not needed here.
        return Phonopy(unit, supercell.matrix.T, primitive_matrix=np.eye(3), is_symmetry=False)
    except (KeyError, ValueError, RuntimeError) as error:
        raise DataError(
            f"phonopy does not accept the crystal: {str(error).splitlines()[0]}",
            where=f"species {', '.join(sorted(set(crystal.species)))}",
            why="a species is not a chemical symbol, or sites are within 1e-5 Å of each other",
            fix="check the cell file",
        ) from error


def cells_of(phonon: "Phonopy", supercell: Supercell) -> PhonopyCells:
    """Order the atoms of a supercell as in phonopy's object of the same supercell."""
    crystal, theirs = supercell.crystal, phonon.supercell
    rows = np.asarray(phonon.primitive.p2s_map, dtype=np.int64)
    site_of = {int(atom): site for site, atom in enumerate(rows)}
    sites = np.array([site_of[int(a)] for a in phonon.primitive.s2p_map], dtype=np.int64)
    reduced = theirs.positions @ np.linalg.inv(crystal.cell) - crystal.sites[sites]
    cells = np.rint(reduced).astype(np.int64)
    apart = np.abs((reduced - cells) @ crystal.cell).max()
    if apart < 1e-4 and len(sites) == supercell.n_atoms:
        with suppress(DataError):
            return PhonopyCells(AtomOrder(supercell, sites, cells), rows)
    raise DataError(
        "phonopy's supercell is not the supercell of the run",
        where=f"matrix {supercell.matrix.tolist()}",
        why="its convention for supercell matrices may have changed",
        fix="use a version of phonopy that trajmodes was tested with",
    )


def cells_in(supercell: Supercell) -> PhonopyCells:
    """Order the atoms of a supercell as phonopy would."""
    return cells_of(phonopy_object(supercell), supercell)


def read_cells(path: Path, *, of_pairs: bool = True) -> PhonopyCells:
    """Read the crystal and supercell that a phonopy.yaml-like file describes.

    The primitive cell of the file is the crystal; it may be smaller than the unit cell. Lengths
    and force constants of calculators with other units are converted to Å and eV. phono3py may
    have a separate supercell for second order, used if ``of_pairs``.
    """
    from phonopy import Phonopy  # noqa: PLC0415 - loads slowly
    from phonopy.physical_units import get_calculator_physical_units  # noqa: PLC0415
    from phonopy.structure.atoms import PhonopyAtoms  # noqa: PLC0415

    found = read_yaml(path)
    try:
        matrix = found["supercell_matrix"]
        if of_pairs:
            matrix = found.get("phonon_supercell_matrix", matrix)
        header = found.get("phonopy") or found.get("phono3py") or {}
        points = found["unit_cell"]["points"]
        n_atoms = len(points) * abs(np.linalg.det(np.array(matrix, dtype=float)))
        if not n_atoms <= _MOST_ATOMS:
            raise DataError(
                f"the file describes a supercell of {n_atoms:.3g} atoms",
                where=f"{path}, supercell_matrix",
                why="the file was changed, or is of another kind",
                fix="give the phonopy.yaml-like file that the force constants were made with",
            )
        units = get_calculator_physical_units(header.get("calculator"))
        unit = PhonopyAtoms(
            symbols=[point["symbol"] for point in points],
            cell=np.array(found["unit_cell"]["lattice"], dtype=float) * units.distance_to_A,
            scaled_positions=[point["coordinates"] for point in points],
            masses=[point["mass"] for point in points],
        )
        primitive = found.get("primitive_matrix", "auto")
        phonon = Phonopy(unit, matrix, primitive_matrix=primitive, is_symmetry=False)
        stored = found.get("force_constants")
        if stored is not None:
            stored = np.array(stored["elements"], dtype=float).reshape(*stored["shape"], 3, 3)
    except _NOT_A_CRYSTAL as error:
        raise DataError(
            f"the file does not describe a crystal: {type(error).__name__}, "
            f"{str(error).partition(chr(10))[0]}",
            where=str(path),
            why="it is not a file of phonopy or phono3py, or it was truncated",
            fix="give the phonopy.yaml-like file that the force constants were made with",
        ) from error
    cells = cells_of(phonon, supercell_of(phonon))
    per_area = units.force_to_eVperA / units.distance_to_A
    per_volume = per_area / units.distance_to_A
    return PhonopyCells(cells.order, cells.rows, per_area, per_volume, stored)


def supercell_of(phonon: "Phonopy") -> Supercell:
    """Make the supercell of phonopy's primitive cell and supercell."""
    atoms, symbols = phonon.primitive, tuple(phonon.primitive.symbols)
    crystal = Crystal(atoms.cell, atoms.scaled_positions, symbols, atoms.masses * DALTON)
    matrix = np.rint(phonon.supercell.cell @ np.linalg.inv(crystal.cell)).astype(np.int64)
    return build_supercell(crystal, matrix)


def to_phonopy(constants: ForceConstants, supercell: Supercell) -> "Phonopy":
    """Make phonopy's object of second-order force constants, with rows for primitive atoms.

    Raises
    ------
    DataError
        If a species is not a chemical symbol, sites coincide, or phonopy's supercell differs.
    """
    phonon = phonopy_object(supercell)
    cells = cells_of(phonon, supercell)
    phonon.force_constants = fold_pairs(constants, cells.order, cells.rows)
    if (charges := constants.charges) is not None:
        phonon.nac_params = {
            "born": charges.born, "dielectric": charges.dielectric, "factor": COULOMB,
        }  # fmt: skip
    return phonon


def from_phonopy(phonon: "Phonopy") -> tuple[ForceConstants, Supercell]:
    """Second-order force constants and supercell of phonopy's object in Å and eV/Å²."""
    if phonon.force_constants is None:
        raise UsageError(
            "the Phonopy object holds no force constants",
            fix="call its produce_force_constants(), or set force_constants",
        )
    from phonopy.physical_units import get_calculator_physical_units  # noqa: PLC0415

    units = get_calculator_physical_units(phonon.calculator)
    if (units.distance_to_A, units.force_to_eVperA) != (1.0, 1.0):
        raise DataError(
            f"the Phonopy object is in the units of {phonon.calculator}",
            fix="save it, and read its yaml file with trajmodes.read_force_constants",
        )
    supercell = supercell_of(phonon)
    cells = cells_of(phonon, supercell)
    folded = np.asarray(phonon.force_constants, dtype=float)
    nac, group = phonon.nac_params, space_group(supercell.crystal)
    given = None if nac is None else Charges(nac["born"], nac["dielectric"])
    charges = None if given is None else symmetric_charges(given, group)[0]
    return _spread(folded, None, cells, Path("Phonopy object"), charges), supercell


def write(constants: ForceConstants, supercell: Supercell, folder: Path) -> Export:
    """Write phonopy_params.yaml, which is complete, FORCE_CONSTANTS, and BORN with charges."""
    from phonopy.file_IO import write_BORN, write_FORCE_CONSTANTS  # noqa: PLC0415 - slow

    phonon = to_phonopy(constants, supercell)
    text, parameters = folder / "FORCE_CONSTANTS", folder / "phonopy_params.yaml"
    folded = np.asarray(phonon.force_constants)
    write_FORCE_CONSTANTS(folded, text, p2s_map=phonon.primitive.p2s_map)
    phonon.save(parameters, settings={"force_constants": True})
    paths, notes = [parameters, text], []
    if (charges := constants.charges) is not None:
        paths.append(folder / "BORN")
        write_BORN(phonon.primitive, charges.born, charges.dielectric, paths[-1])
    if constants.triplets is not None or constants.quartets is not None:
        notes.append("phonopy has second order only: third and fourth order are not written")
    if "pairs" in beyond_nearest(constants, supercell):
        notes.append(
            "pairs reach beyond the nearest images of the supercell: phonopy gives their "
            "frequencies at the commensurate q only"
        )
    return Export(tuple(paths), tuple(notes))


def _is_constants(path: Path) -> bool:
    """Whether a file is FORCE_CONSTANTS, force_constants.hdf5 or a yaml that contains them."""
    if is_hdf5(path):
        return looks_like(
            path,
            lambda file: "fc3" not in file and ("force_constants" in file or "fc2" in file),
            "force_constants.hdf5",
        )
    if _is_yaml(path):
        with path.open(encoding="utf-8", errors="replace") as lines:
            return any(line.startswith("force_constants:") for line in lines)
    return path.name.startswith("FORCE_CONSTANTS") and not path.name.endswith(("_3RD", "_4TH"))


def read(path: Path, supercell: Supercell | None) -> ForceConstants:
    """Read second-order force constants, each divided equally among its nearest images.

    The atoms of ``supercell`` are taken in the order of phonopy. None reads it from the
    phonopy.yaml-like file at ``path``, or from one in its folder.
    """
    cells = read_cells(_yaml_of(path)) if supercell is None else cells_in(supercell)
    return read_on_cells(path, cells, charges_of(path))


def read_supercell(path: Path) -> Supercell:
    """Read the supercell from the file itself or the phonopy.yaml-like one beside it."""
    return read_cells(_yaml_of(path)).order.supercell


def charges_of(path: Path) -> Path | None:
    """File with Born charges: the file itself, or the one that phonopy would read beside it."""
    return charges_in(path, *(path.parent / name for name in (*_YAML, "BORN")))


def read_on_cells(
    path: Path, cells: PhonopyCells, charges: Path | None = None
) -> ForceConstants:
    """Read second-order force constants of known cells, and a file of charges; see `read`."""
    numbers = None
    if _is_yaml(path):
        folded = read_cells(path).constants if cells.constants is None else cells.constants
        if folded is None:
            raise DataError("the file contains no force constants", where=str(path))
    elif is_hdf5(path):
        folded, numbers = _read_hdf5(path, cells)
    else:
        folded, numbers = _read_text(path)
    crystal = cells.order.supercell.crystal
    found = None if charges is None else read_charges(charges, crystal)[0]
    return _spread(folded, numbers, cells, path, found)


def _spread(
    folded: Floats,
    numbers: Ints | None,
    cells: PhonopyCells,
    path: Path,
    charges: Charges | None,
) -> ForceConstants:
    rows = folded[row_numbers(folded.shape, numbers, cells, path)]
    if not np.isfinite(rows).all():
        raise DataError("a force constant is not finite", where=str(path))
    whole = rows * cells.unit_of_pairs
    rest = without_dipoles(whole, cells.order, cells.rows, charges)
    spread = spread_pairs(rest, cells.order, cells.rows)
    return ForceConstants(cells.order.supercell.crystal, *spread, charges=charges)


def row_numbers(
    shape: tuple[int, ...], numbers: Ints | None, cells: PhonopyCells, path: Path
) -> Ints:
    """Rows of one atom of each site, whichever rows a file contains.

    The force constants have the shape (s, a, …) or (a, a, …); ``numbers`` are those of the
    atoms of their rows, if the file gives them. A `DataError` refuses rows of other atoms.
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


def _yaml_of(path: Path) -> Path:
    return path if _is_yaml(path) else yaml_beside(path, _YAML)


def _read_hdf5(path: Path, cells: PhonopyCells) -> tuple[Floats, Ints | None]:
    with opened(path) as file:
        stored = file["fc2" if "fc2" in file else "force_constants"]
        numbers = row_atoms(file, cells)
        # The shape is checked before memory is reserved for it.
        row_numbers(stored.shape, numbers, cells, path)
        return np.asarray(stored, dtype=float), numbers


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
    constants=ConstantsReader(_is_constants, read, read_supercell, charges_of),
    snapshots=SNAPSHOTS,
)
