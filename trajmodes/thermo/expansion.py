"""Thermal expansion from Grüneisen parameters and elastic constants.

The free energy of the phonons changes with strain: −∂F/∂ε_xy changes with temperature by
Σ_qm C_qm γ_qm^{xy}, with the tensor γ^{xy} = −(1/2ω²) ∂ω²/∂ε_xy of third-order force constants
(`trajmodes.phonons.anharmonic.gruneisen`) and the heat capacity C of the mode. The crystal
without stress expands by

α_xy = (1/V) Σ_zw S_xyzw Σ_qm C_qm γ_qm^{zw},

with S the inverse of the elastic constants (Barron and White, Heat Capacity and Thermal
Expansion at Low Temperatures (1999), §2.6). In a cubic crystal α = Cγ/3VK. This is the
quasiharmonic expansion of the force constants of one temperature. The heat capacity of a
classical mode is k_B at all temperatures.

A layer expands in its plane, by the elastic constants and the area of the layer.
"""

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.lattice import layer_of
from trajmodes.data.thermo import ThermalExpansion
from trajmodes.phonons.anharmonic.gruneisen import gamma_components, is_defined
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import mesh
from trajmodes.phonons.strain import strain_responses, tensor_of
from trajmodes.symmetry.operations import space_group
from trajmodes.thermo.elasticity import compliances
from trajmodes.thermo.functions import checked_temperatures, quantum_functions
from trajmodes.units import BOLTZMANN


def thermal_expansion(
    constants: ForceConstants, divisions: tuple[int, int, int], temperatures: npt.ArrayLike
) -> ThermalExpansion:
    """Thermal expansion at temperatures (t,) in K, by a sum over a mesh through Γ.

    Imaginary modes are left out, as in the mean Grüneisen parameter.

    Raises
    ------
    UsageError
        If a temperature is below 0 K, or a number of mesh points is not positive.
    DataError
        If there is no third order, its replicates are not of the same blocks as those of second
        order, or the elastic constants are singular.
    """
    kelvin = checked_temperatures(temperatures)
    qpoints, weights = mesh(constants.crystal, divisions)
    modes = modes_at(constants, qpoints, weights / weights.sum())
    defined = is_defined(constants, modes)
    sums = []
    for part, response in strain_responses(constants, modes, relaxed=True):
        own = defined[part]
        gamma, gammas = gamma_components(response, own)
        weight = np.broadcast_to(modes.weights[part, None], own.shape)[own]
        omega = np.sqrt(response.square[own])
        functions = quantum_functions(omega, kelvin)
        heat = np.concatenate([functions.values[3], np.full((1, len(omega)), BOLTZMANN)])
        slope = np.concatenate([functions.slopes[3], np.zeros((1, len(omega)))])
        found = [(heat * weight) @ gamma[own]]
        if gammas is not None and response.replicates is not None:
            square = response.square[own]
            stiffer = response.replicates[0][:, own] / square - 1.0
            found += [
                (heat * weight) @ one[own] + (0.5 * slope * weight * change) @ gamma[own]
                for one, change in zip(gammas, stiffer, strict=True)
            ]
        sums.append(np.array(found))
    # (constants and replicates, temperatures and classical, component)
    stresses = _symmetric(tensor_of(np.sum(sums, axis=0)), constants.crystal)
    # Without replicates of third order, those of second order are not used.
    soft = compliances(constants)[: len(stresses)]
    expansions = np.einsum("bxyzw,btzw->btxy", soft, stresses)
    layer = layer_of(constants.crystal.cell, constants.crystal.sites)
    means = np.einsum("btxx->bt", expansions) / (3 if layer is None else 2)
    value, others = expansions[0], expansions[1:]
    sem = jackknife_sem(others) if len(others) else None
    return ThermalExpansion(
        quantum=value[:-1],
        classical=value[-1],
        mean=means[0, :-1],
        mesh=divisions,
        quantum_sem=None if sem is None else sem[:-1],
        classical_sem=None if sem is None else sem[-1],
        mean_sem=None if sem is None else jackknife_sem(means[1:, :-1]),
    )


def _symmetric(tensors: Floats, crystal: Crystal) -> Floats:
    """Mean of tensors (…, 3, 3) over the point group; the mesh has one q of each star."""
    rotations = space_group(crystal).cartesian
    squared = np.einsum("gxa,gyb->xyab", rotations, rotations) / len(rotations)
    found: Floats = np.einsum("xyab,...ab->...xy", squared, tensors)
    return found
