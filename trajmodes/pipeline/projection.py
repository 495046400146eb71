"""The pass that projects a run on modes, and the fits to its spectra and correlations.

All reductions share one pass: energies, spectra of several segment lengths, correlations of
energies, covariances and, if asked for, the amplitudes themselves.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.modes import Modes
from trajmodes.data.results import Projection
from trajmodes.data.spectra import BandSpectra, PowerSpectra
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.phonons.qpoints import zone_point
from trajmodes.pipeline.job_folder import Log, StartBar, no_bars
from trajmodes.pipeline.motion_source import Runs, Source, sampling_notes, source_of
from trajmodes.project.energies.anharmonicity import AnharmonicityReduction
from trajmodes.project.energies.autocorrelation import AutocorrelationReduction
from trajmodes.project.energies.covariances import (
    DisplacementCovariance,
    DisplacementCovarianceReduction,
    EnergyCovarianceReduction,
)
from trajmodes.project.energies.ensemble import KineticReduction, equipartition
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.energies.kinetic import VelocityEnergyReduction
from trajmodes.project.energies.lifetimes import energy_lifetimes
from trajmodes.project.energies.modulations import FEW_LIFETIMES
from trajmodes.project.lineshape.fit import fit_lines, line_models
from trajmodes.project.lineshape.models import LineShape
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.project.sampling import (
    attenuation,
    correct_density,
    correct_energies,
    correct_spectra,
)
from trajmodes.project.selected_modes import (
    AmplitudeSeries,
    AmplitudeSeriesReduction,
    parse_modes,
)
from trajmodes.project.spectra.plan import SpectralPlan
from trajmodes.project.spectra.welch import Spectra, WelchReduction
from trajmodes.project.spectra.zoom import ZoomReduction
from trajmodes.streaming.reduction import Reduction, Together, Transformed
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.stars import set_mean, set_omega
from trajmodes.symmetry.translations import half_space


class Projected(NamedTuple):
    """A projection, and further data for later stages."""

    projection: Projection
    displacements: DisplacementCovariance | None
    """None where the run has no positions."""
    notes: tuple[Note, ...]
    amplitudes: AmplitudeSeries | None
    """Amplitudes of the chosen modes, in the scratch folder."""
    differenced: bool
    """Whether velocities are differences of positions."""


def project_run(
    run: Runs,
    modes: Modes,
    *,
    log: Log,
    bars: StartBar = no_bars,
    scratch: Path | None = None,
    force_noise: float = 0.0,
) -> Projected:
    """Energies, spectra, lines and lifetimes of all modes, in one pass.

    The modes are those at the commensurate q points. If the run has no velocities, differences
    of positions are used and corrected. Amplitudes that the job saves are written to `scratch`.
    Frames that are too few or uneven for spectra give energies only, with a note of the subject
    "not-done" that says why. `force_noise` is the variance of random forces over the mass in
    eV/ps², which σ leaves out.

    Raises
    ------
    UsageError
        If amplitudes are to be saved, but there is no folder, or a mode does not exist.
    DataError
        If amplitudes or differences of positions need the time between frames, and it is
        unknown, or too large for differences.
    """
    highest, expected = float(modes.omega.max()), set_omega(modes)
    is_timed = bool(run.job.projection.save_amplitudes)
    source = source_of(run, highest, is_timed=is_timed)
    notes = sampling_notes(run, source, expected)
    with log.stage("projection", has_bars=True):
        apart_ps = source.differenced_ps
        kept = None if apart_ps is None else attenuation(modes.omega, apart_ps)
        projector = Projector(half_space(run.supercell), modes, kept, run.occupied)
        try:
            plan = source.plan(run.job, projector, highest)
        except DataError as error:
            notes.append(
                Note("warning", error.what, why=error.why, fix=error.fix, subject="not-done")
            )
            plan, source = None, source_of(run, highest, every_frame=True, is_timed=is_timed)
        parts = _parts(run, source, projector, plan, force_noise)
        if run.job.projection.save_amplitudes:
            parts["amplitudes"] = _amplitude_reduction(run, source, projector, scratch)
        reduction = Transformed(projector.project, Together(parts))
        found = stream(
            source.motion,
            source.blocks,
            reduction,
            workers=run.job.running.workers,
            progress=bars("projection on modes", source.motion.n_frames),
        )
    with log.stage("lines and lifetimes"):
        if kept is not None and apart_ps is not None:
            found |= _corrected(found, set_mean(kept, modes), apart_ps, modes)
        projection = _projection(found, run, modes)
    ensemble = projection.ensemble
    if ensemble is not None:
        texts = (ensemble.drift_text, ensemble.step_text)
        notes += [Note("note", text) for text in texts if text]
    if projection.energies.lifetimes_in_run < FEW_LIFETIMES:
        lasted = float(f"{projection.energies.lifetimes_in_run:.1g}")
        text = (
            f"the run lasts about {lasted:g} lifetimes of the "
            "modes: the errors of the temperature and of the static frequencies contain slow "
            "modulations of which the run shows little, and are known within a factor of two"
        )
        notes.append(Note("note", text))
    return Projected(
        projection,
        found.get("displacements"),
        tuple(notes),
        found.get("amplitudes"),
        apart_ps is not None,
    )


def _parts(
    run: Runs,
    source: Source,
    projector: Projector,
    plan: SpectralPlan | None,
    force_noise: float,
) -> dict[str, Reduction[Amplitudes, Any, Any]]:
    """Reductions of the amplitudes that the job asks for."""
    job, n, dt = run.job, source.motion.n_frames, source.interval_ps
    segments = source.motion.segments
    parts: dict[str, Reduction[Amplitudes, Any, Any]] = {}
    if plan is not None:
        parts["spectra"] = WelchReduction(
            *(projector, plan.frames, dt, segments), poles=job.projection.maximum_entropy
        )
        if plan.bands is not None:
            parts["bands"] = ZoomReduction(projector, plan.bands, dt, segments)
    if job.projection.energy_covariance:
        parts["covariance"] = EnergyCovarianceReduction(projector, n)
    if not run.trajectory.has_positions:
        return {**parts, "energies": VelocityEnergyReduction(projector, n, len(segments))}
    parts |= {
        "energies": EnergyReduction(projector, n, interval_ps=dt, ranges=segments),
        "displacements": DisplacementCovarianceReduction(projector, n),
    }
    if plan is not None:
        parts["correlations"] = AutocorrelationReduction(projector, dt, segments)
    if plan is not None or (len(segments) == 1 and np.isfinite(dt)):
        # The drift of the energy is a slope in time: frames are evenly spaced.
        parts["ensemble"] = KineticReduction(projector, n, dt, segments)
    if run.trajectory.has_forces:
        times_ps = source.times_ps
        parts["anharmonicity"] = AnharmonicityReduction(
            projector, n, times_ps, noise=force_noise
        )
    return parts


def _corrected(
    found: dict[str, Any], kept: Floats, interval_ps: float, modes: Modes
) -> dict[str, Any]:
    """Results of differenced velocities, with the corrections that remain apart from `kept`.

    `kept` (set) are the attenuation factors by which amplitudes were divided.
    """
    energies = correct_energies(found["energies"], kept, interval_ps, modes.sets)
    if "spectra" not in found:
        return {"energies": energies}
    spectra: Spectra = found["spectra"]
    bands, entropy = found.get("bands", ()), spectra.entropy
    corrected = correct_spectra(spectra.modes, kept, interval_ps)
    members = found["energies"].members
    return {
        "energies": energies,
        "spectra": spectra._replace(
            modes=corrected,
            density=correct_density(spectra.density, spectra.modes, corrected, members),
            entropy=entropy and correct_spectra(entropy, kept, interval_ps),
        ),
        "bands": tuple(correct_spectra(band, kept, interval_ps) for band in bands),
    }


def _amplitude_reduction(
    run: Runs, source: Source, projector: Projector, scratch: Path | None
) -> AmplitudeSeriesReduction:
    assert source.times_ps is not None
    if scratch is None:
        raise UsageError(
            "amplitudes of modes are written to a folder, and none is given",
            fix="give --output",
        )
    modes = projector.modes
    chosen = parse_modes(
        run.job.projection.save_amplitudes, modes, partial(zone_point, modes.crystal)
    )
    return AmplitudeSeriesReduction(projector, chosen, source.times_ps, scratch / "amplitudes")


def _projection(found: dict[str, Any], run: Runs, modes: Modes) -> Projection:
    """Lines, lifetimes and tests from the results of the pass."""
    by_energy = Projection(
        energies=found["energies"],
        anharmonicity=found.get("anharmonicity"),
        equipartition=equipartition(found["energies"]),
        ensemble=found.get("ensemble"),
        covariance=found.get("covariance"),
        timestep_ps=run.trajectory.time.timestep_ps if run.trajectory.has_velocities else None,
    )
    if "spectra" not in found:
        return by_energy
    spectra: Spectra = found["spectra"]
    segment_spectra = (whole_axis(spectra.modes), *found.get("bands", ()))
    expected = set_omega(modes)
    shape = LineShape(run.job.projection.line, run.job.projection.baseline)
    lines = fit_lines(segment_spectra, expected, shape, found["energies"])
    return replace(
        by_energy,
        spectra=spectra.modes,
        lines=lines,
        line_data=line_models(segment_spectra, lines, expected),
        lifetimes=energy_lifetimes(found["correlations"]) if "correlations" in found else None,
        density=spectra.density,
        maximum_entropy=spectra.entropy,
    )


def whole_axis(spectra: PowerSpectra) -> BandSpectra:
    """Spectra over all frequencies, in the form of zoom spectra."""
    return BandSpectra(
        first_bin=np.zeros(len(spectra.power), dtype=np.int64),
        power=spectra.power,
        averages=spectra.averages,
        segment_frames=spectra.segment_frames,
        interval_ps=spectra.interval_ps,
    )
