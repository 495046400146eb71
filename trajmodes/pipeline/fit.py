"""From matched runs to force constants: normal equations from one pass each, then one fit."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from trajmodes.arrays import Bools
from trajmodes.config.job import Job
from trajmodes.coulomb.supercells import dipole_forces
from trajmodes.data.charges import Charges
from trajmodes.data.imperfect.species_constants import SpeciesConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.accumulate import (
    ForceRows,
    KineticTemperature,
)
from trajmodes.fit.by_species import SpeciesRows, fit_by_species
from trajmodes.fit.expansion import Expansion, expansion_of
from trajmodes.fit.fit import Fit, fit_equations
from trajmodes.fit.harmonic import ForceCovariance, ForceCovariances, harmonic_equations
from trajmodes.fit.many_parameters.fit import (
    blocks_for,
    fit_covariances,
    joined,
)
from trajmodes.fit.normal_equations import (
    NormalEquationBlocks,
    Source,
    pooled,
    require_poolable,
    widest,
)
from trajmodes.fit.pair_range import choose_range, suspected_dipoles
from trajmodes.fit.quality import is_off_average
from trajmodes.formats.charges import GivenCharges, charges_of_earlier
from trajmodes.formats.open import charges_of_data
from trajmodes.notes import Note
from trajmodes.pipeline.check.noise import with_noise_found
from trajmodes.pipeline.fit_choices import (
    Plan,
    chooses_strength_by_atoms,
    cutoffs_of,
    fit_options,
    plan_of,
    scheme_notes,
    smaller_cutoffs,
    source_of,
    species_plan_of,
    with_strength_by_atoms,
)
from trajmodes.pipeline.job_folder import Log, StartBar, no_bars
from trajmodes.pipeline.load import LoadedRun
from trajmodes.streaming.reduction import Together
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import half_space

SAME_TEMPERATURE = 0.05
"""Relative difference of temperatures beyond which pooling of runs is noted."""

_SAMPLED = 8
"""Least number of blocks of frames, if there are as many, from which the range of the second
order is chosen before higher orders are fitted."""


class Fitted(NamedTuple):
    """A fit and its normal equations, if they are not too large."""

    runs: Sequence[LoadedRun]
    """The runs; their displacements may have been moved to the average structure."""
    equations: NormalEquationBlocks | None
    """None for second order with very many parameters."""
    fit: Fit
    duration_ps: float
    """Length of all runs together in ps; nan if an interval between frames is unknown."""
    notes: tuple[Note, ...] = ()
    """On frames that were left out, temperatures, and the reference."""
    covariances: tuple[ForceCovariances, ...] = ()
    """Those of the runs."""
    expansion: Expansion | None = None
    """Parameters of the fit, if they are very many."""
    by_species: SpeciesConstants | None = None
    """Constants by pair of species, if they are asked for."""


def fit_runs(
    runs: Sequence[LoadedRun],
    *,
    log: Log,
    bars: StartBar = no_bars,
    earlier: NormalEquationBlocks | None = None,
    charges: Charges | None = None,
) -> Fitted:
    """Fit effective force constants to one or several runs of a crystal.

    Each run is matched to the crystal of the first one; their supercells may differ. The runs
    are added to the normal equations of `earlier` fits, if there are any; the parameters are
    then those of these fits. Known `charges` replace those of the job and of its files.

    Raises
    ------
    UsageError
        If a cutoff is too large for the supercell.
    DataError
        If a run has no forces, or all runs together do not determine the force constants.
    """
    polar, crystal = runs[0].job.polar, runs[0].supercell.crystal
    if charges is not None:
        found = GivenCharges(charges)
    elif earlier is None:
        found = charges_of_data(polar, crystal, runs[0].trajectory.paths)
    else:
        found = charges_of_earlier(polar, crystal, earlier.charges)
    _require_whole_lattice(runs, found.charges)
    fitted = _fit_once(runs, log, bars, earlier, found.charges)
    fitted = fitted._replace(notes=(*found.notes, *fitted.notes))
    shift = fitted.fit.reference.shift
    rms = fitted.runs[0].diagnosis.sample.displacement_rms
    if rms is None or not is_off_average(fitted.fit.reference, rms):
        return fitted
    if earlier is not None or not _counts_from_average(runs):
        text = (
            f"the mean displacement is significant, up to "
            f"{np.linalg.norm(shift, axis=1).max():.2g} Å: this does not affect second-order "
            "force constants, but higher orders"
        )
        fix = "use --displacements-from average"
        note = Note("note", text, fix=fix)
        return fitted._replace(notes=(note, *fitted.notes))
    log.record("the mean displacement is significant: second fit, from the average structure")
    del fitted  # and its covariances
    again = _fit_once([run.moved(shift) for run in runs], log, bars, None, found.charges)
    text = (
        f"displacements are relative to the average structure: sites were moved by up to "
        f"{np.linalg.norm(shift, axis=1).max():.2g} Å"
    )
    return again._replace(notes=(Note("note", text), *found.notes, *again.notes))


def _require_whole_lattice(runs: Sequence[LoadedRun], charges: Charges | None) -> None:
    """Refuse atoms without a site, and options that a fit with empty sites does not support."""
    for run in runs:
        occupation = run.match.occupation
        if occupation is None:
            continue
        if occupation.n_extra:
            raise DataError(
                "force constants cannot be fitted: "
                f"{occupation.n_extra} atoms of the run are on no site",
                why="they exert forces on the other atoms",
                fix="fit a run of the perfect crystal, and project this one on its constants: "
                "trajmodes project --force-constants",
            )
        if occupation.n_vacancies and cutoffs_of(run.job)[2] is None:
            raise UsageError(
                "some sites are empty: the cutoff of the force constants is not chosen from "
                "the data",
                fix="give --cutoff2",
            )
        if occupation.n_vacancies and charges is not None:
            raise DataError(
                "dipole–dipole forces are not known where sites are empty",
                fix="leave out the Born charges",
            )


def _feasible(plan: Plan, runs: Sequence[LoadedRun]) -> Plan:
    """Refuse a fit that needs too much memory, or more parameters than alloys allow."""
    plan.require_memory()
    by_species = runs[0].job.fit.by_species
    if plan.many and (by_species or any(_occupied(run) is not None for run in runs)):
        raise DataError(
            f"{plan.expansion.n_parameters} parameters are too many for a run with empty "
            "sites, and for force constants by pair of species",
            fix="give a shorter --cutoff2",
        )
    return plan


def _covariances(
    runs: Sequence[LoadedRun], found: Sequence["_RunSums"]
) -> tuple[ForceCovariances, ...]:
    """Covariances of the runs; none with empty sites, which break translational symmetry."""
    if any(_occupied(run) is not None for run in runs):
        return ()
    return tuple(one.covariances for one in found)


def _occupied(run: LoadedRun) -> Bools | None:
    """Sites that have an atom; None if all have one."""
    occupation = run.match.occupation
    return occupation.occupied if occupation is not None and occupation.n_vacancies else None


def _fit_once(
    runs: Sequence[LoadedRun],
    log: Log,
    bars: StartBar,
    earlier: NormalEquationBlocks | None,
    charges: Charges | None,
) -> Fitted:
    job, supercells = runs[0].job, [run.supercell for run in runs]
    supercell, cutoffs = widest(supercells), cutoffs_of(job)
    by_data = earlier is None and cutoffs[2] is None
    options, n_frames = fit_options(job, runs, earlier), sum(run.n_frames for run in runs)
    choice = None
    if by_data and max(cutoffs) > 2:
        with log.stage("range of the second order"):
            sampled = [_covariances_of_part(run, charges) for run in runs]
            choice = choose_range(sampled, space_group(supercell.crystal), options)
            cutoffs[2] = choice.cutoff
    with log.stage("symmetry"):
        if earlier is None:
            expansion = expansion_of(space_group(supercell.crystal), supercell, cutoffs)
        else:
            expansion, supercell = earlier.expansion, earlier.supercell
        require_poolable(expansion, [supercell, *supercells])
    plan = _feasible(plan_of(runs, expansion, options, earlier), runs)
    species = species_plan_of(runs, expansion, options, charges)
    found = []
    for number, run in enumerate(runs, start=1):
        title = "first pass: fit" if len(runs) == 1 else f"fit, run {number} of {len(runs)}"
        with log.stage(title.replace("fit", "force constants"), has_bars=True):
            of_pairs = species and species.rows(number - 1, run.n_frames)
            found.append(_sums_of_run(run, plan, charges, bars, title, of_pairs))
    with log.stage("solve"):
        covariances = _covariances(runs, found)
        if by_data and max(cutoffs) == 2:
            choice = choose_range(covariances, expansion.group, options)
            expansion = expansion_of(expansion.group, supercell, {2: choice.cutoff})
        suspicion = () if charges or earlier else _suspicion(covariances, expansion)
        if plan.many:
            fitted = _fit_many(runs, found, expansion)
            fit = with_noise_found(runs, fitted.fit, covariances)
            every = *suspicion, *fitted.notes, *(() if choice is None else (choice.note,))
            return fitted._replace(fit=fit, notes=every, covariances=covariances)
        parts = [_equations(one, expansion) for one in found]
        equations = pooled(parts if earlier is None else [earlier, *parts], supercell)
        fit = fit_equations(
            equations,
            cutoffs=None if earlier is None else smaller_cutoffs(job),
            temperature=job.phonons.temperature or equations.temperature,
            options=with_strength_by_atoms(runs, expansion, charges)
            if earlier is None and chooses_strength_by_atoms(equations.n_frames, options)
            else options,
        )
        fit = with_noise_found(runs, fit, covariances, is_whole=earlier is None)
        by_pair = species and fit_by_species(
            species.pairs, [one.by_species for one in found if one.by_species], options
        )
    read = n_frames + (0 if earlier is None else earlier.n_frames)
    notes = (
        *suspicion,
        *_frame_notes(equations.n_frames, equations.sources, read, job),
        *scheme_notes(runs, cutoffs),
        *(() if choice is None else (choice.note,)),
        *(by_pair.notes if by_pair else ()),
    )
    return Fitted(
        runs,
        equations,
        fit,
        equations.duration_ps,
        notes,
        covariances,
        by_species=by_pair and by_pair.constants,
    )


def _fit_many(
    runs: Sequence[LoadedRun], found: Sequence["_RunSums"], expansion: Expansion
) -> Fitted:
    """Fit second order with many parameters, without forming normal equations."""
    sums, sources = joined([one.covariances for one in found]), [one.source for one in found]
    frames = np.array([one.covariances.n_frames for one in found])
    kelvin = float(frames @ [source.temperature for source in sources] / frames.sum())
    job = runs[0].job
    known = kelvin if np.isfinite(kelvin) else None
    fit = fit_covariances(sums, expansion, temperature=known, options=fit_options(job))
    text = (
        f"the normal equations of {expansion.n_parameters} parameters are too large to be "
        "saved: `trajmodes scan` and --append are not possible"
    )
    notes = _frame_notes(sums.n_frames, sources, sum(run.n_frames for run in runs), job)
    duration_ps = float(frames @ [source.interval_ps for source in sources])
    return Fitted(runs, None, fit, duration_ps, (*notes, Note("note", text)), (), expansion)


def _counts_from_average(runs: Sequence[LoadedRun]) -> bool:
    """Whether the job allows the average structure as the reference."""
    wanted = runs[0].job.fit.displacements_from
    known = any(run.trajectory.ideal is not None for run in runs)
    return wanted == "average" or (wanted == "auto" and not known)


class _RunSums(NamedTuple):
    """Sums over a run."""

    covariances: ForceCovariances
    """They serve every range of the second order."""
    equations: NormalEquationBlocks | None
    """None for the second order alone, unless sites are empty."""
    source: Source
    by_species: NormalEquationBlocks | None
    """Of the constants by pair of species; None unless they are asked for."""


def _sums_of_run(
    run: LoadedRun,
    plan: Plan,
    charges: Charges | None,
    bars: StartBar,
    title: str,
    pairs: SpeciesRows | None,
) -> _RunSums:
    """Sum over a run in one pass; subtract the dipole–dipole forces from the covariances."""
    space, expansion = half_space(run.supercell), plan.expansion
    few = min(plan.n_blocks, blocks_for(space))
    parts: dict[str, Any] = {
        "covariances": ForceCovariance(space, run.n_frames, few),
        "kelvin": KineticTemperature(run.match.masses),
    }
    occupied = _occupied(run)
    if expansion.orders[-1] > 2 or occupied is not None:
        dipoles = None if charges is None else dipole_forces(run.supercell, charges)
        parts["rows"] = ForceRows(
            expansion, run.supercell, run.n_frames, plan.n_blocks, dipoles, occupied
        )
    if pairs is not None:
        parts["by_species"] = pairs
    advance, workers = bars(title, run.n_frames), run.job.running.workers
    found = stream(run.motion, run.blocks, Together(parts), workers=workers, progress=advance)
    covariances = found["covariances"]
    if charges is not None:
        covariances = covariances.without_dipoles(charges)
    source = source_of(run, found["kelvin"])
    return _RunSums(covariances, found.get("rows"), source, found.get("by_species"))


def _suspicion(
    covariances: Sequence[ForceCovariances], expansion: Expansion
) -> tuple[Note, ...]:
    """Warn if the residual of a fit without charges contains dipole–dipole forces."""
    if not covariances:
        return ()
    note = suspected_dipoles(covariances, expansion.group, expansion.cutoffs[1])
    return () if note is None else (note,)


def _equations(sums: _RunSums, expansion: Expansion) -> NormalEquationBlocks:
    equations = sums.equations
    if equations is None:
        equations = harmonic_equations(sums.covariances, expansion)
    return replace(equations, sources=(sums.source,))


def _covariances_of_part(run: LoadedRun, charges: Charges | None) -> ForceCovariances:
    """Covariances of some of the blocks of frames, evenly spaced over the run."""
    chosen = run.blocks[:: max(1, len(run.blocks) // _SAMPLED)]
    sums = ForceCovariance(half_space(run.supercell), run.n_frames)
    found = stream(run.motion, chosen, sums, workers=run.job.running.workers)
    return found if charges is None else found.without_dipoles(charges)


def _frame_notes(
    n_used: int, sources: Sequence[Source], n_read: int, job: Job
) -> tuple[Note, ...]:
    """Note frames that were left out, and pooled runs of different temperature."""
    texts = []
    if n_used < n_read:
        reasons = ["an atom had left its site"] if job.matching.hops == "exclude" else []
        reasons += ["a value was an outlier"] if job.matching.outliers == "drop" else []
        texts.append(
            f"{n_read - n_used} of {n_read} frames were left out: " + " or ".join(reasons)
        )
    kelvin = [s.temperature for s in sources if np.isfinite(s.temperature)]
    if kelvin and max(kelvin) - min(kelvin) > SAME_TEMPERATURE * max(kelvin):
        texts.append(
            f"runs between {min(kelvin):.0f} and {max(kelvin):.0f} K are pooled, although "
            "effective force constants belong to one temperature"
        )
    return tuple(Note("note", text) for text in texts)
