"""Linewidths of three-phonon scattering in perturbation theory, for comparison with MD.

phono3py computes Γ(ω_qm), half the width of a mode at its own frequency, see `three_phonon`.
The full width at half maximum is 2Γ, the lifetime 1/(4πΓ).
"""

import numpy as np
import numpy.typing as npt

from trajmodes.data.anharmonic import PerturbativeWidths
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import UsageError
from trajmodes.phonons.anharmonic.three_phonon import LOWEST, checked_frequencies, scattering_on
from trajmodes.phonons.dynamical_matrix import checked_qpoints
from trajmodes.phonons.qpoints import commensurate, shared_mesh


def perturbative_linewidths(
    constants: ForceConstants,
    supercell: Supercell,
    divisions: tuple[int, int, int],
    temperature: float,
    qpoints: npt.ArrayLike | None = None,
) -> PerturbativeWidths:
    """Three-phonon linewidths at a temperature in K, from force constants of both orders.

    The force constants must have the symmetry of the crystal.

    Parameters
    ----------
    divisions
        Least number of mesh points of scattering partners along each reciprocal lattice vector.
        The mesh is enlarged to contain all q points of the supercell. Widths converge slowly
        with the mesh: compare two meshes.
    qpoints
        (q, 3) points of that mesh; by default those of the supercell.

    Raises
    ------
    UsageError
        If phono3py is not installed, the temperature or a division is not positive, or a q is
        not a point of the mesh.
    DataError
        If there is no third order, the q points are not finite numbers (q, 3), or phono3py
        finds other frequencies.
    """
    if not temperature > 0.0:
        raise UsageError(f"the temperature must be positive, got {temperature} K")
    mesh = shared_mesh(supercell, divisions)
    q_qx = checked_qpoints(commensurate(supercell)[0] if qpoints is None else qpoints)
    scattering = scattering_on(constants, supercell, mesh)
    points, place = scattering.grid_points(q_qx)
    omega = checked_frequencies(constants, q_qx, scattering.frequencies(points)[place])
    half_tqm = scattering.half_widths(points, temperature)[:, place]
    quantum, classical = np.where(omega > LOWEST, 2.0 * half_tqm, np.nan)
    return PerturbativeWidths(
        temperature=temperature,
        mesh=mesh,
        qpoints=q_qx,
        omega=omega,
        quantum=quantum,
        classical=classical,
        left_out=scattering.left_out,
    )
