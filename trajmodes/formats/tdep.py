"""TDEP: force constants and cells, read and written, and its positions and forces, read.

Force constants are in outfile.forceconstant, …_thirdorder and …_fourthorder. The layout follows
TDEP's documentation (extract_forceconstants) and the read statements of its sources (libolle,
type_forceconstant_*.f90), which are list-directed and hence ignore spacing. Second order:
number of atoms, cutoff in Å, for each atom the number of neighbours, for each neighbour its
index, its lattice vector, and three rows of force constants in eV/Å²; a line 0 if there are no
Born charges. Third and fourth order: for each cluster the indices of all members, a line each,
then the lattice vectors of all members, then 9 or 27 rows, the last index along a row.

TDEP wraps the sites of infile.ucposcar into the cell, so they are written wrapped, and lattice
vectors are relative to the wrapped sites. Atoms are grouped by species. TDEP maps force
constants onto a supercell by distance and stops if a cluster within the longest distance is
missing: such clusters are written as zeros.

With Born charges the line is 3, and ε∞, Λ in 1/bohr and the charges follow, as a matrix of
coefficients of irreducible parameters. TDEP adds the reciprocal part of Ewald's sum for this Λ
and a term of each atom with itself (correction of type 3; type_forceconstant_secondorder_loto).
The sum over cells is therefore contained in its force constants, and is moved here to the
dipole–dipole part. infile.lotosplitting has the charges in rows along the displacement.

The files have been read back by a reader written after TDEP's read statements (in the tests),
not by TDEP itself. TDEP uses the natural masses of the elements whatever masses were used here.

Its input is a folder with infile.positions, infile.forces and their supercell infile.ssposcar.
Positions are fractional, wrapped into the supercell or not; forces are in eV/Å.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.coulomb.charges import symmetric_charges
from trajmodes.coulomb.ewald import dipole_sum, near_pairs
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.data.lattice import nearest_neighbour, wrap
from trajmodes.errors import DataError
from trajmodes.formats import ConstantsReader, Export, Format, SnapshotReader
from trajmodes.formats.cell_file import grouped_by_species, read_poscar, write_poscar
from trajmodes.formats.cell_file import read_supercell as read_ideal
from trajmodes.formats.dipoles import add_pairs, without_quadrupoles
from trajmodes.formats.folding import Clusters, clusters_by_order
from trajmodes.notes import Note
from trajmodes.readers.arrays import displaced_frames
from trajmodes.readers.text.tables import Numbers, frames_of_rows, read_rows, require_line_end
from trajmodes.readers.trajectory import Trajectory
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import BOHR

_PRIMITIVE, _SUPERCELL = "infile.ucposcar", "infile.ssposcar"
_CHARGES = "infile.lotosplitting"
_SMALLEST = 1e-8  # eV/Å²; smaller force constants of the sum over cells are not written
_SUFFIX = {2: "", 3: "_thirdorder", 4: "_fourthorder"}
_MEMBERS = {2: "neighbours", 3: "triplets", 4: "quartets"}


def write(constants: ForceConstants, supercell: Supercell, folder: Path) -> Export:
    """Write the force constants of all orders, infile.ucposcar and infile.ssposcar."""
    constants = without_quadrupoles(constants, supercell)
    crystal, charges = constants.crystal, constants.charges
    width = 8.0 * crystal.volume / nearest_neighbour(crystal) ** 3
    if charges is not None:
        near = near_pairs(dipole_sum(crystal, charges, width), _SMALLEST)
        constants = add_pairs(constants, near)
    folded, shift = _fold_sites(crystal.sites)
    order = grouped_by_species(crystal.species)
    species = tuple(crystal.species[s] for s in order)
    cells = folder / _PRIMITIVE, folder / _SUPERCELL
    write_poscar(cells[0], crystal.cell, folded[order], species)
    atoms = grouped_by_species(supercell.species)
    places = supercell.positions[atoms] @ np.linalg.inv(supercell.cell)
    names = tuple(supercell.species[a] for a in atoms)
    write_poscar(cells[1], supercell.cell, _fold_sites(places)[0], names)
    ordered = Crystal(crystal.cell, folded[order], species, crystal.masses[order])
    paths = []
    for n, clusters in clusters_by_order(constants).items():
        paths.append(folder / f"outfile.forceconstant{_SUFFIX[n]}")
        moved = _move(clusters, shift, np.argsort(order))
        _write_clusters(paths[-1], ordered, _complete_clusters(moved, ordered))
    with paths[0].open("a", encoding="utf-8") as file:
        if charges is None:
            file.write(" 0   no Born charges\n")
        else:
            charges = replace(charges, born=charges.born[order])
            file.writelines(_charge_lines(charges, dipole_sum(ordered, charges, width).width))
            paths.append(folder / _CHARGES)
            rows = np.concatenate([charges.dielectric, *charges.born])
            paths[-1].write_text("".join(map(_row, rows)), encoding="utf-8")
    note = "TDEP takes the natural masses of the elements, not those of the run"
    return Export((*paths, *cells), (note,))


def _fold_sites(reduced: Floats) -> tuple[Floats, Ints]:
    """Reduced coordinates in [0, 1), with TDEP's tolerance at 0, and what was subtracted."""
    shift = np.floor(reduced + 1e-10).astype(np.int64)
    folded = reduced - shift
    return np.where(np.abs(folded) < 1e-10, 0.0, folded), shift


def _move(clusters: Clusters, shift: Ints, place: Ints) -> Clusters:
    """Clusters of wrapped sites in another order."""
    lattice = clusters.lattice + shift[clusters.sites]
    return Clusters(place[clusters.sites], lattice - lattice[:, :1], clusters.values)


def _complete_clusters(clusters: Clusters, crystal: Crystal) -> Clusters:
    """Add all clusters whose members are no farther apart than those of any given one.

    The values of clusters listed twice are added, and missing clusters are zero. They are
    sorted by first site, size, members and lattice vectors.
    """
    reach = _largest_distance(clusters, crystal)
    sites, lattice = _all_clusters(crystal, reach, clusters.sites.shape[1])
    keys = np.concatenate([clusters.sites, sites]), np.concatenate([clusters.lattice, lattice])
    rows = np.concatenate([keys[0], keys[1].reshape(len(keys[0]), -1)], axis=1)
    _, first, place = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    values = np.zeros((len(first), *clusters.values.shape[1:]))
    np.add.at(values, place.reshape(-1)[: len(clusters.sites)], clusters.values)
    sites, lattice = keys[0][first], keys[1][first]
    ends = (lattice + crystal.sites[sites]) @ crystal.cell
    size = np.linalg.norm(ends - ends[:, :1], axis=2).sum(axis=1)
    order = np.lexsort((np.round(size, 6), sites[:, 0]))
    return Clusters(sites[order], lattice[order], values[order])


def _largest_distance(clusters: Clusters, crystal: Crystal) -> float:
    """Largest distance of two members in Å."""
    ends = (clusters.lattice + crystal.sites[clusters.sites]) @ crystal.cell
    apart = ends[:, :, None] - ends[:, None]
    return float(np.linalg.norm(apart, axis=-1).max(initial=0.0))


def _all_clusters(crystal: Crystal, reach: float, order: int) -> tuple[Ints, Ints]:
    """Sites (c, n) and lattice vectors (c, n, 3) of all clusters within a distance in Å."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(crystal.cell), axis=0)
    span = [range(-n, n + 1) for n in np.ceil(reach / heights + 1.0).astype(int)]
    cells = np.array(list(itertools.product(*span)))
    sites, lattice = [], []
    for s in range(crystal.n_sites):
        place = cells[:, None, :] + crystal.sites[None, :, :]
        apart = (place - crystal.sites[s]) @ crystal.cell
        cell, site = np.nonzero(np.linalg.norm(apart, axis=2) < reach + 1e-5)
        vectors = apart[cell, site]
        near = np.linalg.norm(vectors[:, None] - vectors, axis=2) < reach + 1e-5
        members = np.arange(len(site))[:, None]
        for _ in range(order - 2):
            row, new = np.nonzero(near[members].all(axis=1))
            members = np.concatenate([members[row], new[:, None]], axis=1)
        own = np.full((len(members), 1), s)
        home = np.zeros((len(members), 1, 3), dtype=np.int64)
        sites.append(np.concatenate([own, site[members]], axis=1))
        lattice.append(np.concatenate([home, cells[cell[members]]], axis=1))
    return np.concatenate(sites), np.concatenate(lattice)


def _write_clusters(path: Path, crystal: Crystal, clusters: Clusters) -> None:
    order = clusters.sites.shape[1]
    # As TDEP writes it: slightly more than the longest distance.
    cutoff = _largest_distance(clusters, crystal) + 1e-5
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{crystal.n_sites:11d}               atoms in the unit cell\n")
        file.write(f"{cutoff:21.15f}     cutoff (A)\n")
        for s in range(crystal.n_sites):
            mine = np.flatnonzero(clusters.sites[:, 0] == s)
            file.write(f"{len(mine):11d}               {_MEMBERS[order]} of atom {s + 1}\n")
            # Of a pair, the first member is not listed.
            start = int(order == 2)
            for c in mine:
                file.writelines(f"{member + 1:11d}\n" for member in clusters.sites[c, start:])
                file.writelines(_row(n.astype(float)) for n in clusters.lattice[c, start:])
                file.writelines(_row(row) for row in clusters.values[c].reshape(-1, 3))


def _charge_lines(charges: Charges, width: float) -> Iterator[str]:
    """Lines of ε∞, Λ and the charges; these are one irreducible parameter of value 1."""
    yield from (" 3   Born charges\n", *map(_row, charges.dielectric))
    yield f" {width * BOHR:24.16E}\n 1\n {1.0:24.16E}\n"
    yield from (f" {x:24.16E}\n" for tensor in charges.born for x in tensor.T.ravel())
    yield from map(_row, np.concatenate(charges.born))


def _row(numbers: Floats) -> str:
    return "".join(f" {x:24.16E}" for x in numbers) + "\n"


def _is_constants(path: Path) -> bool:
    """Whether a file has one of TDEP's names for force constants."""
    return any(
        path.name in {f"{where}.forceconstant{suffix}" for suffix in _SUFFIX.values()}
        for where in ("infile", "outfile")
    )


def read(path: Path, supercell: Supercell | None) -> ForceConstants:
    """Read second order, and third and fourth order if their files are in the folder.

    ``path`` is a file of any order. The crystal of ``supercell`` replaces infile.ucposcar, atom
    by atom; None reads that file.
    """
    start = path.name.split(".")[0] + ".forceconstant"
    cell = path.parent / _PRIMITIVE
    if supercell is None and not cell.exists():
        raise DataError(
            "infile.ucposcar is missing beside the force constants",
            where=str(path.parent),
            fix="copy it into the same folder, or give the supercell",
        )
    crystal = read_poscar(cell) if supercell is None else supercell.crystal
    # Lattice vectors of TDEP are relative to sites inside the cell.
    _, shift = _fold_sites(crystal.sites)
    found = {}
    for order, suffix in _SUFFIX.items():
        file = path.parent / (start + suffix)
        if order == 2 or file.exists():
            clusters, cutoff, after = _read_clusters(file, crystal, order)
            found[order] = _move(clusters, -shift, np.arange(crystal.n_sites)), cutoff
            if order == 2:
                polar = _read_charges(after, crystal)
            after.finish(whole=False)
    pairs, cutoff = found.pop(2)
    more = {
        order: ClusterConstants(c.sites, c.lattice, c.values, cutoff=reach)
        for order, (c, reach) in found.items()
    }
    constants = ForceConstants(
        crystal,
        pairs.sites[:, 0],
        pairs.sites[:, 1],
        pairs.lattice[:, 1],
        pairs.values,
        cutoff=cutoff,
        triplets=more.get(3),
        quartets=more.get(4),
    )
    if polar is None:
        return constants
    charges, width = polar
    volume = crystal.volume / np.sqrt(np.linalg.det(charges.dielectric))
    near = near_pairs(dipole_sum(crystal, charges, width**3 * volume))
    rest = add_pairs(constants, near._replace(values=-near.values))
    return replace(rest, charges=charges)


def _read_charges(numbers: Numbers, crystal: Crystal) -> tuple[Charges, float] | None:
    """Read charges and Λ in 1/Å behind the pairs; None if there are none."""
    kind = numbers.integers(1, "0 or the kind of Born charges")[0]
    if kind == 0:
        return None
    if kind != 3:
        raise numbers.error(f"Born charges of type 3 expected, found type {kind}")
    dielectric = numbers.rows(3, 3, "a row of the dielectric tensor")
    width = numbers.floats(1, "Λ of Ewald's sum")[0] / BOHR
    n_parameters = numbers.count("the number of parameters of the Born charges")
    values = numbers.rows(n_parameters, 1, "a parameter of the Born charges")[:, 0]
    table = numbers.rows(9 * crystal.n_sites, n_parameters, "coefficients of a Born charge")
    born = (table @ values).reshape(-1, 3, 3).swapaxes(1, 2)
    if not 0.0 < width < 100.0:
        raise numbers.error(f"Λ of Ewald's sum is {width:.3g} 1/Å")
    charges, _ = symmetric_charges(Charges(born, dielectric), space_group(crystal))
    return charges, width


def read_supercell(path: Path) -> Supercell:
    """Read the supercell from infile.ucposcar and infile.ssposcar in the same folder."""
    crystal = read_poscar(path.parent / _PRIMITIVE)
    larger = read_poscar(path.parent / _SUPERCELL)
    ratio = larger.cell @ np.linalg.inv(crystal.cell)
    matrix = np.rint(ratio).astype(np.int64)
    if np.abs(ratio - matrix).max() > 1e-4:
        raise DataError(
            "infile.ssposcar is not a supercell of infile.ucposcar", where=str(path.parent)
        )
    return build_supercell(crystal, matrix)


def _read_clusters(path: Path, crystal: Crystal, order: int) -> tuple[Clusters, float, Numbers]:
    """Read clusters, their cutoff in Å, and what follows them."""
    numbers = Numbers(path)
    n_sites = numbers.count("the number of atoms")
    if n_sites != crystal.n_sites:
        raise numbers.error(f"{crystal.n_sites} atoms expected, found {n_sites}")
    cutoff = numbers.floats(1, "the cutoff")[0]
    sites: list[list[int]] = []
    lattice: list[Ints] = []
    values: list[Floats] = []
    for s in range(n_sites):
        for _ in range(numbers.count(f"the number of {_MEMBERS[order]} of atom {s + 1}")):
            members, vectors = _read_members(numbers, s, n_sites, order)
            sites.append(members)
            lattice.append(vectors)
            rows = numbers.rows(3 ** (order - 1), 3, "constants")
            values.append(rows.reshape((3,) * order))
    found = Clusters(
        np.array(sites, dtype=np.int64).reshape(-1, order),
        np.array(lattice, dtype=np.int64).reshape(-1, order, 3),
        np.array(values).reshape(-1, *(3,) * order),
    )
    return found, cutoff, numbers


def _read_members(
    numbers: Numbers, first: int, n_sites: int, order: int
) -> tuple[list[int], Ints]:
    """Sites and lattice vectors of one cluster, the first member included."""
    n_listed = 1 if order == 2 else order
    members = [numbers.index(n_sites, "the index of an atom") for _ in range(n_listed)]
    vectors = numbers.rows(n_listed, 3, "a lattice vector")
    whole = np.rint(vectors).astype(np.int64)
    if np.abs(vectors - whole).max() > 1e-3:
        raise numbers.error("a lattice vector of whole numbers expected")
    if order == 2:
        return [first, *members], np.concatenate([np.zeros((1, 3), dtype=np.int64), whole])
    if members[0] != first or whole[0].any():
        raise numbers.error(f"a first member in the home cell, atom {first + 1}, expected")
    return members, whole


def _is_input(path: Path, head: bytes) -> bool:
    """Whether a path is one of TDEP's input files, or a folder that contains them."""
    del head
    folder = path.parent if path.name.startswith("infile.") else path
    return (folder / "infile.positions").is_file()


def _read_input(path: Path, options: ReadOptions) -> Trajectory:
    """Read snapshots of a TDEP folder, as displacements from its ideal supercell.

    ``options.supercell`` is a cell file that replaces infile.ssposcar.
    """
    ideal = read_ideal(Path(options.supercell or path / _SUPERCELL))
    positions, forces = path / "infile.positions", path / "infile.forces"
    n_atoms = len(ideal.species)
    (s_tax,) = frames_of_rows(read_rows(positions, 1), n_atoms, positions)
    (f_tax,) = frames_of_rows(read_rows(forces, 1), n_atoms, forces)
    if len(s_tax) != len(f_tax):
        raise DataError(
            f"there are {len(s_tax)} frames of positions and {len(f_tax)} of forces",
            where=str(path),
            why="one of the files is truncated",
        )
    notes = _check_meta(path / "infile.meta", n_atoms, len(s_tax))
    apart = wrap(s_tax - ideal.positions @ np.linalg.inv(ideal.cell))
    return displaced_frames(
        ideal, apart @ ideal.cell, f_tax, positions, unit_style="tdep", notes=notes
    )


def _check_meta(path: Path, n_atoms: int, n_frames: int) -> tuple[Note, ...]:
    """Compare with infile.meta; note its temperature."""
    if not path.is_file():
        return ()
    text = path.read_bytes()
    require_line_end(text, str(path))
    lines = text.decode("utf-8", errors="replace").splitlines()
    try:
        numbers = [float(line.partition("#")[0].split()[0]) for line in lines[:4]]
        meta_atoms, meta_frames, _, kelvin = numbers
    except (ValueError, IndexError):
        raise DataError(
            "the file does not contain the four numbers that TDEP expects",
            where=str(path),
            fix="numbers of atoms and time steps, time step in fs, temperature in K",
        ) from None
    for name, announced, counted in (
        ("atoms", meta_atoms, n_atoms),
        ("frames", meta_frames, n_frames),
    ):
        if announced != counted:
            raise DataError(
                f"infile.meta announces {announced:g} {name}, the other files have {counted}",
                where=str(path.parent),
                why="a file is truncated, or of another run",
            )
    if kelvin == 0.0:
        return ()
    fix = f"--temperature {kelvin:g}, to label the force constants"
    return (Note("warning", f"infile.meta gives {kelvin:g} K", fix=fix),)


def _sibling_cell(path: Path) -> Path | None:
    """Find the primitive cell in the folder of the input files; None if it is missing."""
    beside = (path if path.is_dir() else path.parent) / _PRIMITIVE
    return beside if beside.is_file() else None


FORMAT = Format(
    write_force_constants=write,
    constants=ConstantsReader(_is_constants, read, read_supercell),
    snapshots=SnapshotReader(
        _is_input, _read_input, _sibling_cell, charges=(_CHARGES,), is_folder=True
    ),
)
