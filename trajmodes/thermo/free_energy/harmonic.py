"""Harmonic free energy of force constants, and its change with each replicate."""

from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.thermo.functions import classical_functions, quantum_functions, summed
from trajmodes.thermo.sampling import RIGID
from trajmodes.thermo.zone_modes import mode_chunks, part_left_out, zone_points

STATISTICS = ("classical", "quantum")
_FUNCTIONS = (classical_functions, quantum_functions)


class HarmonicPart(NamedTuple):
    """Free energy of the phonons of one primitive cell, for both statistics (s)."""

    values: Floats
    """(s,), unit: eV. Classical and quantum."""
    changes: Floats
    """(s, b), unit: eV. Change by each replicate, from the mean of all."""
    left_out: float
    """Part of the modes that are left out because they are imaginary."""


def harmonic_free_energy(
    constants: ForceConstants, divisions: tuple[int, int, int], temperature: float
) -> HarmonicPart:
    """Sum the free energy over a mesh of the zone, finer around Γ.

    Raises
    ------
    DataError
        If all modes are imaginary.
    """
    points = zone_points(constants.crystal, divisions)
    kelvin = np.array([temperature])
    n_replicates = 0 if constants.replicates is None else len(constants.replicates)
    values, changes = np.zeros(2), np.zeros((2, n_replicates))
    counted = []
    for chunk in mode_chunks(constants, points):
        omega, weights = chunk.omega[chunk.counted], points.weights[chunk.part][chunk.counted]
        moved = np.einsum("bqmm->bqm", chunk.changes).real[:, chunk.counted]
        for s, functions in enumerate(_FUNCTIONS):
            value, change = summed(functions(omega, kelvin), omega, weights, moved)
            values[s] += value[0, 0]
            changes[s] += change[0, 0]
        counted.append(chunk.counted)
    known = np.concatenate(counted)
    if not known.any():
        raise DataError("no mode of the mesh has a positive ω²: there is no free energy")
    mean = changes.mean(axis=1, keepdims=True) if n_replicates else 0.0
    return HarmonicPart(values, changes - mean, part_left_out(points, known))


def commensurate_free_energy(modes: Modes, temperature: float) -> Floats:
    """(2,) classical and quantum free energy in eV of the modes of a supercell.

    The motion of the centre of mass is left out.

    Raises
    ------
    DataError
        If a mode is imaginary.
    """
    vibrates = modes.sets >= 0
    omega = modes.omega[vibrates]
    if not (omega > RIGID * np.abs(modes.omega).max()).all():
        raise DataError(
            "the force constants have imaginary modes, and no free energy",
            fix="fit them at a temperature at which the crystal is stable",
        )
    weights = np.broadcast_to(modes.weights[:, None], vibrates.shape)[vibrates]
    kelvin = np.array([temperature])
    return np.array(
        [functions(omega, kelvin).values[0, 0] @ weights for functions in _FUNCTIONS]
    )
