"""phono3py: fc2.hdf5, fc3.hdf5 and phono3py_params.yaml, of second and third order.

The layout follows phono3py's documentation (“Input / Output files”): fc3 (s, a, a, 3, 3, 3) in
eV/Å³ and force_constants (s, a, 3, 3) in eV/Å², with rows for the primitive atoms given by
p2s_map (compact format). h5py reads and writes them; phono3py is not needed. fc3 is stored in
compressed pieces, and pieces of zeros take no space on the disk; phono3py itself holds s·a²·27
numbers in memory.

`phono3py-load phono3py_params.yaml` in the folder reads all three. Without third order there is
no fc3.hdf5; phonopy reads fc2.hdf5 as well.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.errors import DataError
from trajmodes.formats import ConstantsReader, Export, Format, phonopy
from trajmodes.formats.charges import charges_in
from trajmodes.formats.folding import (
    SupercellTriplets,
    beyond_nearest,
    fold_pairs,
    fold_triplets,
    spread_triplets,
)
from trajmodes.formats.hdf5 import looks_like, new_hdf5, opened
from trajmodes.formats.phonopy import PHONO3PY_YAML, PhonopyCells, cells_in, read_cells
from trajmodes.formats.phonopy_yaml import yaml_beside
from trajmodes.units import DALTON


def write(constants: ForceConstants, supercell: Supercell, folder: Path) -> Export:
    """Write fc2.hdf5, phono3py_params.yaml and, with third order, fc3.hdf5."""
    cells = cells_in(supercell)
    parameters = folder / "phono3py_params.yaml"
    lines = [*_cell_lines(supercell), *_charge_lines(constants)]
    parameters.write_text("\n".join(lines) + "\n", encoding="utf-8")
    pairs = folder / "fc2.hdf5"
    with new_hdf5(pairs) as file:
        file.create_dataset(
            "force_constants",
            data=fold_pairs(constants, cells.order, cells.rows),
            compression="gzip",
        )
        file.create_dataset("p2s_map", data=cells.rows)
        file.create_dataset("physical_unit", data=np.array([b"eV/angstrom^2"]))
    paths = [parameters, pairs]
    if constants.triplets is not None:
        paths.append(folder / "fc3.hdf5")
        _write_third_order(constants.triplets, cells, paths[-1])
    return Export(tuple(paths), _notes(constants, supercell))


def _notes(constants: ForceConstants, supercell: Supercell) -> tuple[str, ...]:
    notes = []
    if constants.triplets is None:
        notes.append(
            "there are no third-order force constants, hence no fc3.hdf5: fit with --cutoff3"
        )
    if constants.quartets is not None:
        notes.append("phono3py has no fourth-order force constants: they are not written")
    beyond = [x for x in beyond_nearest(constants, supercell) if x != "quartets"]
    if beyond:
        notes.append(
            f"{' and '.join(beyond)} reach beyond the nearest images of the supercell: "
            "phono3py gives the same results at commensurate q only"
        )
    return tuple(notes)


def _write_third_order(triplets: ClusterConstants, cells: PhonopyCells, path: Path) -> None:
    """Write fc3 in pieces, each with the force constants of two atoms with all atoms."""
    n_sites, n_atoms = len(cells.rows), cells.order.supercell.n_atoms
    mask = np.zeros((n_sites, n_atoms, n_atoms), dtype=np.int8)
    with new_hdf5(path) as file:
        fc3 = file.create_dataset(
            "fc3",
            (n_sites, n_atoms, n_atoms, 3, 3, 3),
            dtype="f8",
            chunks=(1, 1, n_atoms, 3, 3, 3),
            compression="gzip",
            compression_opts=4,
        )
        for row, atom, slab in fold_triplets(triplets, cells.order, cells.rows):
            fc3[row, atom] = slab
            mask[row, atom] = slab.any(axis=(1, 2, 3))
        # phono3py skips triplets that are marked as empty.
        file.create_dataset("fc3_nonzero_indices", data=mask, compression="gzip")
        file.create_dataset("p2s_map", data=cells.rows)


def _cell_lines(supercell: Supercell) -> Iterator[str]:
    """Lines of a phono3py.yaml-like file: crystal and supercell matrix."""
    crystal = supercell.crystal
    yield "phono3py:"
    yield '  calculator: "vasp"'
    yield "physical_unit:"
    yield '  atomic_mass: "AMU"'
    yield '  length: "angstrom"'
    yield '  force_constants: "eV/angstrom^2"'
    yield "supercell_matrix:"
    yield from (f"- [ {a}, {b}, {c} ]" for a, b, c in supercell.matrix.T)
    yield "primitive_matrix:"
    yield from (f"- [ {a}, {b}, {c} ]" for a, b, c in np.eye(3))
    yield "unit_cell:"
    yield "  lattice:"
    yield from (f"  - [ {a:.15f}, {b:.15f}, {c:.15f} ]" for a, b, c in crystal.cell)
    yield "  points:"
    for symbol, (a, b, c), mass in zip(
        crystal.species, crystal.sites, crystal.masses / DALTON, strict=True
    ):
        yield f"  - symbol: {symbol}"
        yield f"    coordinates: [ {a:.17f}, {b:.17f}, {c:.17f} ]"
        yield f"    mass: {mass:.12f}"


def _charge_lines(constants: ForceConstants) -> Iterator[str]:
    """Lines of the charges, as phono3py writes and reads them."""
    charges = constants.charges
    if charges is None:
        return
    yield "nac:"
    yield "  born_effective_charge:"
    for number, tensor in enumerate(charges.born, start=1):
        yield f"  - # {number}"
        yield from _tensor_lines(tensor)
    yield "  dielectric_constant:"
    yield from _tensor_lines(charges.dielectric)


def _tensor_lines(tensor: Floats) -> Iterator[str]:
    return (f"    - [ {a:.15f}, {b:.15f}, {c:.15f} ]" for a, b, c in tensor)


def _is_third_order(path: Path) -> bool:
    """Whether a file is an fc3.hdf5, or the fc2.hdf5 beside one."""
    if path.name == "fc2.hdf5":
        return (path.parent / "fc3.hdf5").exists()
    return looks_like(path, lambda file: "fc3" in file, "fc3.hdf5")


def read(path: Path, supercell: Supercell | None) -> ForceConstants:
    """Read force constants of second and third order from fc2.hdf5 and fc3.hdf5 in one folder.

    They are divided among nearest images as in phono3py. Third order is read unchanged. If it
    comes from finite displacements, it should be symmetrised by phono3py first. The atoms of
    ``supercell`` are taken in the order of phono3py; None reads it from the phono3py.yaml-like
    file in the folder.
    """
    cubic = path if path.name != "fc2.hdf5" else path.parent / "fc3.hdf5"
    pairs = path.parent / "fc2.hdf5"
    if not pairs.exists():
        raise DataError(
            "fc2.hdf5 is missing beside the third-order force constants",
            where=str(path.parent),
            fix="copy phono3py's fc2.hdf5 into the same folder",
        )
    if supercell is None:
        described = yaml_beside(path, PHONO3PY_YAML)
        of_pairs = read_cells(described)
        of_cubic = read_cells(described, of_pairs=False)
    else:
        of_pairs = of_cubic = cells_in(supercell)
    found = phonopy.read_on_cells(pairs, of_pairs, _charges_of(path))
    third = _read_third_order(cubic, of_cubic)
    triplets = spread_triplets(third, of_cubic.order, of_cubic.rows)
    return replace(found, triplets=triplets)


def read_supercell(path: Path) -> Supercell:
    """Read the supercell of the third order from the yaml file beside it."""
    described = yaml_beside(path, PHONO3PY_YAML)
    return read_cells(described, of_pairs=False).order.supercell


def _charges_of(path: Path) -> Path | None:
    return charges_in(*(path.parent / name for name in (*PHONO3PY_YAML, "BORN")))


def _read_third_order(path: Path, cells: PhonopyCells) -> SupercellTriplets:
    """Read the third-order force constants that are not zero, one row of a site at a time."""
    parts: list[tuple[Ints, Ints, Ints, Floats]] = []
    with opened(path) as file:
        fc3 = file["fc3"]
        rows = phonopy.row_numbers(fc3.shape, phonopy.row_atoms(file, cells), cells, path)
        for s, row in enumerate(rows):
            slab = fc3[int(row)]
            j, k = np.nonzero(slab.any(axis=(2, 3, 4)))
            parts.append((np.full(len(j), s), j, k, slab[j, k]))
    first, second, third, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    if not len(values):
        raise DataError("all third-order force constants are zero", where=str(path))
    if not np.isfinite(values).all():
        raise DataError("a force constant is not finite", where=str(path))
    return SupercellTriplets(first, second, third, values * cells.unit_of_triplets)


FORMAT = Format(
    write_force_constants=write,
    constants=ConstantsReader(_is_third_order, read, read_supercell, _charges_of),
)
