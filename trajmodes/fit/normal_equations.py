"""Normal equations in blocks of time, on which alone a fit of any order depends.

With A the design matrix of an `Expansion` and f the forces, the squared residual of some
frames is Σ|f|² − 2 h·z + z·G z with the normal matrix G = AᵀA and the moment h = Aᵀf. These
sums are kept for contiguous blocks of time. The sum of all blocks gives the fit. Leaving blocks
out gives error bars and cross-validation, selecting columns gives shorter cutoffs and lower
orders, and a null space imposes constraints, all without reading the trajectory again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.charges import Charges, same_charges
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.lattice import SAME_VOLUME, crystal_difference, same_lattice
from trajmodes.errors import DataError
from trajmodes.fit.expansion import Expansion
from trajmodes.symmetry.cutoffs import Cutoff, admissible_radius
from trajmodes.symmetry.translations import build_supercell


class Source(NamedTuple):
    """A run that contributed to normal equations."""

    name: str
    """Names of its files."""
    temperature: float
    """Temperature in K; nan if unknown."""
    interval_ps: float
    """Time between frames in ps; nan if unknown."""
    displaced_atoms: int = 0
    """Atoms of the known supercell that the frames are displaced from; 0 for a run about its
    average structure."""


def default_scheme(sources: Iterable[Source]) -> Literal["sequential", "joint"]:
    """Scheme of a fit to these runs: sequential, unless they displace supercells of two sizes.

    Two sizes are displaced for second and third order. They are not a thermal ensemble: in a
    sequential fit the forces of third order would change Φ2.
    """
    sizes = {source.displaced_atoms for source in sources}
    return "joint" if len(sizes) > 1 and 0 not in sizes else "sequential"


@dataclass(frozen=True, slots=True)
class Blocks:
    """Sums over the frames of each block of time (b); blocks without frames are left out.

    All arrays of a subclass have the axis b first.
    """

    frames: Ints
    """(b,) number of frames."""
    components: Ints
    """(b,) number of force components in these frames: 3 for each atom."""
    square: Floats
    """(b,), unit: eV²/Å². Σ_t |f|²; with charges, without the dipole–dipole forces."""

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.frames)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.frames.sum())

    @property
    def n_components(self) -> int:
        """Number of force components in all frames."""
        return int(self.components.sum())

    @property
    def n_forces(self) -> int:
        """Number of independent force components: those of a frame add up to zero."""
        return self.n_components - 3 * self.n_frames

    def arrays(self) -> dict[str, Any]:
        """All arrays by name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: x for name, x in values.items() if isinstance(x, np.ndarray)}


@dataclass(frozen=True, slots=True)
class SiteBlocks(Blocks):
    """Blocks of time with the mean displacement of each site and the mean force on it."""

    displacement_sum: Floats
    """(b, s, 3), unit: Å. Σ_t of the mean displacement of each site over the cells."""
    force_sum: Floats
    """(b, s, 3), unit: eV/Å. Σ_t of the mean force on each site over the cells."""


@dataclass(frozen=True, slots=True)
class NormalEquationBlocks(SiteBlocks):
    """Normal equations of an expansion, in blocks of time."""

    supercell: Supercell
    """Supercell of the run, of several runs the one that the expansion was made for."""
    expansion: Expansion
    run: Ints
    """(b,) index of the run of each block; blocks are in order of time."""
    gram: Floats
    """(b, z, z). Σ_t AᵀA in the units of the columns, Åⁿ⁻¹ for order n."""
    moment: Floats
    """(b, z). Σ_t Aᵀf in eV/Å times the units of the columns."""
    sources: tuple[Source, ...] = ()
    """(r,) name, temperature and interval of each run; empty if unknown."""
    charges: Charges | None = None
    """Charges whose dipole–dipole forces were subtracted from the forces of every frame."""
    whole_square: Floats | None = None
    """(b,), unit: eV²/Å². Σ_t |f|² of the whole forces; None without charges."""

    def __post_init__(self) -> None:
        sizes = {"z": self.expansion.n_parameters, "s": self.expansion.crystal.n_sites}
        freeze(self, {}, float, whole_square="b")
        freeze(self, sizes, np.int64, run="b", frames="b", components="b")
        freeze(self, sizes, float, gram="b z z", moment="b z", square="b")
        freeze(self, sizes, float, displacement_sum="b s 3", force_sum="b s 3")

    @property
    def force_square(self) -> float:
        """Σ|f|² of all frames in eV²/Å², the dipole–dipole forces included."""
        whole = self.square if self.whole_square is None else self.whole_square
        return float(whole.sum())

    @property
    def duration_ps(self) -> float:
        """Length of all runs together in ps; nan if an interval between frames is unknown."""
        frames = np.bincount(self.run, self.frames)
        steps = [source.interval_ps for source in self.sources]
        return float(frames @ steps) if len(steps) == len(frames) else np.nan

    @property
    def temperature(self) -> float | None:
        """Mean temperature of all frames in K, weighted by the number of atoms as in the fit.

        It is None if that of a run is unknown.
        """
        known = np.array([source.temperature for source in self.sources])
        if not len(known) or not np.isfinite(known).all():
            return None
        weights = np.bincount(self.run, self.components)
        return float(weights @ known / weights.sum())

    def restricted(self, cutoffs: Mapping[int, Cutoff | None]) -> "NormalEquationBlocks":
        """Select fewer orders and shorter cutoffs: `Expansion.restricted`."""
        expansion, columns = self.expansion.restricted(cutoffs)
        if columns.all():
            return replace(self, expansion=expansion)
        blocks = np.arange(self.n_blocks)
        return replace(
            self,
            expansion=expansion,
            gram=self.gram[np.ix_(blocks, columns, columns)],
            moment=self.moment[:, columns],
        )


def pooled(
    parts: Sequence[NormalEquationBlocks], supercell: Supercell | None = None
) -> NormalEquationBlocks:
    """Pool the normal equations of several runs of one crystal, in the order given.

    The runs may have different supercells: columns are forces of the clusters of the crystal.

    Parameters
    ----------
    parts
        Normal equations of one expansion.
    supercell
        Supercell of the expansion; by default the `widest`.

    Raises
    ------
    DataError
        If crystals, volumes, charges or columns differ, the same frames occur twice, or the
        supercells differ although clusters are atoms of one of them.
    """
    first = parts[0]
    if len(parts) == 1:
        return replace(first, supercell=supercell or first.supercell)
    for other in parts[1:]:
        _check_poolable(first, other)
    starts = np.cumsum([0, *(int(one.run.max()) + 1 for one in parts)])
    moved = [
        one.arrays() | {"run": one.run + start}
        for one, start in zip(parts, starts, strict=False)
    ]
    arrays: dict[str, Any] = {k: np.concatenate([x[k] for x in moved]) for k in moved[0]}
    known = all(one.sources for one in parts)
    sources = tuple(source for one in parts for source in one.sources) if known else ()
    made_for = supercell or widest([one.supercell for one in parts])
    return replace(first, **arrays, sources=sources, supercell=made_for)


def widest(supercells: Sequence[Supercell]) -> Supercell:
    """Supercell that admits the longest cutoff, with the crystal of the first one."""
    radii = [round(admissible_radius(one), 3) for one in supercells]
    place = radii.index(max(radii))
    if place == 0:
        return supercells[0]
    return build_supercell(supercells[0].crystal, supercells[place].matrix)


def require_poolable(expansion: Expansion, supercells: Sequence[Supercell]) -> None:
    """Refuse different supercells if clusters are atoms of one of them."""
    matrices = [one.matrix for one in supercells]
    if expansion.shares_images and not all(same_lattice(matrices[0], m) for m in matrices):
        different = {str(matrix.tolist()): None for matrix in matrices}
        raise DataError(
            f"the runs have different supercells: {', '.join(different)}",
            why="a cutoff of third or fourth order reaches beyond the sphere inscribed in a "
            "supercell, and sums over its images are not those over images of another one",
            fix="give cutoffs within the sphere inscribed in the largest supercell: "
            f"{admissible_radius(widest(supercells)):.2f} Å",
        )


_SAME_SUM = 1e-12
"""Relative difference of two sums over the same frames in different order."""


def _check_poolable(first: NormalEquationBlocks, other: NormalEquationBlocks) -> None:
    require_poolable(first.expansion, [first.supercell, other.supercell])
    reasons = _differences(first.supercell.crystal, other.supercell.crystal)
    if not same_charges(first.charges, other.charges):
        reasons.append("Born charges or dielectric tensors")
    mine, theirs = first.expansion, other.expansion
    if mine.cutoffs != theirs.cutoffs:
        reasons.append(f"cutoffs {[*map(str, mine.cutoffs)]} and {[*map(str, theirs.cutoffs)]}")
    elif mine.n_parameters != theirs.n_parameters:
        reasons.append("numbers of parameters")
    _refuse(reasons)
    require_new_frames(
        [_total(first, run) for run in np.unique(first.run)],
        [_total(other, run) for run in np.unique(other.run)],
    )


def require_one_crystal(one: Crystal, two: Crystal) -> None:
    """Refuse runs of different crystals, or of one crystal at different volumes."""
    _refuse(_differences(one, two))


def _refuse(reasons: list[str]) -> None:
    if reasons:
        raise DataError(
            "the runs cannot be pooled: they differ in " + ", ".join(reasons),
            fix="pool runs of one crystal at one volume, fitted with the same cutoffs",
        )


def require_new_frames(
    known: Sequence[tuple[int, float]], added: Sequence[tuple[int, float]]
) -> None:
    """Refuse runs with the same number of frames and sum of squared forces as another."""
    for frames, square in added:
        if any(n == frames and abs(s - square) <= _SAME_SUM * s for n, s in known):
            raise DataError(
                f"the same {frames} frames are given twice",
                why="the saved normal equations hold them already, or one file was named "
                "twice; counted twice they would make error bars too small",
                fix="give new frames only",
            )


def _differences(one: Crystal, two: Crystal) -> list[str]:
    if one.species != two.species:
        return [f"species {', '.join(one.species)} and {', '.join(two.species)}"]
    apart, found = crystal_difference(one, two), []
    strain = max(abs(apart.largest_strain), apart.angle)
    if strain > SAME_VOLUME.strain:
        found.append(f"lattice vectors, by {strain:.1%}")
    if apart.shift.max() > SAME_VOLUME.site:
        found.append(f"sites, by {apart.shift.max():.2f} Å")
    return found


def _total(equations: NormalEquationBlocks, run: int) -> tuple[int, float]:
    """Count the frames and sum the squared forces of one run."""
    own = equations.run == run
    return int(equations.frames[own].sum()), float(equations.square[own].sum())
