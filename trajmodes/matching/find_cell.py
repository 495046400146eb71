"""The primitive crystal of an average structure, where no cell file is given.

A translation t of the structure takes every atom to one of its species, but for the noise of
the average. Candidates are the vectors from one atom to others of its species; the shortest
true ones span the primitive lattice, and the box, a whole multiple of it, makes it exact.
Atoms that become one site are averaged, which takes the noise down by the root of the number
of cells; then spglib finds the space group at a tolerance to match, and sites are symmetrised.

A lattice has many reduced cells whose vectors have the same lengths, and rounding decides in
which of them a reduction ends: runs of one crystal at two temperatures would have different
axes. One is chosen whatever the noise. Its angles are all acute where they can be, else right
or obtuse (the two types of Niggli, Krystallographische Grundlagen, 1928); of these cells it is
the one whose vectors go farthest along a fixed direction.
"""

from dataclasses import dataclass, replace
from itertools import combinations, product

import ase.data
import numpy as np
from scipy.spatial import cKDTree

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import minimum_image, reduced_cell, wrap
from trajmodes.errors import DataError
from trajmodes.matching.average import AverageStructure
from trajmodes.notes import Note
from trajmodes.symmetry.operations import SpaceGroup, space_group
from trajmodes.symmetry.primitive import ReducedCrystal, fold_atoms, on_symmetric_sites
from trajmodes.units import DALTON

_PROBES = 24
_SHORTEST = 40
_MOST_NOISE = 0.075
"""Of the distance between neighbours."""
_FLOOR = 2e-3
"""Å. Noise below this is taken for rounding of the file."""
_ALIKE = 5e-3
"""Relative: lengths that differ by less are equal, and cosines below it zero."""
_FORWARD = np.array([1.0, 0.6, 0.3])
"""No two short vectors of a lattice along the axes go equally far along it."""


def find_crystal(
    average: AverageStructure, species: tuple[str, ...], masses: Floats | None = None
) -> ReducedCrystal:
    """Primitive crystal of an average structure, in the frame of the file.

    Parameters
    ----------
    average
        The average structure.
    species
        (a,) chemical symbols.
    masses
        (a,) in eV ps²/Å²; the standard ones where they are not given.

    Raises
    ------
    DataError
        If no translation is found, or atoms do not fall on the sites of its lattice.
    """
    box = average.box if np.linalg.det(average.box) > 0.0 else -average.box
    if masses is None:
        numbers = [ase.data.atomic_numbers[symbol] for symbol in species]
        masses = ase.data.atomic_masses[numbers] * DALTON
    reduced = average.positions @ np.linalg.inv(box)
    whole = Crystal(box, reduced, species, masses)
    structure = _structure(whole)
    lattice, noise = _scanned_lattice(structure, _noise(average, structure))
    crystal, _ = fold_atoms(lattice, whole, _classes(structure, lattice))
    n_cells = len(species) // crystal.n_sites
    noise = noise / np.sqrt(n_cells)
    if average.motion is not None:
        noise = max(noise, average.motion.drift * float(np.linalg.norm(lattice, axis=1).max()))
    group = _group_within(crystal, noise)
    symmetric, moved = on_symmetric_sites(group)
    if average.motion is not None:
        symmetric = _in_symmetric_cell(symmetric, group)
    text = (
        f"no cell file: the average structure is {n_cells} primitive cells of "
        f"{crystal.n_sites} atoms, space group {group.symbol}; sites were moved by up to "
        f"{moved:.1e} Å to obey it"
    )
    return ReducedCrystal(symmetric, (Note("note", text),))


@dataclass(frozen=True, slots=True)
class _Structure:
    """Averaged atoms with a search tree of them and of their images near the box."""

    whole: Crystal
    kinds: Ints
    spacing: float
    """Shortest distance between two atoms in Å."""
    trees: tuple[cKDTree, ...]
    """One for each species."""

    def nearest(self, points: Floats, kind: int) -> Floats:
        """(k, 3) vectors in Å from the nearest atoms of a species to points."""
        cell = self.whole.cell
        reduced = points @ np.linalg.inv(cell)
        inside = (reduced - np.floor(reduced)) @ cell
        _, index = self.trees[kind].query(inside)
        vectors: Floats = inside - self.trees[kind].data[index]
        return vectors


def _structure(whole: Crystal) -> _Structure:
    names = sorted(set(whole.species))
    kinds = np.array([names.index(symbol) for symbol in whole.species])
    inside = whole.sites - np.floor(whole.sites)
    images = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    reduced = (inside[:, None] + images).reshape(-1, 3)
    # Half a box on each side is more than the distance to the nearest atom, for any lattice.
    near = ((reduced > -0.5) & (reduced < 1.5)).all(axis=1)
    points, labels = reduced[near] @ whole.cell, np.repeat(kinds, len(images))[near]
    trees = tuple(cKDTree(points[labels == kind]) for kind in range(len(names)))
    distance, _ = cKDTree(points).query(inside @ whole.cell, k=2)
    return _Structure(whole, kinds, float(distance[:, 1].min()), trees)


def _noise(average: AverageStructure, structure: _Structure) -> float:
    """Estimate the distance in Å of averaged atoms from where a longer run would put them."""
    most = _MOST_NOISE * structure.spacing
    n_frames = len(average.frames)
    if average.exact:
        return _FLOOR
    if n_frames < 4:
        return 0.5 * most
    variance = float((average.deviations**2).sum(axis=2).mean())
    return float(np.clip(np.sqrt(variance / n_frames), _FLOOR, most))


def _scanned_lattice(structure: _Structure, noise: float) -> tuple[Floats, float]:
    """Find the lattice with growing allowance for noise, until more of it changes nothing.

    Frames that follow closely, or slow modes, make the average noisier than it looks.
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
            "no translation carries the average structure into itself",
            where=f"{len(structure.kinds)} atoms, noise up to {noise / 1.5:.2g} Å allowed for",
            why="the run is too short or too hot for its average, has defects, or is of one "
            "primitive cell only",
            fix="give a cell file",
        )
    return found[-1]


def _translations(structure: _Structure, noise: float) -> Floats:
    """(k, 3) the shortest vectors in Å that carry the structure into itself."""
    whole, kinds = structure.whole, structure.kinds
    positions = whole.positions
    members = np.flatnonzero(kinds == np.argmin(np.bincount(kinds)))
    box, _ = reduced_cell(whole.cell)
    vectors = minimum_image(positions[members[1:]] - positions[members[0]], box)
    vectors = vectors[np.argsort((vectors**2).sum(axis=1), kind="stable")]
    probes = np.unique(np.linspace(0, len(kinds) - 1, _PROBES).astype(np.int64))
    # Both atoms of a pair are noisy, and the vector itself: leave room, then ask all atoms.
    likely = vectors[_misfits(structure, vectors, probes)[0] < 4.0 * noise][:_SHORTEST]
    misfits, errors = _misfits(structure, likely, np.arange(len(kinds)))
    true = misfits < 3.0 * noise
    found: Floats = likely[true] - errors[true]
    return found


def _misfits(structure: _Structure, vectors: Floats, chosen: Ints) -> tuple[Floats, Floats]:
    """How well translations carry chosen atoms to like atoms.

    Returns (k,) rms distances in Å about the mean, and the (k, 3) means, which are the errors
    of the vectors.
    """
    positions, kinds = structure.whole.positions[chosen], structure.kinds[chosen]
    apart = np.empty((len(vectors), len(chosen), 3))
    for kind in np.unique(kinds):
        own = np.flatnonzero(kinds == kind)
        points = (positions[own] + vectors[:, None]).reshape(-1, 3)
        apart[:, own] = structure.nearest(points, kind).reshape(len(vectors), len(own), 3)
    errors = apart.mean(axis=1)
    misfits = np.sqrt(((apart - errors[:, None]) ** 2).sum(axis=2).mean(axis=1))
    return misfits, errors


def _primitive_lattice(whole: Crystal, vectors: Floats) -> Floats | None:
    """Vectors of the smallest cell, exactly a part of the box; None if they are not."""
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


def _classes(structure: _Structure, lattice: Floats) -> Ints:
    """Label (a,) the site that each atom becomes in a smaller cell."""
    inverse = np.linalg.inv(lattice)
    reduced = structure.whole.positions @ inverse
    labels = np.full(len(reduced), -1, dtype=np.int64)
    while (labels < 0).any():
        first = int(np.flatnonzero(labels < 0)[0])
        distance = np.linalg.norm(wrap(reduced - reduced[first]) @ lattice, axis=1)
        alike = (structure.kinds == structure.kinds[first]) & (labels < 0)
        labels[alike & (distance < 0.3 * structure.spacing)] = labels.max() + 1
    n_cells = round(structure.whole.volume / abs(float(np.linalg.det(lattice))))
    if (np.bincount(labels) != n_cells).any():
        raise DataError(
            "atoms of the average structure do not fall on the sites of its lattice",
            where=f"{n_cells} cells, {np.bincount(labels).tolist()} atoms on the sites",
            why="the crystal has defects, or atoms hopped",
            fix="give a cell file",
        )
    return labels


def _group_within(crystal: Crystal, noise: float) -> SpaceGroup:
    """Find the space group of a crystal whose sites carry noise.

    The tolerance is raised from the noise on; the first at which a larger one finds no more
    operations is taken.
    """
    tolerance = max(4.0 * noise, 1e-3)
    group = space_group(crystal, tolerance=tolerance)
    for _ in range(4):
        larger = _group_or_none(crystal, 2.0 * tolerance)
        if larger is None or larger.n_operations <= group.n_operations:
            break
        group, tolerance = larger, 2.0 * tolerance
    return group


def _in_symmetric_cell(crystal: Crystal, group: SpaceGroup) -> Crystal:
    """Take noise out of a lattice: the nearest cell, not turned, with mean_W Wᵀ (A Aᵀ) W."""
    cell, w_gxy = crystal.cell, group.rotations
    metric = (w_gxy.swapaxes(1, 2) @ (cell @ cell.T) @ w_gxy).mean(axis=0)
    inverse = np.linalg.inv(cell)
    # The symmetric S with (A S)(A S)ᵀ = metric.
    squares, axes = np.linalg.eigh(inverse @ metric @ inverse.T)
    return replace(crystal, cell=cell @ (axes * np.sqrt(squares)) @ axes.T)


def _group_or_none(crystal: Crystal, tolerance: float) -> SpaceGroup | None:
    try:
        return space_group(crystal, tolerance=tolerance)
    except DataError:
        return None


def chosen_cell(lattice: Floats) -> Floats:
    """Choose a reduced, right-handed primitive cell of a lattice.

    Parameters
    ----------
    lattice
        (3, 3) any primitive cell, rows in Å.

    Returns
    -------
    (3, 3) rows in Å, ascending in length.
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
    cosines = _cosines(cells)
    for wanted in ((cosines > _ALIKE).all(axis=1), (cosines < _ALIKE).all(axis=1)):
        if wanted.any():
            cells = cells[wanted]
            break
    along = cells @ _FORWARD
    chosen: Floats = cells[np.lexsort(along.T[::-1])[-1]]
    return chosen


def _cosines(cells: Floats) -> Floats:
    """(n, 3) cosines of the three angles."""
    unit = cells / np.linalg.norm(cells, axis=2, keepdims=True)
    cosines: Floats = np.einsum("nix,nix->ni", unit, np.roll(unit, -1, axis=1))
    return cosines
