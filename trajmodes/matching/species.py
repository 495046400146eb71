"""Element of every atom, from its symbol, its mass, the numbers of atoms, or equipartition.

In equilibrium Σ M|v|² is the same for each degree of freedom of every species. If several
assignments of elements to types fit the numbers of atoms, at most one of them gives masses for
which this holds.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import ase
import ase.data
import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import minimum_image
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.readers.trajectory import Trajectory
from trajmodes.units import DALTON

Species = tuple[str, ...]

ALIKE = 3.0
"""Standard errors within which temperatures of species are equal."""
_ISOTOPES = ("D", "T")
"""Symbols of isotopes of hydrogen."""
_AT_SITE = 1.0
"""Largest component in Å of the displacement of an atom from its site."""
_EXCHANGE = 0.02
"""Relative difference of the temperatures of species that may occur in a short run."""
_FRAMES, _LEAST_FRAMES = 64, 8
"""Number of frames that are sampled for temperatures, and the least number."""


class AtomSpecies(NamedTuple):
    """Chemical symbols of all atoms, and a note on their origin if it is not certain."""

    species: Species
    notes: tuple[Note, ...] = ()


def atom_species(
    trajectory: Trajectory, crystal: Crystal, type_map: Mapping[int, str] | None = None
) -> AtomSpecies:
    """Find the chemical symbol of every atom of a run of a known crystal.

    The first source available is used: the user's map of types (type → symbol), the symbols in
    the file, its masses, the numbers of atoms of each type if only one assignment gives an
    integer number of cells, and of several such assignments the only one that gives all types
    one kinetic temperature.

    Raises
    ------
    UsageError
        If the elements are ambiguous, or a type is not in the map.
    DataError
        If the masses in the file belong to no element of the crystal.
    """
    if type_map is not None:
        return AtomSpecies(_by_map(trajectory, type_map))
    if trajectory.species is not None and set(trajectory.species) == set(crystal.species):
        return AtomSpecies(trajectory.species)
    if trajectory.masses is not None:
        return AtomSpecies(_by_mass(trajectory.masses, crystal))
    if trajectory.species is not None:
        # The match refuses wrong elements; it compares the numbers of atoms as well.
        return AtomSpecies(trajectory.species)
    if len(set(crystal.species)) == 1:
        return AtomSpecies(crystal.species[:1] * trajectory.n_atoms)
    return _by_count(trajectory, crystal)


def species_of_run(
    trajectory: Trajectory,
    type_map: Mapping[int, str] | None = None,
    *,
    any_symbol: bool = False,
) -> Species:
    """Find the chemical symbol of every atom without a cell file.

    The first source available is used: the user's map of types (type → symbol), the symbols in
    the file, the element of nearest standard mass. ``any_symbol`` admits other names than
    those of elements, such as D, where masses are known and no other program reads them.

    Raises
    ------
    UsageError
        If the elements are unknown, a type is not in the map, or a symbol is of no element.
    """
    named = trajectory.species if type_map is None else _by_map(trajectory, type_map)
    if named is not None:
        return named if any_symbol else _elements(named)
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


def _elements(symbols: Species) -> Species:
    """Return the symbols if all are of elements."""
    known = ase.data.chemical_symbols[1:]
    others = sorted(set(symbols) - set(known))
    if not others:
        return symbols
    fix = "name the elements of the atom types (--species Ga,N)"
    if others[0] in _ISOTOPES:
        fix += "; an isotope has the symbol of its element, and its mass in the column mass"
    elif others[0].capitalize() in known:
        fix = f"write {others[0].capitalize()}"
    raise UsageError(f"“{others[0]}” is not a chemical symbol", fix=fix)


def species_in_order(trajectory: Trajectory, cell: ase.Atoms) -> Species | None:
    """Symbols of atoms that are at the sites of a cell of as many atoms, in the same order.

    None for a cell of one element or another number of atoms, or if an atom is elsewhere. A
    common shift is not subtracted, because it may exchange two sublattices.
    """
    symbols = tuple(cell.get_chemical_symbols())
    if len(symbols) != trajectory.n_atoms or len(set(symbols)) == 1:
        return None
    frame = trajectory.read(0, 1)
    if frame.positions is None:
        return None
    sites = cell.get_scaled_positions(wrap=False) @ frame.cells[0]
    apart = minimum_image(frame.positions[0] - sites, frame.cells[0])
    return symbols if float(np.abs(apart).max()) < _AT_SITE else None


def _by_map(trajectory: Trajectory, type_map: Mapping[int, str]) -> Species:
    if trajectory.types is None:
        return _in_order(tuple(type_map.values()), trajectory.n_atoms)
    missing = sorted(set(trajectory.types.tolist()) - set(type_map))
    if missing:
        raise UsageError(
            f"no element is given for atom types {', '.join(map(str, missing))}",
            fix="name an element for every type",
        )
    return tuple(type_map[kind] for kind in trajectory.types.tolist())


def _in_order(symbols: Species, n_atoms: int) -> Species:
    """Symbols of atoms without types: one for all, or one for each."""
    if len(symbols) not in (1, n_atoms):
        raise UsageError(
            f"{len(symbols)} elements of atom types are given, but the trajectory has no types",
            fix=f"give one element for all atoms, or {n_atoms} in the order of the atoms, or "
            "omit --species (species)",
        )
    return symbols if len(symbols) == n_atoms else symbols * n_atoms


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


def _by_count(trajectory: Trajectory, crystal: Crystal) -> AtomSpecies:
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
    fitting = ways
    if len(ways) > 1:
        mass = {name: float(crystal.masses[crystal.species.index(name)]) for name in names}
        masses = [
            {kind: mass[name] for kind, name in zip(kinds, way, strict=True)} for way in ways
        ]
        fitting = [ways[k] for k in _of_one_temperature(trajectory, masses)]
    if len(fitting) != 1:
        in_run = ", ".join(f"type {kind}: {counts[kind]}" for kind in kinds)
        per_cell = ", ".join(f"{name}: {crystal.species.count(name)}" for name in names)
        raise UsageError(
            f"{'several' if ways else 'no'} assignments of elements to types fit the numbers",
            where=f"{in_run}; per cell {per_cell}",
            fix=fix,
        )
    chosen = dict(zip(kinds, fitting[0], strict=True))
    species = tuple(chosen[kind] for kind in trajectory.types.tolist())
    if len(ways) == 1:
        return AtomSpecies(species)
    named = ", ".join(f"type {kind} is {name}" for kind, name in chosen.items())
    text = (
        f"the elements are not named; {named}: of the assignments that fit the numbers of "
        "atoms, only this one gives all types the same kinetic temperature"
    )
    return AtomSpecies(species, (Note("note", text),))


def _of_one_temperature(
    trajectory: Trajectory, masses: Sequence[Mapping[int, float]]
) -> list[int]:
    """Find the assignments, type → mass, that give all types one kinetic temperature.

    The result contains their indices. It is empty if the run has no velocities or too few
    frames.
    """
    n_frames = trajectory.n_frames
    if not trajectory.has_velocities or n_frames < _LEAST_FRAMES:
        return []
    frames = np.unique(np.linspace(0, n_frames - 1, min(_FRAMES, n_frames)).astype(np.int64))
    velocities = [trajectory.read(int(t), int(t) + 1).velocities for t in frames]
    v_tax = np.concatenate([v for v in velocities if v is not None])
    types = trajectory.types
    assert types is not None
    fitting = []
    for k, way in enumerate(masses):
        mass = np.array([way[kind] for kind in types.tolist()])
        drift = np.average(v_tax, axis=1, weights=mass)
        energy_ta = mass * ((v_tax - drift[:, None]) ** 2).sum(axis=2)
        t_kt = np.stack([energy_ta[:, types == kind].mean(axis=1) for kind in way])
        errors = t_kt.std(axis=1, ddof=1) / np.sqrt(len(frames))
        if temperature_difference(t_kt.mean(axis=1), errors) < ALIKE:
            fitting.append(k)
    return fitting


def temperature_difference(means: Floats, errors: Floats) -> float:
    """Largest difference of two of the temperatures (k,), in units of its error."""
    sigma = np.hypot(errors, _EXCHANGE * means)
    return max(
        float(abs(means[i] - means[j]) / np.hypot(sigma[i], sigma[j]))
        for i, j in combinations(range(len(means)), 2)
    )


def _assignments(counts: list[int], wanted: Mapping[str, int]) -> Iterator[Species]:
    """Iterate over assignments of elements to types that give the required numbers of atoms."""
    if not counts:
        if not any(wanted.values()):
            yield ()
        return
    for name, left in wanted.items():
        if left >= counts[0]:
            rest = _assignments(counts[1:], {**wanted, name: left - counts[0]})
            yield from ((name, *others) for others in rest)
