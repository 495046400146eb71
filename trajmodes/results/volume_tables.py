"""The list of tables of quasiharmonic properties, declared as those in `outputs`."""

import numpy as np

from trajmodes.data.named_arrays import NamedArrays, PlainArray, PlainArrays
from trajmodes.results.outputs import BANDS, Output
from trajmodes.results.tables import Table, table_of

_EQUILIBRIUM = (
    *("qha_volume", "qha_volume_spread", "qha_length", "qha_expansion"),
    *("qha_ratio", "qha_ratio_spread", "qha_expansion_a", "qha_expansion_a_spread"),
    *("qha_expansion_c", "qha_expansion_c_spread"),
    *("qha_expansion_spread", "qha_expansion_phi3", "qha_modulus_gpa"),
    *("qha_modulus_spread_gpa", "qha_adiabatic_modulus_gpa", "qha_capacity_v_kb"),
    *("qha_capacity_p_kb", "qha_capacity_p_spread_kb", "qha_entropy_kb", "qha_free_energy"),
    *("qha_gibbs", "qha_gibbs_spread", "qha_gruneisen"),
)


def equilibrium_table(dataset: NamedArrays) -> Table:
    """One row for each pressure and temperature."""
    pressures, kelvin = dataset["pressure_gpa"].values, dataset["qha_temperature"].values
    columns = {
        "pressure_gpa": PlainArray(("row",), np.repeat(pressures, len(kelvin))),
        "qha_temperature": PlainArray(("row",), np.tile(kelvin, len(pressures))),
        "vector": PlainArray(("vector",), np.array(["a", "b", "c"])),
    }
    for base in _EQUILIBRIUM:
        for name in (base, f"{base}_sem"):
            if name not in dataset:
                continue
            values = dataset[name].values
            if "pressure_gpa" not in dataset[name].dims:
                values = np.tile(values, len(pressures))
            if "vector" in dataset[name].dims:
                columns[name] = PlainArray(("row", "vector"), values.reshape(-1, 3))
            else:
                columns[name] = PlainArray(("row",), values.ravel())
    title = (
        f"Equilibrium of a primitive cell by pressure and temperature, "
        f"{dataset['qha_statistics'].values.item()} vibrations, F {_form(dataset)}; "
        "x_sem is the standard error of x"
    )
    names = ("pressure_gpa", "qha_temperature", *_EQUILIBRIUM)
    return table_of(PlainArrays(columns, {}), title, names)


def _form(dataset: NamedArrays) -> str:
    """Form of the free energy of the results."""
    name = str(dataset["equation"].values[0])
    return name if "qha_ratio" in dataset else f"by the equation of state {name}"


def free_energy_table(dataset: NamedArrays) -> Table:
    """One row for each volume and temperature."""
    volumes, kelvin = dataset["qha_run_volume"].values, dataset["qha_temperature"].values
    columns = {
        "qha_run_volume": PlainArray(("row",), np.repeat(volumes, len(kelvin))),
        "qha_temperature": PlainArray(("row",), np.tile(kelvin, len(volumes))),
    }
    columns["vector"] = PlainArray(("vector",), np.array(["a", "b", "c"]))
    lengths = np.repeat(dataset["qha_run_length"].values, len(kelvin), axis=0)
    columns["qha_run_length"] = PlainArray(("row", "vector"), lengths)
    for name in ("qha_run_free_energy", "qha_run_free_energy_sem"):
        if name in dataset:
            columns[name] = PlainArray(("row",), dataset[name].values.ravel())
    title = "Free energy of a primitive cell by volume and temperature"
    names = ("qha_run_volume", "qha_run_length", "qha_temperature", "qha_run_free_energy")
    return table_of(PlainArrays(columns, {}), title, names)


VOLUME_TABLES = (
    Output(
        "tables/quasiharmonic.csv",
        "volume, thermal expansion, bulk modulus, heat capacities, Gibbs free energy",
        ("qha_volume",),
        equilibrium_table,
    ),
    Output(
        "tables/free_energies.csv",
        "free energy at each volume and temperature",
        ("qha_run_free_energy",),
        free_energy_table,
    ),
    BANDS,
)
"""Tables of `trajmodes quasiharmonic`."""
