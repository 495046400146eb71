"""Thermodynamics of force constants: all sums over the modes of the zone, in one pass."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Bools, Complexes, Floats
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.thermo import PhononDensity, Thermodynamics
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.phonons.modes import frequencies_at, set_means
from trajmodes.symmetry.operations import space_group
from trajmodes.thermo.debye import debye_temperatures, moments_of
from trajmodes.thermo.density import MeshModes, frequency_grid, phonon_density
from trajmodes.thermo.density_errors import DensityErrors
from trajmodes.thermo.displacements import XY, displacement_sums, thermal_displacements
from trajmodes.thermo.elasticity import debye_temperature_of_sound
from trajmodes.thermo.functions import (
    checked_temperatures,
    classical_functions,
    quantum_functions,
    summed,
    thermal_functions,
)
from trajmodes.thermo.zone_modes import (
    ModeChunk,
    ZonePoints,
    mode_chunks,
    part_left_out,
    zone_points,
)
from trajmodes.units import HBAR

GRID_POINTS = 501
"""Frequencies of the density of states."""
MESH_SPACING = 0.1
"""Distance of neighbouring points of the mesh in 1/Å, 2π included, where none is asked for."""


def density_of_states(
    constants: ForceConstants, divisions: tuple[int, int, int]
) -> PhononDensity:
    """Density of states by linear tetrahedra on a mesh, without its errors.

    Raises
    ------
    DataError
        If the force constants lack the symmetry under exchange of their indices.
    """
    crystal = constants.crystal
    points = zone_points(crystal, divisions, fine_at_gamma=False)
    chunks = list(mode_chunks(replace(constants, replicates=None), points))
    omega = np.concatenate([one.omega for one in chunks])
    sites = np.concatenate([_parts_of_sites(one.vectors, one.starts) for one in chunks])
    modes = MeshModes(omega, sites, np.empty((0, *omega.shape)))
    grid = frequency_grid(omega, GRID_POINTS, 0.0)
    return phonon_density(points, modes, space_group(crystal), grid)


def _parts_of_sites(vectors: Complexes, starts: Bools) -> Floats:
    """(q, m, s, 6) Re e_x e_y* of each site, the mean over each degenerate set."""
    parts = vectors.reshape(*starts.shape, vectors.shape[-1] // 3, 3)
    squares = np.stack([(parts[..., x] * parts[..., y].conj()).real for x, y in XY], axis=-1)
    # The vectors of a degenerate set are arbitrary; their mean is not.
    return set_means(squares, starts)


def thermodynamics(
    constants: ForceConstants,
    divisions: tuple[int, int, int],
    temperatures: npt.ArrayLike,
    *,
    width: float = 0.0,
    fine_at_gamma: bool = True,
) -> Thermodynamics:
    """Thermodynamic functions, density of states, ⟨uu⟩ and Debye temperatures.

    Imaginary modes have no weight, and `Thermodynamics.left_out` is their fraction of the
    modes.

    Parameters
    ----------
    divisions
        Number of mesh points along each reciprocal lattice vector.
    temperatures
        (t,) in K.
    width
        Standard deviation of the Gaussians of the density in rad/ps; 0 for linear tetrahedra.
    fine_at_gamma
        Whether the acoustic branches are sampled more finely around Γ. Without it the sums are
        those of the mesh alone, and leave out the acoustic modes at Γ.

    Raises
    ------
    UsageError
        If a temperature is below 0 K, or a number of mesh points is not positive.
    DataError
        If the force constants lack the symmetry under exchange of their indices, or all modes
        are imaginary.
    """
    kelvin = checked_temperatures(temperatures)
    crystal = constants.crystal
    points = zone_points(crystal, divisions, fine_at_gamma=fine_at_gamma)
    of_density = None if constants.replicates is None else _errors(constants, points, width)
    sums = _sums(constants, points, kelvin, of_density)
    on_mesh = slice(points.n_mesh)
    group = space_group(crystal)
    omega = sums.omega[on_mesh]
    grid = frequency_grid(omega, GRID_POINTS, width)
    modes = MeshModes(omega, sums.sites, sums.moved[:, on_mesh])
    density = phonon_density(points, modes, group, grid, width)
    if of_density is not None:
        total, of_sites, of_species = of_density.errors(group, crystal)
        density = replace(density, total_sem=total, sites_sem=of_sites, species_sem=of_species)
    weights, counted = points.weights.ravel(), sums.counted.ravel()
    square_changes = sums.changes.reshape(len(sums.changes), counted.size)
    moments = moments_of(sums.omega.ravel(), weights, counted, square_changes)
    quantum = thermal_functions(*sums.quantum)
    n_branches = omega.shape[1]
    energy, energy_changes = sums.zero_point
    sound, notes = _sound(constants)
    return Thermodynamics(
        crystal=crystal,
        temperatures=kelvin,
        mesh=divisions,
        quantum=quantum,
        classical=thermal_functions(*sums.classical),
        displacements=thermal_displacements(sums.displacements, group, crystal),
        density=density,
        debye=debye_temperatures(moments, quantum, kelvin, n_branches, sound),
        zero_point_energy=energy,
        zero_point_energy_sem=(
            float(jackknife_sem(energy_changes)) if len(energy_changes) else None
        ),
        left_out=part_left_out(points, sums.counted),
        notes=notes,
    )


def _sound(constants: ForceConstants) -> tuple[tuple[float, float | None], tuple[Note, ...]]:
    """Debye temperature of sound and its error, or a note on why there is none."""
    try:
        return debye_temperature_of_sound(constants), ()
    except DataError as error:
        text = f"the Debye temperature of sound is not known: {error.what}"
        return (np.nan, None), (Note("note", text, why=error.why, fix=error.fix),)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Results of one pass over the modes."""

    omega: Floats
    """(q, m), unit: rad/ps."""
    counted: Bools
    """(q, m)."""
    changes: Floats
    """(b, q, m) of ω² in (rad/ps)²."""
    sites: Floats
    """(n, m, s, 6) parts of the polarisation vectors on the mesh."""
    quantum: tuple[Floats, Floats]
    classical: tuple[Floats, Floats]
    displacements: Floats
    zero_point: tuple[float, Floats]

    @property
    def moved(self) -> Floats:
        """(b, q, m) changes of the frequencies in rad/ps; zero where not counted."""
        found: Floats = np.where(self.counted, self.changes, 0.0) / np.where(
            self.counted, 2.0 * self.omega, 1.0
        )
        return found


def _errors(constants: ForceConstants, points: ZonePoints, width: float) -> DensityErrors:
    """Prepare the sums for the errors of the density, on the grid of its frequencies."""
    plain = replace(constants, replicates=None)
    omega, _ = frequencies_at(plain, points.qpoints[: points.n_mesh])
    share = points.members / points.members.sum()
    return DensityErrors(frequency_grid(omega, GRID_POINTS, width), width, share)


def _sums(
    constants: ForceConstants,
    points: ZonePoints,
    kelvin: Floats,
    of_density: DensityErrors | None,
) -> _Sums:
    chunks = []
    for chunk in mode_chunks(constants, points):
        chunks.append(_ChunkSums(chunk, points, kelvin))
        if of_density is not None:
            of_density.add(chunk)
    counted = np.concatenate([one.counted for one in chunks])
    if not counted.any():
        raise DataError("no mode of the mesh has a positive ω²: there is no free energy")
    return _Sums(
        omega=np.concatenate([one.omega for one in chunks]),
        counted=counted,
        changes=np.concatenate([one.changes for one in chunks], axis=1),
        sites=np.concatenate([one.sites for one in chunks]),
        quantum=_added([one.quantum for one in chunks]),
        classical=_added([one.classical for one in chunks]),
        displacements=np.sum([one.displacements for one in chunks], axis=0),
        zero_point=(
            sum(one.zero_point[0] for one in chunks),
            np.sum([one.zero_point[1] for one in chunks], axis=0),
        ),
    )


class _ChunkSums:
    """The sums over one chunk of modes."""

    def __init__(self, chunk: ModeChunk, points: ZonePoints, kelvin: Floats) -> None:
        self.omega, self.counted = chunk.omega, chunk.counted
        self.changes = np.einsum("bqmm->bqm", chunk.changes).real
        inside = max(0, min(points.n_mesh - chunk.part.start, len(chunk.omega)))
        self.sites = _parts_of_sites(chunk.vectors[:inside], chunk.starts[:inside])
        all_weights = points.weights[chunk.part]
        self.displacements = displacement_sums(chunk, all_weights, kelvin)
        omega, weights = chunk.omega[chunk.counted], all_weights[chunk.counted]
        changes = self.changes[:, chunk.counted]
        self.quantum = summed(quantum_functions(omega, kelvin), omega, weights, changes)
        self.classical = summed(classical_functions(omega, kelvin), omega, weights, changes)
        slope = 0.25 * HBAR * weights / omega
        self.zero_point = (float(0.5 * HBAR * omega @ weights), changes @ slope)


def _added(parts: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    values, changes = zip(*parts, strict=True)
    return np.sum(values, axis=0), np.sum(changes, axis=0)
