"""What the measured frequencies and lifetimes are good for: bands and thermal conductivity."""

import numpy as np

from trajmodes.data import (
    Bands,
    Conductivity,
    ForceConstants,
    Modes,
    Projection,
    RenormalisedBands,
    Supercell,
)
from trajmodes.phonons import (
    ModeLifetimes,
    conductivity,
    dispersion,
    green_function_constants,
    renormalised,
    shared_mesh,
)
from trajmodes.pipeline.project import Projected
from trajmodes.project import best_lifetimes
from trajmodes.units import THZ

__all__ = ["conductivity_of", "renormalised_bands"]


def renormalised_bands(
    projected: Projected, modes: Modes, supercell: Supercell, bands: Bands
) -> tuple[RenormalisedBands, ...]:
    """Bands from the measured frequencies, and from the displacements.

    Parameters
    ----------
    projected
        The projection.
    modes
        Modes at the commensurate points.
    supercell
        The supercell of the run.
    bands
        Bands of the force constants, for the path.
    """
    lines, energies = projected.projection.lines, projected.projection.energies
    kelvin = energies.temperature
    found = []
    if np.isfinite(lines.freq_thz).any():
        particles, own = renormalised(
            modes, supercell, lines.freq_thz * THZ, lines.freq_thz_sem * THZ, kelvin
        )
        along = dispersion(particles, bands.path)
        found.append(RenormalisedBands("quasi-particles", along, own))
    covariance = projected.displacements
    if projected.differenced:
        # Frequencies would be those of ⟨Q̇Q̇†⟩, which differences attenuate.
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

    Parameters
    ----------
    constants
        The force constants.
    modes
        Their modes at the commensurate points.
    supercell
        The supercell of the run.
    projection
        What the projection gave.
    points
        Least number of points of the mesh along each reciprocal lattice vector, all q of the
        supercell lying on it; None for enough of them.

    Raises
    ------
    DataError
        If a mode is imaginary, or too few lifetimes are resolved.
    """
    kelvin = projection.energies.temperature
    lines, energies = projection.lines, projection.lifetimes
    lifetime, sem = best_lifetimes(lines, energies)
    floor = lines.floor_ps
    if energies is not None:
        floor = np.fmax(floor, energies.floor_ps)
    lifetimes = ModeLifetimes(modes, lifetime, sem, floor)
    mesh = None if points is None else shared_mesh(supercell, (points, points, points))
    return conductivity(constants, supercell, lifetimes, kelvin, mesh)
