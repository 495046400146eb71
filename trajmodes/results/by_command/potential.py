"""Results of `trajmodes potential` → one flat Dataset, and its table."""

from collections.abc import Iterator
from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np
import xarray as xr

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.data.potentials.response import StaticResponse
from trajmodes.data.potentials.shell_constants import ShellModels
from trajmodes.data.results import Results
from trajmodes.data.thermo import strain_names
from trajmodes.potentials.potential import State
from trajmodes.results.by_command.born_von_karman import shells_dataset
from trajmodes.results.dataset import filled, to_dataset
from trajmodes.results.outputs import Output
from trajmodes.results.schema import variable_of
from trajmodes.results.tables import Table


def potential_dataset(
    results: Results, state: State, shells: ShellModels, response: StaticResponse | None
) -> xr.Dataset:
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
    own = static_dataset(state, response)
    return to_dataset(results).assign(variables | dict(own.variables))


def static_dataset(state: State, response: StaticResponse | None) -> xr.Dataset:
    """Put energy, forces and stress into a Dataset, and elastic and piezoelectric constants."""
    roots: dict[str, Any] = {"potential": state}
    if response is not None:
        roots |= {"response": response, "voigt_names": list(strain_names(6))}
    return filled(roots, {})


def response_table(dataset: NamedArrays) -> Table:
    """One row for each elastic and piezoelectric constant: relaxed and clamped atoms."""
    rows = list(_constants(dataset))
    names = ("quantity", "unit", "value", "clamped")
    columns = {name: np.array([row[k] for row in rows]) for k, name in enumerate(names)}
    order = ", ".join(f"{k} {name}" for k, name in enumerate(dataset["voigt"].values, 1))
    meanings = {
        "quantity": f"Cij and eij: j, and i of Cij, are {order}; i of eij is 1 x, 2 y, 3 z",
        "value": "atoms where no force acts on them",
        "clamped": "reduced coordinates of the atoms constant",
    }
    return Table("Elastic and piezoelectric constants of the potential", columns, meanings)


def _constants(dataset: NamedArrays) -> Iterator[tuple[str, str, float, float]]:
    """Label, unit and both values; zero where symmetry makes a constant zero."""
    kinds = (
        ("C", "potential_stiffness_gpa", combinations_with_replacement(range(6), 2)),
        ("e", "piezoelectric", product(range(3), range(6))),
    )
    for letter, name, places in kinds:
        if name not in dataset:
            continue
        both = [dataset[one].values for one in (name, _clamped(name))]
        least = 1e-6 * max(np.abs(one).max() for one in both)
        for i, j in places:
            found = [float(one[i, j]) if abs(one[i, j]) > least else 0.0 for one in both]
            yield f"{letter}{i + 1}{j + 1}", variable_of(name).unit, found[0], found[1]


def _clamped(name: str) -> str:
    """Name of the same constants with clamped atoms."""
    return "potential_clamped_gpa" if name.endswith("_gpa") else f"{name}_clamped"


RESPONSE_TABLE = Output(
    "tables/response.csv",
    "elastic and piezoelectric constants of the potential",
    ("voigt",),
    response_table,
)
"""Table of `trajmodes potential` for shell models."""
