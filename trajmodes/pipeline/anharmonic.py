"""What cubic constants and error bars allow: perturbative linewidths, stability, run length."""

from dataclasses import replace

from trajmodes.config import Job
from trajmodes.data import Modes, Results, RunLength, Stability
from trajmodes.errors import DataError
from trajmodes.phonons import perturbative_linewidths, run_length, stability
from trajmodes.pipeline.log import Log
from trajmodes.project import best_lifetimes, compare_widths
from trajmodes.symmetry.mode_sets import set_mean

__all__ = ["run_length_of", "stability_of", "with_comparison", "with_perturbation"]


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
        widths = perturbative_linewidths(
            constants, results.supercell, mesh, temperature, modes.qpoints
        )
    return replace(results, perturbation=widths)


def with_comparison(results: Results) -> Results:
    """Compare the linewidths of the run with those of perturbation theory, if both are there.

    Parameters
    ----------
    results
        What constants and projection give.
    """
    widths, projection = results.perturbation, results.projection
    if widths is None or projection is None:
        return results
    lifetime, sem = best_lifetimes(projection.lines, projection.lifetimes)
    predicted = set_mean(widths.classical, results.modes)
    return replace(results, comparison=compare_widths(lifetime, sem, predicted))


def stability_of(modes: Modes) -> Stability | None:
    """Judge the stability; None where there is no mode but the acoustic ones at Γ.

    Parameters
    ----------
    modes
        Modes at the commensurate points.
    """
    return stability(modes) if (modes.sets >= 0).any() else None


def run_length_of(modes: Modes, duration_ps: float) -> RunLength | None:
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
    return run_length(modes, duration_ps)
