"""Force constants of a run without forces, from the covariance of its displacements.

Of a classical crystal Φ = k_BT⟨uu⟩⁻¹, by symmetry and with all pairs of the supercell; see
`trajmodes.phonons.renormalised`. No trial force constants are needed: displacements are
projected on unit vectors at the q points of the supercell.
"""

from collections.abc import Callable
from dataclasses import replace
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
from trajmodes.phonons.renormalised import green_function_constants, with_slow_energies
from trajmodes.pipeline.check import warnings_of
from trajmodes.pipeline.derived import modes_of_supercell, results_of_constants
from trajmodes.pipeline.job_folder import Log, StartBar, no_bars
from trajmodes.pipeline.load import LoadedRun
from trajmodes.project.energies.covariances import (
    DisplacementCovariance,
    DisplacementCovarianceReduction,
)
from trajmodes.project.energies.displaced import PotentialReduction
from trajmodes.project.projector import Amplitudes, Projector, moving_modes
from trajmodes.streaming.reduction import Reduction, Result, State, Transformed
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.translations import half_space
from trajmodes.units import BOLTZMANN


class FoundConstants(NamedTuple):
    """Force constants from displacements, and notes on them."""

    constants: ForceConstants
    notes: tuple[Note, ...]


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

    The temperature is that of the velocities, or the one that the job gives. Velocities also
    give the energy that each mode has in a short run, in place of k_BT.

    Raises
    ------
    UsageError
        If the run has no velocities and the job no temperature, or cutoffs are given.
    DataError
        If atoms are not those of the perfect crystal, or the frames are too few.
    """
    given = run.job.phonons.temperature
    _require_applicable(run)
    if given is None and not run.trajectory.has_velocities:
        raise UsageError(
            "the run has positions alone, and its temperature is not known",
            where=run.trajectory.file_names,
            why="without forces, force constants come from the covariance of displacements, "
            "k_BT⟨uu⟩⁻¹",
            fix="give --temperature, or write velocities or forces",
        )
    space = half_space(run.supercell)
    basis = moving_modes(space)
    projector = Projector(space, basis)
    with log.stage("first pass: displacements", has_bars=True):
        covariance = DisplacementCovarianceReduction(projector, run.n_frames)
        advance = bars("first pass: displacements", run.n_frames)
        found = _streamed(run, projector, covariance, advance)
    kelvin = given or kinetic_temperature(found, basis)
    with log.stage("solve"):
        constants = green_function_constants(
            *(basis, run.supercell, found.covariance, found.frames, kelvin), found.kinetic
        )
        if found.kinetic is None:
            constants = _with_slow_energies(run, constants, kelvin)
        charges = charges_of_data(run.job.polar, run.supercell.crystal, run.trajectory.paths)
        if charges.charges is not None:
            constants = with_charges(constants, run.supercell, charges.charges)
    return FoundConstants(constants, (*charges.notes, _method_note(run, found)))


def _streamed(
    run: LoadedRun,
    projector: Projector,
    reduction: Reduction[Amplitudes, State, Result],
    advance: Callable[[int], None] | None = None,
) -> Result:
    return stream(
        run.motion,
        run.blocks,
        Transformed(projector.project, reduction),
        workers=run.job.running.workers,
        progress=advance,
    )


def _with_slow_energies(
    run: LoadedRun, constants: ForceConstants, kelvin: float
) -> ForceConstants:
    """Widen the error bars by a pass over the potential energies of the modes."""
    space = half_space(run.supercell)
    modes = modes_at(constants, space.qpoints, space.weights)
    projector = Projector(space, modes)
    energies = _streamed(run, projector, PotentialReduction(projector, run.n_frames, kelvin))
    assert energies.omega_displacement_sem is not None
    slow = energies.omega_displacement_sem
    return with_slow_energies(constants, modes, run.supercell, slow)


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


def kinetic_temperature(found: DisplacementCovariance, basis: Modes) -> float:
    """Kinetic temperature in K of the modes of a basis, without the centre of mass."""
    assert found.kinetic is not None
    portions = found.frames / found.frames.sum()
    twice_qm = np.einsum("b,bqmm->qm", portions, found.kinetic).real
    freedom = float(basis.weights @ (basis.sets >= 0).sum(axis=1))
    return float(basis.weights @ twice_qm.sum(axis=1)) / freedom / BOLTZMANN


def _method_note(run: LoadedRun, found: DisplacementCovariance) -> Note:
    """Say how the force constants were found, and what their errors rest on."""
    interval_ps, n_blocks = run.trajectory.interval_ps, len(found.frames)
    blocks = f"{n_blocks} blocks of {found.frames.mean():.4g} frames"
    if interval_ps is not None:
        blocks += f", {found.frames.mean() * interval_ps:.3g} ps"
    text = (
        "the run has no forces: effective force constants of second order are those of a "
        "classical harmonic crystal with the covariance of the displacements of the run; error "
        f"bars are from {blocks} each"
    )
    if found.kinetic is not None:
        return Note("note", text)
    text += ", and from potential energies of modes that keep them for longer"
    fix = "write velocities: they give the energy that each mode has, and smaller errors"
    return Note("note", text, fix=fix)
