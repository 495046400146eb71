"""Element of every atom, from its symbol, its mass, or the numbers of atoms."""

from collections import Counter
from collections.abc import Iterator, Mapping

import ase.data
import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError, UsageError
from trajmodes.readers.trajectory import Trajectory
from trajmodes.units import DALTON

Species = tuple[str, ...]


def atom_species(
    trajectory: Trajectory, crystal: Crystal, type_map: Mapping[int, str] | None = None
) -> Species:
    """Chemical symbol of every atom of a run of a known crystal.

    The first source available is used: the user's map of types (type → symbol), the symbols in
    the file, its masses, the numbers of atoms of each type if only one assignment gives an
    integer number of cells.

    Raises
    ------
    UsageError
        If the elements are ambiguous, or a type is not in the map.
    DataError
        If the masses in the file belong to no element of the crystal.
    """
    if type_map is not None:
        return _by_map(trajectory, type_map)
    if trajectory.species is not None and set(trajectory.species) == set(crystal.species):
        return trajectory.species
    if trajectory.masses is not None:
        return _by_mass(trajectory.masses, crystal)
    if trajectory.species is not None:
        # The match refuses wrong elements; it compares the numbers of atoms as well.
        return trajectory.species
    if len(set(crystal.species)) == 1:
        return crystal.species[:1] * trajectory.n_atoms
    return _by_count(trajectory, crystal)


def species_of_run(
    trajectory: Trajectory, type_map: Mapping[int, str] | None = None
) -> Species:
    """Chemical symbol of every atom if no cell file is given.

    The first source available is used: the user's map of types (type → symbol), the symbols in
    the file, the element of nearest standard mass.

    Raises
    ------
    UsageError
        If the elements are unknown, or a type is not in the map.
    """
    if type_map is not None:
        return _by_map(trajectory, type_map)
    if trajectory.species is not None:
        return trajectory.species
    if trajectory.masses is None:
        raise UsageError(
            "the trajectory does not contain the elements of its atoms",
            fix="name the elements of types 1, 2, … (--species Ga,N), or give a cell file, "
            "or write them: dump_modify ID element Ga N",
        )
    kinds, kind = np.unique(np.round(trajectory.masses / DALTON, 3), return_inverse=True)
    standard = ase.data.atomic_masses[1:]
    numbers = 1 + np.abs(standard - kinds[:, None]).argmin(axis=1)
    return tuple(ase.data.chemical_symbols[numbers[k]] for k in kind)


def _by_map(trajectory: Trajectory, type_map: Mapping[int, str]) -> Species:
    if trajectory.types is None:
        raise UsageError(
            "elements of atom types are given, but the trajectory has no types",
            fix="omit --species (species)",
        )
    missing = sorted(set(trajectory.types.tolist()) - set(type_map))
    if missing:
        raise UsageError(
            f"no element is given for atom types {', '.join(map(str, missing))}",
            fix="name an element for every type",
        )
    return tuple(type_map[kind] for kind in trajectory.types.tolist())


def _by_mass(found: Floats, crystal: Crystal) -> Species:
    names = tuple(dict.fromkeys(crystal.species))
    masses = np.array([crystal.masses[crystal.species.index(name)] for name in names])
    relative = np.abs(found[:, None] / masses - 1.0)
    nearest = relative.argmin(axis=1)
    # Except for hydrogen, isotopes differ by less than a fifth from the standard mass.
    wrong = np.flatnonzero(relative.min(axis=1) > 0.2)
    if len(wrong):
        seen = sorted({round(float(m), 3) for m in found[wrong] / DALTON})
        known = (f"{name} {m / DALTON:.3f}" for name, m in zip(names, masses, strict=True))
        raise DataError(
            f"masses of {', '.join(map(str, seen[:5]))} u belong to no element of the crystal",
            where=f"{len(wrong)} of {len(found)} atoms; the crystal contains "
            + ", ".join(known),
            why="the cell file describes another crystal",
            fix="give the cell file of the crystal that was simulated",
        )
    return tuple(names[k] for k in nearest)


def _by_count(trajectory: Trajectory, crystal: Crystal) -> Species:
    names = tuple(dict.fromkeys(crystal.species))
    fix = (
        f"say which element types 1, 2, … are: --species {','.join(names)}; or write elements: "
        f"dump_modify ID element {' '.join(names)}"
    )
    if trajectory.types is None:
        raise UsageError(
            "the trajectory does not contain the elements of its atoms",
            where="no types, no masses",
            fix=fix,
        )
    counts = Counter(trajectory.types.tolist())
    n_cells, rest = divmod(trajectory.n_atoms, crystal.n_sites)
    wanted = {name: n_cells * crystal.species.count(name) for name in names}
    kinds = sorted(counts)
    ways = [] if rest else list(_assignments([counts[kind] for kind in kinds], wanted))
    if len(ways) != 1:
        in_run = ", ".join(f"type {kind}: {counts[kind]}" for kind in kinds)
        per_cell = ", ".join(f"{name}: {crystal.species.count(name)}" for name in names)
        raise UsageError(
            f"{'several' if ways else 'no'} assignments of types to elements fit the numbers",
            where=f"{in_run}; per cell {per_cell}",
            fix=fix,
        )
    chosen = dict(zip(kinds, ways[0], strict=True))
    return tuple(chosen[kind] for kind in trajectory.types.tolist())


def _assignments(counts: list[int], wanted: Mapping[str, int]) -> Iterator[Species]:
    """All assignments of elements to types that give the wanted numbers of atoms."""
    if not counts:
        if not any(wanted.values()):
            yield ()
        return
    for name, left in wanted.items():
        if left >= counts[0]:
            rest = _assignments(counts[1:], {**wanted, name: left - counts[0]})
            yield from ((name, *others) for others in rest)
