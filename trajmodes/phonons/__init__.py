"""From force constants to phonons.

In: `ForceConstants`, and q points from `qpoints` (commensurate with a supercell, along a band
path, on a mesh). Out: `Modes` with error bars and sets of symmetry-equal modes
(`diagonalize`), or `Bands` along a path (`bands`). Open `dynamical_matrix` first: it states the
phase convention.
"""

from trajmodes.phonons.bands import Bands, dispersion
from trajmodes.phonons.diagonalize import frequencies_at, modes_at, squared_thz
from trajmodes.phonons.dynamical_matrix import dynamical_matrices
from trajmodes.phonons.gruneisen import Gruneisen, gruneisen_at, gruneisen_of
from trajmodes.phonons.gruneisen_mean import MeanGruneisen, mean_gruneisen
from trajmodes.phonons.qpoints import (
    BandPath,
    PathHits,
    band_path,
    commensurate,
    mesh,
    on_path,
)
from trajmodes.phonons.strain import StrainDerivative, strain_derivative

__all__ = [
    "BandPath",
    "Bands",
    "Gruneisen",
    "MeanGruneisen",
    "PathHits",
    "StrainDerivative",
    "band_path",
    "commensurate",
    "dispersion",
    "dynamical_matrices",
    "frequencies_at",
    "gruneisen_at",
    "gruneisen_of",
    "mean_gruneisen",
    "mesh",
    "modes_at",
    "on_path",
    "squared_thz",
    "strain_derivative",
]
