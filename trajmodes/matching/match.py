"""Match a run to a crystal: matrix, rotation, strain, shift, and the site of every atom.

With rows as lattice vectors, box = S · cell · (1 + ε) · Rᵀ. S is the supercell matrix, ε the
homogeneous strain from the crystal of the cell file to the run (symmetric, in the user's
frame), and R the rotation from the frame of the file to the user's frame, r_user = r_file R.
The sites keep their reduced coordinates under the strain. They are then moved by the part of
the mean displacement that the space group allows; the other part is noise.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.lattice import (
    EXPANSION,
    deformation,
    nearest_neighbour,
)
from trajmodes.errors import DataError
from trajmodes.matching.acceptance import refuse
from trajmodes.matching.average import (
    AverageStructure,
    BoxMotion,
    average_structure,
    box_notes,
    in_vacuum_of,
    symmetric_box,
    volume_scale,
)
from trajmodes.matching.registration import Placement, Registration, register
from trajmodes.matching.species import atom_species
from trajmodes.matching.unrotated import register_unrotated
from trajmodes.notes import Note, Subject
from trajmodes.readers.trajectory import Trajectory
from trajmodes.symmetry.operations import SpaceGroup, invariant_part, space_group
from trajmodes.symmetry.translations import atom_at, build_supercell

_TOLERANCE = 1e-3
"""Å. Tolerance of the symmetry of the crystal: cell files may have four digits."""

_MANY_SITES = 32
"""Number of sites above which a registration without a rotation is tried first."""

_SURELY = 5.0
"""Standard errors beyond which the mean positions of a run differ from given sites."""


@dataclass(frozen=True, slots=True)
class Match:
    """The map between the crystal and a run, and its residuals."""

    supercell: Supercell
    """The user's crystal strained to the box of the run and relaxed within its symmetry, in the
    user's frame. Its matrix is integer: phases do not depend on the strain."""
    permutation: Ints
    """(a,) index in canonical order of each atom of the file."""
    rotation: Floats
    """(3, 3) proper rotation, r_user = r_file @ rotation."""
    reference: Floats
    """(a, 3), unit: Å. Ideal position of each atom in the frame and the order of the file, at
    the image nearest to its mean position."""
    box: Floats
    """(3, 3), unit: Å. Rows are the box vectors, in the frame of the file."""
    shift: Floats
    """(3,), unit: Å. Origin of the crystal in the frame of the file."""
    strain: Floats
    """(3, 3) strain from the cell file to the run, symmetric, in the user's frame."""
    residual_rms: float
    """Root mean square distance in Å of the mean positions from the reference."""
    residual_max: float
    """Largest of these distances in Å."""
    relaxation: Floats
    """(s, 3), unit: Å. Displacement of the sites from their reduced coordinates in the cell
    file, in the user's frame: the part of the mean displacement that the space group allows."""
    relaxation_sem: float
    """Largest standard error of its components in Å; nan from one frame, zero if the positions
    are not averages."""
    raw_relaxation_max: float
    """Å. Largest mean displacement of a site, without symmetry."""
    spacing: float
    """Shortest distance of two sites in Å."""
    space_group: str
    """International symbol of the crystal of the cell file."""
    ids: Ints
    """(a,) id of each atom in the file, or 1, 2, … if it has none."""
    notes: tuple[Note, ...]
    box_motion: BoxMotion | None = None
    """Fluctuation of the box about `box`, its mean; None if it is fixed."""

    def __post_init__(self) -> None:
        sizes = {"a": self.supercell.n_atoms, "s": self.supercell.crystal.n_sites}
        freeze(self, sizes, np.int64, permutation="a", ids="a")
        freeze(self, sizes, float, rotation="3 3", reference="a 3", box="3 3", shift="3")
        freeze(self, sizes, float, strain="3 3", relaxation="s 3")

    @property
    def is_relaxed(self) -> bool:
        """Whether the sites have moved by significantly more than the error of the average."""
        largest = np.abs(self.relaxation).max(initial=0.0)
        return bool(largest > _SURELY * self.relaxation_sem)

    def moved(self, shift: Floats) -> "Match":
        """Displace the sites by (s, 3) in Å in the user's frame, which symmetry must allow."""
        crystal = self.supercell.crystal
        sites = crystal.sites + shift @ np.linalg.inv(crystal.cell)
        displaced = replace(crystal, sites=sites)
        of_atoms = shift[self.permutation % crystal.n_sites]
        return replace(
            self,
            supercell=build_supercell(displaced, self.supercell.matrix),
            reference=self.reference + of_atoms @ self.rotation.T,
            relaxation=self.relaxation + shift,
        )


def match(
    crystal: Crystal,
    trajectory: Trajectory,
    *,
    type_map: Mapping[int, str] | None = None,
    average: AverageStructure | None = None,
    relax: bool = True,
    accept: Collection[Subject] = (),
) -> Match:
    """Find supercell matrix, strain, rotation, shift and site assignment of a run.

    Parameters
    ----------
    crystal
        The primitive crystal in the user's frame.
    type_map
        Atom type → symbol, if the file does not contain the elements.
    relax
        Whether sites are moved by the part of the mean displacement that symmetry allows, or
        stay at the reduced coordinates of the crystal. For snapshots about a known structure
        the sites are those of that structure.
    accept
        Errors that become warnings: of the ``volume``, to which the crystal is then scaled, and
        of the ``masses``, whose mean each site then has.

    Raises
    ------
    DataError
        If the run is not of this crystal (numbers of atoms, volume, arrangement, mirror image),
        if its box changes and may not, or if an atom is far from every site.
    UsageError
        If the elements of the atoms are not known.
    """
    species, species_notes = atom_species(trajectory, crystal, type_map)
    _check_numbers(crystal, species)
    average = average_structure(trajectory) if average is None else average
    crystal, vacuum_notes = in_vacuum_of(crystal, average)
    scale, volume_notes = volume_scale(crystal, average, accept)
    crystal = replace(crystal, cell=scale * crystal.cell)
    group = space_group(crystal, tolerance=_TOLERANCE)
    ids = np.arange(1, len(species) + 1) if trajectory.ids is None else trajectory.ids
    average, placing = symmetric_box(group, average, _register(group, average, species))
    placed = placing.placement
    with_masses, notes = _with_masses(crystal, trajectory, placed.site, accept)
    supercell = build_supercell(with_masses, placing.matrix)
    permutation = _permutation(supercell, placed, species, ids)
    # map = (1 + ε) Rᵀ
    change = deformation(placing.map)
    rotation, cell = change.rotation.T, crystal.cell @ change.stretch
    change = change._replace(strain=scale * change.stretch - np.eye(3))
    raw, raw_by_frame = _site_means(average, placed, rotation)
    relaxation = _allowed_part(group, raw) if relax else np.zeros_like(raw)
    sites = crystal.sites + relaxation @ np.linalg.inv(cell)
    strained = replace(with_masses, cell=cell, sites=sites)
    residual = placed.offset - relaxation[placed.site] @ rotation.T
    distance = np.linalg.norm(residual, axis=1)
    spacing = nearest_neighbour(strained)
    _check_distance(distance, spacing, ids)
    return Match(
        supercell=build_supercell(strained, supercell.matrix),
        permutation=permutation,
        rotation=rotation,
        reference=average.positions - residual,
        box=average.box,
        shift=placing.shift,
        strain=change.strain,
        residual_rms=float(np.sqrt((distance**2).mean())),
        residual_max=float(distance.max()),
        relaxation=relaxation,
        relaxation_sem=0.0 if average.exact or not relax else _sem(group, raw_by_frame),
        raw_relaxation_max=float(np.linalg.norm(raw, axis=1).max()),
        spacing=spacing,
        space_group=group.symbol,
        ids=ids,
        notes=(
            *species_notes,
            *notes,
            *vacuum_notes,
            *volume_notes,
            *_size_notes(supercell),
            *_strain_notes(change.largest),
            *_symmetry_notes(group, strained),
            *box_notes(average.motion),
        ),
        box_motion=average.motion,
    )


def _register(
    group: SpaceGroup, average: AverageStructure, species: tuple[str, ...]
) -> Registration:
    """Register the crystal, or raise a `DataError` that gives the reason."""
    # A left-handed box and its negative span the same lattice.
    box = average.box if np.linalg.det(average.box) > 0.0 else -average.box
    if group.crystal.n_sites > _MANY_SITES:
        given = register_unrotated(group.crystal, box, average.positions, species)
        if given is not None:
            return given
    found = register(group, box, average.positions, species, mirrored=False)
    chiral = bool((np.linalg.det(group.cartesian) > 0.0).all())
    if chiral:
        other = register(group, box, average.positions, species, mirrored=True)
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
            where="numbers of atoms and volume agree, the arrangement does not",
            why="another structure of the same composition, a phase transition, a liquid, or "
            "interchanged elements",
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
        f"the atoms are not one to one with the sites: {int((counts == 0).sum())} sites of "
        f"{supercell.n_atoms} are empty, others have two atoms",
        where=listed,
        why="a vacancy, an interstitial or an atom that hopped, another structure, or "
        "interchanged elements",
        fix="check the cell file and the elements (--species); a crystal with defects cannot "
        "be used",
    )


def _site_means(
    average: AverageStructure, placed: Placement, rotation: Floats
) -> tuple[Floats, Floats]:
    """Mean displacement (s, 3) of each site in the user's frame, and by frame (t, s, 3)."""
    n_sites = int(placed.site.max()) + 1
    share = np.zeros((n_sites, len(placed.site)))
    share[placed.site, np.arange(len(placed.site))] = 1.0
    share /= share.sum(axis=1, keepdims=True)
    mean = share @ (placed.offset @ rotation)
    by_frame = np.matmul(share, average.deviations) @ rotation + mean
    return mean, by_frame


def _sem(group: SpaceGroup, raw_by_frame: Floats) -> float:
    """Largest standard error in Å of the symmetric part; nan from one frame."""
    n_frames = len(raw_by_frame)
    if n_frames < 2:
        return float("nan")
    spread = _allowed_part(group, raw_by_frame).std(axis=0, ddof=1)
    return float(spread.max() / np.sqrt(n_frames))


def _allowed_part(group: SpaceGroup, displacements: Floats) -> Floats:
    """Part of site displacements (…, s, 3) invariant under the space group, without a shift."""
    part = invariant_part(group, displacements)
    part = part - part.mean(axis=-2, keepdims=True)
    # Rounding must not break the symmetry of sites that it fixes.
    return np.where(np.abs(part) < 1e-9, 0.0, part)


def _with_masses(
    crystal: Crystal, trajectory: Trajectory, site: Ints, accept: Collection[Subject]
) -> tuple[Crystal, tuple[Note, ...]]:
    """Give the crystal the masses of the run, if the file contains them."""
    if trajectory.masses is None:
        return crystal, ()
    masses = np.bincount(site, trajectory.masses) / np.bincount(site)
    spread = float(np.abs(trajectory.masses / masses[site] - 1.0).max())
    notes: tuple[Note, ...] = ()
    if spread > 1e-6:
        mixed = Note(
            "error",
            f"atoms on equivalent sites differ in mass by {spread:.1%}",
            why="isotopes or an alloy; a crystal with mixed masses has no phonons of given q",
            fix="give all atoms of an element the same mass; --accept masses takes their mean",
            subject="masses",
        )
        notes = refuse(mixed, accept)
    change = float(np.abs(masses / crystal.masses - 1.0).max())
    with_masses = replace(crystal, masses=masses)
    if change < 1e-3:
        return with_masses, notes
    text = f"masses are those of the run, which differ by up to {change:.1%} from the cell file"
    return with_masses, (*notes, Note("warning", text))


def _size_notes(supercell: Supercell) -> tuple[Note, ...]:
    if supercell.n_cells > 1:
        return ()
    text = (
        f"the run is one cell of the crystal, {supercell.n_atoms} atoms: its only q point is "
        "Γ, and bands at other q are extrapolated"
    )
    fix = "give the primitive cell, if it is smaller, or --symprec"
    return (Note("warning", text, fix=fix),)


def _strain_notes(largest: float) -> tuple[Note, ...]:
    if abs(largest) < EXPANSION.strain:
        return ()
    text = (
        f"the run's lattice is strained by up to {abs(largest):.1%} from the cell file: force "
        "constants from another source may belong to another lattice parameter"
    )
    return (Note("warning", text),)


def _symmetry_notes(group: SpaceGroup, strained: Crystal) -> tuple[Note, ...]:
    lower = space_group(strained, tolerance=_TOLERANCE)
    if lower.n_operations == group.n_operations:
        return ()
    text = (
        f"the box of the run lowers the symmetry from {group.symbol} to {lower.symbol}: it is "
        "not an integer multiple of a cell of the full symmetry"
    )
    return (Note("warning", text),)


def _check_numbers(crystal: Crystal, species: tuple[str, ...]) -> None:
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
        why="another crystal, wrong elements, a defect, or a dump of only some of the atoms",
        fix="check the cell file and the elements (dump_modify ID element …, or --species), "
        "and dump the group all",
    )


def _check_distance(distance: Floats, spacing: float, ids: Ints) -> None:
    worst = int(distance.argmax())
    if distance[worst] > 0.5 * spacing:
        raise DataError(
            f"the mean position of atom {ids[worst]} is {distance[worst]:.2f} Å from its site",
            where=f"half the distance between neighbours is {0.5 * spacing:.2f} Å",
            why="the atom hopped during the run, or the structure is different",
            fix="check the cell file; diffusing atoms cannot be used",
        )
