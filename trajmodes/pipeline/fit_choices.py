"""Choices of a job for its fit: scheme, cutoffs, constraints, and the strength of a ridge."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from trajmodes.config.job import Job
from trajmodes.coulomb.supercells import dipole_forces
from trajmodes.data.charges import Charges
from trajmodes.errors import UsageError
from trajmodes.fit.accumulate import RowsByAtoms, default_blocks
from trajmodes.fit.by_species import (
    Arrangement,
    SpeciesExpansion,
    SpeciesRows,
    species_expansion,
)
from trajmodes.fit.expansion import CutoffChoice, Expansion
from trajmodes.fit.many_parameters.fit import blocks_for, has_many_parameters
from trajmodes.fit.memory import fit_bytes, why_too_large
from trajmodes.fit.normal_equations import (
    NormalEquationBlocks,
    Source,
    default_scheme,
    pooled,
    widest,
)
from trajmodes.fit.solution import FitOptions, with_strength
from trajmodes.notes import Note
from trajmodes.pipeline.load import LoadedRun
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.constraints import Constraints
from trajmodes.symmetry.cutoffs import Cutoff, parse_cutoff
from trajmodes.symmetry.translations import half_space

_FEWEST_LEFT_OUT, _GROUPS = 5, 8
"""Fewest frames of which some are left out to choose the strength of a regularisation, and the
number of groups of atoms that are left out in turn of fewer frames."""


def fit_options(
    job: Job,
    runs: Sequence[LoadedRun] = (),
    earlier: NormalEquationBlocks | None = None,
) -> FitOptions:
    """Options of the fit of a job; the default scheme depends on the runs."""
    sources = (*(() if earlier is None else earlier.sources), *map(source_of, runs))
    by_default = default_scheme(sources)
    return FitOptions(
        scheme=job.fit.scheme or by_default,
        constraints=Constraints(
            hermitian="no-hermitian" not in job.fit.constraints,
            born_huang="born-huang" in job.fit.constraints,
            huang="huang" in job.fit.constraints,
        ),
        constant_force=not job.fit.no_constant_force,
        minimum_norm=job.fit.minimum_norm,
        method=job.fit.method,
        strength=job.fit.strength,
        errors=job.fit.errors,
    )


def cutoffs_of(job: Job) -> dict[int, Cutoff | Literal["supercell"] | None]:
    """Order → cutoff of the job; None is chosen by the data for order 2, else the largest."""
    given = {2: job.fit.cutoff2, 3: job.fit.cutoff3, 4: job.fit.cutoff4}
    found: dict[int, Cutoff | Literal["supercell"] | None] = {2: None}
    for order, value in given.items():
        if value is not None:
            found[order] = "supercell" if value == "supercell" else parse_cutoff(str(value))
    return found


def smaller_cutoffs(job: Job) -> Mapping[int, Cutoff | None] | None:
    """Cutoffs of the job, if smaller than those of normal equations; None for the latter."""
    asked = cutoffs_of(job)
    if asked == {2: None}:
        return None
    return {order: None if one == "supercell" else one for order, one in asked.items()}


class Plan(NamedTuple):
    """Method of solution of the fit of some runs."""

    expansion: Expansion
    options: FitOptions
    many: bool
    """Whether it is solved without normal equations."""
    n_blocks: int
    """Blocks of time of each run."""
    n_stored: int
    """Blocks of all runs and of earlier fits."""
    n_copies: int
    """Copies of them: two where several runs are pooled."""

    @property
    def equation_bytes(self) -> float:
        """Memory of the solution of normal equations."""
        if self.many:
            return 0.0
        return fit_bytes(self.expansion, self.options, self.n_stored, n_copies=self.n_copies)

    @property
    def refusal(self) -> UsageError | None:
        """Error of a fit that needs more memory than the computer has."""
        if self.many:
            return None
        return why_too_large(
            self.expansion, self.options, self.n_stored, n_copies=self.n_copies
        )

    def require_memory(self) -> None:
        """Refuse a fit that needs more memory than the computer has, before it starts."""
        if self.refusal is not None:
            raise self.refusal


def plan_of(
    runs: Sequence[LoadedRun],
    expansion: Expansion,
    options: FitOptions,
    earlier: NormalEquationBlocks | None = None,
) -> Plan:
    """Plan the fit of some runs, added to earlier normal equations if there are any."""
    supercells, n_runs = [run.supercell for run in runs], len(runs)
    is_one = all(np.array_equal(supercells[0].matrix, one.matrix) for one in supercells)
    many = earlier is None and is_one and has_many_parameters(expansion, options)
    few_frames = chooses_strength_by_atoms(sum(run.n_frames for run in runs), options)
    many = many and not few_frames
    # Covariances of a large supercell may need more memory than equations.
    n_blocks = max(1, blocks_for(half_space(widest(supercells))) // n_runs)
    if not many:
        by_equations = default_blocks(expansion.n_parameters, n_runs)
        higher = expansion.orders[-1] > 2
        n_blocks = by_equations if higher else min(by_equations, n_blocks)
    before = 0 if earlier is None else earlier.n_blocks
    return Plan(
        expansion=expansion,
        options=options,
        many=many,
        n_blocks=n_blocks,
        n_stored=before + n_runs * n_blocks,
        n_copies=1 if n_runs == 1 and not before else 2,
    )


class SpeciesPlan(NamedTuple):
    """Method of the fit of constants by pair of species."""

    pairs: SpeciesExpansion
    n_blocks: int
    """Blocks of time of each run."""
    equation_bytes: float
    """Memory of their normal equations and of the solution."""

    def rows(self, run: int, n_frames: int) -> SpeciesRows:
        """Reduction of one of the runs."""
        return self.pairs.rows(run, n_frames, self.n_blocks)


def species_plan_of(
    runs: Sequence[LoadedRun],
    expansion: Expansion,
    options: FitOptions,
    charges: Charges | None,
) -> SpeciesPlan | None:
    """Plan the fit of constants by pair of species; None unless the job asks for them.

    Raises
    ------
    UsageError
        If there are Born charges, or the normal equations need too much memory.
    """
    if not runs[0].job.fit.by_species:
        return None
    if charges is not None:
        raise UsageError(
            "force constants by pair of species are not fitted with Born charges",
            why="the charges are those of the perfect crystal, the same for every species",
            fix="leave out the Born charges, or --by-species",
        )
    matches = [run.match for run in runs]
    atoms = [Arrangement(m.occupation, m.offsets) for m in matches if m.occupation is not None]
    pairs = species_expansion(expansion, atoms)
    n_blocks = default_blocks(pairs.expansion.n_parameters, len(runs))
    n_stored, n_copies = n_blocks * len(runs), min(len(runs), 2)
    refusal = why_too_large(pairs.expansion, options, n_stored, n_copies=n_copies)
    if refusal is not None:
        raise refusal
    needed = fit_bytes(pairs.expansion, options, n_stored, n_copies=n_copies)
    return SpeciesPlan(pairs, n_blocks, needed)


def scheme_notes(
    runs: Sequence[LoadedRun], cutoffs: Mapping[int, CutoffChoice]
) -> Iterator[Note]:
    """Make notes on fits to displaced supercells of several sizes, and their shortcomings."""
    chosen = runs[0].job.fit.scheme
    if max(cutoffs) < 3 or default_scheme(map(source_of, runs)) != "joint":
        return
    why = "those for third order are not a thermal ensemble"
    if chosen is None:
        text = "all orders are fitted at once to the displaced supercells of all sizes"
        yield Note("note", text, why=why)
    elif chosen == "sequential":
        text = (
            "second order is fitted to the displaced supercells of all sizes; the anharmonic "
            "forces of those for third order change it"
        )
        fix = "leave out --scheme: all orders are then fitted at once"
        yield Note("warning", text, why=why, fix=fix, concerns="fit")


def chooses_strength_by_atoms(n_frames: int, options: FitOptions) -> bool:
    """Whether the frames are too few to choose the strength by leaving some of them out."""
    few = n_frames < _FEWEST_LEFT_OUT
    return few and options.regularised and options.strength is None


def with_strength_by_atoms(
    runs: Sequence[LoadedRun], expansion: Expansion, charges: Charges | None
) -> FitOptions:
    """Options of a fit to few frames: the strength is chosen by leaving out groups of atoms."""
    options, parts = fit_options(runs[0].job, runs), []
    for run in runs:
        n_groups = min(_GROUPS, run.supercell.n_atoms)
        dipoles = None if charges is None else dipole_forces(run.supercell, charges)
        rows = RowsByAtoms(expansion, run.supercell, run.n_frames, n_groups, dipoles)
        parts.append(stream(run.motion, run.blocks, rows, workers=run.job.running.workers))
    return with_strength(pooled(parts), options)


def source_of(run: LoadedRun, kelvin: float = np.nan) -> Source:
    """Name, temperature and interval of a run; the temperature of the job, if it has one."""
    interval = run.trajectory.interval_ps
    paths = run.trajectory.paths
    more = "" if len(paths) < 2 else f" and {len(paths) - 1} more"
    return Source(
        name=f"{paths[0]}{more}" if paths else "arrays",
        temperature=run.job.phonons.temperature or kelvin,
        interval_ps=np.nan if interval is None else interval,
        displaced_atoms=0 if run.trajectory.ideal is None else run.supercell.n_atoms,
    )
