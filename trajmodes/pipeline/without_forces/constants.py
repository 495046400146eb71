"""Force constants of a run without forces, from the covariance of its displacements.

Of a classical crystal Φ = k_BT⟨uu⟩⁻¹, by symmetry and with all pairs of the supercell; see
`trajmodes.phonons.renormalised`. No trial force constants are needed: displacements are
projected on unit vectors at the q points of the supercell.
"""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.data.results import Results
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.dipoles import with_charges
from trajmodes.formats.open import charges_of_data
from trajmodes.notes import Note
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.renormalised import (
    green_function_constants,
    with_frequencies,
    with_slow_energies,
)
from trajmodes.pipeline.check.requirements import warnings_of
from trajmodes.pipeline.derived import modes_of_supercell, results_of_constants
from trajmodes.pipeline.job_folder import Log, StartBar, no_bars
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.motion_source import Source, source_of, why_not_projected
from trajmodes.project.checks import oscillator_frequency
from trajmodes.project.energies.covariances import (
    DisplacementCovariance,
    DisplacementCovarianceReduction,
)
from trajmodes.project.energies.displaced import PotentialReduction
from trajmodes.project.projector import Projector, moving_modes
from trajmodes.project.spectra.plan import highest_from_bound
from trajmodes.streaming.reduction import Transformed
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.translations import half_space
from trajmodes.units import BOLTZMANN


class FoundConstants(NamedTuple):
    """Force constants from displacements, and notes on them."""

    constants: ForceConstants
    notes: tuple[Note, ...]


class _Measured(NamedTuple):
    """Force constants, and the covariances that they come from."""

    constants: ForceConstants
    covariance: DisplacementCovariance
    source: Source | None
    """Motion with velocities; None where every mode has k_BT."""


def results_without_forces(
    run: LoadedRun, *, command: str, log: Log, bars: StartBar = no_bars
) -> Results:
    """Results of force constants from the displacements of a run."""
    job = run.job
    found = constants_of_displacements(run, log=log, bars=bars)
    with log.stage("phonons"):
        modes = modes_of_supercell(
            found.constants, run.supercell, require_stable=job.fit.require_stable
        )
        results = results_of_constants(job, run.supercell, found.constants, modes, command)
    return replace(
        results,
        covariance_frames=run.n_frames,
        box=run.match.box_motion,
        diagnosis=run.diagnosis.figures,
        warnings=warnings_of(run),
        notes=(*run.notes, *found.notes, *results.notes),
    )


def constants_of_displacements(
    run: LoadedRun, *, log: Log, bars: StartBar = no_bars
) -> FoundConstants:
    """Effective force constants of second order, with replicates from blocks of time.

    Velocities give the energy that each mode has, and the temperature. Without them every mode
    has k_BT, with the temperature of the job; if the frequencies then found show that frames
    are near enough, differences of positions take the place of velocities.

    Raises
    ------
    UsageError
        If there are no velocities and the job has no temperature, or cutoffs are given.
    DataError
        If atoms are not those of the perfect crystal, or the frames are too few.
    """
    _require_applicable(run)
    with log.stage("first pass: displacements", has_bars=True):
        if run.trajectory.has_velocities:
            bound = run.diagnosis.sample.omega_bound
            highest = 0.0 if bound is None else highest_from_bound(bound)
            found = _by_velocities(run, source_of(run, highest, is_timed=False), bars)
        else:
            found = _by_temperature(run, bars)
    constants = found.constants
    charges = charges_of_data(run.job.polar, run.supercell.crystal, run.trajectory.paths)
    if charges.charges is not None:
        constants = with_charges(constants, run.supercell, charges.charges)
    return FoundConstants(constants, (*charges.notes, _method_note(run, found)))


def _by_temperature(run: LoadedRun, bars: StartBar) -> _Measured:
    """Take k_BT⟨uu⟩⁻¹ at the temperature of the job, or differences if these are possible."""
    given, space = run.job.phonons.temperature, half_space(run.supercell)
    if given is None:
        raise UsageError(
            "the run has positions alone, and its temperature is not known",
            where=run.trajectory.file_names,
            why="without forces, force constants come from the covariance of displacements, "
            "k_BT⟨uu⟩⁻¹",
            fix="give --temperature, or write velocities or forces",
        )
    basis, advance = moving_modes(space), bars("covariance of displacements", run.n_frames)
    projector = Projector(space, basis)
    covariances = DisplacementCovarianceReduction(projector, run.n_frames)
    workers = run.job.running.workers
    whole = Transformed(projector.project, covariances)
    found = stream(run.motion, run.blocks, whole, workers=workers, progress=advance)
    constants = green_function_constants(
        basis, run.supercell, found.covariance, found.frames, given
    )
    modes = modes_at(constants, space.qpoints, space.weights)
    if why_not_projected(run, modes) is None:
        return _by_velocities(run, source_of(run, float(modes.omega.max())), bars)
    # Frames are too far apart, or at unknown times.
    projector = Projector(space, modes)
    energies = PotentialReduction(projector, run.n_frames, given)
    slow = stream(
        run.motion, run.blocks, Transformed(projector.project, energies), workers=workers
    ).omega_displacement_sem
    assert slow is not None
    constants = with_slow_energies(constants, modes, run.supercell, slow)
    return _Measured(constants, found, None)


def _by_velocities(run: LoadedRun, source: Source, bars: StartBar) -> _Measured:
    """Take velocities of the run, or differences; the time step of Verlet is corrected for."""
    space, n_frames = half_space(run.supercell), source.motion.n_frames
    basis = moving_modes(space)
    projector = Projector(space, basis)
    covariances = DisplacementCovarianceReduction(projector, n_frames)
    found = stream(
        source.motion,
        source.blocks,
        Transformed(projector.project, covariances),
        workers=run.job.running.workers,
        progress=bars("covariance of velocities", n_frames),
    )
    frequency = partial(
        oscillator_frequency,
        differenced_ps=source.differenced_ps,
        timestep_ps=run.trajectory.time.timestep_ps,
    )
    plain = green_function_constants(
        *(basis, run.supercell, found.covariance, found.frames, np.nan), found.kinetic
    )
    constants = with_frequencies(plain, run.supercell, frequency)
    kelvin = run.job.phonons.temperature
    if kelvin is None:
        modes = modes_at(constants, space.qpoints, space.weights)
        kelvin = potential_temperature(found, basis, modes)
    return _Measured(replace(constants, temperature=kelvin), found, source)


def _require_applicable(run: LoadedRun) -> None:
    """Refuse cutoffs, which need forces, and crystals that are not perfect."""
    fit = run.job.fit
    if any(one is not None for one in (fit.cutoff2, fit.cutoff3, fit.cutoff4)):
        raise UsageError(
            "cutoffs are given, and the run has no forces to fit",
            where=run.trajectory.file_names,
            why="force constants from displacements are of second order, and have the range of "
            "the supercell",
            fix="leave out the cutoffs, or write forces",
        )
    if run.match.occupation is not None:
        raise DataError(
            "the run has no forces, and atoms are not those of the perfect crystal",
            why="force constants from displacements are known for perfect crystals only",
            fix="write forces, or project on given ones: trajmodes project --force-constants",
        )


def potential_temperature(found: DisplacementCovariance, basis: Modes, modes: Modes) -> float:
    """Temperature in K of ½ω²⟨|Q|²⟩ of modes, from covariances of amplitudes on a basis."""
    portions = found.frames / found.frames.sum()
    to_modes_qmn = modes.vectors.reshape(*modes.omega.shape, -1).conj() @ basis.vectors.reshape(
        *modes.omega.shape, -1
    ).swapaxes(1, 2)
    whole_qmn = np.tensordot(portions, found.covariance, axes=1)
    square_qm = np.einsum(
        "qmn,qnk,qmk->qm", to_modes_qmn, whole_qmn, to_modes_qmn.conj(), optimize=True
    ).real
    moving_qm = modes.sets >= 0
    total = modes.weights @ (np.abs(modes.omega) * modes.omega * square_qm * moving_qm).sum(
        axis=1
    )
    return float(total / (modes.weights @ moving_qm.sum(axis=1)) / BOLTZMANN)


def _method_note(run: LoadedRun, found: _Measured) -> Note:
    """Say how the force constants were found, and what their errors rest on."""
    source, frames = found.source, found.covariance.frames
    interval_ps = run.trajectory.interval_ps if source is None else source.interval_ps
    blocks = f"{len(frames)} blocks of {frames.mean():.4g} frames"
    if interval_ps is not None and np.isfinite(interval_ps):
        blocks += f", {frames.mean() * interval_ps:.3g} ps each"
    text = (
        "the run has no forces: effective force constants of second order are those of a "
        "classical harmonic crystal with the covariance of the displacements of the run; error "
        f"bars are from {blocks}"
    )
    if source is None:
        text += ", and from potential energies of modes that keep them for longer"
        fix = "write velocities: they give the energy that each mode has, and smaller errors"
        return Note("note", text, fix=fix)
    if source.differenced_ps is not None:
        text += "; velocities are corrected differences of positions"
    return Note("note", text)
