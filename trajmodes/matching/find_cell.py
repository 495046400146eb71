"""The primitive crystal of an average structure, from the translations of a noisy supercell.

A translation of the structure maps every atom to an atom of its species, up to the noise of the
average. Candidates are the vectors from one atom to others of its species. The shortest
translations span the primitive lattice. The box is an integer multiple of it, which makes the
lattice exact. Atoms of the same site are averaged, which reduces the noise by the square root
of the number of cells. spglib then finds the space group at a corresponding tolerance, and the
sites are symmetrised.

The axes are those of the standard primitive cell of spglib, as for cell files, or of a reduced
cell if the crystal has no rotations. A lattice has many such cells, and a choice that depends
on rounding could give runs of one crystal at two temperatures different axes. The choice here
does not depend on the noise: of the cells that the rotations of the lattice relate to each
other, it is the one whose vectors have the largest components along a fixed direction. Reduced
cells have all angles acute if possible, otherwise right or obtuse (the two types of Niggli,
Krystallographische Grundlagen, 1928).
"""

from dataclasses import replace
from itertools import combinations, product

import ase.data
import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import minimum_image, reduced_cell, wrap
from trajmodes.errors import DataError
from trajmodes.matching.average import AverageStructure
from trajmodes.matching.nearest import AtomSearch, search_tree
from trajmodes.notes import Note
from trajmodes.symmetry.operations import (
    ReducedCrystal,
    SpaceGroup,
    fold_atoms,
    in_symmetric_cell,
    on_symmetric_sites,
    space_group,
    standard_primitive,
    symmetry_dataset,
)
from trajmodes.units import DALTON

_PROBES = 24
_SHORTEST = 40
_MOST_NOISE = 0.075
"""Largest noise, relative to the distance of neighbours."""
_SAME_SITE = 0.45
"""Largest distance of two atoms of one site modulo the lattice, relative to that of
neighbours."""
_FLOOR = 2e-3
"""Least noise in Å, due to rounding in the file."""
_ALIKE = 5e-3
"""Lengths with a smaller relative difference are equal; cosines below it are zero."""
_ROUNDED = 1e-6
"""Displacements in Å below this are rounding errors."""
_TRICLINIC = 2
"""Largest number of a space group without rotations."""
_FORWARD = np.array([1.0, 0.6, 0.3])
"""Direction along which no two short vectors of a lattice have equal components."""


def find_crystal(
    average: AverageStructure, species: tuple[str, ...], masses: Floats | None = None
) -> ReducedCrystal:
    """Find the primitive crystal of an average structure, in the frame of the file.

    ``masses`` (a,) are in eV ps²/Å², by default the standard masses.

    Raises
    ------
    DataError
        If no translation is found, or atoms are not on the sites of its lattice.
    """
    box = average.box if np.linalg.det(average.box) > 0.0 else -average.box
    if masses is None:
        numbers = [ase.data.atomic_numbers[symbol] for symbol in species]
        masses = ase.data.atomic_masses[numbers] * DALTON
    reduced = average.positions @ np.linalg.inv(box)
    whole = Crystal(box, reduced, species, masses)
    structure = search_tree(whole)
    lattice, noise = _scanned_lattice(structure, _noise(average, structure))
    crystal, _ = fold_atoms(lattice, whole, _classes(structure, lattice))
    n_cells = len(species) // crystal.n_sites
    noise = noise / np.sqrt(n_cells)
    if average.motion is not None:
        noise = max(noise, average.motion.drift * float(np.linalg.norm(lattice, axis=1).max()))
    group, tolerance = _group_within(crystal, noise)
    symmetric, moved = on_symmetric_sites(group)
    if average.motion is not None:
        symmetric = in_symmetric_cell(symmetric, group)
    symmetric = _in_standard_axes(symmetric, group, tolerance)
    atoms = "1 atom" if crystal.n_sites == 1 else f"{crystal.n_sites} atoms"
    text = f"the average structure is {n_cells} primitive cells of {atoms}, space group "
    text += group.symbol
    if moved > _ROUNDED:
        text += f"; sites were moved by up to {moved:.1g} Å to impose it"
    return ReducedCrystal(symmetric, (Note("note", text),))


def note_of_displaced(
    name: str, whole: Crystal, smaller: Crystal, tolerance: float, *, is_snapshot: bool
) -> Note:
    """State that a file has displaced atoms, which is expected of a snapshot of the run."""
    return Note(
        "note" if is_snapshot else "warning",
        f"{name}: its {whole.n_sites} atoms have no symmetry within {tolerance:g} Å, while the "
        f"average structure of the run has a {smaller.n_sites}-atom primitive cell, which is "
        "used: the file seems to hold a supercell with displaced atoms",
        fix=f"to use the cell of the file as it is, give --symprec {tolerance:g}",
    )


def without_noise(whole: Crystal, tolerance: float) -> tuple[Crystal, float] | None:
    """Move each atom of a supercell to the mean of the atoms that translations map to it.

    Returns the cell, and the largest distance in Å that an atom was moved; None if there are no
    translations, or atoms would be moved by much more than the tolerance in Å.
    """
    structure = search_tree(whole)
    vectors = _translations(structure, 0.5 * tolerance)
    lattice = _primitive_lattice(whole, vectors) if len(vectors) else None
    if lattice is None:
        return None
    try:
        label = _classes(structure, lattice)
    except DataError:
        return None
    reduced = whole.positions @ np.linalg.inv(lattice)
    _, first = np.unique(label, return_index=True)
    apart = wrap(reduced - reduced[first][label])
    mean = np.stack([np.bincount(label, apart[:, x]) for x in range(3)], axis=1)
    change = ((mean / np.bincount(label)[:, None])[label] - apart) @ lattice
    moved = float(np.linalg.norm(change, axis=1).max())
    if moved > 3.0 * tolerance:
        return None
    return replace(whole, sites=whole.sites + change @ np.linalg.inv(whole.cell)), moved


def _noise(average: AverageStructure, structure: AtomSearch) -> float:
    """Estimate the statistical error in Å of averaged positions."""
    most = _MOST_NOISE * structure.spacing
    n_frames = len(average.frames)
    if average.exact:
        return _FLOOR
    if n_frames < 4:
        return 0.5 * most
    variance = float((average.deviations**2).sum(axis=2).mean())
    return float(np.clip(np.sqrt(variance / n_frames), _FLOOR, most))


def _scanned_lattice(structure: AtomSearch, noise: float) -> tuple[Floats, float]:
    """Find the lattice with increasing tolerance, until two tolerances give the same lattice.

    Correlated frames or slow modes make the noise of the average larger than estimated.
    """
    found: list[tuple[Floats, float]] = []
    while noise <= _MOST_NOISE * structure.spacing:
        vectors = _translations(structure, noise)
        lattice = _primitive_lattice(structure.whole, vectors) if len(vectors) else None
        if lattice is not None:
            if found and np.isclose(np.linalg.det(lattice), np.linalg.det(found[-1][0])):
                return found[-1]
            found.append((lattice, noise))
        noise *= 1.5
    if not found:
        raise DataError(
            "no translation maps the average structure onto itself",
            where=f"{len(structure.kinds)} atoms, noise of up to {noise / 1.5:.2g} Å tolerated",
            why="the run is too short or too hot for a good average, has defects, or has only "
            "one primitive cell",
            fix="give a cell file",
        )
    return found[-1]


def _translations(structure: AtomSearch, noise: float) -> Floats:
    """Shortest vectors (k, 3) in Å that map the structure onto itself."""
    whole, kinds = structure.whole, structure.kinds
    positions = whole.positions
    members = np.flatnonzero(kinds == np.argmin(np.bincount(kinds)))
    box, _ = reduced_cell(whole.cell)
    vectors = minimum_image(positions[members[1:]] - positions[members[0]], box)
    vectors = vectors[np.argsort((vectors**2).sum(axis=1), kind="stable")]
    probes = np.unique(np.linspace(0, len(kinds) - 1, _PROBES).astype(np.int64))
    # Both atoms of a pair and the vector are noisy. A few atoms select candidates, and all
    # atoms test them.
    likely = vectors[_residuals(structure, vectors, probes)[0] < 4.0 * noise][:_SHORTEST]
    residuals, errors = _residuals(structure, likely, np.arange(len(kinds)))
    true = residuals < 3.0 * noise
    found: Floats = likely[true] - errors[true]
    return found


def _residuals(structure: AtomSearch, vectors: Floats, chosen: Ints) -> tuple[Floats, Floats]:
    """Distances of translated atoms from the nearest atoms of their species.

    Returns rms distances (k,) about their mean and the means (k, 3), which are the errors of
    the vectors, in Å.
    """
    positions, kinds = structure.whole.positions[chosen], structure.kinds[chosen]
    offset = np.empty((len(vectors), len(chosen), 3))
    for kind in np.unique(kinds):
        own = np.flatnonzero(kinds == kind)
        points = (positions[own] + vectors[:, None]).reshape(-1, 3)
        offset[:, own] = structure.nearest(points, kind).reshape(len(vectors), len(own), 3)
    errors = offset.mean(axis=1)
    residuals = np.sqrt(((offset - errors[:, None]) ** 2).sum(axis=2).mean(axis=1))
    return residuals, errors


def _primitive_lattice(whole: Crystal, vectors: Floats) -> Floats | None:
    """Smallest cell of which the box is an exact integer multiple; None if there is none."""
    box, n_atoms = whole.cell, whole.n_sites
    candidates = np.concatenate([vectors, box])
    triples = np.array(list(combinations(range(len(candidates)), 3)))
    volumes = np.abs(np.linalg.det(candidates[triples]))
    real = volumes > 0.8 * whole.volume / n_atoms
    best = candidates[triples[real][volumes[real].argmin()]]
    cell, _ = reduced_cell(best)
    exact = box @ np.linalg.inv(cell)
    matrix = np.rint(exact)
    n_cells = round(abs(float(np.linalg.det(matrix))))
    if np.abs(exact - matrix).max() > 0.25 or n_cells < 2 or n_atoms % n_cells:
        return None
    return chosen_cell(np.linalg.inv(matrix) @ box)


def _classes(structure: AtomSearch, lattice: Floats) -> Ints:
    """Label (a,) the site of each atom in a smaller cell."""
    inverse = np.linalg.inv(lattice)
    reduced = structure.whole.positions @ inverse
    labels = np.full(len(reduced), -1, dtype=np.int64)
    while (labels < 0).any():
        first = int(np.flatnonzero(labels < 0)[0])
        distance = np.linalg.norm(wrap(reduced - reduced[first]) @ lattice, axis=1)
        alike = (structure.kinds == structure.kinds[first]) & (labels < 0)
        labels[alike & (distance < _SAME_SITE * structure.spacing)] = labels.max() + 1
    n_cells = round(structure.whole.volume / abs(float(np.linalg.det(lattice))))
    if (np.bincount(labels) != n_cells).any():
        raise DataError(
            "atoms of the average structure are not on the sites of its lattice",
            where=f"{n_cells} cells, {np.bincount(labels).tolist()} atoms on the sites",
            why="the crystal has defects, or atoms hopped",
            fix="give a cell file",
        )
    return labels


def _group_within(crystal: Crystal, noise: float) -> tuple[SpaceGroup, float]:
    """Find the space group of a crystal with noisy sites, and its tolerance in Å.

    The tolerance is four times the noise. It is doubled as long as this gives more operations.
    """
    tolerance = max(4.0 * noise, 1e-3)
    group = space_group(crystal, tolerance=tolerance)
    for _ in range(4):
        try:
            larger = space_group(crystal, tolerance=2.0 * tolerance)
        except DataError:
            break
        if larger.n_operations <= group.n_operations:
            break
        group, tolerance = larger, 2.0 * tolerance
    return group, tolerance


def _in_standard_axes(crystal: Crystal, group: SpaceGroup, tolerance: float) -> Crystal:
    """Choose the standard primitive cell of a crystal, given in a reduced cell.

    ``group`` was found within the tolerance in Å.
    """
    dataset = symmetry_dataset(group.crystal, tolerance)
    if dataset is None or dataset.number <= _TRICLINIC:
        return crystal
    standard = np.rint(standard_primitive(dataset))
    cells = standard @ _lattice_rotations(group) @ crystal.cell
    if np.linalg.det(standard) < 0.0:
        cells = -cells
    cell = cells[np.lexsort((cells @ _FORWARD).T[::-1])[-1]]
    return replace(crystal, cell=cell, sites=crystal.positions @ np.linalg.inv(cell))


def _lattice_rotations(group: SpaceGroup) -> Floats:
    """Integer matrices U (n, 3, 3), det U = 1; U A are the cells that rotations make of cell A.

    They are the rotations of every lattice that has the symmetry of the crystal. The cell is
    reduced, so that no entry is larger than one.
    """
    # A metric with this symmetry and no accidentally equal lengths.
    unequal = np.diag([1.0, np.sqrt(2.0), np.sqrt(3.0)]) + np.sqrt(5.0) / 10.0
    w_gxy = group.rotations
    metric = (w_gxy.swapaxes(1, 2) @ unequal @ w_gxy).mean(axis=0)
    entries = np.array(list(product((-1.0, 0.0, 1.0), repeat=9))).reshape(-1, 3, 3)
    kept = np.abs(entries @ metric @ entries.swapaxes(1, 2) - metric).max(axis=(1, 2)) < 1e-9
    turns: Floats = entries[kept & (np.linalg.det(entries) > 0.5)]
    return turns


def chosen_cell(lattice: Floats) -> Floats:
    """Choose a reduced, right-handed cell of a lattice given by any cell (3, 3), rows in Å.

    The rows are in ascending order of length.
    """
    reduced, _ = reduced_cell(lattice)
    volume = abs(float(np.linalg.det(reduced)))
    steps = np.array([n for n in product((-1, 0, 1), repeat=3) if any(n)])
    vectors = steps @ reduced
    lengths = np.linalg.norm(vectors, axis=1)
    alike = [np.abs(lengths / np.linalg.norm(row) - 1.0) < _ALIKE for row in reduced]
    places = np.array(list(product(*(np.flatnonzero(one) for one in alike))))
    cells = vectors[places]
    cells = cells[np.linalg.det(cells) > 0.5 * volume]
    unit = cells / np.linalg.norm(cells, axis=2, keepdims=True)
    cosines = np.einsum("nix,nix->ni", unit, np.roll(unit, -1, axis=1))
    for wanted in ((cosines > _ALIKE).all(axis=1), (cosines < _ALIKE).all(axis=1)):
        if wanted.any():
            cells = cells[wanted]
            break
    along = cells @ _FORWARD
    chosen: Floats = cells[np.lexsort(along.T[::-1])[-1]]
    return chosen
