"""Assignment of the atoms to the sites of a crystal, with errors that give the reason."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal, Occupation, Supercell
from trajmodes.data.lattice import SAME_CRYSTAL, common_shift, deformation, reduced_cell
from trajmodes.errors import DataError
from trajmodes.matching.acceptance import refuse
from trajmodes.matching.average import AverageStructure
from trajmodes.matching.nearest import search_tree
from trajmodes.matching.registration import Placement, Registration, place_sites, register
from trajmodes.matching.species import Species
from trajmodes.notes import Note, Subject
from trajmodes.readers.trajectory import Trajectory
from trajmodes.symmetry.operations import SpaceGroup
from trajmodes.symmetry.translations import atom_at, build_supercell

_LINDEMANN = 0.2
"""Rms displacement relative to the distance of neighbours above which any crystal has
melted."""
_BEYOND = 3.0
"""Rms distance from the sites, relative to that of the frames from their mean, above any
fluctuation of the mean."""
_MANY_SITES = 32
"""Number of sites above which a registration without a rotation is tried first."""
_ANGLE = 0.02
"""Largest rotation in rad of such a registration."""
_OFF = 0.35
"""Largest distance of an atom from its site, relative to the distance of neighbours."""


class Elements(NamedTuple):
    """Elements of all atoms of a run."""

    species: Species
    notes: tuple[Note, ...] = ()
    replaced: Species | None = None
    """Element of the crystal that each atom is or replaces; None for a perfect crystal."""

    @property
    def of_crystal(self) -> Species:
        """Elements of the crystal, one for each atom."""
        return self.species if self.replaced is None else self.replaced


class Occupants(NamedTuple):
    """The atoms on the sites of an imperfect crystal."""

    sites: Ints
    """(a,) canonical index of the site of each."""
    species: Species
    masses: Floats
    """(a,)."""
    extra_ids: Ints
    """(e,) ids of the atoms that are on no site."""

    def on(self, supercell: Supercell) -> Occupation:
        """Elements and masses on the sites of a supercell."""
        names = np.full(supercell.n_atoms, "", dtype=object)
        names[self.sites] = self.species
        masses = np.zeros(supercell.n_atoms)
        masses[self.sites] = self.masses
        return Occupation(supercell, tuple(names.tolist()), masses, len(self.extra_ids))


@dataclass(frozen=True, slots=True)
class Assigned:
    """The atoms of a run on the sites of its crystal."""

    atoms: Ints
    """(a,) index in the file of each atom on a site, ascending."""
    ids: Ints
    """(a,) id of each of these atoms."""
    permutation: Ints
    """(a,) canonical index of its site."""
    placement: Placement
    """Its site, cell and distance from the site."""
    masses: Floats
    """(s,) mean mass of the atoms on each site of the crystal."""
    notes: tuple[Note, ...] = ()
    occupants: Occupants | None = None
    """None for a perfect crystal."""

    def part(self, average: AverageStructure) -> AverageStructure:
        """Average structure of the atoms on sites alone."""
        if self.occupants is None:
            return average
        return replace(
            average,
            positions=average.positions[self.atoms],
            deviations=average.deviations[:, self.atoms],
            forces=None if average.forces is None else average.forces[self.atoms],
        )


def assigned_atoms(
    group: SpaceGroup,
    trajectory: Trajectory,
    elements: Elements,
    found: Registration,
    accept: Collection[Subject],
) -> Assigned:
    """Assign the atoms of a perfect crystal, one to one, to the sites where they were placed.

    Raises
    ------
    DataError
        If two atoms have the same site, or atoms of one site have different masses.
    """
    placed, ids = found.placement, ids_of(trajectory)
    masses, notes = _masses(group.crystal, trajectory, placed.site, accept)
    supercell = build_supercell(group.crystal, found.matrix)
    permutation = _permutation(supercell, placed, elements.species, ids)
    return Assigned(np.arange(len(ids)), ids, permutation, placed, masses, notes)


def ids_of(trajectory: Trajectory) -> Ints:
    """Return the id (a,) of each atom in the file, or 1, 2, … if it has none."""
    known = trajectory.ids
    return np.arange(1, trajectory.n_atoms + 1) if known is None else known


def registered(
    group: SpaceGroup,
    average: AverageStructure,
    species: tuple[str, ...],
    *,
    most_wrong: float = 0.0,
) -> Registration:
    """Register the crystal; ``species`` (a,) are the elements of the atoms in its terms.

    ``most_wrong`` is the largest allowed fraction of empty sites, or of atoms without a site.

    Raises
    ------
    DataError
        If the atoms are not on the sites of the crystal.
    """
    # A left-handed box and its negative span the same lattice.
    box = average.box if np.linalg.det(average.box) > 0.0 else -average.box
    if group.crystal.n_sites > _MANY_SITES:
        given = _register_unrotated(group.crystal, box, average.positions, species)
        if given is not None:
            return given
    atoms = (group, box, average.positions, species)
    found = register(*atoms, mirrored=False, most_wrong=most_wrong)
    chiral = bool((np.linalg.det(group.cartesian) > 0.0).all())
    if chiral:
        other = register(*atoms, mirrored=True, most_wrong=most_wrong)
        if other is not None and (
            found is None or other.residual_rms < 0.5 * found.residual_rms
        ):
            raise DataError(
                "the run is of the mirror image of the crystal in the cell file",
                where=f"space group {group.symbol}; rms distance from the sites "
                f"{other.residual_rms:.3g} Å mirrored"
                + ("" if found is None else f", {found.residual_rms:.3g} Å as given"),
                why="no rotation relates a chiral crystal to its mirror image",
                fix="mirror the cell file (negate one Cartesian axis of cell and positions)",
            )
    if found is None:
        raise DataError(
            "the structure of the run is not that of the cell file",
            where="numbers of atoms and volume agree, but the arrangement does not",
            why="it is another structure of the same composition, a phase transition occurred, "
            "the run is a liquid, or elements are interchanged",
            fix="check the cell file and the elements (--species); compare with the cell found "
            "without a cell file",
        )
    return found


def _permutation(
    supercell: Supercell, placed: Placement, species: tuple[str, ...], ids: Ints
) -> Ints:
    """Canonical index of each atom; raise a `DataError` if two atoms have the same."""
    permutation = atom_at(supercell, placed.site, placed.lattice)
    counts = np.bincount(permutation, minlength=supercell.n_atoms)
    if (counts == 1).all():
        return permutation
    shared = np.flatnonzero(counts[permutation] > 1)
    distance = np.linalg.norm(placed.offset, axis=1)
    worst = shared[np.argsort(-distance[shared])][:5]
    listed = "; ".join(f"atom {ids[a]} ({species[a]}) {distance[a]:.2f} Å off" for a in worst)
    raise DataError(
        f"the atoms are not one to one with the sites: {int((counts == 0).sum())} of "
        f"{supercell.n_atoms} sites are empty, and others have two atoms",
        where=listed,
        why="there is a vacancy or an interstitial, an atom hopped, the structure is another "
        "one, or elements are interchanged",
        fix="check the cell file and the elements (--species); --imperfect allows a crystal "
        "with defects",
    )


def require_whole_cells(crystal: Crystal, species: tuple[str, ...]) -> None:
    """Refuse numbers of atoms that are not those of an integer number of cells."""
    in_run, per_cell = Counter(species), Counter(crystal.species)
    n_cells = len(species) // crystal.n_sites
    if all(in_run[name] == n_cells * per_cell[name] for name in in_run | per_cell):
        return
    run, cell = (
        ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        for counts in (in_run, per_cell)
    )
    raise DataError(
        "the run does not contain an integer number of primitive cells",
        where=f"run: {run}; cell: {cell}",
        why="the crystal or its elements are wrong, it has a defect, or the file lacks atoms",
        fix="check the cell file and the elements (dump_modify ID element …, or --species), "
        "and dump the group all; --imperfect allows alloys, vacancies and interstitials",
    )


def require_near_sites(distance: Floats, spacing: float, ids: Ints) -> None:
    """Refuse a mean position (a,) in Å farther from its site than half the ``spacing``."""
    worst = int(distance.argmax())
    if distance[worst] > 0.5 * spacing:
        raise DataError(
            f"the mean position of atom {ids[worst]} is {distance[worst]:.2f} Å from its site",
            where=f"half the distance between neighbours is {0.5 * spacing:.2f} Å",
            why="the atom hopped during the run, or the structure is different",
            fix="check the cell file; diffusing atoms cannot be used",
        )


def require_structure(
    distance: Floats, deviations: Floats, spacing: float, accept: Collection[Subject]
) -> tuple[Note, ...]:
    """Refuse mean positions far from their sites, (a,) in Å, as in another phase or polytype.

    Vibration explains an rms distance of a fifth of the ``spacing``, at which crystals melt
    (Lindemann, Phys. Z. 11, 609, 1910), or a few times that of the frames from their mean,
    ``deviations`` (t, a, 3). A single frame has no mean.
    """
    if len(deviations) < 2:
        return ()
    off = float(np.sqrt((distance**2).mean()))
    thermal = float(np.sqrt((deviations**2).sum(axis=2).mean()))
    if off <= max(_LINDEMANN * spacing, _BEYOND * thermal):
        return ()
    other = Note(
        "error",
        "the structure of the run is not that of the cell file: mean positions are "
        f"{off:.2f} Å (rms) from its sites, and atoms vibrate by {thermal:.2f} Å about them",
        why="it is another phase or polytype of the same composition and volume",
        fix="give the cell file of the simulated crystal; without one it is found in the run; "
        "--accept structure uses the run as it is",
        subject="structure",
    )
    return refuse(other, accept)


def _masses(
    crystal: Crystal, trajectory: Trajectory, site: Ints, accept: Collection[Subject]
) -> tuple[Floats, tuple[Note, ...]]:
    """Masses (s,) of the sites, from the run if the file contains them."""
    if trajectory.masses is None:
        return crystal.masses, ()
    masses = np.bincount(site, trajectory.masses) / np.bincount(site)
    spread = float(np.abs(trajectory.masses / masses[site] - 1.0).max())
    notes: tuple[Note, ...] = ()
    if spread > 1e-6:
        mixed = Note(
            "error",
            f"atoms on equivalent sites differ in mass by {spread:.1%}",
            why="the crystal has isotopes, or is an alloy",
            fix="--imperfect uses the mass of each atom; --accept masses uses their mean",
            subject="masses",
        )
        notes = refuse(mixed, accept)
    change = float(np.abs(masses / crystal.masses - 1.0).max())
    if change < 1e-3:
        return masses, notes
    text = f"masses are those of the run, which differ by up to {change:.1%} from the cell file"
    return masses, (*notes, Note("warning", text))


def _register_unrotated(
    crystal: Crystal, box: Floats, positions: Floats, species: tuple[str, ...]
) -> Registration | None:
    """Register a crystal without a rotation; None if an atom is then far from every site.

    A search over all orientations takes minutes for a cell of hundreds of sites. Such a cell,
    with a defect or of an alloy, is usually the file from which the run was started. The box is
    then an integer multiple of it, up to strain, and the atoms are in the same order. Otherwise
    one of the sites is that of the first atom. The box (3, 3) in Å is right-handed, the
    positions (a, 3) in Å are averages, and the species (a,) have the ratio of the crystal.
    """
    cell, basis = reduced_cell(crystal.cell)
    matrix = np.rint(box @ np.linalg.inv(cell)).astype(np.int64)
    if round(float(np.linalg.det(matrix))) * crystal.n_sites != len(positions):
        return None
    change = np.linalg.inv(matrix @ cell) @ box
    moved = deformation(change)
    if abs(moved.largest) > SAME_CRYSTAL.strain or moved.angle > _ANGLE:
        return None
    cell = cell @ change
    sites = crystal.positions @ change @ np.linalg.inv(cell)
    search = search_tree(replace(crystal, cell=cell, sites=sites))
    names = sorted(set(crystal.species))
    kinds = np.array([names.index(name) for name in species])
    for shift in _shifts(search.whole, search.kinds, positions, kinds):
        offset = search.offsets(positions - shift, kinds)
        mean = offset.mean(axis=0)
        if np.linalg.norm(offset - mean, axis=1).max() > _OFF * search.spacing:
            continue
        allowed = kinds[:, None] == search.kinds
        placed = place_sites(cell, sites, allowed, positions - shift - mean)
        placed = replace(placed, lattice=placed.lattice @ basis)
        return Registration(matrix @ basis, change, shift + mean, placed)
    return None


def _shifts(
    crystal: Crystal, site_kinds: Ints, positions: Floats, kinds: Ints
) -> Iterator[Floats]:
    """Iterate over possible origins (3,) of the crystal in Å, the most likely one first."""
    if np.array_equal(site_kinds, kinds):
        apart = (positions - crystal.positions) @ np.linalg.inv(crystal.cell)
        yield common_shift(apart) @ crystal.cell
    rarest = int(np.argmin(np.bincount(site_kinds)))
    anchor = int(np.flatnonzero(kinds == rarest)[0])
    for site in np.flatnonzero(site_kinds == rarest):
        yield positions[anchor] - crystal.positions[site]
