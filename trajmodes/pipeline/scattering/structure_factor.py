"""`trajmodes sqw`: the coherent dynamic structure factor of a run.

With force constants, the one-phonon structure factor at the same Q is added. It has classical
occupation at the temperature of the run, and the Debye–Waller factor of the waves that the
supercell admits.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.config.job import Job, toml_text
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.data.results import Provenance, Scattering
from trajmodes.data.spectra import StructureFactor, Wavevectors, Weights
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.phonons.modes import modes_at
from trajmodes.pipeline.check.requirements import (
    require_all_frames,
    require_usable,
    warnings_of,
)
from trajmodes.pipeline.checkpoint import Task, checkpoints
from trajmodes.pipeline.job_folder import (
    Log,
    StartBar,
    input_files,
    inputs_of,
    no_bars,
    on_scheduler,
    versions,
)
from trajmodes.pipeline.load import LoadedRun, load
from trajmodes.pipeline.motion_source import interval_of
from trajmodes.pipeline.partial.not_done import (
    SCATTERING_PARTS,
    Had,
    advised,
    not_done,
    without_listed,
)
from trajmodes.pipeline.project_job import FILES, Given, run_on_constants
from trajmodes.pipeline.scattering.one_phonon import (
    MOST_SOLVED,
    Grid,
    Target,
    displacement_warnings,
    imaginary_note,
    phonon_lines,
    section_of,
    widths_at,
)
from trajmodes.project.sampling import StridedMotion
from trajmodes.project.spectra.plan import (
    SHORTEST_OF_RUN,
    default_segment,
    default_stride,
    highest_from_bound,
)
from trajmodes.project.spectra.segments import resolution_of
from trajmodes.report.write import SCATTERING_FILES, write_results
from trajmodes.results.folder import open_folder, require_replaceable
from trajmodes.results.properties import scattering_dataset
from trajmodes.scattering.density import density_transform
from trajmodes.scattering.one_phonon import Thermal, one_phonon
from trajmodes.scattering.structure_factor import StructureFactorReduction
from trajmodes.scattering.wavevectors import Section, commensurate_on, on_grid
from trajmodes.scattering.weights import weights
from trajmodes.streaming.schedule import cut_blocks, stream
from trajmodes.symmetry.stars import set_omega
from trajmodes.symmetry.translations import half_space
from trajmodes.thermo.displacements import displacements_of_sets
from trajmodes.units import BOLTZMANN, THZ

_SEGMENTS = 4
"""Times two: segments of the run by default, whose spread gives the error bars."""
_ON_LINE = 301


def structure_factor_job(
    job: Job, *, command: str, bars: StartBar = no_bars, given: Given = FILES
) -> tuple[xr.Dataset, dict[str, str]]:
    """Calculate S(Q, ω) of a run; write tables and figures.

    All results are returned with the files that hold them: path → description.

    Raises
    ------
    UsageError
        If no line is given, the supercell admits no Q on it, or the folder holds the force
        constants or files that trajmodes did not write.
    DataError
        If the run is too short for spectra.
    """
    require_replaceable(job.folder, SCATTERING_FILES, inputs_of(job))
    with (
        open_folder(job.folder) as folder,
        checkpoints(Task("sqw", command, job), folder, log=Log(), is_whole=given is FILES),
    ):
        dataset = dynamic_structure_factor(job, command=command, bars=bars, given=given)
        files = write_results(dataset, folder, dict)
    return dataset, {str(Path(job.folder) / name): text for name, text in files.items()}


@on_scheduler
def dynamic_structure_factor(
    job: Job, *, command: str, bars: StartBar = no_bars, given: Given = FILES
) -> xr.Dataset:
    """Calculate S(Q, ω) of a run; see `structure_factor_job`."""
    log = Log(bars)
    constants: ForceConstants | None = None
    foreign: tuple[Note, ...] = ()
    if given.constants is None and job.projection.force_constants is None:
        _refuse_what_needs_constants(job)
        run = load(job, log=log, frames=given.trajectory)
    else:
        run, constants, foreign = run_on_constants(job, log=log, given=given)
    require_usable(run, ["all"])
    require_all_frames(run)
    options = {name: job.settings[name] for name in ("q_from", "q_to", "q_across", "axes")}
    one = section_of(run.supercell.crystal, options)
    waves = commensurate_on(one, run.supercell)
    amplitudes = weights(job.scattering.weights, waves)
    modes = None
    if constants is not None:
        space = half_space(run.supercell)
        modes = modes_at(constants, space.qpoints, space.weights)
    with input_files(run.files) as hashes:
        with log.stage("structure factor", has_bars=True):
            found, notes = _measured(run, waves, amplitudes, modes, bars)
        inputs = hashes.result()
    result = Scattering(
        waves=waves,
        weights=amplitudes,
        axes=job.scattering.axes,
        omega=found.omega,
        resolution=resolution_of(found.segment_frames, found.interval_ps),
        provenance=Provenance(versions(), inputs, command, toml_text(job)),
        supercell=run.supercell,
        measured=found,
        warnings=without_listed((*foreign, *warnings_of(run))),
        notes=(*run.notes, *notes),
    )
    if constants is not None and modes is not None:
        result = _with_phonons(result, one, run, constants, modes)
    had = Had(runs=[run], has_constants=constants is not None)
    parts = SCATTERING_PARTS if job.scattering.currents else SCATTERING_PARTS[:1]
    return scattering_dataset(replace(result, not_done=not_done(result, parts, had)))


def _refuse_what_needs_constants(job: Job) -> None:
    for name, is_given in (
        ("Born charges are", job.polar.are_given),
        ("widths of lines are", job.scattering.widths is not None),
    ):
        if is_given:
            raise UsageError(
                f"{name} given without the force constants to which they belong",
                fix="give --force-constants too, or leave them out",
            )


def _measured(
    run: LoadedRun,
    waves: Wavevectors,
    amplitudes: Weights,
    modes: Modes | None,
    bars: StartBar,
) -> tuple[StructureFactor, tuple[Note, ...]]:
    """Compute the structure factor of the run in one pass."""
    interval_ps, segments = interval_of(run), run.trajectory.segments
    bound = run.diagnosis.sample.omega_bound
    highest = 0.0 if bound is None else highest_from_bound(bound)
    highest = highest if modes is None else float(modes.omega.max())
    stride = default_stride(interval_ps, highest)
    motion = StridedMotion(run.motion, segments, stride)
    transform = density_transform(
        run.supercell,
        waves,
        amplitudes,
        currents=run.job.scattering.currents and run.trajectory.has_velocities,
    )
    interval_ps *= stride
    n_series = transform.n_channels * len(waves.hkl)
    try:
        frames = _segment(run.job, motion, interval_ps, n_series)
    except DataError as error:
        raise advised(error, run) from error
    reduction = StructureFactorReduction(
        transform, amplitudes, frames, interval_ps, motion.segments
    )
    found = stream(
        motion,
        motion.blocks(cut_blocks(segments, run.trajectory.n_atoms)),
        reduction,
        workers=run.job.running.workers,
        progress=bars("density at the scattering vectors", motion.n_frames),
    )
    texts = []
    if stride > 1:
        texts.append(
            f"one frame in {stride} is used: the Nyquist frequency is "
            f"{0.5 / interval_ps:.3g} THz, at least twice the highest frequency of a phonon"
        )
    if interval_ps * highest > 0.5 * np.pi:
        texts.append(
            f"the Nyquist frequency, {0.5 / interval_ps:.3g} THz, is less than twice the "
            "highest frequency of a phonon: processes of two phonons are folded back"
        )
    return found, tuple(Note("note", text) for text in texts)


def _segment(job: Job, motion: StridedMotion, interval_ps: float, n_series: int) -> int:
    """Frames of a segment: for the requested resolution, or an eighth of the run."""
    longest = max(stop - start for start, stop in motion.segments)
    wanted = job.projection.resolution_thz
    if wanted is not None:
        frames = 2 * round(resolution_of(2, interval_ps) / (wanted * THZ))
        if not SHORTEST_OF_RUN <= frames <= longest:
            ends = [resolution_of(n, interval_ps) / THZ for n in (longest, SHORTEST_OF_RUN)]
            raise UsageError(
                f"this run does not allow a resolution of {wanted:g} THz",
                why=f"its longest part without a gap is {longest * interval_ps:.4g} ps",
                fix=f"give --resolution-thz between {ends[0]:.2g} and {ends[1]:.2g}",
            )
        return frames
    frames = default_segment(longest // _SEGMENTS, interval_ps, n_series)
    frames = max(frames, min(SHORTEST_OF_RUN, longest // 2 * 2))
    if frames < SHORTEST_OF_RUN:
        raise DataError(
            f"the run is too short for spectra: {longest} frames without a gap; at least "
            f"{SHORTEST_OF_RUN} are needed",
            fix="run longer, or select more frames",
        )
    return frames


def _with_phonons(
    result: Scattering, one: Section, run: LoadedRun, constants: ForceConstants, modes: Modes
) -> Scattering:
    """Add the one-phonon lines, with classical occupation at the temperature of the run.

    There are no lines if neither the run nor the force constants have a temperature.
    """
    kinetic = run.diagnosis.sample.kinetic
    kelvin = constants.temperature if kinetic is None else float(np.mean(kinetic))
    if kelvin is None:
        return result
    thermal = _thermal(constants, modes, kelvin)
    source = run.job.projection.force_constants
    width = widths_at(source, run.job.scattering.widths, result.waves, quantum=False)
    target = Target(result.waves, result.weights, width)
    grid = Grid(result.omega, result.resolution)
    found = phonon_lines(constants, target, thermal, grid, in_supercell=True)
    path = path_lines = None
    if len(one.edges) == 1:
        path = on_grid(one, _ON_LINE)
        path_lines = one_phonon(
            constants, path, weights(run.job.scattering.weights, path), thermal
        )
    return replace(
        result,
        temperature=kelvin,
        quantum=False,
        lines=found.lines,
        power=found.power,
        power_sem=found.power_sem,
        path=path,
        path_lines=path_lines,
        warnings=(
            *result.warnings,
            *imaginary_note(found.lines),
            *displacement_warnings(_imaginary_part(modes)),
        ),
        notes=(*result.notes, *found.notes),
    )


def _thermal(constants: ForceConstants, modes: Modes, kelvin: float) -> Thermal:
    """Classical occupation; ⟨uu⟩ of the waves of the supercell, and its changes."""
    value = classical_displacements(modes, kelvin)
    replicates = () if constants.replicates is None else constants.replicates
    if not 1 < len(replicates) * len(modes.qpoints) < MOST_SOLVED:
        return Thermal(kelvin, quantum=False, displacements=value)
    plain = (replace(constants, values=one, replicates=None) for one in replicates)
    others = (modes_at(one, modes.qpoints, modes.weights) for one in plain)
    changes = np.array([classical_displacements(one, kelvin) - value for one in others])
    return Thermal(kelvin, quantum=False, displacements=value, changes=changes)


def classical_displacements(modes: Modes, kelvin: float) -> Floats:
    """Classical ⟨uu⟩ (s, 3, 3) of the waves of the supercell, without imaginary modes."""
    omega = set_omega(modes)
    steady = omega > 0.0
    variance = np.where(steady, BOLTZMANN * kelvin, 0.0) / np.where(steady, omega, 1.0) ** 2
    moved: Floats = np.tensordot(variance, displacements_of_sets(modes), axes=1)
    return moved


def _imaginary_part(modes: Modes) -> float:
    """Fraction of the modes of the supercell that are imaginary."""
    # The uniform shifts at Γ belong to no set.
    wrong = (modes.sets >= 0) & ~modes.oscillating
    return float(np.average(wrong.mean(axis=1), weights=modes.weights))
