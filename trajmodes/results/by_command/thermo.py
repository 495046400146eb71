"""Tables of `trajmodes thermo`."""

import numpy as np

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.results.outputs import Output, listed
from trajmodes.results.schema import variable_of
from trajmodes.results.tables import SIX, Table


def states_table(dataset: NamedArrays) -> Table:
    """One row for each frequency: density of states, total and by species, site, direction."""
    sites = dataset["dos_sites"].values
    names = ("dos_freq_thz", "dos", "dos_sem", "dos_number", "dos_number_sem")
    columns = {name: dataset[name].values for name in names if name in dataset}
    for k, name in enumerate(dataset["element"].values):
        for end in ("", "_sem"):
            if f"dos_species{end}" in dataset:
                columns[f"dos_{name}{end}"] = dataset[f"dos_species{end}"].values[k]
    for k, direction in enumerate("xyz"):
        columns[f"dos_{direction}"] = sites[:, k].sum(axis=0)
    for s, k in np.ndindex(len(sites), 3):
        for end in ("", "_sem"):
            if f"dos_sites{end}" in dataset:
                values = dataset[f"dos_sites{end}"].values[s, k]
                columns[f"dos_{s}_{'xyz'[k]}{end}"] = values
    meanings = {name: variable_of(name).text for name in ("dos_freq_thz", "dos", "dos_number")}
    meanings["dos_A, dos_x, dos_s_x"] = (
        "contributions of species A, of direction x, and of site s (from 0) along x; each kind "
        "sums to dos"
    )
    return Table("Density of states of the force constants", columns, meanings)


def displacements_table(dataset: NamedArrays) -> Table:
    """One row for each temperature and site: components of the mean square displacements."""
    kelvin, species = dataset["thermo_temperature"].values, dataset["species"].values
    columns = {
        "thermo_temperature": np.repeat(kelvin, len(species)),
        "site": np.tile(np.arange(len(species)), len(kelvin)),
        "species": np.tile(species, len(kelvin)),
    }
    for base in ("u2", "u2_classical"):
        for name in (base, f"{base}_sem"):
            if name in dataset:
                values = dataset[name].values.reshape(-1, 3, 3)
                columns |= {f"{name}_{text}": values[:, x, y] for text, (x, y) in SIX.items()}
    meanings = {f"{name}_xy": variable_of(name).text for name in ("u2", "u2_classical")}
    isotropic = ("b_iso", "b_iso_classical")
    meanings |= {name: variable_of(name).text for name in isotropic}
    for name in (one for base in isotropic for one in (base, f"{base}_sem")):
        if name in dataset:
            columns[name] = dataset[name].values.ravel()
    title = "Mean square displacements of the sites, Cartesian; x_sem: standard error of x"
    return Table(title, columns, meanings)


_SURFACE = 0.5
"""A mode is a surface mode if a larger part of it is in the outer layers."""


def layers_table(dataset: NamedArrays) -> Table:
    """One row for each layer of a slab."""
    layer = dataset["site_layer"].values
    species = dataset["species"].values
    heights = dataset["layer_height"].values
    numbers = np.arange(1, len(heights) + 1)
    columns = {
        "layer": numbers,
        "layer_height": heights,
        "species": np.array([" ".join(species[layer == one].tolist()) for one in numbers]),
        "layer_mean_freq_thz": dataset["layer_mean_freq_thz"].values,
    }
    names = ("layer_height", "layer_mean_freq_thz")
    meanings = {name: variable_of(name).text for name in names}
    return Table("Atomic layers of the slab, from the lower surface", columns, meanings)


def surface_table(dataset: NamedArrays) -> Table:
    """One row for each surface mode along the path."""
    weight = dataset["surface_weight"].values
    q, m = np.nonzero(weight.sum(axis=2) > _SURFACE)
    columns = {
        "path_distance": dataset["path_distance"].values[q],
        **{f"q{k + 1}": dataset["path_q"].values[q, k] for k in range(3)},
        "branch": m + 1,
        "band_freq_thz": dataset["band_freq_thz"].values[q, m],
        "lower": weight[q, m, 0],
        "upper": weight[q, m, 1],
    }
    meanings = {name: variable_of(name).text for name in ("path_distance", "band_freq_thz")}
    meanings["q1, q2, q3"] = variable_of("path_q").text
    meanings["lower, upper"] = variable_of("surface_weight").text
    n_outer = int(dataset["surface_layers"].values)
    title = (
        "Modes of the surfaces along the band path: more than half of them is in "
        + ("the outer layer" if n_outer == 1 else f"the {n_outer} outer layers")
        + " of the lower and the upper surface"
    )
    return Table(title, columns, meanings)


STATES = Output(
    "tables/dos.csv",
    "density of states of the force constants: total, and by species, site and direction",
    ("dos",),
    states_table,
)
THERMO_TABLES = (
    Output(
        "tables/thermo.csv",
        (
            ("", "free energy, energy, entropy, heat capacity, Debye temperature"),
            ("expansion", ", thermal expansion"),
        ),
        ("thermo_temperature",),
        listed(
            "Thermodynamic functions of the phonons of a primitive cell; zero-point energy "
            "{zero_point_energy:.8g} eV; x_sem is the standard error of x",
            *("thermo_temperature", "free_energy", "energy", "entropy_kb", "capacity_kb"),
            *("free_energy_classical", "energy_classical", "entropy_classical_kb"),
            *("debye_of_capacity", "debye_capacity_kb", "expansion_mean"),
        ),
    ),
    STATES,
    Output(
        "tables/displacements.csv",
        "mean square displacements of the sites, and B_iso",
        ("u2",),
        displacements_table,
    ),
    Output(
        "tables/layers.csv",
        "atomic layers of the slab: heights and mean frequencies",
        ("layer",),
        layers_table,
    ),
    Output(
        "tables/surface_modes.csv",
        "modes of the surfaces of the slab along the band path",
        ("surface",),
        surface_table,
    ),
    Output(
        "tables/moments.csv",
        "moments of the frequencies, and their Debye temperatures",
        ("moment_order",),
        listed(
            "Moments of the frequencies; Debye temperature of sound {debye_of_sound:.6g} K",
            *("moment_order", "frequency_moment", "debye_of_moment"),
        ),
    ),
)
"""Tables of `trajmodes thermo`."""
