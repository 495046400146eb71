"""The crystal and its supercell as phonopy and phono3py keep them, in both directions."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.errors import DataError, TrajmodesWarning
from trajmodes.formats.folding import AtomOrder
from trajmodes.readers.text.yaml import read_yaml
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import DALTON

if TYPE_CHECKING:
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

_NOT_A_CRYSTAL = (AttributeError, LookupError, TypeError, ValueError, RuntimeError)
_MOST_ATOMS = 1_000_000
"""Atoms of a supercell. phonopy makes it from a few numbers of the file."""


@dataclass(frozen=True, slots=True)
class PhonopyCells:
    """Atoms of the supercell in phonopy's order, and the factors from its units to ours."""

    order: AtomOrder
    """The atoms."""
    rows: Ints
    """(s,) number of the supercell's atom that stands for each site (phonopy's p2s_map)."""
    unit_of_pairs: float = 1.0
    """eV/Å² in the unit of the file's pair constants."""
    unit_of_triplets: float = 1.0
    """eV/Å³ in the unit of the file's cubic constants."""
    constants: Floats | None = None
    """(s, a, 3, 3) or (a, a, 3, 3) pair constants the file holds, in its unit; or None."""


def phonopy_object(supercell: Supercell) -> "Phonopy":
    """Make the same crystal and supercell in phonopy, whose columns are our rows.

    Raises
    ------
    DataError
        If a species is no chemical symbol, or sites coincide.
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
        # A symmetry search over a large supercell takes minutes and nothing here needs it.
        return Phonopy(unit, supercell.matrix.T, primitive_matrix=np.eye(3), is_symmetry=False)
    except (KeyError, ValueError, RuntimeError) as error:
        raise DataError(
            f"phonopy does not take the crystal: {str(error).splitlines()[0]}",
            where=f"species {', '.join(sorted(set(crystal.species)))}",
            why="a species is no chemical symbol, or sites lie within 1e-5 Å of each other",
            fix="check the cell file",
        ) from error


def cells_of(phonon: "Phonopy", supercell: Supercell) -> PhonopyCells:
    """Put the atoms of a supercell in phonopy's order.

    Parameters
    ----------
    phonon
        phonopy's object.
    supercell
        The same supercell in ours.

    Raises
    ------
    DataError
        If it is not the same supercell.
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

    The primitive cell of the file is our crystal: it may be smaller than the unit cell. Lengths
    and constants of calculators with units of their own become Å and eV.

    Parameters
    ----------
    path
        A file like phonopy.yaml, phonopy_params.yaml or phono3py.yaml.
    of_pairs
        phono3py may keep pair constants on a supercell of their own: take that one.

    Raises
    ------
    DataError
        If the file is no such file, or a cell is missing.
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
            why="it is no file of phonopy or phono3py, or it was cut off",
            fix="give the phonopy.yaml-like file that the constants were made with",
        ) from error
    if "nac" in found or "born_effective_charge" in found:
        warnings.warn(
            f"{path}: Born charges and the dielectric tensor are not read; the constants are "
            "taken as they stand, without the long-ranged part phonopy adds between them",
            TrajmodesWarning,
            stacklevel=2,
        )
    cells = cells_of(phonon, _supercell_of(phonon))
    per_area = units.force_to_eVperA / units.distance_to_A
    per_volume = per_area / units.distance_to_A
    return PhonopyCells(cells.order, cells.rows, per_area, per_volume, constants)


def _require_size(points: list[Any], matrix: Any, path: Path) -> None:
    """Refuse a supercell that no file of constants belongs to, before phonopy makes it."""
    n_atoms = len(points) * abs(np.linalg.det(np.array(matrix, dtype=float)))
    if not n_atoms <= _MOST_ATOMS:
        raise DataError(
            f"the file describes a supercell of {n_atoms:.3g} atoms",
            where=f"{path}, supercell_matrix",
            why="the file was changed, or is of another kind",
            fix="give the phonopy.yaml-like file that the constants were made with",
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
    """Pair constants of the file, (s, a, 3, 3) or (a, a, 3, 3), in its own unit."""
    stored = found.get("force_constants")
    if stored is None:
        return None
    first, second = stored["shape"]
    return np.array(stored["elements"], dtype=float).reshape(first, second, 3, 3)


def _supercell_of(phonon: "Phonopy") -> Supercell:
    """Phonopy's primitive cell and supercell as ours."""
    atoms = phonon.primitive
    crystal = Crystal(
        atoms.cell, atoms.scaled_positions, tuple(atoms.symbols), atoms.masses * DALTON
    )
    matrix = np.rint(phonon.supercell.cell @ np.linalg.inv(crystal.cell)).astype(np.int64)
    return build_supercell(crystal, matrix)
