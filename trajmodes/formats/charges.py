"""Born charges and dielectric tensors, from files and from numbers.

| file | content |
|---|---|
| BORN | phonopy: ε∞, and Z* of the inequivalent sites or of all sites of the primitive cell |
| a yaml file of phonopy or phono3py | `nac`, with the primitive cell |
| vasprun.xml, OUTCAR | VASP with LEPSILON or LCALCEPS; OUTCAR with its POSCAR beside it |
| infile.lotosplitting | TDEP: ε∞ and Z* of all sites, with infile.ucposcar beside it |
| force_constants.h5 | force constants with charges, and quadrupoles if they have any |

In all of them rows of Z* are the direction of the polarisation or field, columns that of the
displacement. If a file has a structure, charges are assigned to sites by position; otherwise in
the order of the sites. Z* and ε∞ are dimensionless, so that the unit factor of BORN is not
used. Charges are returned with the symmetry of the crystal and with zero sum
(`coulomb.charges`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.config.polar import PolarOptions
from trajmodes.coulomb.charges import of_inequivalent, symmetric_charges
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import layer_of, wrap
from trajmodes.errors import DataError, UsageError, instead_of_path, reading
from trajmodes.formats import hdf5
from trajmodes.formats.cell_file import read_poscar
from trajmodes.notes import Note
from trajmodes.readers.text.plain_yaml import read_yaml
from trajmodes.readers.text.tables import Numbers
from trajmodes.symmetry.operations import space_group

_NAMES = {"BORN", "infile.lotosplitting"}
"""Files of phonopy and TDEP that hold charges and nothing else."""
_KEYS = ("nac:", "born_effective_charge:", "dielectric_constant:")
"""Entries of charges in a yaml file of phonopy or phono3py, at the start of a line."""
_STRAIN, _FAR = 0.06, 0.3
"""Largest strain, and distance in Å of a site from its partner, between two structures of one
crystal."""


class _Found(NamedTuple):
    """Content of a file."""

    born: Floats
    """(n, 3, 3) charges."""
    dielectric: Floats
    structure: Crystal | None = None
    """The structure whose atoms have them; None if the file has none."""
    quadrupoles: Floats | None = None
    """(n, 3, 3, 3) dynamical quadrupoles, where the file has them."""


def charges_in(*paths: Path) -> Path | None:
    """Find the first of the files that exists and holds charges; None if there is none."""
    return next((path for path in paths if path.is_file() and _has_charges(path)), None)


def _has_charges(path: Path) -> bool:
    if path.suffix not in {".yaml", ".yml"}:
        return path.name in _NAMES
    with path.open(encoding="utf-8", errors="replace") as lines:
        return any(line.startswith(_KEYS) for line in lines)


def read_charges(path: Path, crystal: Crystal) -> tuple[Charges, tuple[Note, ...]]:
    """Read the charges of a crystal, with notes on the changes by symmetry and sum rule.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If the file is damaged or holds no charges, or these are of another crystal.
    """
    if not path.is_file():
        raise UsageError(f"there is no {path}", fix=instead_of_path(path))
    found = _read(path)
    group = space_group(crystal)
    quadrupoles = found.quadrupoles
    if found.structure is not None:
        chosen = _on_sites(found, crystal, path)
        born: Floats | None = found.born[chosen]
        quadrupoles = None if quadrupoles is None else quadrupoles[chosen]
    elif len(found.born) == crystal.n_sites:
        born = found.born
    else:
        born = of_inequivalent(found.born, group)
    if born is None:
        n_orbits = len(np.unique(group.permutations.min(axis=0)))
        raise DataError(
            f"the file has the charges of {len(found.born)} sites, and the crystal has "
            f"{crystal.n_sites}, of which {n_orbits} are inequivalent",
            where=str(path),
            why="the charges were calculated for another cell",
            fix="give the cell that they were calculated for with --cell",
        )
    return _checked(Charges(born, found.dielectric, quadrupoles), crystal, str(path))


class GivenCharges(NamedTuple):
    """Charges of a crystal, if there are any, and notes on them."""

    charges: Charges | None
    notes: tuple[Note, ...] = ()


def charges_given(options: PolarOptions, crystal: Crystal) -> GivenCharges:
    """Charges that options give, by a file or as numbers; see `read_charges`."""
    if options.born is not None:
        return GivenCharges(*read_charges(Path(options.born), crystal))
    if options.dielectric is None:
        return GivenCharges(None)
    found = charges_of_numbers(options.born_charges, options.dielectric, crystal)
    return GivenCharges(*found)


def charges_of_earlier(
    options: PolarOptions, crystal: Crystal, earlier: Charges | None
) -> GivenCharges:
    """Charges of a fit to which runs are added; pooling compares given charges with them."""
    if options.no_charges and earlier is not None:
        raise UsageError(
            "the earlier fit has Born charges, and the runs are to be fitted without",
            fix="leave out --no-charges, or fit all runs again",
        )
    given = charges_given(options, crystal)
    return GivenCharges(earlier) if given.charges is None else given


def charges_of_numbers(
    born: Sequence[str], dielectric: Sequence[float], crystal: Crystal
) -> tuple[Charges, tuple[Note, ...]]:
    """Charges of species, given as texts such as ``Na 1.1``, with one, three or nine numbers.

    ``dielectric`` has one, three or nine numbers too.

    Raises
    ------
    UsageError
        If a text is not of this form, or a species is missing.
    DataError
        If the charges do not belong to the crystal.
    """
    by_species: dict[str, Floats] = {}
    for text in born:
        try:
            symbol, *words = text.replace(",", " ").replace(":", " ").split()
            by_species[symbol] = _tensor([float(word) for word in words])
        except ValueError:
            raise UsageError(
                f'"{text}" is not a Born charge',
                fix='give a species and one, three or nine numbers, such as "Na 1.1"',
            ) from None
    unknown = set(by_species) ^ set(crystal.species)
    if unknown:
        raise UsageError(
            f"Born charges are given of {', '.join(by_species)}, and the crystal consists of "
            f"{', '.join(dict.fromkeys(crystal.species))}",
            fix="give one charge for each species",
        )
    tensors = np.array([by_species[symbol] for symbol in crystal.species])
    return _checked(Charges(tensors, _tensor(dielectric)), crystal, "")


def _tensor(numbers: Sequence[float]) -> Floats:
    """Tensor (3, 3) of one, three or nine numbers; a ValueError for another count."""
    if len(numbers) == 9:
        return np.reshape(np.array(numbers, dtype=float), (3, 3))
    if len(numbers) not in (1, 3):
        raise ValueError(f"{len(numbers)} numbers")
    return np.diag(np.broadcast_to(np.array(numbers, dtype=float), 3))


def _checked(
    charges: Charges, crystal: Crystal, where: str
) -> tuple[Charges, tuple[Note, ...]]:
    """Impose symmetry and sum rule, and note the charge of each site."""
    try:
        found, notes = symmetric_charges(charges, space_group(crystal))
    except DataError as error:
        place = where or error.where
        raise DataError(error.what, where=place, why=error.why, fix=error.fix) from None
    mean = np.einsum("sxx->s", found.born) / 3.0
    sites = ", ".join(f"{s} {z:+.3f}" for s, z in zip(crystal.species, mean, strict=True))
    source = f" ({where})" if where else ""
    notes = (Note("note", f"mean Born charges of the sites{source}: {sites} e"), *notes)
    if layer_of(crystal.cell, crystal.sites) is not None:
        text = (
            "the crystal is a layer, and its dipole–dipole forces are those of a stack of "
            "layers at the period of the box: right for the forces of the run, but near Γ an "
            "isolated layer has no splitting of longitudinal and transverse modes"
        )
        notes = (*notes, Note("warning", text))
    return found, notes


def _read(path: Path) -> _Found:
    why = "the file holds none, or is damaged"
    fix = (
        "give BORN, phonopy's yaml, vasprun.xml, OUTCAR, infile.lotosplitting, or "
        "force_constants.h5 with charges"
    )
    with reading("the Born charges", path, why=why, fix=fix):
        if path.suffix in {".yaml", ".yml"}:
            return _of_yaml(path)
        if path.suffix == ".xml":
            return _of_vasprun(path)
        if path.suffix == ".h5":
            return _of_constants(path)
        if "OUTCAR" in path.name:
            return _of_outcar(path)
        if "lotosplitting" in path.name:
            return _of_tdep(path)
        return _of_born(path)


def _of_born(path: Path) -> _Found:
    """Read a BORN file: a line with a factor or a comment, ε∞, and one line for each site."""
    text = path.read_text(encoding="utf-8", errors="replace")
    _, *lines = text.splitlines() or [""]
    rows = [line.split("#")[0].split() for line in lines]
    tensors = [np.array(row[:9], dtype=float).reshape(3, 3) for row in rows if row]
    if len(tensors) < 2:
        raise DataError(
            "the file has no Born charges",
            where=str(path),
            why="phonopy's BORN has a line of text, one with ε∞, and one for each site",
        )
    return _Found(np.array(tensors[1:]), tensors[0])


def _of_yaml(path: Path) -> _Found:
    content = read_yaml(path)
    nac = content.get("nac", content)
    cell = content.get("primitive_cell") or content["unit_cell"]
    points = cell["points"]
    structure = Crystal(
        cell=np.array(cell["lattice"], dtype=float),
        sites=np.array([point["coordinates"] for point in points], dtype=float),
        species=tuple(point["symbol"] for point in points),
        masses=np.ones(len(points)),
    )
    born = np.array(nac["born_effective_charge"], dtype=float)
    return _Found(born, np.array(nac["dielectric_constant"], dtype=float), structure)


def _of_vasprun(path: Path) -> _Found:
    from phonopy.interface.vasp import VasprunxmlExpat  # noqa: PLC0415 - loads slowly

    with path.open("rb") as file:
        vasprun = VasprunxmlExpat(file)
        vasprun.parse()
    atoms = vasprun.cell
    structure = Crystal(
        atoms.cell, atoms.scaled_positions, tuple(atoms.symbols), np.ones(len(atoms))
    )
    return _Found(np.array(vasprun.born), np.array(vasprun.epsilon), structure)


def _of_outcar(path: Path) -> _Found:
    from phonopy.interface.vasp import get_born_OUTCAR  # noqa: PLC0415 - loads slowly

    cell = path.parent / "POSCAR"
    if not cell.is_file():
        raise DataError(
            "there is no POSCAR beside OUTCAR, which has no list of atoms with their species",
            where=str(path),
            fix="copy POSCAR into its folder, or give vasprun.xml",
        )
    born, epsilon, _ = get_born_OUTCAR(str(cell), str(path), is_symmetry=False)
    return _Found(np.array(born), np.array(epsilon), read_poscar(cell))


def _of_constants(path: Path) -> _Found:
    constants = hdf5.read(path, None)
    charges = constants.charges
    if charges is None:
        raise DataError("the force constants have no Born charges", where=str(path))
    return _Found(charges.born, charges.dielectric, constants.crystal, charges.quadrupoles)


def _of_tdep(path: Path) -> _Found:
    numbers = Numbers(path)
    structure = read_poscar(path.parent / "infile.ucposcar")
    dielectric = numbers.rows(3, 3, "a row of the dielectric tensor")
    born = numbers.rows(3 * structure.n_sites, 3, "a row of a Born charge")
    numbers.finish(whole=False)
    return _Found(born.reshape(-1, 3, 3), dielectric, structure)


def _on_sites(found: _Found, crystal: Crystal, path: Path) -> Ints:
    """(s,) index in the structure of the atom on each site of a crystal."""
    whole = found.structure
    if whole is None or len(found.born) != whole.n_sites:
        raise DataError(
            f"the file has {len(found.born)} Born charges of another number of atoms",
            where=str(path),
            why="the file is damaged",
        )
    ratio = whole.cell @ np.linalg.inv(crystal.cell)
    matrix = np.rint(ratio)
    refusal = DataError(
        "the Born charges belong to another structure than that of the run",
        where=str(path),
        why="its lattice vectors are no multiples of those of the crystal, its Cartesian axes "
        "differ, or its atoms lie elsewhere",
        fix="calculate the charges for the cell given with --cell, in the same axes",
    )
    if np.abs(ratio - matrix).max() > _STRAIN * max(1.0, np.abs(matrix).max()):
        raise refusal
    if not abs(np.linalg.det(matrix)) > 0.5:
        raise refusal
    reduced = whole.sites @ matrix
    other = np.array(whole.species)[:, None] != np.array(crystal.species)
    best, chosen = np.inf, np.zeros(crystal.n_sites, dtype=np.int64)
    for start in np.flatnonzero(~other[:, 0]):
        shift = crystal.sites[0] - reduced[start]
        apart = wrap(reduced[:, None] + shift - crystal.sites) @ crystal.cell
        distance = np.where(other, np.inf, np.linalg.norm(apart, axis=-1))
        worst = float(distance.min(axis=0).max())
        if worst < best:
            best, chosen = worst, distance.argmin(axis=0)
    if best > _FAR:
        raise refusal
    return chosen
