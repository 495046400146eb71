"""Match a run to a crystal: matrix, rotation, strain, shift, and the site of every atom.

With rows as lattice vectors, box = S · cell · (1 + ε) · Rᵀ. S is the supercell matrix, ε the
homogeneous strain from the crystal of the cell file to the run (symmetric, in the user's
frame), and R the rotation from the frame of the file to the user's frame, r_user = r_file R.
The sites keep their reduced coordinates under the strain. They are then moved by the part of
the mean displacement that the space group allows; the other part is noise.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Crystal, Occupation, Supercell
from trajmodes.data.lattice import (
    EXPANSION,
    deformation,
    nearest_neighbour,
)
from trajmodes.data.motion import BoxMotion
from trajmodes.matching.assignment import (
    Elements,
    assigned_atoms,
    registered,
    require_near_sites,
    require_structure,
    require_whole_cells,
)
from trajmodes.matching.average import (
    AverageStructure,
    average_structure,
    box_notes,
    in_vacuum_of,
    symmetric_box,
    volume_scale,
)
from trajmodes.matching.imperfect import (
    MOST_WRONG,
    assigned_imperfect,
    elements_of_run,
    occupation_notes,
)
from trajmodes.matching.registration import Placement
from trajmodes.matching.species import atom_species
from trajmodes.notes import Note, Subject
from trajmodes.readers.trajectory import Trajectory
from trajmodes.symmetry.operations import (
    SpaceGroup,
    in_symmetric_cell,
    invariant_part,
    space_group,
)
from trajmodes.symmetry.translations import build_supercell

_TOLERANCE = 1e-3
"""Tolerance of the symmetry of the crystal in Å; cell files may have four digits."""

_FEWER_EQUAL = "fewer force constants and modes are equivalent, so that errors are larger"
_SURELY = 5.0
"""Standard errors beyond which the mean positions of a run differ from given sites."""


@dataclass(frozen=True, slots=True)
class Match:
    """The map between the crystal and a run, and its residuals."""

    supercell: Supercell
    """The user's crystal strained to the box of the run and relaxed within its symmetry, in the
    user's frame. Its matrix is integer: phases do not depend on the strain."""
    permutation: Ints
    """(a,) index in canonical order of each atom of the file that is on a site."""
    rotation: Floats
    """(3, 3) proper rotation, r_user = r_file @ rotation."""
    reference: Floats
    """(a, 3), unit: Å. Ideal position of each atom in the frame and the order of the file, at
    the image nearest to its mean position; or the mean position itself, see `about_means`."""
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
    """Largest mean displacement of a site in Å, without symmetry."""
    spacing: float
    """Shortest distance of two sites in Å."""
    space_group: str
    """International symbol of the crystal of the cell file."""
    ids: Ints
    """(a,) id of each atom in the file, or 1, 2, … if it has none."""
    notes: tuple[Note, ...]
    box_motion: BoxMotion | None = None
    """Fluctuation of the box about `box`, its mean; None if it is fixed."""
    occupation: Occupation | None = None
    """Atoms on the sites of an imperfect crystal; None for a perfect one."""
    atoms: Ints | None = None
    """(a,) index in the file of each atom on a site; None if all atoms are on sites."""
    mean_forces: Floats | None = None
    """(a, 3), unit: eV/Å. Mean force on each atom in the frame of the file, which is
    subtracted; None if nothing is subtracted."""
    about_means: bool = False
    """Whether displacements and forces are relative to their means for each atom. The mean
    positions of atoms in an alloy or near defects are not at symmetric sites."""

    def __post_init__(self) -> None:
        sizes = {"a": self.supercell.n_atoms, "s": self.supercell.crystal.n_sites}
        if self.occupation is not None:
            sizes["a"] -= self.occupation.n_vacancies
        freeze(self, sizes, np.int64, permutation="a", ids="a", atoms="a")
        freeze(self, sizes, float, rotation="3 3", reference="a 3", box="3 3", shift="3")
        freeze(self, sizes, float, strain="3 3", relaxation="s 3", mean_forces="a 3")

    @property
    def n_file_atoms(self) -> int:
        """Number of atoms in the file."""
        return len(self.ids) + (0 if self.occupation is None else self.occupation.n_extra)

    @property
    def masses(self) -> Floats:
        """Masses (a,) in canonical order; zero on an empty site."""
        return self.supercell.masses if self.occupation is None else self.occupation.masses

    @property
    def offsets(self) -> Floats:
        """(a, 3), unit: Å. The reference of each atom, counted from its site.

        In canonical order and the user's frame; zero on empty sites.
        """
        offsets, supercell = np.zeros((self.supercell.n_atoms, 3)), self.supercell
        places = (self.reference - self.shift) @ self.rotation
        apart = places - supercell.positions[self.permutation]
        reduced = apart @ np.linalg.inv(supercell.cell)
        offsets[self.permutation] = apart - np.rint(reduced) @ supercell.cell
        return offsets

    @property
    def species(self) -> tuple[str, ...]:
        """Elements (a,) in canonical order; an empty text on an empty site."""
        return self.supercell.species if self.occupation is None else self.occupation.species

    @property
    def masses_of_species(self) -> dict[str, float]:
        """Mean mass of the atoms of each element."""
        names = np.array(self.species)
        present = dict.fromkeys(filter(None, self.species))
        return {name: float(self.masses[names == name].mean()) for name in present}

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
        supercell, occupation = build_supercell(displaced, self.supercell.matrix), None
        if self.occupation is not None:
            occupation = replace(self.occupation, supercell=supercell)
        moved = self.reference + of_atoms @ self.rotation.T
        return replace(
            self,
            supercell=supercell,
            occupation=occupation,
            reference=self.reference if self.about_means else moved,
            relaxation=self.relaxation + shift,
        )


def match(  # noqa: PLR0913 - each keyword is one choice
    crystal: Crystal,
    trajectory: Trajectory,
    *,
    type_map: Mapping[int, str] | None = None,
    average: AverageStructure | None = None,
    relax: bool = True,
    accept: Collection[Subject] = (),
    imperfect: bool = False,
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
        Errors that become warnings: of the ``volume``, to which the crystal is then scaled, of
        the ``structure``, and of the ``masses``, which are then averaged for each site.
    imperfect
        Whether sites may be empty or have other elements or masses, and atoms may be on no
        site.

    Raises
    ------
    DataError
        If the run is not of this crystal (numbers of atoms, volume, arrangement, mirror image),
        if its box must be fixed but changes, or if an atom is far from every site.
    UsageError
        If the elements of the atoms are not known.
    """
    if imperfect:
        elements = elements_of_run(trajectory, crystal, type_map)
    else:
        elements = Elements(*atom_species(trajectory, crystal, type_map))
        require_whole_cells(crystal, elements.species)
    average = average_structure(trajectory) if average is None else average
    crystal, vacuum_notes = in_vacuum_of(crystal, average)
    scale, volume_notes = volume_scale(crystal, average, accept)
    crystal = replace(crystal, cell=scale * crystal.cell)
    group = space_group(crystal, tolerance=_TOLERANCE)
    most_wrong = MOST_WRONG if imperfect else 0.0
    found = registered(group, average, elements.of_crystal, most_wrong=most_wrong)
    average, placing = symmetric_box(group, average, found)
    if imperfect:
        assigned = assigned_imperfect(group, trajectory, elements, average, placing)
    else:
        assigned = assigned_atoms(group, trajectory, elements, placing, accept)
    average, placed = assigned.part(average), assigned.placement
    # map = (1 + ε) Rᵀ
    change = deformation(placing.map)
    rotation, cell = change.rotation.T, crystal.cell @ change.stretch
    change = change._replace(strain=scale * change.stretch - np.eye(3))
    raw, raw_by_frame = _site_means(average, placed, rotation)
    relaxation = _allowed_part(group, raw) if relax else np.zeros_like(raw)
    sites = crystal.sites + relaxation @ np.linalg.inv(cell)
    strained, symmetry_notes = _with_symmetry(
        group, replace(crystal, cell=cell, sites=sites, masses=assigned.masses)
    )
    residual = placed.offset - relaxation[placed.site] @ rotation.T
    distance = np.linalg.norm(residual, axis=1)
    spacing = nearest_neighbour(strained)
    require_near_sites(distance, spacing, assigned.ids)
    deviations = average.deviations[:0] if imperfect else average.deviations
    structure_notes = require_structure(distance, deviations, spacing, accept)
    supercell = build_supercell(strained, placing.matrix)
    occupation = None if assigned.occupants is None else assigned.occupants.on(supercell)
    of_means = occupation is not None and not (occupation.only_isotopes or average.exact)
    return Match(
        supercell=supercell,
        permutation=assigned.permutation,
        rotation=rotation,
        reference=average.positions if of_means else average.positions - residual,
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
        ids=assigned.ids,
        notes=(
            *elements.notes,
            *assigned.notes,
            *occupation_notes(occupation, assigned),
            *vacuum_notes,
            *volume_notes,
            *structure_notes,
            *_size_notes(supercell),
            *_strain_notes(change.largest),
            *symmetry_notes,
            *box_notes(average.motion),
        ),
        box_motion=average.motion,
        occupation=occupation,
        atoms=None if occupation is None else assigned.atoms,
        mean_forces=average.forces if of_means else None,
        about_means=of_means,
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
    # Rounding must not break the symmetry of sites at fixed positions.
    return np.where(np.abs(part) < 1e-9, 0.0, part)


def _size_notes(supercell: Supercell) -> tuple[Note, ...]:
    if supercell.n_cells > 1:
        return ()
    text = (
        f"the run is one cell of the crystal ({supercell.n_atoms} atoms): its only q point is "
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


def _with_symmetry(group: SpaceGroup, strained: Crystal) -> tuple[Crystal, tuple[Note, ...]]:
    """Restore a symmetry that the box breaks within the tolerance of cell files, with a note.

    A crystal strained by more keeps its lower symmetry, with a warning.
    """
    lower = space_group(strained)
    if lower.n_operations >= group.n_operations:
        return strained, ()
    symmetric = in_symmetric_cell(strained, group)
    moved = float(np.linalg.norm(symmetric.cell - strained.cell, axis=1).max())
    strain = float(np.abs(np.linalg.solve(symmetric.cell, strained.cell) - np.eye(3)).max())
    fix = (
        "scale edges that are equal by symmetry by one factor, and the tilts of the box (xy, "
        "xz, yz) with them"
    )
    if moved <= _TOLERANCE and space_group(symmetric).n_operations >= group.n_operations:
        text = (
            f"the box of the run deviates from the symmetry {group.symbol} by a strain of "
            f"{strain:.0e}, {moved:.0e} Å in a cell: the crystal has the full symmetry"
        )
        return symmetric, (Note("note", text, fix=fix),)
    text = (
        f"the box of the run lowers the symmetry from {group.symbol} to {lower.symbol}: it is "
        f"strained by {strain:.1e} from a box of the full symmetry"
    )
    return strained, (Note("warning", text, why=_FEWER_EQUAL, fix=fix),)
