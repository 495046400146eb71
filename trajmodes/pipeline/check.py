"""Checks of a run and its job: `trajmodes check`, and conditions that jobs test at the start.

A run that is unsuitable for a job is refused before the long passes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from time import thread_time
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from trajmodes.config.job import Job
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.labels import point
from trajmodes.data.lattice import same_substance, shortest_lengths
from trajmodes.data.motion import MotionBlock
from trajmodes.data.results import Finding
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import Fit, fit_equations
from trajmodes.fit.force_noise import (
    ForceNoise,
    Friction,
    damping_time,
    force_noise,
    friction,
    noise_note,
    with_noise,
)
from trajmodes.fit.harmonic import ForceCovariance, ForceCovariances, harmonic_equations
from trajmodes.fit.many_parameters.fit import (
    covariance_bytes,
    has_many_parameters,
    solution_operations,
)
from trajmodes.fit.solution import FitOptions
from trajmodes.formats.cell_file import load_crystal
from trajmodes.machine import available_processors
from trajmodes.matching.conclusions import stored_forces_advice
from trajmodes.notes import Note
from trajmodes.phonons.anharmonic.conductivity import conducting_layer
from trajmodes.phonons.qpoints import zone_point
from trajmodes.pipeline.fit_choices import (
    Plan,
    SpeciesPlan,
    cutoffs_of,
    fit_options,
    plan_of,
    species_plan_of,
)
from trajmodes.pipeline.job_folder import MOST_FOR_PHONOPY
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.motion_source import leaves_out_frames
from trajmodes.project.projector import cartesian_modes
from trajmodes.project.selected_modes import parse_modes
from trajmodes.project.spectra.plan import FEWEST_FRAMES
from trajmodes.readers.frames_in_memory import bytes_in_memory
from trajmodes.readers.text.source import bytes_kept
from trajmodes.report.summary import WIDTH, text_of
from trajmodes.report.text.check import brief_of_check, check_rows, render_check
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.stars import star_labels
from trajmodes.symmetry.translations import half_space


def require_same_crystal(known: Crystal, path: str, species: tuple[str, ...] = ()) -> None:
    """Refuse a cell file that describes another crystal than the force constants.

    Composition and volume per atom must agree. The shortest lattice vectors must agree too if
    both cells have the same number of sites. The choice of the cell does not matter.

    Raises
    ------
    DataError
        If it describes another crystal.
    """
    given = load_crystal(path, species).crystal
    if same_substance(known, given):
        return
    raise DataError(
        f"the cell file describes {_described(given)}, the force constants {_described(known)}",
        where=path,
        why="force constants contain their crystal, which must be that of the cell file",
        fix="leave out the cell, or give the force constants of this crystal",
    )


def _described(crystal: Crystal) -> str:
    lengths = ", ".join(f"{x:.4g}" for x in shortest_lengths(crystal))
    return (
        f"{crystal.formula} ({lengths} Å, {crystal.volume / crystal.n_sites:.4g} Å³ per atom)"
    )


def require_usable(run: LoadedRun, purposes: Sequence[str], *, partly: bool = False) -> None:
    """Raise the first error of the check that concerns one of the purposes.

    With `partly` the job leaves out the results that the data do not allow.
    """
    for note in run.diagnosis.verdict:
        is_left_out = partly and note.subject == "not-done"
        if note.severity == "error" and note.concerns in purposes and not is_left_out:
            names = run.trajectory.file_names
            raise DataError(note.text, where=names, why=note.why, fix=note.fix)


def require_no_constants(job: Job) -> None:
    """Refuse to fit force constants if the job names force constants."""
    given = job.projection.force_constants
    if given is not None:
        raise UsageError(
            f"force constants are given, {given}, but this command fits its own",
            why="only `trajmodes project`, `sed` and `sqw` use given force constants",
            fix="use `trajmodes project JOB.toml`, or leave out force_constants",
        )


def require_known_modes(run: LoadedRun) -> None:
    """Refuse to save amplitudes of modes that do not exist, before the long passes."""
    if run.job.projection.save_amplitudes:
        modes = cartesian_modes(half_space(run.supercell))
        parse_modes(
            run.job.projection.save_amplitudes, modes, partial(zone_point, modes.crystal)
        )


def require_thickness(run: LoadedRun) -> None:
    """Refuse the conductivity of a layer without a thickness, before the long passes."""
    if run.job.projection.conductivity is not None:
        conducting_layer(run.supercell.crystal, run.job.projection.thickness)


def require_all_frames(run: LoadedRun) -> None:
    """Refuse to leave out single frames of a run that is to be projected."""
    if leaves_out_frames(run):
        raise UsageError(
            "single frames cannot be left out of a run that is projected on modes",
            why="spectra need frames at equal intervals of time",
            fix="use `trajmodes fit` with --hops exclude or --outliers drop, or choose "
            "--frames without such frames",
        )


def warnings_of(run: LoadedRun) -> tuple[Note, ...]:
    """Warnings of the check, and its errors that do not concern this job."""
    found = (note for note in run.diagnosis.verdict if note.severity != "ok")
    return tuple(note for note in found if note not in run.notes)


_NOISE_BLOCKS = 16
"""Blocks of time of the sample in which random forces are looked for."""


def with_noise_found(
    runs: Sequence[LoadedRun],
    fit: Fit,
    covariances: Sequence[ForceCovariances],
    *,
    is_whole: bool = True,
) -> Fit:
    """Search for random forces in each run; put a note on them first, and leave them out of σ.

    `is_whole` states that the fit is to these runs alone. Without covariances, as with empty
    sites, the fit is unchanged.
    """
    if not covariances:
        return fit
    constants = fit.constants
    total = sum(int(one.components.sum()) for one in covariances)
    found = []
    for run, sums in zip(runs, covariances, strict=True):
        noise, seen = _noise_of(run, sums, constants)
        if noise is not None:
            found.append((noise, int(sums.components.sum()) / total, run, seen))
    if not found or constants.quality is None:
        return fit
    quality = with_noise(constants.quality, [(noise, share) for noise, share, *_ in found])
    if is_whole:
        constants = replace(constants, quality=quality)
    sigma = (quality.anharmonicity, quality.anharmonicity_sem)
    noise, _, run, seen = max(found, key=lambda one: one[0].variance)
    note = _noise_note(run, noise, sigma if is_whole else None, seen)
    return replace(fit, constants=constants, notes=(note, *fit.notes))


def fitted_noise(constants: ForceConstants, supercell: Supercell) -> float:
    """Variance of the random forces that a fit has found, over the mass, in eV/ps²."""
    rms = None if constants.quality is None else constants.quality.noise
    # The net force was removed.
    share = 1.0 - 1.0 / supercell.n_atoms
    return 0.0 if rms is None else rms**2 / share / float(constants.crystal.masses.mean())


class SampledNoise(NamedTuple):
    """Random forces in a sample of frames, and the warning about them."""

    noise: ForceNoise
    note: Note


def noise_in_sample(run: LoadedRun) -> SampledNoise | None:
    """Search for noise in the forces of a sample of frames, by a fit to the sample.

    None if there is no noise, or if the sample is too small to show it.
    """
    if not run.trajectory.has_forces:
        return None
    supercell = run.supercell
    try:
        expansion = expansion_of(space_group(supercell.crystal), supercell, {2: None})
        if has_many_parameters(expansion, FitOptions()):
            return None
        pairs = list(_pairs(run))
        reduction = ForceCovariance(half_space(supercell), run.n_frames, _NOISE_BLOCKS)
        state = reduction.chunk(pairs[0])
        for pair in pairs[1:]:
            state = reduction.combine(state, reduction.chunk(pair))
        covariances = reduction.finalize(state)
        constants = fit_equations(harmonic_equations(covariances, expansion)).constants
    except (DataError, UsageError):
        # The job itself says why force constants cannot be fitted.
        return None
    noise, seen = _noise_of(run, covariances, constants)
    if noise is None:
        return None
    return SampledNoise(noise, _noise_note(run, noise, None, seen))


def _noise_of(
    run: LoadedRun, covariances: ForceCovariances, constants: ForceConstants
) -> tuple[ForceNoise | None, Friction | None]:
    """Random forces that change from frame to frame, and the friction."""
    noise, interval_ps = force_noise(covariances, constants), run.trajectory.interval_ps
    if noise is None or interval_ps is None:
        return noise, None
    seen = friction(_pairs(run), constants, half_space(run.supercell), interval_ps, noise)
    return (None if seen is not None and not seen.allows(noise) else noise), seen


def _pairs(run: LoadedRun) -> Iterator[MotionBlock]:
    """Pairs of neighbouring frames, as sampled by the diagnosis."""
    for start in run.diagnosis.sample.frames:
        yield run.motion(int(start), min(int(start) + 2, run.n_frames))


def _noise_note(
    run: LoadedRun,
    noise: ForceNoise,
    sigma: tuple[float, float | None] | None,
    found: Friction | None,
) -> Note:
    interval_ps, stride = run.trajectory.interval_ps, run.trajectory.time.step_stride
    kelvin, damping_ps = run.diagnosis.sample.kinetic, None
    if interval_ps is not None and stride and kelvin is not None:
        damping_ps = damping_time(noise, float(np.mean(kelvin)), interval_ps / stride)
    fix = stored_forces_advice(run.trajectory, run.match)
    return noise_note(noise, sigma, found=found, damping_ps=damping_ps, fix=fix)


_LIBRARIES_BYTES, _NOT_IN_FIT_BYTES = 0.47e9, 0.07e9
"""Memory of the libraries, and of those that `trajmodes fit` does not load."""
_COPIES = 2.3
"""Memory of the solution, relative to covariances."""
_SERIES_BYTES = 26e3
"""Memory of the projection for each amplitude: sums in blocks of time."""
_PHONOPY_BYTES = 24.5
"""Memory of phonopy for each atom and cell: permutations of the atoms by all translations."""
_PASSES, _PASSES_OF_KEPT = 3.4, 2.7
"""Time of both passes, relative to reading and displacing all frames: where each pass reads
them, and where they are kept in memory."""
_START_S = 3.7
_SIZE = 384
_REFERENCE_S = 1.7e-3
"""Time of the product of two matrices of this size on the computer of the measurements."""
_SOLUTION = 0.7
"""Time of the solution for many parameters, relative to products with as many operations."""


def cost_of(run: LoadedRun, plan: Plan, species: SpeciesPlan | None) -> dict[str, Finding]:
    """Predict memory and time of `trajmodes run`; time for force constants of second order.

    Memory is the sum of that of the libraries, of cached pieces of compressed files and
    objects, and of the largest of three steps: the solution (with covariances and normal
    equations in blocks of time), the projection, and phonopy's object. The first two steps also
    hold frames. `trajmodes fit` has the first step alone, and `trajmodes project` the second,
    both without frames. Time is the sum of that of reading, measured on one block of frames,
    and of the steps. The cost of the steps was measured on one computer (silicon, gallium
    nitride and gold, 8 to 46 656 atoms), and is scaled by the speed of a matrix product on this
    one. The time holds for a computer without other load.
    """
    supercell, space = run.supercell, half_space(run.supercell)
    expansion, many, n_blocks = plan.expansion, plan.many, plan.n_blocks
    n_parameters, n_pairs = expansion.n_parameters, len(expansion.bases[1].orbits.sites)
    workers = available_processors()
    equations = 0.0 if many else 8.0 * n_blocks * n_parameters**2
    fit = _COPIES * n_blocks * covariance_bytes(space) + plan.equation_bytes
    fit += 0.0 if species is None else species.equation_bytes
    series = space.n_qpoints * 3 * supercell.crystal.n_sites
    with_phonopy = supercell.n_atoms <= MOST_FOR_PHONOPY
    translations = float(supercell.n_atoms * supercell.n_cells) if with_phonopy else 0.0
    frames_bytes = bytes_in_memory(run.trajectory)
    projection = _SERIES_BYTES * series
    passes = frames_bytes + max(fit, equations + projection)
    whole = max(passes, _PHONOPY_BYTES * translations)
    always = _LIBRARIES_BYTES + bytes_kept(run.trajectory.paths)
    steps_bytes = {"run": whole, "fit": fit - _NOT_IN_FIT_BYTES, "projection": projection}
    found = {
        f"memory of a {name}": Finding(round((always + one) / 1e9, 2), "GB", "about")
        for name, one in steps_bytes.items()
    }
    if expansion.orders[-1] > 2 or plan.options.regularised:
        return found
    slower = _product_seconds() / _REFERENCE_S
    if many:
        products = solution_operations(expansion, space, n_blocks) / (2.0 * _SIZE**3)
        solution = _SOLUTION * _REFERENCE_S * products
    else:
        solution = n_blocks * (3.3e-9 * n_pairs**2 + 1.6e-10 * n_parameters**3)
    steps = (
        _START_S,
        2e-4 * supercell.n_atoms,
        solution,
        n_pairs * (8e-4 + 2.5e-7 * space.n_qpoints),
        1e-4 * series,
        4.6e-7 * translations + (1.5e-7 * supercell.n_atoms**2 if with_phonopy else 0.0),
    )
    n_passes = _PASSES_OF_KEPT if frames_bytes else _PASSES
    seconds = n_passes * _reading_seconds(run) / workers + slower * sum(steps)
    rounded = float(f"{seconds:.2g}")
    time = Finding(rounded, "s", f"about, with {workers} workers")
    return found | {"time of a run": time}


def _reading_seconds(run: LoadedRun) -> float:
    """Time to read and displace all frames with one thread, from one block."""
    start, stop = run.blocks[len(run.blocks) // 2]
    return run.n_frames / (stop - start) * _seconds(lambda: run.motion(start, stop), 3)


def _product_seconds() -> float:
    """Time of a matrix product with one thread."""
    one = np.ones((_SIZE, _SIZE))
    with threadpool_limits(1):
        return _seconds(lambda: one @ one, 9)


def _seconds(function: Callable[[], object], n_times: int) -> float:
    """Shortest of a few processor times, as on a computer without other load."""
    times = []
    for _ in range(n_times):
        begun = thread_time()
        function()
        times.append(thread_time() - begun)
    return min(times)


def show_check(run: LoadedRun, *, verbose: bool = False) -> str:
    """Text of a check for the terminal, brief or with all quantities and notes."""
    group = space_group(run.supercell.crystal)
    expansion = expansion_of(group, run.supercell, cutoffs_of(run.job))
    options = fit_options(run.job, [run])
    plan, species = plan_of([run], expansion, options), None
    refusals = [] if plan.refusal is None else [plan.refusal]
    try:
        species = species_plan_of([run], expansion, options, None)
    except UsageError as error:
        refusals.append(error)
    rows = check_rows({**run.diagnosis.figures, **cost_of(run, plan, species)})
    found, noise = [*run.notes, *run.diagnosis.verdict], noise_in_sample(run)
    found += [
        Note("error", one.what, why=one.why, fix=one.fix, concerns="fit") for one in refusals
    ]
    found += _few_frames(run)
    if noise is not None:
        found = [noise.note, *(note for note in found if note.subject != "net-force")]
    notes = tuple(dict.fromkeys(found))
    if not verbose:
        return text_of(brief_of_check(rows, notes))
    return text_of(render_check(rows, notes)) + "\n" + _commensurate_points(run)


def _few_frames(run: LoadedRun) -> list[Note]:
    """State that the longest part without a gap is too short for spectra, if it is."""
    longest = max(stop - start for start, stop in run.trajectory.segments)
    if run.trajectory.ideal is not None or longest >= FEWEST_FRAMES:
        return []
    text = (
        f"too few frames for spectra and lifetimes: {longest} without a gap, and at least "
        f"{FEWEST_FRAMES} are needed"
    )
    return [
        Note("error", text, fix="run longer, or write frames more often", concerns="spectra")
    ]


def _commensurate_points(run: LoadedRun) -> str:
    """List the commensurate q points, one of each star, in columns."""
    diagnosis = run.diagnosis
    labels = star_labels(run.supercell.crystal, diagnosis.qpoints)
    _, first, star = np.unique(labels, return_index=True, return_inverse=True)
    sizes = np.bincount(star, diagnosis.weights).astype(int)
    cells = [
        f"{point(diagnosis.qpoints[k])} ×{size}" for k, size in zip(first, sizes, strict=True)
    ]
    width = max(map(len, cells)) + 3
    per_line = max(1, WIDTH // width)
    lines = [
        "".join(cell.ljust(width) for cell in cells[i : i + per_line]).rstrip()
        for i in range(0, len(cells), per_line)
    ]
    title = "q points of the supercell, one of each star × its members (reduced coordinates)"
    return "\n".join([title, *lines]) + "\n"
