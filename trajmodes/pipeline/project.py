"""The pass that projects a run on modes, and what is made of it in the nouns of the report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data import BandSpectra, Modes, MotionBlock, PowerSpectra
from trajmodes.errors import DataError, UsageError
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.log import Log, StartBar, no_bars
from trajmodes.project import (
    AmplitudeReduction,
    AutocorrelationReduction,
    BandPlan,
    DisplacementCovariance,
    DisplacementCovarianceReduction,
    EnergyCovarianceReduction,
    EnergyReduction,
    KineticReduction,
    LineShape,
    ModeReduction,
    NarrowBandReduction,
    Projector,
    Spectra,
    Spill,
    SpillReduction,
    WelchReduction,
    attenuation,
    default_bands,
    default_segment,
    default_stride,
    energy_lifetimes,
    equipartition,
    fit_lines,
    line_models,
    parse_modes,
    require_correctable,
    require_sampled,
    resolution_thz,
    verlet_note,
)
from trajmodes.readers import DifferencedMotion
from trajmodes.report import (
    EnergyCovariance,
    EquipartitionTest,
    Projection,
    ThermostatVerdict,
)
from trajmodes.streaming import cut_blocks, stream
from trajmodes.symmetry import half_space
from trajmodes.units import BOLTZMANN, THZ

__all__ = ["Projected", "Source", "interval_of", "plan_spectra", "project_run", "source_of"]

FEWEST_FRAMES = 64
"""Least frames in a segment of the spectra: with fewer, a line is a handful of bins."""


class Source(NamedTuple):
    """Motion with velocities, as it is in the run or by differences."""

    read: Callable[[int, int], MotionBlock]
    stretches: tuple[tuple[int, int], ...]
    """Uninterrupted frame ranges."""
    n_frames: int
    interval_ps: float
    differenced: bool

    def blocks(self, run: LoadedRun) -> list[tuple[int, int]]:
        """Frame ranges that the motion is streamed in."""
        return cut_blocks(self.stretches, run.trajectory.n_atoms)


class SpectralPlan(NamedTuple):
    """How spectra are made of a run."""

    stride: int
    """Every so many-th frame is used."""
    frames: int
    """Frames used of a segment on the whole axis."""
    bands: BandPlan | None
    """Longer segments around each line; None where there are none."""


class Projected(NamedTuple):
    """What a projection gave, and what later stages need of it."""

    projection: Projection
    displacements: DisplacementCovariance
    notes: tuple[str, ...]
    spill: Spill | None
    """Time series of chosen modes, in the scratch folder."""


def project_run(
    run: LoadedRun,
    modes: Modes,
    *,
    log: Log,
    bars: StartBar = no_bars,
    scratch: Path | None = None,
) -> Projected:
    """Energies, spectra, lines and lifetimes of all modes, in one pass.

    Parameters
    ----------
    run
        The run. Where it has no velocities, they are differences of positions, corrected.
    modes
        Modes at the commensurate q points of its supercell.
    log
        Takes down the stages.
    bars
        Starts a progress bar.
    scratch
        Folder for time series that are asked for.

    Raises
    ------
    UsageError
        If time series are asked for, but there is no folder for them or no such mode.
    DataError
        If the time between frames is not known, frames are too far apart for the modes, or the
        run is too short for spectra.
    """
    source = source_of(run, modes)
    highest = float(modes.omega.max())
    remarks = (
        require_sampled(highest, source.interval_ps),
        verlet_note(highest, run.job.timestep_fs),
        _difference_note(source),
    )
    with log.stage("projection"):
        kept = attenuation(modes.omega, source.interval_ps) if source.differenced else None
        projector = Projector(half_space(run.supercell), modes, kept)
        plan = plan_spectra(run, source, highest, projector.n_series)
        parts = _parts(run, source, projector, plan)
        if run.job.spill:
            parts["spill"] = _spill(run, source, projector, scratch)
        reduction = ModeReduction(projector, parts)
        found = stream(
            source.read,
            source.blocks(run),
            reduction,
            workers=run.job.workers,
            progress=bars("projection on modes", source.n_frames),
        )
    with log.stage("lines and lifetimes"):
        projection = _told(found, run, modes)
    notes = [remark for remark in remarks if remark is not None]
    notes += [
        text for text in (found["ensemble"].drift_text, found["ensemble"].step_text) if text
    ]
    return Projected(projection, found["displacements"], tuple(notes), found.get("spill"))


def source_of(run: LoadedRun, modes: Modes) -> Source:
    """Motion to project, with velocities from positions where the run has none.

    Parameters
    ----------
    run
        The run.
    modes
        The modes: their frequencies decide whether differences can be corrected.

    Raises
    ------
    DataError
        If the time between frames is not known, or frames are too far apart.
    """
    interval_ps, segments = interval_of(run), run.trajectory.segments
    if run.trajectory.has_velocities:
        return Source(run.motion, segments, run.n_frames, interval_ps, differenced=False)
    require_correctable(float(modes.omega.max()), interval_ps)
    motion = DifferencedMotion(run.motion, segments, interval_ps)
    return Source(motion, motion.segments, motion.n_frames, interval_ps, differenced=True)


def plan_spectra(run: LoadedRun, source: Source, highest: float, n_series: int) -> SpectralPlan:
    """Segments of the spectra: as asked for, or as run and memory allow.

    Parameters
    ----------
    run
        The run, with its job.
    source
        The motion that is projected.
    highest
        Highest harmonic frequency in rad/ps; not positive where unknown.
    n_series
        Number of complex amplitudes.

    Raises
    ------
    DataError
        If the run is too short for spectra.
    UsageError
        If the wanted resolution cannot be had.
    """
    stride = default_stride(source.interval_ps, highest / THZ)
    used_ps, wanted = stride * source.interval_ps, run.job.resolution_thz
    longest = max(stop - start for start, stop in source.stretches) // stride
    if wanted is None:
        frames = default_segment(longest, used_ps, n_series)
        if frames < FEWEST_FRAMES:
            raise DataError(
                f"the run is too short for spectra: {longest} frames that count, where "
                f"{2 * FEWEST_FRAMES} are the least",
                why="frames were chosen, or a gap ends each stretch of the run early",
                fix="run longer, or choose more frames",
            )
        bands = default_bands(longest, used_ps, n_series, highest / THZ, frames)
        return SpectralPlan(stride, frames, bands)
    frames = 2 * round(resolution_thz(2, used_ps) / wanted)
    if not FEWEST_FRAMES <= frames <= longest:
        finest, coarsest = (resolution_thz(n, used_ps) for n in (longest, FEWEST_FRAMES))
        raise UsageError(
            f"a resolution of {wanted:g} THz cannot be had from this run",
            why=f"its longest stretch is {longest * used_ps:.4g} ps",
            fix=f"give --resolution-thz between {finest:.2g} and {coarsest:.2g}",
        )
    return SpectralPlan(stride, frames, None)


def interval_of(run: LoadedRun) -> float:
    """Time between frames in ps.

    Raises
    ------
    DataError
        If it is not known.
    """
    interval_ps = run.trajectory.interval_ps
    if interval_ps is None:
        raise DataError(
            "the time between frames is not known, and spectra need it",
            fix="give --timestep-fs, the time step of the simulation",
        )
    return interval_ps


def _parts(
    run: LoadedRun, source: Source, projector: Projector, plan: SpectralPlan
) -> dict[str, AmplitudeReduction]:
    """Reductions for what the job asks for."""
    job, n, dt, stretches = run.job, source.n_frames, source.interval_ps, source.stretches
    parts: dict[str, AmplitudeReduction] = {
        "energies": EnergyReduction(projector, n),
        "ensemble": KineticReduction(projector, n, dt),
        "displacements": DisplacementCovarianceReduction(projector, n),
        "correlations": AutocorrelationReduction(projector, dt, stretches),
        "spectra": WelchReduction(
            projector,
            plan.frames,
            dt,
            stretches,
            plan.stride,
            poles=job.maximum_entropy,
        ),
    }
    if plan.bands is not None:
        parts["bands"] = NarrowBandReduction(projector, plan.bands, dt, stretches, plan.stride)
    if job.energy_covariance:
        kelvin = run.diagnosis.sample.kinetic
        expected = 0.0 if kelvin is None else BOLTZMANN * float(kelvin.mean())
        parts["covariance"] = EnergyCovarianceReduction(projector, n, expected)
    return parts


def _spill(
    run: LoadedRun, source: Source, projector: Projector, scratch: Path | None
) -> SpillReduction:
    if scratch is None:
        raise UsageError(
            "time series of modes need a folder to be written to", fix="give an output folder"
        )
    chosen = parse_modes(run.job.spill, projector.modes)
    times_ps: Floats = source.interval_ps * np.arange(source.n_frames)
    return SpillReduction(projector, chosen, times_ps, scratch / "amplitudes")


def _told(found: dict[str, Any], run: LoadedRun, modes: Modes) -> Projection:
    """Results of the pass in the nouns of the report."""
    spectra: Spectra = found["spectra"]
    ladder = (whole_axis(spectra.modes), *found.get("bands", ()))
    guess = harmonic_thz(modes)
    shape = LineShape(run.job.line, run.job.baseline)
    lines = fit_lines(ladder, guess, shape)
    test = equipartition(found["energies"])
    ensemble, covariance = found["ensemble"], found.get("covariance")
    return Projection(
        energies=found["energies"],
        spectra=spectra.modes,
        lines=lines,
        line_data=line_models(ladder, lines, guess),
        lifetimes=energy_lifetimes(found["correlations"]),
        density=spectra.density,
        equipartition=EquipartitionTest(
            test.z, test.chi_squared, test.freedom, test.p_value, test.text
        ),
        thermostat=ThermostatVerdict(
            str(ensemble.verdict),
            ensemble.energy_ratio,
            ensemble.energy_ratio_sem,
            ensemble.text,
        ),
        covariance=covariance
        and EnergyCovariance(correlation=covariance.correlation, modes=covariance.modes),
        maximum_entropy=spectra.entropy,
    )


def harmonic_thz(modes: Modes) -> Floats:
    """Frequency (g,) of each set of modes in THz, negative where imaginary."""
    labels, first = np.unique(modes.sets, return_index=True)
    freq_thz: Floats = modes.omega.ravel()[first[labels >= 0]] / THZ
    return freq_thz


def whole_axis(spectra: PowerSpectra) -> BandSpectra:
    """Spectra on the whole axis as the rung of a ladder."""
    return BandSpectra(
        first_bin=np.zeros(len(spectra.power), dtype=np.int64),
        power=spectra.power,
        averages=spectra.averages,
        segment_frames=spectra.segment_frames,
        interval_ps=spectra.interval_ps,
    )


def _difference_note(source: Source) -> str | None:
    if not source.differenced:
        return None
    return (
        "the run has no velocities: they are differences of positions, corrected for the "
        "attenuation of each mode; dump vx vy vz for exact ones"
    )
