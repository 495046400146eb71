"""Tables of the modes: what the projection gave, and what was made of it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.results.schema import variable_of
from trajmodes.results.tables import Table, table_of
from trajmodes.units import BOLTZMANN

_SHOWN = 0.99
"""Figures reach as high as this part of the kinetic energy of every point does."""
_ABOVE = 1.1
"""Their data reach this many times higher."""


def energies_table(dataset: xr.Dataset) -> Table:
    """One row for each commensurate q and branch: energies of the mode and of its waves."""
    n_qpoints, n_branches = dataset["mode_set"].shape
    wanted = [
        *("mode_set", "mode_freq_thz", "mode_kinetic_mev", "mode_potential_mev"),
        *("mode_virial_mev", "travelling_forward_mev", "travelling_backward_mev"),
    ]
    columns = {
        "q": (("mode", "reciprocal"), np.repeat(dataset["q"].values, n_branches, axis=0)),
        "branch": ("mode", np.tile(dataset["branch"].values, n_qpoints)),
    }
    for name in (name for base in wanted for name in (base, f"{base}_sem") if name in dataset):
        columns[name] = ("mode", dataset[name].values.ravel())
    rows = xr.Dataset(columns, coords={"reciprocal": dataset["reciprocal"]})
    title = (
        "Energies of every single mode, and of its waves along ±q; means over sets are in "
        "modes.csv; x_sem is the error of x"
    )
    return table_of(rows, title, ["q", "branch", *wanted])


def spectra_table(dataset: xr.Dataset) -> Table:
    """One row for each frequency, one column for each set of modes."""
    return _by_set(
        *(dataset, "freq_thz", "power"),
        "Velocity power spectra of the sets of modes; their numbers are those of modes.csv",
    )


def entropy_table(dataset: xr.Dataset) -> Table:
    """One row for each frequency, one column for each set of modes."""
    order = int(dataset["entropy_order"])
    return _by_set(
        *(dataset, "entropy_freq_thz", "power_entropy"),
        f"Maximum-entropy spectra of the sets of modes, {order} poles; numbers as in modes.csv",
    )


def _by_set(dataset: xr.Dataset, freq: str, power: str, title: str) -> Table:
    columns: dict[str, npt.NDArray[Any]] = {freq: dataset[freq].values}
    for g in dataset["set"].values.tolist():
        columns[f"{power}_{g}"] = dataset[power].values[g]
    return Table(title, columns, {freq: "in THz", f"{power}_n": variable_of(power).text})


def lines_table(dataset: xr.Dataset) -> Table:
    """One row for each frequency around each line."""
    return _long_by_set(
        *(dataset, "Spectra that the lines were fitted to, and the fits"),
        ("line_freq_thz", "line_power", "line_model"),
    )


def correlations_table(dataset: xr.Dataset) -> Table:
    """One row for each lag of each set of modes."""
    return _long_by_set(
        *(dataset, "Correlation of the energies of the sets of modes, and the fitted decays"),
        ("acf_lag_ps", "energy_acf", "energy_acf_sem", "energy_acf_model"),
    )


def _long_by_set(dataset: xr.Dataset, title: str, names: tuple[str, ...]) -> Table:
    """Rows of all sets one below the other, without those that the first variable lacks."""
    place = dataset[names[0]].values
    known = np.isfinite(place)
    columns = {"set": np.repeat(dataset["set"].values, place.shape[1])[known.ravel()]}
    columns |= {name: dataset[name].values[known] for name in names}
    meanings = {"set": "number as in modes.csv"}
    meanings |= {name: variable_of(name).text for name in names}
    return Table(title, columns, meanings)


def energy_correlation_table(dataset: xr.Dataset) -> Table:
    """One row for each pair of sets of modes."""
    matrix = dataset["energy_correlation"].values
    one, other = np.triu_indices(len(matrix))
    text = variable_of("energy_correlation").text
    return Table(
        "How the energies of modes fluctuate together; every pair of sets once",
        {"set": one, "set_2": other, "energy_correlation": matrix[one, other]},
        {"set, set_2": "numbers as in modes.csv", "energy_correlation": text},
    )


def density_table(dataset: xr.Dataset) -> Table:
    """One row for each frequency: density of states, whole and by species, site, direction."""
    power, kelvin = dataset["vdos"].values, float(dataset["temperature"])
    density = power / (0.5 * BOLTZMANN * kelvin * len(power))
    species = dataset["species"].values
    columns = {"freq_thz": dataset["freq_thz"].values, "density": density.sum(axis=(0, 1))}
    for name in dict.fromkeys(species.tolist()):
        columns[f"density_{name}"] = density[species == name].sum(axis=(0, 1))
    for k, direction in enumerate("xyz"):
        columns[f"density_{direction}"] = density[:, k].sum(axis=0)
    for s, k in np.ndindex(len(power), 3):
        columns[f"vdos_{s}_{'xyz'[k]}"] = power[s, k]
    return Table(
        "Vibrational density of states of the run, classical",
        columns,
        {
            "freq_thz": "in THz",
            "density": "density of states per atom, in 1/THz (spectrum of the velocities of "
            f"all atoms over ½k_BT, T = {kelvin:.6g} K; its integral is the number of degrees "
            "of freedom of an atom: 3, less what the centre of mass takes)",
            "density_A, density_x": "the parts of species A, of direction x (they sum to the "
            "whole)",
            "vdos_s_x": variable_of("vdos").text + "; site s from 0, direction x",
        },
    )


def energy_density_table(dataset: xr.Dataset) -> Table:
    """One row for each frequency at each commensurate point of the path."""
    n_points, n_bins = dataset["map_power"].shape

    def spread(name: str) -> npt.NDArray[Any]:
        return np.repeat(dataset[name].values, n_bins, axis=0)

    columns: dict[str, npt.NDArray[Any]] = {"map_distance": spread("map_distance")}
    for letter, column in zip("abc", spread("map_q").T, strict=True):
        columns[f"map_q_{letter}"] = column
    columns["map_freq_thz"] = np.tile(dataset["map_freq_thz"].values, n_points)
    columns["map_power"] = dataset["map_power"].values.ravel()
    meanings = {
        name: variable_of(name).text
        for name in ("map_distance", "map_q", "map_freq_thz", "map_power")
    }
    if "map_branch_power" in dataset:
        branches = dataset["map_branch_power"].values.transpose(1, 0, 2)
        columns |= {f"map_branch_power_{m + 1}": p.ravel() for m, p in enumerate(branches)}
        meanings["map_branch_power_m"] = variable_of("map_branch_power").text
    if "map_site_power" in dataset:
        sites: Floats = dataset["map_site_power"].values.transpose(1, 2, 0, 3)
        for s, k in np.ndindex(sites.shape[:2]):
            columns[f"map_site_power_{s}_{'xyz'[k]}"] = sites[s, k].ravel()
        meanings["map_site_power_s_x"] = variable_of("map_site_power").text
    return Table("Spectral energy density along the path", columns, meanings)


def conductivity_table(dataset: xr.Dataset) -> Table:
    """One row for each component of the tensor of the thermal conductivity."""
    share = float(dataset["kappa_filled_share"])
    directions = np.array(["x", "y", "z"])
    columns: dict[str, npt.NDArray[Any]] = {
        "xyz": np.repeat(directions, 3),
        "xyz_2": np.tile(directions, 3),
    }
    names = [f"kappa_{kind}_w_mk" for kind in ("classical", "quantum")]
    for name in names:
        for part in (name, f"{name}_sem"):
            columns[part] = dataset[part].values.ravel()
    meanings = {name: variable_of(name).text for name in names}
    filled = f"{100.0 * share:.3g} % of the classical one from lifetimes filled in"
    return Table(f"{_conductivity_title(dataset)}; {filled}", columns, meanings)


def spectral_conductivity_table(dataset: xr.Dataset) -> Table:
    """One row for each frequency: the part of the thermal conductivity there."""
    names = ["kappa_freq_thz", "kappa_spectral_classical", "kappa_spectral_quantum"]
    return table_of(dataset, f"{_conductivity_title(dataset)}, by frequency", names)


def cumulative_conductivity_table(dataset: xr.Dataset) -> Table:
    """One row for each mean free path: the thermal conductivity of all shorter ones."""
    kinds = ("classical", "quantum")
    names = ["kappa_path", *(f"kappa_cumulative_{kind}_w_mk" for kind in kinds)]
    return table_of(dataset, f"{_conductivity_title(dataset)}, by mean free path", names)


def _conductivity_title(dataset: xr.Dataset) -> str:
    kelvin = float(dataset["kappa_temperature"])
    return f"Thermal conductivity at {kelvin:.6g} K, relaxation-time picture"


def shown_map_table(dataset: xr.Dataset) -> Table:
    """One row for each q and frequency of the map, up to the highest that a figure shows."""
    highest = float(dataset["band_freq_thz"].max()) if "band_freq_thz" in dataset else 0.0
    top = _ABOVE * max(highest, map_reach(dataset))
    shown = dataset.isel(map_freq_thz=dataset["map_freq_thz"].values <= top)
    return energy_density_table(shown.drop_vars("map_site_power", errors="ignore"))


def map_reach(dataset: xr.Dataset) -> float:
    """Return the frequency in THz below which nearly all the energy of the map lies."""
    cumulated = np.cumsum(dataset["map_power"].values, axis=1)
    # At Γ nothing moves but optical modes, if there are any.
    cumulated = cumulated[cumulated[:, -1] > (1.0 - _SHOWN) * cumulated[:, -1].max()]
    below = (cumulated < _SHOWN * cumulated[:, -1:]).sum(axis=1).max(initial=0)
    return float(dataset["map_freq_thz"].values[min(below, cumulated.shape[1] - 1)])
