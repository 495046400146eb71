"""Files of phonopy and phono3py: their YAML, crystal and supercell.

The YAML of another program is read as plain data: numbers, text, lists and mappings. Nothing in
a file is constructed or executed. Before it is loaded, tags of Python objects, references
within the file and deep nesting are refused, so a small file can neither run code, nor expand
in memory, nor overflow the stack of the parser (libyaml composes nested nodes recursively,
without a limit of its own).

Crystal and supercell are converted between phonopy's order of atoms and trajmodes'.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.errors import DataError, TrajmodesWarning
from trajmodes.formats.folding import AtomOrder
from trajmodes.readers.text.source import open_source
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import DALTON

if TYPE_CHECKING:
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 32
_LARGEST = 1 << 30
"""Bytes of text. Ten million force constants take 0.3 GB."""
_OPENING = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSING = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


_NOT_A_CRYSTAL = (AttributeError, LookupError, TypeError, ValueError, RuntimeError)
_MOST_ATOMS = 1_000_000
"""Atoms of a supercell, which phonopy makes from a few numbers of the file."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file whose top level is a mapping; see `parse_yaml`."""
    return parse_yaml(read_text(path), path)


def read_text(path: Path) -> bytes:
    """Read the text of a file, compressed or not.

    Raises
    ------
    UsageError
        If the file cannot be read.
    DataError
        If it is damaged or too long.
    """
    source = open_source(path)
    if source.size > _LARGEST:
        raise DataError(
            f"the file contains {source.size / 1e9:.1f} GB of text",
            where=str(path),
            why=f"YAML is read up to {_LARGEST / 1e9:.1f} GB",
            fix="give force constants as HDF5",
        )
    return source.data(0, source.size)


def parse_yaml(text: bytes, path: Path) -> dict[str, Any]:
    """Parse text whose top level is a mapping; ``path`` is its source, for messages.

    Raises
    ------
    DataError
        If it is not YAML, not a mapping, or contains more than plain data.
    """
    try:
        _require_plain(text, path)
        content = yaml.load(text, Loader=_LOADER)
    # A date or number out of the range of Python raises ValueError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = " ".join(str(error).split())
        raise DataError(
            f"the file is not YAML: {message}",
            where=str(path),
            why="it was truncated or changed, or is of another kind",
        ) from None
    if not isinstance(content, dict):
        raise DataError("the YAML file has no mapping at its top level", where=str(path))
    return content


def _require_plain(text: bytes, path: Path) -> None:
    """Refuse tags, references and deep nesting, from the events of the parser."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        where = f"{path}, line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            raise DataError(
                "the YAML file refers to other parts of itself",
                where=where,
                why="phonopy writes no references, and a few of them can exceed all memory",
                fix="write the numbers out",
            )
        if "python" in (getattr(event, "tag", None) or ""):
            raise DataError(
                f"the YAML file requests a Python object: {event.tag}",
                where=where,
                why="such a file can execute code",
                fix="do not use the file unless you know who wrote it; remove the line",
            )
        depth += isinstance(event, _OPENING) - isinstance(event, _CLOSING)
        if depth > _DEEPEST:
            raise DataError(f"the YAML file is nested deeper than {_DEEPEST}", where=where)


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
    """(s, a, 3, 3) or (a, a, 3, 3) second-order force constants of the file, in its unit; None
    if it has none.
    """


def phonopy_object(supercell: Supercell) -> "Phonopy":
    """Make the same crystal and supercell in phonopy, whose matrix columns are trajmodes' rows.

    Raises
    ------
    DataError
        If a species is not a chemical symbol, or sites coincide.
    """
    from phonopy import Phonopy  # noqa: PLC0415 - loads slowly
    from phonopy.structure.atoms import PhonopyAtoms  # noqa: PLC0415 - loads slowly

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
    """Order the atoms of a supercell as in phonopy's object of the same supercell.

    Raises
    ------
    DataError
        If it is another supercell.
    """
    crystal, theirs = supercell.crystal, phonon.supercell
    rows = np.asarray(phonon.primitive.p2s_map, dtype=np.int64)
    site_of = {int(atom): site for site, atom in enumerate(rows)}
    sites = np.array([site_of[int(a)] for a in phonon.primitive.s2p_map], dtype=np.int64)
    reduced = theirs.positions @ np.linalg.inv(crystal.cell) - crystal.sites[sites]
    cells = np.rint(reduced).astype(np.int64)
    apart = np.abs((reduced - cells) @ crystal.cell).max()
    if apart < 1e-4 and len(sites) == supercell.n_atoms:
        try:
            return PhonopyCells(AtomOrder(supercell, sites, cells), rows)
        except DataError:
            apart = np.inf
    raise DataError(
        "phonopy's supercell is not the supercell of the run",
        where=f"matrix {supercell.matrix.tolist()}",
        why="its convention for supercell matrices may have changed",
        fix="use a version of phonopy that trajmodes was tested with",
    )


def read_cells(path: Path, *, of_pairs: bool = True) -> PhonopyCells:
    """Read the crystal and supercell that a phonopy.yaml-like file describes.

    The primitive cell of the file is the crystal; it may be smaller than the unit cell. Lengths
    and force constants of calculators with other units are converted to Å and eV.

    Parameters
    ----------
    path
        A file like phonopy.yaml, phonopy_params.yaml or phono3py.yaml.
    of_pairs
        Whether to use the separate supercell that phono3py may have for second order.

    Raises
    ------
    DataError
        If the file is of another kind, or a cell is missing.
    """
    from phonopy import Phonopy  # noqa: PLC0415 - loads slowly
    from phonopy.physical_units import get_calculator_physical_units  # noqa: PLC0415 - loads slowly

    found = read_yaml(path)
    try:
        matrix = found["supercell_matrix"]
        if of_pairs:
            matrix = found.get("phonon_supercell_matrix", matrix)
        header = found.get("phonopy") or found.get("phono3py") or {}
        _require_size(found["unit_cell"]["points"], matrix, path)
        units = get_calculator_physical_units(header.get("calculator"))
        phonon = Phonopy(
            _unit_cell(found["unit_cell"], units.distance_to_A),
            matrix,
            primitive_matrix=found.get("primitive_matrix", "auto"),
            is_symmetry=False,
        )
        constants = _stored_constants(found)
    except _NOT_A_CRYSTAL as error:
        raise DataError(
            f"the file does not describe a crystal: {type(error).__name__}, "
            f"{str(error).splitlines()[0]}",
            where=str(path),
            why="it is not a file of phonopy or phono3py, or it was truncated",
            fix="give the phonopy.yaml-like file that the force constants were made with",
        ) from error
    if "nac" in found or "born_effective_charge" in found:
        warnings.warn(
            f"{path}: Born charges and the dielectric tensor are not read; the force constants "
            "are used as they are, without the long-range part that phonopy adds",
            TrajmodesWarning,
            stacklevel=2,
        )
    cells = cells_of(phonon, supercell_of(phonon))
    per_area = units.force_to_eVperA / units.distance_to_A
    per_volume = per_area / units.distance_to_A
    return PhonopyCells(cells.order, cells.rows, per_area, per_volume, constants)


def _require_size(points: list[Any], matrix: Any, path: Path) -> None:
    """Refuse a supercell that is too large, before phonopy makes it."""
    n_atoms = len(points) * abs(np.linalg.det(np.array(matrix, dtype=float)))
    if not n_atoms <= _MOST_ATOMS:
        raise DataError(
            f"the file describes a supercell of {n_atoms:.3g} atoms",
            where=f"{path}, supercell_matrix",
            why="the file was changed, or is of another kind",
            fix="give the phonopy.yaml-like file that the force constants were made with",
        )


def _unit_cell(found: dict[str, Any], angstrom: float) -> "PhonopyAtoms":
    from phonopy.structure.atoms import PhonopyAtoms  # noqa: PLC0415 - loads slowly

    points = found["points"]
    return PhonopyAtoms(
        symbols=[point["symbol"] for point in points],
        cell=np.array(found["lattice"], dtype=float) * angstrom,
        scaled_positions=[point["coordinates"] for point in points],
        masses=[point["mass"] for point in points],
    )


def _stored_constants(found: dict[str, Any]) -> Floats | None:
    """Second-order force constants of the file, (s, a, 3, 3) or (a, a, 3, 3), in its unit."""
    stored = found.get("force_constants")
    if stored is None:
        return None
    first, second = stored["shape"]
    return np.array(stored["elements"], dtype=float).reshape(first, second, 3, 3)


def supercell_of(phonon: "Phonopy") -> Supercell:
    """Make the supercell of phonopy's primitive cell and supercell."""
    atoms = phonon.primitive
    crystal = Crystal(
        atoms.cell, atoms.scaled_positions, tuple(atoms.symbols), atoms.masses * DALTON
    )
    matrix = np.rint(phonon.supercell.cell @ np.linalg.inv(crystal.cell)).astype(np.int64)
    return build_supercell(crystal, matrix)
