"""ALAMODE: force constants for anphon, and displacements and forces of a DFSET.

Written: an XML file, given as FCSXML or FCSFILE in anphon's input.

Its layout follows alm's writer (alm/writer.cpp) and anphon's readers (fcs_phonon.cpp,
system.cpp), in Rydberg units: supercell vectors in bohr, reduced positions, and for each pure
translation and primitive atom the translated atom of the supercell. A force constant names its
first atom among the primitive ones, and the others among those of the supercell, each with its
image: image 1 is the supercell itself, 2 to 27 are its neighbours, the third vector fastest.
All second-order force constants are written. Of third and fourth order, only those whose
members after the first, as 3·atom + direction, do not decrease are written: anphon generates
the others by permuting members that differ in this number.

The force constants are those by lattice vector, image by image, so that nothing is divided
among images. The exception is a dipole–dipole part, which anphon expects in them and subtracts.
A cluster that extends beyond the 27 supercells cannot be written.

BORNINFO holds ε∞ and Z* of each site, three rows each, in the order of the primitive atoms of
the XML file: anphon reads them number by number (dielec.cpp, load_born). Rows of Z* are
directions of the polarisation, columns those of the displacement: anphon contracts the second
index with the displacements (dielec.cpp, compute_dielectric_function), as here.

A reader in the tests that follows anphon's verifies the file; anphon itself was not available.
alm's tables of unique force constants (HarmonicUnique, CubicUnique) are omitted: anphon does
not need them, alm needs them to fix force constants in a fit.

Read: DFSET, rows of a displacement and a force, frame after frame. ALAMODE defines them in bohr
and Ry/bohr (its manual, "How to make a DFSET file"); similar files of other programs are in Å
and eV/Å. The file contains neither its units nor its supercell.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.formats import Export, Format, SnapshotReader
from trajmodes.formats.cell_file import read_supercell
from trajmodes.formats.dipoles import whole_in
from trajmodes.formats.folding import Clusters, canonical_order, clusters_by_order
from trajmodes.notes import Note
from trajmodes.readers.arrays import displaced_frames
from trajmodes.readers.text.tables import frames_of_rows, is_number, read_rows
from trajmodes.readers.trajectory import Trajectory
from trajmodes.readers.units import unit_factors
from trajmodes.units import BOHR, RYDBERG

_TAGS = {2: "HARMONIC", 3: "ANHARM3", 4: "ANHARM4"}
# Ry/bohrⁿ; anphon ignores smaller force constants.
_SMALLEST = 1e-15


def write(constants: ForceConstants, supercell: Supercell, folder: Path) -> Export:
    """Write alamode.xml with the force constants of all orders, and BORNINFO with charges."""
    path = folder / "alamode.xml"
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<Data>\n')
        file.writelines(f"  {line}\n" for line in _structure(supercell))
        file.write("  <ForceConstants>\n")
        for clusters in clusters_by_order(whole_in(constants, supercell)).values():
            file.writelines(f"    {line}\n" for line in _elements(supercell, clusters))
        file.write("  </ForceConstants>\n</Data>\n")
    notes = ["anphon takes masses from its table unless MASS is given in its input"]
    charges = constants.charges
    if charges is None:
        return Export((path,), tuple(notes))
    born = folder / "BORNINFO"
    rows = np.concatenate([charges.dielectric, *charges.born])
    born.write_text("".join(f"{_row(row)}\n" for row in rows), encoding="utf-8")
    notes.append("anphon subtracts the dipole–dipole part with NONANALYTIC = 3 and BORNINFO")
    return Export((path, born), tuple(notes))


def _structure(supercell: Supercell) -> Iterator[str]:
    """Lines of the supercell and its translations."""
    kinds = list(dict.fromkeys(supercell.crystal.species))
    n_sites = supercell.crystal.n_sites
    yield "<ALM_version>1.4.2</ALM_version>"
    yield "<Structure>"
    yield f"  <NumberOfAtoms>{supercell.n_atoms}</NumberOfAtoms>"
    yield f"  <NumberOfElements>{len(kinds)}</NumberOfElements>"
    yield "  <AtomicElements>"
    for number, kind in enumerate(kinds, start=1):
        yield f'    <element number="{number}">{kind}</element>'
    yield "  </AtomicElements>"
    yield "  <LatticeVector>"
    for i, row in enumerate(supercell.cell / BOHR, start=1):
        yield f"    <a{i}>{_row(row)}</a{i}>"
    yield "  </LatticeVector>"
    yield "  <Periodicity>1 1 1</Periodicity>"
    yield "  <Position>"
    for atom, (row, kind) in enumerate(
        zip(_wrapped_positions(supercell), supercell.species, strict=True)
    ):
        yield f'    <pos index="{atom + 1}" element="{kind}">{_row(row)}</pos>'
    yield "  </Position>"
    yield "</Structure>"
    yield "<Symmetry>"
    yield f"  <NumberOfTranslations>{supercell.n_cells}</NumberOfTranslations>"
    yield "  <Translations>"
    for atom in range(supercell.n_atoms):
        cell, site = divmod(atom, n_sites)
        yield f'    <map tran="{cell + 1}" atom="{site + 1}">{atom + 1}</map>'
    yield "  </Translations>"
    yield "</Symmetry>"


def _wrapped_positions(supercell: Supercell) -> Floats:
    """Reduced positions in the supercell, wrapped into [0, 1)."""
    reduced = supercell.positions @ np.linalg.inv(supercell.cell)
    return reduced - np.floor(reduced + 1e-10)


def _elements(supercell: Supercell, clusters: Clusters) -> Iterator[str]:
    """One line per force constant of one order, in Ry/bohrⁿ."""
    sites_cn, lattice_cnx, values = clusters
    n = sites_cn.shape[1]
    atoms_cn, images_cn = _atoms_and_images(supercell, sites_cn, lattice_cnx)
    flat = values.reshape(len(values), -1) * (BOHR**n / RYDBERG)
    directions = np.indices((3,) * n).reshape(n, -1).T
    tag = f"FC{n}"
    yield f"<{_TAGS[n]}>"
    for site, atoms, images, numbers in zip(
        sites_cn[:, 0], atoms_cn, images_cn, flat, strict=True
    ):
        elements = 3 * atoms[1:] + directions[:, 1:]
        rising = (np.diff(elements, axis=1) >= 0).all(axis=1)
        for d in np.flatnonzero(rising & ((np.abs(numbers) > _SMALLEST) | (n == 2))):
            members = "".join(
                f' pair{m + 1}="{atoms[m] + 1} {directions[d, m] + 1} {images[m] + 1}"'
                for m in range(1, n)
            )
            first = f'pair1="{site + 1} {directions[d, 0] + 1}"'
            yield f"  <{tag} {first}{members}>{numbers[d]:.15e}</{tag}>"
    yield f"</{_TAGS[n]}>"


def _atoms_and_images(
    supercell: Supercell, sites_cn: Ints, lattice_cnx: Ints
) -> tuple[Ints, Ints]:
    """Atom of the supercell and number of its image for each member of each cluster."""
    atoms = canonical_order(supercell).atoms(sites_cn, lattice_cnx)
    places = _wrapped_positions(supercell)
    reduced = (lattice_cnx + supercell.crystal.sites[sites_cn]) @ np.linalg.inv(
        supercell.matrix
    )
    # The first atom may have been wrapped too: images are relative to its image.
    moved = reduced - places[atoms]
    image = np.rint(moved - moved[:, :1]).astype(np.int64)
    if np.abs(image).max(initial=0) > 1:
        raise DataError(
            "a cluster extends beyond the neighbours of the supercell",
            where=f"supercell matrix {supercell.matrix.tolist()}",
            why="the force constants reach too far for it, or its vectors are very skew",
            fix="use a supercell with shorter vectors, or smaller cutoffs",
        )
    rank = (image + 1) @ np.array([9, 3, 1])
    # Image 13 is the supercell itself and comes first.
    return atoms, np.where(rank == 13, 0, rank + (rank < 13))


def _row(numbers: Floats) -> str:
    return "".join(f" {x:.15e}" for x in numbers)


def looks_like_dfset(path: Path, head: bytes) -> bool:
    """Whether a text starts with a row of six numbers, apart from comments."""
    del path
    rows = (line.partition(b"#")[0].split() for line in head.splitlines())
    first = next(filter(None, rows), [])
    return len(first) == 6 and all(map(is_number, first))


def read_dfset(path: Path, options: ReadOptions) -> Trajectory:
    """Read displacements and forces of a DFSET file.

    ``options.units`` is the LAMMPS style of lengths and forces, by default those of ALAMODE.
    ``options.supercell`` is a cell file with the atoms in the order of the DFSET file.
    """
    if options.supercell is None:
        raise UsageError(
            "a DFSET file does not contain its supercell",
            where=str(path),
            fix="give the undisplaced supercell, atoms in the same order: --supercell SPOSCAR",
        )
    ideal = read_supercell(Path(options.supercell))
    u_tax, f_tax = frames_of_rows(read_rows(path, 2), len(ideal.species), path)
    if options.units is None:
        length, force, style = BOHR, RYDBERG / BOHR, "alamode"
        text = f"{path.name} is read in bohr and Ry/bohr, as ALAMODE defines it"
        fix = "--units metal, if it is in Å and eV/Å"
        notes: tuple[Note, ...] = (Note("warning", text, fix=fix),)
    else:
        factors = unit_factors(options.units, options.lj)
        length, force, style, notes = factors.length, factors.force, options.units, ()
    return displaced_frames(
        ideal, u_tax * length, f_tax * force, path, unit_style=style, notes=notes
    )


FORMAT = Format(
    write_force_constants=write,
    snapshots=SnapshotReader(looks_like_dfset, read_dfset, holds_units=False),
)
