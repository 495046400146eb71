"""Force constants of an alloy by pair of species, in one fit to the forces on all atoms.

Every orbit of pairs of the parent crystal has one tensor for each pair of species on its sites
(A. van de Walle and G. Ceder, Rev. Mod. Phys. 74, 11 (2002)), and the force on atom i is

    f_i = −Σ_j Φ_{o(ij), s_i s_j} (u_j − u_i),

so that every atom obeys the sum rule by a self term of its own. The alloy is treated as its
decorated crystal (`symmetry.decorated`), in which each atom is on the decorated site of its
species, and the decorated sites of all other species at its place are empty. Its rows, normal
equations and error bars are those of any crystal with empty sites.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.data.crystal import Occupation, Supercell
from trajmodes.data.force_constants import FitQuality, ForceConstants
from trajmodes.data.imperfect.species_constants import SpeciesConstants
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.accumulate import ForceRows, NormalEquationSums, forces_of
from trajmodes.fit.expansion import Expansion
from trajmodes.fit.fit import constants_of
from trajmodes.fit.normal_equations import NormalEquationBlocks, pooled
from trajmodes.fit.quality import block_notes, overfitting_notes, quality_of
from trajmodes.fit.solution import FitOptions, solve_equations, with_strength
from trajmodes.fit.uncertainty import fit_errors, left_out_solutions
from trajmodes.notes import Note
from trajmodes.streaming.reduction import BlockSums, Transformed
from trajmodes.symmetry.clusters import Orbits
from trajmodes.symmetry.decorated import decorated_group, decorated_orbits
from trajmodes.symmetry.tensors import symmetry_basis
from trajmodes.symmetry.translations import build_supercell, cell_rank

SpeciesRows = Transformed[
    MotionBlock, MotionBlock, BlockSums[NormalEquationSums], NormalEquationBlocks
]
"""Reduction of the motion of an alloy to normal equations of its decorated crystal."""


class Arrangement(NamedTuple):
    """The atoms of a run on the sites of its supercell."""

    occupation: Occupation
    offsets: Floats
    """(a, 3), unit: Å. Mean position of the atom on each site, counted from the site."""


@dataclass(frozen=True, slots=True)
class OnDecoratedSites:
    """Callable that puts the motion of the atoms on decorated sites; the others are at rest."""

    occupied: Bools
    """(c, d) decorated sites of each cell that have an atom."""
    parent: Ints
    """(d,) site of the parent crystal of each decorated site."""

    def __call__(self, block: MotionBlock) -> MotionBlock:
        """Return displacements and forces (t, c·d, 3) on decorated sites."""
        cell, site = np.nonzero(self.occupied)
        n_sites = int(self.parent[-1]) + 1
        atoms, n_frames = cell * n_sites + self.parent[site], block.n_frames
        u_tcdx, f_tcdx = np.zeros((2, n_frames, *self.occupied.shape, 3))
        u_tcdx[:, cell, site] = block.displacements_or_raise()[:, atoms]
        f_tcdx[:, cell, site] = forces_of(block)[:, atoms]
        return replace(
            block,
            displacements=u_tcdx.reshape(n_frames, -1, 3),
            velocities=None,
            forces=f_tcdx.reshape(n_frames, -1, 3),
        )


@dataclass(frozen=True, slots=True)
class SpeciesExpansion:
    """Second order of the decorated crystal of some alloys, without pairs that none has."""

    expansion: Expansion
    supercells: tuple[Supercell, ...]
    """Supercell of the decorated crystal of each run."""
    placed: tuple[OnDecoratedSites, ...]
    """Decorated sites of the atoms of each run."""
    counts: Ints
    """(o,) number of pairs of each orbit in all runs."""
    mean_distances: Floats
    """(o,), unit: Å. Mean distance of the mean positions of these pairs."""
    absent: tuple[str, ...]
    """Species and distances of the pairs within the cutoff that no run has."""

    def __post_init__(self) -> None:
        freeze(self, {}, np.int64, counts="o")
        freeze(self, {}, float, mean_distances="o")

    def rows(self, run: int, n_frames: int, n_blocks: int) -> SpeciesRows:
        """Reduction of a run to the normal equations of this expansion."""
        occupied = self.placed[run].occupied.ravel()
        rows = ForceRows(
            self.expansion, self.supercells[run], n_frames, n_blocks, occupied=occupied
        )
        return Transformed(self.placed[run], rows)


def species_expansion(
    parent: Expansion, arrangements: Sequence[Arrangement]
) -> SpeciesExpansion:
    """Decorate the pairs of an expansion with the species that occur on their sites.

    Raises
    ------
    UsageError
        If atoms of a supercell share force constants among their images.
    """
    first, pairs = parent.bases[:2]
    if parent.cutoffs[1] is None or parent.shares_images:
        raise UsageError(
            "force constants by pair of species need a cutoff within the supercell",
            why="atoms that are farther apart share force constants among their images",
            fix="give --cutoff2 in Å",
        )
    species: list[set[str]] = [set() for _ in range(parent.crystal.n_sites)]
    for one in arrangements:
        sites = one.occupation.supercell.site_index.tolist()
        for s, name in zip(sites, one.occupation.species, strict=True):
            species[s] |= {name} - {""}
    decorated = decorated_group(parent.group, species)
    crystal, placed, supercells = decorated.group.crystal, [], []
    for one in arrangements:
        names = np.array(one.occupation.species).reshape(-1, parent.crystal.n_sites)
        occupied = names[:, decorated.parent] == np.array(crystal.species)
        placed.append(OnDecoratedSites(occupied, decorated.parent))
        supercells.append(build_supercell(crystal, one.occupation.supercell.matrix))
    basis = symmetry_basis(decorated_orbits(pairs.orbits, decorated))
    offsets = [
        one.offsets.reshape(-1, parent.crystal.n_sites, 3)[:, decorated.parent]
        for one in arrangements
    ]
    found = _occurrences(basis.orbits, supercells, placed, offsets)
    orbits, orbit = basis.orbits, basis.orbits.orbit
    counts = np.rint(np.bincount(orbit, found.counts)).astype(np.int64)
    with np.errstate(invalid="ignore"):
        distances = np.bincount(orbit, found.distances) / counts
    present = counts > 0
    basis, _ = replace(basis, frequency=_frequency(orbits, found)).selected(present)
    singles = symmetry_basis(decorated_orbits(first.orbits, decorated))
    labels = [
        f"{label} {radius:.3f} Å"
        for label, radius in zip(orbits.labels(), orbits.radii, strict=True)
    ]
    return SpeciesExpansion(
        expansion=Expansion((singles, basis), (None, parent.cutoffs[1])),
        supercells=tuple(supercells),
        placed=tuple(placed),
        # Every pair is listed from both of its atoms.
        counts=counts[present] // 2,
        mean_distances=distances[present],
        absent=tuple(labels[o] for o in np.flatnonzero(~present)),
    )


class _Occurrences(NamedTuple):
    """What the cells of all runs have of each listed pair (c)."""

    counts: Floats
    """(c,) number of pairs."""
    distances: Floats
    """(c,), unit: Å. Sum of the distances of their mean positions."""
    atoms: Floats
    """(c,) number of atoms on the first site."""


def _occurrences(
    orbits: Orbits,
    supercells: Sequence[Supercell],
    placed: Sequence[OnDecoratedSites],
    offsets: Sequence[Floats],
) -> _Occurrences:
    """Count the pairs of decorated sites that are occupied; offsets are (c, d, 3) in Å."""
    crystal = orbits.group.crystal
    counts, distances, atoms = np.zeros((3, orbits.n_clusters))
    for supercell, one, offset_cdx in zip(supercells, placed, offsets, strict=True):
        for k, ((i, j), (_, step)) in enumerate(zip(orbits.sites, orbits.lattice, strict=True)):
            other = cell_rank(supercell, supercell.cells + step)
            both = np.flatnonzero(one.occupied[:, i] & one.occupied[other, j])
            bond = (crystal.sites[j] + step - crystal.sites[i]) @ crystal.cell
            apart = bond + offset_cdx[other[both], j] - offset_cdx[both, i]
            counts[k] += len(both)
            distances[k] += np.linalg.norm(apart, axis=1).sum()
            atoms[k] += one.occupied[:, i].sum()
    return _Occurrences(counts, distances, atoms)


def _frequency(orbits: Orbits, found: _Occurrences) -> Floats:
    """(c,) pairs for each atom on the first site, the mean over equivalent first sites."""
    equivalent = orbits.group.permutations.min(axis=0)[orbits.sites[:, 0]]
    kinds = np.stack([orbits.orbit, equivalent])
    _, kind = np.unique(kinds, axis=1, return_inverse=True)
    kind = kind.reshape(-1)
    frequency: Floats = (np.bincount(kind, found.counts) / np.bincount(kind, found.atoms))[kind]
    return frequency


class SpeciesFit(NamedTuple):
    """Constants by pair of species, with remarks for the user."""

    constants: SpeciesConstants
    notes: tuple[Note, ...]


def fit_by_species(
    found: SpeciesExpansion, parts: Sequence[NormalEquationBlocks], options: FitOptions
) -> SpeciesFit:
    """Fit the constants of all pairs of species to the normal equations of all runs.

    Raises
    ------
    DataError
        If the forces do not determine the constants of a pair of species, which it names.
    """
    equations = pooled(parts)
    options = with_strength(equations, options)
    try:
        solved = solve_equations(equations, options)
    except DataError as error:
        raise DataError(
            f"by pair of species, {error.what}",
            where=error.where,
            why=error.why,
            fix=f"{error.fix}; or fit mean constants, without --by-species",
        ) from error
    reduced = solved.equations
    left_out = left_out_solutions(reduced, options.solver)
    errors = fit_errors(
        reduced, solved.parameters, left_out, solver=options.solver, method=options.errors
    )
    constants = constants_of(reduced.model, solved.parameters, errors)
    quality = quality_of(equations, solved, None, options, constants, left_out)
    notes = [
        *_pair_notes("no run has", found.absent, "their constants are not fitted"),
        *_pair_notes(
            "the forces do not determine",
            solved.found.undetermined,
            "those of smallest norm are taken",
        ),
        *overfitting_notes(
            quality,
            reduced.model.n_parameters,
            equations.n_forces,
            regularised=options.regularised,
        ),
        *block_notes(errors),
    ]
    return SpeciesFit(
        _of_pairs(found, constants, quality),
        tuple(replace(note, text=f"by pair of species: {note.text}") for note in notes),
    )


def _pair_notes(what: str, names: Sequence[str], then: str) -> Iterator[Note]:
    if names:
        yield Note("note", f"{what} pairs {', '.join(dict.fromkeys(names))}: {then}")


def _of_pairs(
    found: SpeciesExpansion, constants: ForceConstants, quality: FitQuality
) -> SpeciesConstants:
    """Constants of the representative of each orbit, species in alphabetical order."""
    pairs, crystal = found.expansion.bases[1].orbits, constants.crystal
    shown = np.flatnonzero(pairs.radii > 0.0)
    listed = pairs.representatives[shown]
    sites = pairs.sites[listed]
    names = np.array(crystal.species)[sites]
    turned = (names[:, 0] > names[:, 1])[:, None]
    bonds = crystal.positions[sites[:, 1]] - crystal.positions[sites[:, 0]]
    bonds += pairs.lattice[listed, 1] @ crystal.cell
    parents = found.placed[0].parent[sites]

    def chosen(values: Floats) -> Floats:
        own = values[..., listed, :, :]
        return np.where(turned[:, None], own.swapaxes(-1, -2), own)

    return SpeciesConstants(
        species=tuple("–".join(sorted(pair)) for pair in names.tolist()),
        sites=np.where(turned, parents[:, ::-1], parents),
        bonds=np.where(turned, -bonds, bonds),
        mean_distances=found.mean_distances[shown],
        counts=found.counts[shown],
        values=chosen(constants.values),
        quality=quality,
        replicates=None if constants.replicates is None else chosen(constants.replicates),
        absent=found.absent,
    )
