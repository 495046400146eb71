"""Bending rigidity of a layer from its flexural waves.

A wave of displacements along the normal has ρω² = σq² + κq⁴ + O(q⁶), with the mass ρ per area,
the tension σ and the bending rigidity κ (Landau and Lifshitz, Theory of Elasticity, §25). Both
follow from ω² at three short wave vectors along a direction; q⁶ is the third unknown. σ is zero
if the force constants are invariant under rotation (`--constraints born-huang --constraints
huang`); otherwise it is the tension of the run, or is due to noise of the fit.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.lattice import Layer, layer_of
from trajmodes.data.thermo import Bending
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.modes import modes_at

_SHORT = 0.03
"""Shortest wave vector, in 1/Å; the others are two and three times as long."""


def bending(constants: ForceConstants, directions: npt.ArrayLike) -> Bending:
    """Bending rigidity for waves along Cartesian directions (k, 3) in the plane of a layer.

    Raises
    ------
    DataError
        If the crystal is not a layer.
    UsageError
        If a direction is not in the plane.
    """
    crystal = constants.crystal
    layer = layer_of(crystal.cell, crystal.sites)
    if layer is None:
        raise DataError("a crystal that is no layer has no bending rigidity")
    along = np.asarray(directions, dtype=float)
    if along.ndim != 2 or along.shape[1] != 3:
        raise UsageError(f"directions of waves are (k, 3), got an array of shape {along.shape}")
    length = np.linalg.norm(along, axis=1)
    if not ((length > 0.0) & (np.abs(along @ layer.normal) <= 1e-6 * length)).all():
        raise UsageError("the direction of a flexural wave is in the plane of the layer")
    along = along / length[:, None]
    plain = replace(constants, replicates=None)
    tension, rigidity, _ = _terms(plain, crystal, layer, along)
    if constants.replicates is None:
        return Bending(along, rigidity, tension)
    changed = (
        _terms(replace(plain, values=one), crystal, layer, along)
        for one in constants.replicates
    )
    tension_sem, rigidity_sem, _ = jackknife_sem(changed)
    return Bending(along, rigidity, tension, rigidity_sem, tension_sem)


def _terms(constants: ForceConstants, crystal: Crystal, layer: Layer, along: Floats) -> Floats:
    """σ, κ and the coefficient of q⁶ (3, k)."""
    lengths = _SHORT * np.arange(1.0, 4.0)
    k_qkx = lengths[:, None, None] * along
    modes = modes_at(constants, k_qkx.reshape(-1, 3) @ crystal.cell.T / (2.0 * np.pi))
    weight = np.sqrt(crystal.masses / crystal.masses.sum())
    flexural = np.abs(np.einsum("qmsx,x,s->qm", modes.vectors, layer.normal, weight))
    omega = modes.omega[np.arange(len(flexural)), flexural.argmax(axis=1)].reshape(3, -1)
    density = float(crystal.masses.sum()) * layer.period / crystal.volume
    powers = lengths[:, None] ** np.array([2.0, 4.0, 6.0])
    found: Floats = np.linalg.solve(powers, density * omega * np.abs(omega))
    return found
