"""What cubic constants tell, and what errors allow, in the nouns of the report."""

from dataclasses import replace

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config import Job
from trajmodes.data import ForceConstants, Modes
from trajmodes.errors import DataError
from trajmodes.phonons import (
    Bands,
    Gruneisen,
    gruneisen_at,
    gruneisen_of,
    joined_axes,
    linewidths_of_sets,
    mean_gruneisen,
    perturbative_linewidths,
    run_length,
    stability,
)
from trajmodes.pipeline.log import Log
from trajmodes.report import (
    GruneisenParameters,
    PerturbativeWidths,
    Results,
    RunRequirement,
    StabilityVerdict,
)

__all__ = ["gruneisen_parameters", "requirement_of", "stability_of", "with_perturbation"]

MEAN_SPACING = 0.15
"""Spacing of the mesh of the mean Grüneisen parameter in 1/Å, 2π included: it then changes by
less than its error when the mesh is doubled."""

WANTED_THZ = 0.05
"""Error of frequencies that the run length is asked for."""


def gruneisen_parameters(
    constants: ForceConstants, modes: Modes, bands: Bands, temperature: float | None
) -> GruneisenParameters | None:
    """Grüneisen parameters on the band path, of the sets of modes, and their mean.

    Parameters
    ----------
    constants
        The constants; without triplets there is nothing to tell.
    modes
        Their modes at the commensurate points.
    bands
        Their bands.
    temperature
        Of the quantum mean, in K; nan stands for it where that is unknown.
    """
    if constants.triplets is None:
        return None
    path = gruneisen_at(constants, bands.path.qpoints)
    sets, sets_sem = _of_sets(gruneisen_of(constants, modes), modes)
    reciprocal = 2.0 * np.pi * np.linalg.norm(np.linalg.inv(constants.crystal.cell), axis=0)
    counts = np.maximum(2, np.ceil(reciprocal / MEAN_SPACING)).astype(int)
    for axes in map(list, joined_axes(constants.crystal)):
        counts[axes] = counts[axes].max()
    one, two, three = (int(n) for n in counts)
    kelvin = [] if temperature is None else [temperature]
    mean = mean_gruneisen(constants, (one, two, three), kelvin)
    quantum_sem = mean.quantum_sem
    return GruneisenParameters(
        path=path.gamma,
        path_sem=path.gamma_sem,
        sets=sets,
        sets_sem=sets_sem,
        temperature=np.nan if temperature is None else temperature,
        classical=mean.classical,
        classical_sem=mean.classical_sem,
        quantum=float(mean.quantum[0]) if kelvin else np.nan,
        quantum_sem=float(quantum_sem[0]) if kelvin and quantum_sem is not None else None,
        mesh=mean.divisions,
    )


def _of_sets(found: Gruneisen, modes: Modes) -> tuple[Floats, Floats | None]:
    """(g,) values of one member of each set: all have the same."""
    labels, first = np.unique(modes.sets, return_index=True)
    chosen = first[labels >= 0]
    sem = None if found.gamma_sem is None else found.gamma_sem.ravel()[chosen]
    return found.gamma.ravel()[chosen], sem


def with_perturbation(results: Results, job: Job, log: Log) -> Results:
    """Add three-phonon linewidths of the sets of modes, if the job asks for them.

    They are those at the temperature of the motion where it was projected, at that of the
    constants otherwise.

    Parameters
    ----------
    results
        What constants and, if there is one, projection give.
    job
        Tells the mesh: the least number of points along each reciprocal lattice vector.
    log
        Takes down the stage.

    Raises
    ------
    UsageError
        If phono3py is not installed.
    DataError
        If there are no triplets, or the temperature is not known.
    """
    if job.phonons.perturbation is None:
        return results
    constants, modes = results.constants, results.modes
    if constants.triplets is None:
        raise DataError(
            "linewidths of perturbation theory need cubic constants", fix="give --cutoff3"
        )
    moved = results.projection
    temperature = constants.temperature if moved is None else moved.energies.temperature
    if temperature is None:
        raise DataError(
            "linewidths of perturbation theory need a temperature, and the run tells none",
            fix="give --temperature",
        )
    with log.stage("perturbation theory"):
        mesh = (job.phonons.perturbation,) * 3
        lines = perturbative_linewidths(
            constants, results.supercell, mesh, temperature, modes.qpoints
        )
        quantum, classical = linewidths_of_sets(lines, modes)
    widths = PerturbativeWidths(quantum, classical, temperature, lines.divisions)
    return replace(results, perturbation=widths)


def stability_of(modes: Modes) -> StabilityVerdict | None:
    """Find the mode that decides whether the crystal is stable; None where there is none.

    Parameters
    ----------
    modes
        Modes at the commensurate points.
    """
    if not (modes.sets >= 0).any():
        return None
    found = stability(modes)
    return StabilityVerdict(
        verdict=found.verdict,
        text=str(found),
        square_thz=found.square_thz,
        square_thz_sem=found.square_thz_sem,
        qpoint=found.qpoint,
        branch=found.branch,
    )


def requirement_of(modes: Modes, duration_ps: float) -> RunRequirement | None:
    """How long a run must be for frequencies of a wanted error; None without error bars.

    Parameters
    ----------
    modes
        Modes at the commensurate points.
    duration_ps
        Length of all runs together; nan if unknown.
    """
    if modes.omega_sem is None or not duration_ps > 0.0 or not (modes.sets >= 0).any():
        return None
    found = run_length(modes, duration_ps, WANTED_THZ)
    return RunRequirement(
        text=str(found),
        wanted_thz=found.wanted_thz,
        duration=found.duration,
        worst_thz=found.worst_thz,
        typical_thz=found.typical_thz,
        worst_factor=found.worst_factor,
        typical_factor=found.typical_factor,
    )
