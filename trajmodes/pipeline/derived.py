"""Results that follow from modes, cubic force constants, frequencies and lifetimes.

Stability, the run length that a wanted error needs, linewidths of perturbation theory and their
comparison with those of the run, renormalised bands, and the thermal conductivity.
"""

from dataclasses import replace

import numpy as np

from trajmodes.config.job import Job
from trajmodes.data.anharmonic import Conductivity
from trajmodes.data.bands import Bands, RenormalisedBands
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes, RunLength, Stability
from trajmodes.data.results import Projection, Results
from trajmodes.errors import DataError
from trajmodes.phonons.bands import dispersion
from trajmodes.phonons.conductivity import conductivity
from trajmodes.phonons.lifetime_mesh import ModeLifetimes
from trajmodes.phonons.linewidths import perturbative_linewidths
from trajmodes.phonons.modes import run_length, stability
from trajmodes.phonons.qpoints import shared_mesh
from trajmodes.phonons.renormalised import green_function_constants, quasi_particle_constants
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.projection import Projected
from trajmodes.project.energies.lifetimes import (
    best_lifetimes,
    compare_widths,
    longest_lower_bound,
)
from trajmodes.symmetry.stars import set_mean


def with_perturbation(results: Results, job: Job, log: Log) -> Results:
    """Add three-phonon linewidths of all sets of modes, if the job asks for them.

    The temperature is that of the projected motion; without a projection, that of the force
    constants.

    Raises
    ------
    UsageError
        If phono3py is not installed.
    DataError
        If there are no cubic force constants, or the temperature is not known.
    """
    if job.phonons.perturbation is None:
        return results
    constants, modes = results.constants, results.modes
    if constants.triplets is None:
        raise DataError(
            "linewidths of perturbation theory need cubic force constants", fix="give --cutoff3"
        )
    moved = results.projection
    temperature = constants.temperature if moved is None else moved.energies.temperature
    if temperature is None:
        raise DataError(
            "linewidths of perturbation theory need a temperature, and it is unknown",
            fix="give --temperature",
        )
    with log.stage("perturbation theory"):
        mesh = (job.phonons.perturbation,) * 3
        widths = perturbative_linewidths(
            constants, results.supercell, mesh, temperature, modes.qpoints
        )
    return replace(results, perturbation=widths)


def with_comparison(results: Results) -> Results:
    """Compare linewidths of the run with those of perturbation theory, if there are both."""
    widths, projection = results.perturbation, results.projection
    if widths is None or projection is None:
        return results
    lifetime, sem = best_lifetimes(projection.lines, projection.lifetimes)
    predicted = set_mean(widths.classical, results.modes)
    return replace(results, comparison=compare_widths(lifetime, sem, predicted))


def stability_of(modes: Modes) -> Stability | None:
    """Verdict on the stability; None if there are no modes but the acoustic ones at Γ."""
    return stability(modes) if (modes.sets >= 0).any() else None


def run_length_of(modes: Modes, duration_ps: float) -> RunLength | None:
    """Run length that a wanted error of the frequencies needs; None without error bars."""
    if modes.omega_sem is None or not duration_ps > 0.0 or not (modes.sets >= 0).any():
        return None
    return run_length(modes, duration_ps)


def renormalised_bands(
    projected: Projected, modes: Modes, supercell: Supercell, bands: Bands
) -> tuple[RenormalisedBands, ...]:
    """Bands from the frequencies of the lines, and from covariances of the displacements."""
    lines, energies = projected.projection.lines, projected.projection.energies
    kelvin = energies.temperature
    found = []
    if np.isfinite(lines.omega).any():
        particles, own = quasi_particle_constants(
            modes, supercell, lines.omega, lines.omega_sem, kelvin
        )
        along = dispersion(particles, bands.path)
        found.append(RenormalisedBands("quasi-particles", along, own))
    covariance = projected.displacements
    if projected.differenced:
        # Differences attenuate ⟨Q̇Q̇†⟩, from which the frequencies would follow.
        return tuple(found)
    moved = green_function_constants(
        modes,
        supercell,
        covariance.covariance,
        covariance.frames,
        kelvin,
        covariance.kinetic,
    )
    found.append(RenormalisedBands("displacements", dispersion(moved, bands.path)))
    return tuple(found)


def conductivity_of(
    constants: ForceConstants,
    modes: Modes,
    supercell: Supercell,
    projection: Projection,
    points: int | None,
) -> Conductivity:
    """Thermal conductivity from the lifetimes of the run.

    `points`: least number of points of the mesh along each reciprocal lattice vector; None: a
    mesh that is fine enough. All q points of the supercell lie on the mesh.

    Raises
    ------
    DataError
        If a mode is imaginary, or too few lifetimes are resolved.
    """
    kelvin = projection.energies.temperature
    lines, energies = projection.lines, projection.lifetimes
    lifetime, sem = best_lifetimes(lines, energies)
    lifetimes = ModeLifetimes(modes, lifetime, sem, longest_lower_bound(lines, energies))
    mesh = None if points is None else shared_mesh(supercell, (points, points, points))
    return conductivity(constants, supercell, lifetimes, kelvin, mesh)
