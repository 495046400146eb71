"""What the measured frequencies and lifetimes are good for: bands and thermal conductivity."""

from typing import Literal

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.data import ForceConstants, Modes, Supercell
from trajmodes.phonons import (
    Bands,
    ModeLifetimes,
    conductivity,
    dispersion,
    green_function_constants,
    renormalised,
    shared_mesh,
)
from trajmodes.phonons import Conductivity as PhononConductivity
from trajmodes.pipeline.project import Projected
from trajmodes.report import Conductivity, Projection, RenormalisedBands
from trajmodes.report.agreement import better_known
from trajmodes.units import THZ

__all__ = ["best_lifetimes", "conductivity_of", "heat_flow_of", "renormalised_bands"]

_ANGSTROM_PER_NM = 10.0

Kind = Literal["quasi-particles", "displacements"]


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
        particles = renormalised(modes, supercell, lines.freq_thz, lines.freq_thz_sem, kelvin)
        own = dispersion(particles.constants, bands.path)
        found.append(_bands("quasi-particles", own, ~particles.kept))
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
    found.append(_bands("displacements", dispersion(moved, bands.path), None))
    return tuple(found)


def heat_flow_of(
    constants: ForceConstants,
    modes: Modes,
    supercell: Supercell,
    projection: Projection,
    points: int | None,
) -> PhononConductivity:
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
    lifetime, sem = best_lifetimes(projection)
    kelvin = projection.energies.temperature
    lines, energies = projection.lines, projection.lifetimes
    floor = lines.floor_ps
    if energies is not None:
        floor = np.fmax(floor, energies.floor_ps)
    lifetimes = ModeLifetimes(modes, lifetime, sem, floor)
    mesh = None if points is None else shared_mesh(supercell, (points, points, points))
    return conductivity(constants, supercell, lifetimes, kelvin, mesh)


def conductivity_of(found: PhononConductivity) -> Conductivity:
    """Thermal conductivity in the nouns of the report.

    Parameters
    ----------
    found
        What the stage gave.
    """
    classical, quantum = found.classical, found.quantum
    return Conductivity(
        classical_w_mk=classical.kappa_w_mk,
        classical_w_mk_sem=classical.kappa_w_mk_sem,
        quantum_w_mk=quantum.kappa_w_mk,
        quantum_w_mk_sem=quantum.kappa_w_mk_sem,
        temperature=found.temperature,
        mesh=found.divisions,
        filled_share=classical.filled_share,
        long_wave_share=classical.long_wave_share,
        freq_thz=classical.freq_thz,
        spectral_classical=_mean(classical.spectral_w_mk_thz),
        spectral_quantum=_mean(quantum.spectral_w_mk_thz),
        path_length=_ANGSTROM_PER_NM * classical.length_nm,
        cumulative_classical=_mean(classical.below_length_w_mk),
        cumulative_quantum=_mean(quantum.below_length_w_mk),
        free_path=_ANGSTROM_PER_NM * found.free_path_nm,
        free_path_sem=_ANGSTROM_PER_NM * found.free_path_nm_sem,
    )


def best_lifetimes(projection: Projection) -> tuple[Floats, Floats]:
    """Lifetime (g,) of each set in ps and its error, by the way that knows it better.

    Parameters
    ----------
    projection
        What the projection gave.

    Returns
    -------
    nan where neither the line nor the correlation of the energy was resolved.
    """
    lines, energies = projection.lines, projection.lifetimes
    lifetime, sem = lines.lifetime_ps, lines.lifetime_ps_sem
    if energies is None:
        return lifetime, sem
    return better_known((lifetime, sem), (energies.lifetime_ps, energies.lifetime_ps_sem))


def _mean(tensors: Floats) -> Floats:
    """Mean of the diagonals (…) of tensors (…, 3, 3)."""
    mean: Floats = np.trace(tensors, axis1=-2, axis2=-1) / 3.0
    return mean


def _bands(kind: Kind, bands: Bands, replaced: Bools | None) -> RenormalisedBands:
    sem = None if bands.omega_sem is None else bands.omega_sem / THZ
    return RenormalisedBands(kind, bands.omega / THZ, sem, replaced)
