"""Results of `trajmodes potential` → one flat Dataset."""

import xarray as xr

from trajmodes.data.potentials.shell_constants import ShellModels
from trajmodes.data.results import Results
from trajmodes.potentials.potential import State
from trajmodes.results.by_command.born_von_karman import shells_dataset
from trajmodes.results.dataset import filled, to_dataset


def potential_dataset(results: Results, state: State, shells: ShellModels) -> xr.Dataset:
    """Collect the results of the force constants, the energy, and constants of the shells.

    The bands are those of all force constants.
    """
    constants = shells_dataset(shells)
    names = [
        name
        for name in constants.variables
        if str(name).startswith("bvk_") and "path" not in constants[name].dims
    ]
    variables = {name: constants.variables[name] for name in names}
    return to_dataset(results).assign(variables | dict(state_dataset(state).variables))


def state_dataset(state: State) -> xr.Dataset:
    """Put energy, forces and stress into a Dataset."""
    return filled({"potential": state}, {})
