"""Tables of the modes: what the projection gave, and what was made of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.report.layout import spec_of
from trajmodes.report.tables import Table, meaning_of, table_of
from trajmodes.units import BOLTZMANN

__all__ = [
    "LIFETIMES",
    "PERTURBATIVE",
    "conductivity_tables",
    "correlations_table",
    "density_table",
    "energies_table",
    "energy_correlation_table",
    "energy_density_table",
    "lines_table",
    "modes_table",
    "projection_tables",
    "renormalised_table",
    "spectra_table",
]

PERTURBATIVE = (
    *("linewidth_phi3_classical_thz", "lifetime_phi3_classical_ps"),
    *("linewidth_phi3_quantum_thz", "lifetime_phi3_quantum_ps"),
)
LIFETIMES = ("linewidth_thz", "lifetime_ps", "lifetime_energy_ps", "lifetime_disagreement")


def modes_table(dataset: xr.Dataset) -> Table:
    """One row for each set of symmetry-equal modes.

    Parameters
    ----------
    dataset
        Results.
    """
    names = [
        *("set", "set_q", "set_point", "star_size", "degeneracy"),
        *("branch_first", "branch_last", "members"),
        *("freq_harmonic_thz", "freq_displacement_thz", "freq_ratio_thz", "freq_spectrum_thz"),
        *("mode_temperature", "equipartition_z", "heat_capacity_kb", "anharmonicity"),
        *(*LIFETIMES, *PERTURBATIVE, "free_path", "gruneisen"),
        *("kinetic_mev", "potential_mev", "virial_mev"),
        *("line_kinetic_mev", "line_goodness", "line_resolution_thz", "line_segment_ps"),
        "energy_misfit",
        *("line_asymmetry", "line_baseline"),
        *("partner_freq_thz", "partner_linewidth_thz", "partner_kinetic_mev"),
        *("verdict", "advice", "energy_verdict", "energy_advice"),
    ]
    return table_of(dataset, "Sets of symmetry-equal modes; x_sem is the error of x", names)


def energies_table(dataset: xr.Dataset) -> Table:
    """One row for each commensurate q and branch: the energies of this mode and of its waves.

    Parameters
    ----------
    dataset
        Results with energies.
    """
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
    """One row for each frequency, one column for each set of modes.

    Parameters
    ----------
    dataset
        Results with spectra.
    """
    return _by_set(
        *(dataset, "freq_thz", "power"),
        "Velocity power spectra of the sets of modes; their numbers are those of modes.csv",
    )


def _entropy_table(dataset: xr.Dataset) -> Table:
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
    return Table(title, columns, {freq: "in THz", f"{power}_n": meaning_of(spec_of(power))})


def lines_table(dataset: xr.Dataset, sets: npt.NDArray[np.int64] | None = None) -> Table:
    """One row for each frequency around each line.

    Parameters
    ----------
    dataset
        Results with lines.
    sets
        Labels of the sets wanted; all if not given.
    """
    return _long_by_set(
        *(dataset, "Spectra that the lines were fitted to, and the fits"),
        ("line_freq_thz", "line_power", "line_model"),
        sets,
    )


def correlations_table(dataset: xr.Dataset, sets: npt.NDArray[np.int64] | None = None) -> Table:
    """One row for each lag of each set of modes.

    Parameters
    ----------
    dataset
        Results with lifetimes from the correlation of energies.
    sets
        Labels of the sets wanted; all if not given.
    """
    return _long_by_set(
        *(dataset, "Correlation of the energies of the sets of modes, and the fitted decays"),
        ("acf_lag_ps", "energy_acf", "energy_acf_sem", "energy_acf_model"),
        sets,
    )


def _long_by_set(
    dataset: xr.Dataset,
    title: str,
    names: tuple[str, ...],
    sets: npt.NDArray[np.int64] | None,
) -> Table:
    """Rows of all sets one below the other, without those that the first variable lacks."""
    chosen = dataset["set"].values if sets is None else sets
    place = dataset[names[0]].values[chosen]
    known = np.isfinite(place)
    columns = {"set": np.repeat(chosen, place.shape[1])[known.ravel()]}
    columns |= {name: dataset[name].values[chosen][known] for name in names}
    meanings = {"set": "number as in modes.csv"}
    meanings |= {name: meaning_of(spec_of(name)) for name in names}
    return Table(title, columns, meanings)


def energy_correlation_table(dataset: xr.Dataset) -> Table:
    """One row for each pair of sets of modes.

    Parameters
    ----------
    dataset
        Results with the covariance of energies.
    """
    matrix = dataset["energy_correlation"].values
    one, other = np.triu_indices(len(matrix))
    spec = spec_of("energy_correlation")
    return Table(
        "How the energies of modes fluctuate together; every pair of sets once",
        {"set": one, "set_2": other, "energy_correlation": matrix[one, other]},
        {"set, set_2": "numbers as in modes.csv", "energy_correlation": meaning_of(spec)},
    )


def density_table(dataset: xr.Dataset) -> Table:
    """One row for each frequency: density of states, whole and by species, site, direction.

    Parameters
    ----------
    dataset
        Results with the spectra of sites.
    """
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
            "vdos_s_x": meaning_of(spec_of("vdos")) + "; site s from 0, direction x",
        },
    )


def energy_density_table(dataset: xr.Dataset) -> Table:
    """One row for each frequency at each commensurate point of the path.

    Parameters
    ----------
    dataset
        Results with the spectral map.
    """
    n_points, n_bins = dataset["map_power"].shape

    def spread(name: str) -> npt.NDArray[Any]:
        return np.repeat(dataset[name].values, n_bins, axis=0)

    columns: dict[str, npt.NDArray[Any]] = {"map_distance": spread("map_distance")}
    for letter, column in zip("abc", spread("map_q").T, strict=True):
        columns[f"map_q_{letter}"] = column
    columns["map_freq_thz"] = np.tile(dataset["map_freq_thz"].values, n_points)
    columns["map_power"] = dataset["map_power"].values.ravel()
    meanings = {
        name: meaning_of(spec_of(name))
        for name in ("map_distance", "map_q", "map_freq_thz", "map_power")
    }
    if "map_branch_power" in dataset:
        branches = dataset["map_branch_power"].values.transpose(1, 0, 2)
        columns |= {f"map_branch_power_{m + 1}": p.ravel() for m, p in enumerate(branches)}
        meanings["map_branch_power_m"] = meaning_of(spec_of("map_branch_power"))
    if "map_site_power" in dataset:
        sites: Floats = dataset["map_site_power"].values.transpose(1, 2, 0, 3)
        for s, k in np.ndindex(sites.shape[:2]):
            columns[f"map_site_power_{s}_{'xyz'[k]}"] = sites[s, k].ravel()
        meanings["map_site_power_s_x"] = meaning_of(spec_of("map_site_power"))
    return Table("Spectral energy density along the path", columns, meanings)


def renormalised_table(dataset: xr.Dataset) -> Table:
    """One row for each point of the band path: fitted bands, and those made of the motion.

    Parameters
    ----------
    dataset
        Results with renormalised bands.
    """
    names = [
        *("path_segment", "path_distance", "path_q", "band_freq_thz"),
        *("band_quasi_particle_thz", "band_displacement_thz"),
    ]
    return table_of(dataset, "Bands compared; x_sem is the error of x", names)


def conductivity_tables(dataset: xr.Dataset) -> dict[str, Table]:
    """Tensor, spectrum and cumulation of the thermal conductivity, by the name of the file.

    Parameters
    ----------
    dataset
        Results with a conductivity.
    """
    kelvin, share = (float(dataset[f"kappa_{n}"]) for n in ("temperature", "filled_share"))
    title = f"Thermal conductivity at {kelvin:.6g} K, relaxation-time picture"
    kinds = ("classical", "quantum")
    first, second = np.array(["x", "y", "z"]), np.array(["x", "y", "z"])
    columns: dict[str, npt.NDArray[Any]] = {
        "xyz": np.repeat(first, 3),
        "xyz_2": np.tile(second, 3),
    }
    names = [f"kappa_{kind}_w_mk" for kind in kinds]
    for name in names:
        for part in (name, f"{name}_sem"):
            columns[part] = dataset[part].values.ravel()
    meanings = {name: meaning_of(spec_of(name)) for name in names}
    filled = f"{100.0 * share:.3g} % of the classical one from lifetimes filled in"
    spectral = ["kappa_freq_thz", *(f"kappa_spectral_{kind}" for kind in kinds)]
    cumulative = ["kappa_path", *(f"kappa_cumulative_{kind}_w_mk" for kind in kinds)]
    return {
        "conductivity.csv": Table(f"{title}; {filled}", columns, meanings),
        "conductivity_spectral.csv": table_of(dataset, f"{title}, by frequency", spectral),
        "conductivity_cumulative.csv": table_of(
            dataset, f"{title}, by mean free path", cumulative
        ),
    }


_TABLES: tuple[tuple[str, str, Callable[[xr.Dataset], Table]], ...] = (
    ("modes.csv", "set", modes_table),
    ("energies.csv", "mode_kinetic_mev", energies_table),
    ("spectra.csv", "power", spectra_table),
    ("spectra_entropy.csv", "power_entropy", _entropy_table),
    ("lines.csv", "line_power", lines_table),
    ("correlations.csv", "energy_acf", correlations_table),
    ("energy_correlation.csv", "energy_correlation", energy_correlation_table),
    ("vdos.csv", "vdos", density_table),
)
"""File, variable that must be there, how to make it."""


def projection_tables(dataset: xr.Dataset) -> dict[str, Table]:
    """All tables of the modes that the results have data for, by the name of their file.

    Parameters
    ----------
    dataset
        Results.
    """
    tables = {name: make(dataset) for name, needed, make in _TABLES if needed in dataset}
    if {"band_quasi_particle_thz", "band_displacement_thz"} & set(dataset):
        tables["renormalised.csv"] = renormalised_table(dataset)
    if "kappa_classical_w_mk" in dataset:
        tables |= conductivity_tables(dataset)
    return tables
