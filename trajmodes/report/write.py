"""The list of files that a results folder holds."""

from collections.abc import Mapping
from functools import partial

from trajmodes.data import Results, SpectralEnergy
from trajmodes.report.dataset import to_dataset
from trajmodes.report.figure_bands import draw_bands
from trajmodes.report.figure_sed import draw_energy_density, few_branches
from trajmodes.report.figures import draw_figures
from trajmodes.report.folder import ResultsFolder, Writer, write_files
from trajmodes.report.netcdf import encode
from trajmodes.report.style import save_png, sheet
from trajmodes.report.tables import bands_table, described
from trajmodes.report.tables_all import small_ones, tables_of
from trajmodes.report.tables_modes import energy_density_table

__all__ = ["write_results", "write_spectral_energy"]

_TABLES = {
    "modes.csv": (
        ("", "sets of modes: frequencies"),
        ("linewidth_thz", ", linewidths, lifetimes"),
        ("linewidth_phi3_classical_thz", ", perturbative linewidths"),
        ("gruneisen", ", Grüneisen parameters"),
        ("mode_temperature", ", temperatures, heat capacities"),
        ("free_path", ", mean free paths"),
    ),
    "energies.csv": (("", "energies of every mode and of its waves along ±q"),),
    "bands.csv": (
        ("", "frequencies"),
        ("band_gruneisen", " and Grüneisen parameters"),
        ("", " along the band path"),
    ),
    "orders.csv": (
        ("", "what the constants of each order add to the description of the forces"),
    ),
    "force_constants.csv": (("", "pair constants by shell of neighbours"),),
    "force_constants3.csv": (("", "cubic constants by species and distances of the triplet"),),
    "force_constants4.csv": (
        ("", "quartic constants by species and distances of the quartet"),
    ),
    "gruneisen.csv": (("", "Grüneisen parameters of the sets of modes"),),
    "spectra.csv": (("", "spectra of every set of modes"),),
    "spectra_entropy.csv": (("", "maximum-entropy spectra of every set of modes"),),
    "lines.csv": (("", "what the lines were fitted to, and the fits"),),
    "correlations.csv": (("", "correlations of energies in time, and the fitted decays"),),
    "energy_correlation.csv": (("", "how the energies of modes fluctuate together"),),
    "vdos.csv": (("", "density of states, whole and by species, site and direction"),),
    "sed.csv": (
        ("", "spectral energy density along the path"),
        ("map_branch_power", ", by branch"),
        ("map_site_power", ", by site and direction"),
    ),
    "renormalised.csv": (("", "fitted bands and those made of the motion itself"),),
    "conductivity.csv": (("", "thermal conductivity with its error"),),
    "conductivity_spectral.csv": (("", "thermal conductivity by frequency"),),
    "conductivity_cumulative.csv": (("", "thermal conductivity by mean free path"),),
}
"""Table → parts of its description, see `described`."""


def write_results(
    results: Results, folder: ResultsFolder, extra_writers: Mapping[str, Writer]
) -> dict[str, str]:
    """Write everything a run gave: all files, or none if one fails.

    Parameters
    ----------
    results
        What the run gave.
    folder
        An open folder, see `trajmodes.report.open_folder`.
    extra_writers
        Name of a file → how to write it, for files that other rooms know how to write.

    Returns
    -------
    Name of each file → what it is, in one line.

    Raises
    ------
    UsageError
        If a name leads out of the folder.
    StorageError
        If the system refuses to write; earlier results are then intact.
    """
    dataset = to_dataset(results)
    tables, told = small_ones(tables_of(dataset))
    text = f"all results; xarray opens it{told}"
    writers = {"results.nc": Writer(text, partial(encode, dataset))}
    for name, table in tables.items():
        writers[f"tables/{name}"] = Writer(described(_TABLES[name], dataset), table.write)
    for plate in draw_figures(dataset):
        draw = partial(save_png, plate.figure)
        writers[f"figures/{plate.name}.png"] = Writer(plate.text, draw)
        for name, table in plate.data.items():
            text = f"data of {plate.name}.png"
            writers[f"figures/{name}"] = Writer(text, table.write)
    return write_files(folder, writers | dict(extra_writers))


def write_spectral_energy(sed: SpectralEnergy, folder: ResultsFolder) -> dict[str, str]:
    """Write a map of the spectral energy, with its table and figures.

    Parameters
    ----------
    sed
        The map.
    folder
        An open folder, see `trajmodes.report.open_folder`.

    Returns
    -------
    Name of each file → what it is, in one line.

    Raises
    ------
    StorageError
        If the system refuses to write; earlier results are then intact.
    """
    dataset = to_dataset(sed)
    tables = {"sed.csv": energy_density_table(dataset)}
    if "band_freq_thz" in dataset:
        tables["bands.csv"] = bands_table(dataset)
    tables, told = small_ones(tables)
    text = f"the map; xarray opens it{told}"
    writers = {"results.nc": Writer(text, partial(encode, dataset))}
    for name, table in tables.items():
        writers[f"tables/{name}"] = Writer(described(_TABLES[name], dataset), table.write)
    for name, parts, draw in _MAPS[: 1 + few_branches(dataset)]:
        with sheet():
            save = partial(save_png, draw(dataset))
        writers[f"figures/{name}.png"] = Writer(described(parts, dataset), save)
    return write_files(folder, writers)


_MAPS = (
    (
        "sed",
        (("", "spectral energy along the path"), ("band_freq_thz", ", bands drawn over it")),
        draw_bands,
    ),
    (
        "sed_branches",
        (("", "the same, branch by branch"),),
        draw_energy_density,
    ),
)
"""Figure, parts of its text, how to draw it; the second needs branches. Data: tables/."""
