"""The pass that projects a run on modes, and the fits to what it gives."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data import BandSpectra, Modes, PowerSpectra, Projection
from trajmodes.errors import UsageError
from trajmodes.notes import Note
from trajmodes.phonons import zone_point
from trajmodes.pipeline.log import Log, StartBar, no_bars
from trajmodes.pipeline.source import (
    Runs,
    Source,
    difference_note,
    interval_of,
    source_of,
    thinning_note,
    timestep_fs,
)
from trajmodes.pipeline.spectral_plan import SpectralPlan, plan_spectra
from trajmodes.project import (
    Amplitudes,
    AutocorrelationReduction,
    DisplacementCovariance,
    DisplacementCovarianceReduction,
    EnergyCovarianceReduction,
    EnergyReduction,
    KineticReduction,
    LineShape,
    NarrowBandReduction,
    Projector,
    Spectra,
    Spill,
    SpillReduction,
    WelchReduction,
    attenuation,
    correct_density,
    correct_energies,
    correct_spectra,
    energy_lifetimes,
    equipartition,
    fit_lines,
    line_models,
    parse_modes,
    require_sampled,
    verlet_note,
)
from trajmodes.streaming import Reduction, Together, Transformed, stream
from trajmodes.symmetry import half_space
from trajmodes.symmetry.mode_sets import set_mean, set_omega
from trajmodes.units import THZ

__all__ = ["Projected", "project_run"]


class Projected(NamedTuple):
    """What a projection gave, and what later stages need of it."""

    projection: Projection
    displacements: DisplacementCovariance
    notes: tuple[Note, ...]
    spill: Spill | None
    """Time series of chosen modes, in the scratch folder."""
    differenced: bool
    """Whether velocities are differences of positions."""


def project_run(
    run: Runs,
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
    highest = float(modes.omega.max())
    source = source_of(run, highest)
    remarks = (
        require_sampled(highest, interval_of(run)),
        verlet_note(highest, timestep_fs(run)),
        difference_note(source),
        thinning_note(source),
    )
    with log.stage("projection"):
        apart_ps = source.differenced_ps
        kept = None if apart_ps is None else attenuation(modes.omega, apart_ps)
        projector = Projector(half_space(run.supercell), modes, kept)
        plan = plan_spectra(run, source, highest, projector.n_series)
        parts = _parts(run, source, projector, plan)
        if run.job.projection.save_amplitudes:
            parts["spill"] = _spill(run, source, projector, scratch)
        reduction = Transformed(projector.project, Together(parts))
        found = stream(
            source.read,
            source.blocks,
            reduction,
            workers=run.job.running.workers,
            progress=bars("projection on modes", source.n_frames),
        )
    with log.stage("lines and lifetimes"):
        if kept is not None and apart_ps is not None:
            found |= _corrected(found, set_mean(kept, modes), apart_ps, modes)
        projection = _projection(found, run, modes)
    notes = [remark for remark in remarks if remark is not None]
    notes += [
        Note("note", text)
        for text in (found["ensemble"].drift_text, found["ensemble"].step_text)
        if text
    ]
    return Projected(
        projection,
        found["displacements"],
        tuple(notes),
        found.get("spill"),
        apart_ps is not None,
    )


def _parts(
    run: Runs, source: Source, projector: Projector, plan: SpectralPlan
) -> dict[str, Reduction[Amplitudes, Any, Any]]:
    """Reductions for what the job asks for."""
    job, n, dt, stretches = run.job, source.n_frames, source.interval_ps, source.stretches
    parts: dict[str, Reduction[Amplitudes, Any, Any]] = {
        "energies": EnergyReduction(projector, n),
        "ensemble": KineticReduction(projector, n, dt),
        "displacements": DisplacementCovarianceReduction(projector, n),
        "correlations": AutocorrelationReduction(projector, dt, stretches),
        "spectra": WelchReduction(
            projector,
            plan.frames,
            dt,
            stretches,
            poles=job.projection.maximum_entropy,
        ),
    }
    if plan.bands is not None:
        parts["bands"] = NarrowBandReduction(projector, plan.bands, dt, stretches)
    if job.projection.energy_covariance:
        parts["covariance"] = EnergyCovarianceReduction(projector, n)
    return parts


def _corrected(
    found: dict[str, Any], kept: Floats, interval_ps: float, modes: Modes
) -> dict[str, Any]:
    """Results of differenced velocities, with what the factors of the amplitudes left."""
    spectra: Spectra = found["spectra"]
    bands, entropy = found.get("bands", ()), spectra.entropy
    corrected = correct_spectra(spectra.modes, kept, interval_ps)
    members = found["energies"].members
    return {
        "energies": correct_energies(found["energies"], kept, interval_ps, modes.sets),
        "spectra": spectra._replace(
            modes=corrected,
            density=correct_density(spectra.density, spectra.modes, corrected, members),
            entropy=entropy and correct_spectra(entropy, kept, interval_ps),
        ),
        "bands": tuple(correct_spectra(band, kept, interval_ps) for band in bands),
    }


def _spill(
    run: Runs, source: Source, projector: Projector, scratch: Path | None
) -> SpillReduction:
    if scratch is None:
        raise UsageError(
            "time series of modes need a folder to be written to", fix="give an output folder"
        )
    modes = projector.modes
    chosen = parse_modes(
        run.job.projection.save_amplitudes, modes, partial(zone_point, modes.crystal)
    )
    return SpillReduction(projector, chosen, source.times_ps, scratch / "amplitudes")


def _projection(found: dict[str, Any], run: Runs, modes: Modes) -> Projection:
    """Lines, lifetimes and tests that the results of the pass allow."""
    spectra: Spectra = found["spectra"]
    ladder = (whole_axis(spectra.modes), *found.get("bands", ()))
    guess = set_omega(modes) / THZ
    shape = LineShape(run.job.projection.line, run.job.projection.baseline)
    lines = fit_lines(ladder, guess, shape)
    return Projection(
        energies=found["energies"],
        spectra=spectra.modes,
        lines=lines,
        line_data=line_models(ladder, lines, guess),
        lifetimes=energy_lifetimes(found["correlations"]),
        density=spectra.density,
        equipartition=equipartition(found["energies"]),
        ensemble=found["ensemble"],
        covariance=found.get("covariance"),
        maximum_entropy=spectra.entropy,
    )


def whole_axis(spectra: PowerSpectra) -> BandSpectra:
    """Spectra on the whole axis as the rung of a ladder."""
    return BandSpectra(
        first_bin=np.zeros(len(spectra.power), dtype=np.int64),
        power=spectra.power,
        averages=spectra.averages,
        segment_frames=spectra.segment_frames,
        interval_ps=spectra.interval_ps,
    )
