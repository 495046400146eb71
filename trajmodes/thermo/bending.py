"""Bending rigidity of a layer from its flexural waves.

A wave of displacements along the normal has ρω² = σq² + κq⁴ + O(q⁶), with the mass ρ per area,
the tension σ and the bending rigidity κ (Landau and Lifshitz, Theory of Elasticity, §25). Both
follow from ω² at three short wave vectors along a direction; q⁶ is the third unknown. σ is zero
where the force constants are invariant under rotation (`--constraints born-huang --constraints
huang`); otherwise it is that of the run, or of the noise of the fit.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.lattice import Layer, layer_of
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.modes import modes_at

_SHORT = 0.03
"""Shortest wave vector, in 1/Å; the others are two and three times as long."""


class Bending(NamedTuple):
    """Response of a layer to flexural waves along a direction."""

    rigidity: float
    """κ in eV."""
    tension: float
    """σ in eV/Å²."""
    rigidity_sem: float | None
    """In eV; None where the force constants have no replicates."""
    tension_sem: float | None
    """In eV/Å²."""


def bending(constants: ForceConstants, direction: npt.ArrayLike) -> Bending:
    """Bending rigidity for waves along a Cartesian direction (3,) in the plane of a layer.

    Raises
    ------
    DataError
        If the crystal is no layer.
    UsageError
        If the direction is not in the plane.
    """
    crystal = constants.crystal
    layer = layer_of(crystal.cell, crystal.sites)
    if layer is None:
        raise DataError("a crystal that is no layer has no bending rigidity")
    along = np.asarray(direction, dtype=float)
    length = np.linalg.norm(along)
    if along.shape != (3,) or not length > 0.0 or abs(along @ layer.normal) > 1e-6 * length:
        raise UsageError("the direction of a flexural wave is in the plane of the layer")
    plain = replace(constants, replicates=None)
    value = _terms(plain, crystal, layer, along / length)
    if constants.replicates is None:
        return Bending(float(value[1]), float(value[0]), None, None)
    changed = [
        _terms(replace(plain, values=one), crystal, layer, along / length)
        for one in constants.replicates
    ]
    sem = jackknife_sem(changed)
    return Bending(float(value[1]), float(value[0]), float(sem[1]), float(sem[0]))


def _terms(constants: ForceConstants, crystal: Crystal, layer: Layer, along: Floats) -> Floats:
    """σ, κ and the coefficient of q⁶ (3,)."""
    lengths = _SHORT * np.arange(1.0, 4.0)
    modes = modes_at(constants, lengths[:, None] * along @ crystal.cell.T / (2.0 * np.pi))
    weight = np.sqrt(crystal.masses / crystal.masses.sum())
    flexural = np.abs(np.einsum("qmsx,x,s->qm", modes.vectors, layer.normal, weight))
    omega = modes.omega[np.arange(3), flexural.argmax(axis=1)]
    density = float(crystal.masses.sum()) * layer.period / crystal.volume
    powers = lengths[:, None] ** np.array([2.0, 4.0, 6.0])
    found: Floats = np.linalg.solve(powers, density * omega * np.abs(omega))
    return found
