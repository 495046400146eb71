"""Alloys, isotopes, vacancies and interstitials: the atoms on the sites of a parent crystal.

The parent crystal gives the lattice, the sites and their elements. A run is registered on it as
if each foreign element were the element of the parent that it most likely replaces. Then each
atom is assigned to the nearest site, whatever its element. Of several atoms with the same
nearest site, the closest one occupies it; the others are extra atoms, and are left out. Sites
without an atom are empty.

The mass of each site of the perfect crystal is the mean over the atoms on this site and on the
sites that are equivalent by symmetry.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import product

import ase.data
import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal, Occupation
from trajmodes.data.lattice import reduced_cell
from trajmodes.errors import DataError, UsageError
from trajmodes.matching.assignment import Assigned, Elements, Occupants, ids_of
from trajmodes.matching.average import AverageStructure
from trajmodes.matching.registration import Placement, Registration, place_sites
from trajmodes.matching.species import Species, species_of_run
from trajmodes.notes import Note
from trajmodes.readers.trajectory import Trajectory
from trajmodes.symmetry.operations import SpaceGroup
from trajmodes.symmetry.translations import atom_at, build_supercell
from trajmodes.units import DALTON

MOST_WRONG = 0.1
"""Largest fraction of empty sites, and of atoms without a site, relative to the atoms."""
_ISOTOPE = 0.2
"""Largest relative difference of the mass of an isotope from the standard one."""
_LISTED = 8
"""Number of extra atoms that are listed."""


def elements_of_run(
    trajectory: Trajectory, parent: Crystal, type_map: Mapping[int, str] | None
) -> Elements:
    """Find the element of each atom, and the element of the parent that it replaces.

    Elements are those of the user's map of types, or of the file. If there are only masses, an
    atom within a fifth of the mass of an element of the parent is an isotope of this element,
    and any other atom has the element of nearest standard mass. A foreign element replaces the
    element for which the numbers of atoms are closest to those of the parent.

    Raises
    ------
    UsageError
        If the elements are unknown.
    """
    own = tuple(dict.fromkeys(parent.species))
    known = type_map is not None or trajectory.species is not None
    if not known and trajectory.masses is None and len(own) == 1:
        if trajectory.types is not None and len(set(trajectory.types.tolist())) > 1:
            raise UsageError(
                "the trajectory has several types of atoms, but not their elements",
                fix="name the elements of types 1, 2, … (--species Si,Ge)",
            )
        species: Species = own * trajectory.n_atoms
    else:
        species = species_of_run(trajectory, type_map)
    if not known and trajectory.masses is not None:
        masses = np.array([parent.masses[parent.species.index(name)] for name in own])
        relative = np.abs(trajectory.masses[:, None] / masses - 1.0)
        nearest = relative.argmin(axis=1)
        is_own = relative.min(axis=1) < _ISOTOPE
        species = tuple(
            own[nearest[a]] if is_own[a] else name for a, name in enumerate(species)
        )
    counts = Counter(species)
    foreign = [name for name in counts if name not in own]
    wanted = {name: parent.species.count(name) / parent.n_sites for name in own}

    def misfit(choice: tuple[str, ...]) -> float:
        found = {name: counts[name] for name in own}
        for name, replaced in zip(foreign, choice, strict=True):
            found[replaced] += counts[name]
        return sum(abs(found[name] / len(species) - wanted[name]) for name in own)

    best = min(product(own, repeat=len(foreign)), key=misfit)
    of = dict(zip(foreign, best, strict=True)) | {name: name for name in own}
    return Elements(species, replaced=tuple(of[name] for name in species))


def assigned_imperfect(
    group: SpaceGroup,
    trajectory: Trajectory,
    elements: Elements,
    average: AverageStructure,
    found: Registration,
) -> Assigned:
    """Assign each atom to the nearest site; the farther of two atoms on a site is left out.

    Raises
    ------
    DataError
        If more than a tenth of the sites are empty, or more than a tenth of the atoms have no
        site.
    """
    crystal, ids = group.crystal, ids_of(trajectory)
    supercell = build_supercell(crystal, found.matrix)
    cell, basis = reduced_cell(crystal.cell @ found.map)
    sites = crystal.positions @ found.map @ np.linalg.inv(cell)
    allowed = np.ones((len(ids), len(sites)), dtype=bool)
    placed = place_sites(cell, sites, allowed, average.positions - found.shift)
    places = atom_at(supercell, placed.site, placed.lattice @ basis)
    distance = np.linalg.norm(placed.offset, axis=1)
    order = np.lexsort([distance, places])
    is_first = np.concatenate([[True], np.diff(places[order]) > 0])
    atoms, extra = np.sort(order[is_first]), np.sort(order[~is_first])
    n_empty = supercell.n_atoms - len(atoms)
    if max(len(extra), n_empty) > MOST_WRONG * len(ids):
        raise DataError(
            f"{n_empty} of {supercell.n_atoms} sites are empty, and {len(extra)} atoms have no "
            f"site of their own; the limit is {MOST_WRONG:.0%}",
            where="; ".join(
                f"atom {ids[a]} ({elements.species[a]}) {distance[a]:.2f} Å from a site"
                for a in extra[:_LISTED]
            ),
            why="the structure of the run is not that of the cell file",
            fix="check the cell file, which must describe the perfect crystal",
        )
    species = tuple(elements.species[a] for a in atoms)
    masses = _masses(trajectory, crystal, species, atoms)
    kept = Placement(placed.site[atoms], placed.lattice[atoms] @ basis, placed.offset[atoms])
    return Assigned(
        atoms,
        ids[atoms],
        places[atoms],
        kept,
        _mean_masses(group, masses, kept.site),
        occupants=Occupants(places[atoms], species, masses, ids[extra]),
    )


def _masses(trajectory: Trajectory, crystal: Crystal, species: Species, atoms: Ints) -> Floats:
    """Masses (n,) of the atoms on sites: from the file, else the cell, else standard masses."""
    if trajectory.masses is not None:
        return trajectory.masses[atoms]
    numbers = {name: ase.data.atomic_numbers[name] for name in set(species)}
    known = {name: DALTON * float(ase.data.atomic_masses[z]) for name, z in numbers.items()}
    known |= dict(zip(crystal.species, crystal.masses.tolist(), strict=True))
    return np.array([known[name] for name in species])


def _mean_masses(group: SpaceGroup, masses: Floats, site: Ints) -> Floats:
    """Mean mass (s,) of the atoms on each site and on its equivalent sites."""
    label = group.permutations.min(axis=0)
    total = np.bincount(label[site], masses, minlength=len(label))
    count = np.bincount(label[site], minlength=len(label))
    if not count[label].all():
        raise DataError(
            "all equivalent sites of the crystal are empty",
            fix="give the cell file of the crystal that was simulated",
        )
    means: Floats = (total / np.maximum(count, 1))[label]
    return means


def occupation_notes(occupation: Occupation | None, assigned: Assigned) -> tuple[Note, ...]:
    """Note the atoms on the sites, and those left out; none for a perfect crystal."""
    if occupation is None or assigned.occupants is None:
        return ()
    extra_ids = assigned.occupants.extra_ids
    parts = []
    for own, counts in occupation.composition.items():
        on_own = ", ".join(f"{n} {name or 'empty'}" for name, n in sorted(counts.items()))
        parts.append(f"{on_own} on the sites of {own}")
    text = f"not a perfect crystal: {'; '.join(parts)}"
    if occupation.only_isotopes:
        spread = occupation.masses / occupation.supercell.masses - 1.0
        text = (
            "not a perfect crystal: masses differ from the mean of their site by "
            f"{spread.min():+.1%} to {spread.max():+.1%}"
        )
    notes = [Note("note", f"{text}; waves are those of the perfect crystal of mean masses")]
    if occupation.n_vacancies:
        share = occupation.occupied.mean()
        text = (
            f"{occupation.n_vacancies} sites are empty: the mean energies of the waves are "
            f"{share:.4g} of those with all atoms, which temperatures of modes, frequencies "
            "from displacements and heat capacities take into account"
        )
        notes.append(Note("note", text))
    if len(extra_ids):
        more = ", …" if len(extra_ids) > _LISTED else ""
        listed = ", ".join(str(one) for one in extra_ids[:_LISTED]) + more
        text = (
            f"{len(extra_ids)} atoms are on no site and are left out, with their energy: "
            f"{'atom' if len(extra_ids) == 1 else 'atoms'} {listed}"
        )
        notes.append(Note("warning", text))
    return tuple(notes)
