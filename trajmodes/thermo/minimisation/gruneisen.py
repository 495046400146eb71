"""Mode Grüneisen parameters of the symmetric strains, on the mesh of a minimisation."""

import numpy as np

from trajmodes.data.crystal import Crystal
from trajmodes.data.potentials.minimised import ZoneGruneisen
from trajmodes.thermo.minimisation.coordinates import symmetric_coordinates
from trajmodes.thermo.minimisation.local import Mesh, Vibrating, local_at


def zone_gruneisen(
    potential: Vibrating, crystal: Crystal, divisions: tuple[int, int, int]
) -> ZoneGruneisen:
    """Calculate γ = −∂ln ω/∂e of the strains e·pattern, at constant internal strain.

    The pattern of a strain has trace 1, so that e is ln V. If it conserves the volume, its
    largest component is 1. Parameters of unstable modes are nan.
    """
    coordinates = symmetric_coordinates(crystal)
    mesh = Mesh.through_gamma(crystal, divisions)
    local = local_at(potential, coordinates, mesh, np.zeros(coordinates.size))
    strains = np.array(coordinates.strains)
    sizes = np.trace(strains, axis1=1, axis2=2)
    flat = np.abs(sizes) < 1e-6
    sizes[flat] = np.abs(strains[flat]).max(axis=(1, 2))
    square = np.where(local.square > 0.0, local.square, np.nan)
    slopes = local.square_slopes[: len(strains)] / sizes[:, None, None]
    return ZoneGruneisen(
        qpoints=mesh.qpoints,
        weights=mesh.weights,
        strains=strains / sizes[:, None, None],
        omega=np.sqrt(square),
        gamma=-slopes / (2.0 * square),
    )
