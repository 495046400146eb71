"""Motion of an imperfect crystal, scaled for projection on the waves of the perfect one.

A wave of the perfect crystal, whose sites have the masses M, has the amplitude

    Q_qm = N_c^{-½} Σ_i √M_i e*_i(qm)·u_i e^{−iq·r_i}.

With u √(m/M) in place of u, where m is the mass of the atom on the site, this is the projection
of the mass-weighted displacements √m u on an orthonormal basis. The kinetic energy ½Σ|Q̇|² is
therefore exactly ½Σ m v². Forces f √(M/m) give the mass-weighted forces f/√m, and ΣQ*𝓕 = Σ u·f.
An empty site has no amplitude.

Spectra of these amplitudes are the unfolded spectra of the crystal, that is of the dynamical
matrix m^{−½} Φ m^{−½} of the whole supercell, projected on the waves of the perfect crystal.
See T. B. Boykin and G. Klimeck, Phys. Rev. B 71, 115215 (2005).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.motion import MotionBlock


@dataclass(frozen=True, slots=True)
class ScaledMotion:
    """Callable that reads motion scaled by the masses; picklable if ``read`` is."""

    read: Callable[[int, int], MotionBlock]
    """Reads the frames [start, stop) of the run."""
    scale: Floats
    """(a,) √(m/M) of each site in canonical order; zero where it is empty."""

    def __call__(self, start: int, stop: int) -> MotionBlock:
        """Return the scaled motion in the frames [start, stop)."""
        block, scale = self.read(start, stop), self.scale[:, None]
        inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0.0)
        u, v, f = block.displacements, block.velocities, block.forces
        return replace(
            block,
            displacements=None if u is None else u * scale,
            velocities=None if v is None else v * scale,
            forces=None if f is None else f * inverse,
        )
