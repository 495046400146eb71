"""From force constants to phonons.

In: `ForceConstants`, and q points from `qpoints` (commensurate with a supercell, along a band
path, on a mesh). Out: `Modes` with error bars and sets of symmetry-equal modes
(`diagonalize`), or `Bands` along a path (`bands`); what the errors allow one to say
(`stability`, `run_length`); and from cubic constants how modes answer to strain (`gruneisen`,
whose mathematics is in `strain` and `strain_response`) and the linewidths of perturbation
theory (`linewidths`). What a run measured becomes force constants again (`renormalised`, from
frequencies; `green_function`, from covariances) or a thermal conductivity (`conductivity`, with
`velocities`, `lifetime_mesh` and `heat_flow`). Open `dynamical_matrix` first: it states the
phase convention.
"""

from trajmodes.phonons.bands import dispersion, spectral_map
from trajmodes.phonons.chosen_path import chosen_path, zone_point
from trajmodes.phonons.conductivity import conductivity, dense_mesh
from trajmodes.phonons.diagonalize import frequencies_at, frequency_change, modes_at
from trajmodes.phonons.dynamical_matrix import dynamical_matrices
from trajmodes.phonons.green_function import green_function_constants
from trajmodes.phonons.gruneisen import Gruneisen, gruneisen_at, gruneisen_of
from trajmodes.phonons.gruneisen_mean import gruneisen_parameters, mean_gruneisen
from trajmodes.phonons.lifetime_mesh import ModeLifetimes
from trajmodes.phonons.linewidths import perturbative_linewidths, shared_mesh
from trajmodes.phonons.point_names import point_names
from trajmodes.phonons.qpoints import PathHits, band_path, commensurate, mesh, on_path
from trajmodes.phonons.renormalised import renormalised
from trajmodes.phonons.run_length import run_length
from trajmodes.phonons.shells import shells_of
from trajmodes.phonons.stability import stability
from trajmodes.phonons.strain import StrainDerivative, strain_derivative
from trajmodes.phonons.supercell_constants import joined_axes, smallest_supercell
from trajmodes.phonons.velocities import group_velocities

__all__ = [
    "Gruneisen",
    "ModeLifetimes",
    "PathHits",
    "StrainDerivative",
    "band_path",
    "chosen_path",
    "commensurate",
    "conductivity",
    "dense_mesh",
    "dispersion",
    "dynamical_matrices",
    "frequencies_at",
    "frequency_change",
    "green_function_constants",
    "group_velocities",
    "gruneisen_at",
    "gruneisen_of",
    "gruneisen_parameters",
    "joined_axes",
    "mean_gruneisen",
    "mesh",
    "modes_at",
    "on_path",
    "perturbative_linewidths",
    "point_names",
    "renormalised",
    "run_length",
    "shared_mesh",
    "shells_of",
    "smallest_supercell",
    "spectral_map",
    "stability",
    "strain_derivative",
    "zone_point",
]
