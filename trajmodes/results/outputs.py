"""The list of outputs: a table is one entry of `TABLES`, with all that is known of it.

Figures are entries of the same kind, in `trajmodes.report.figures.catalogue`. The names of all
files of a results folder follow from these lists, and so does what is written to it.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import xarray as xr

from trajmodes.results import tables, tables_modes
from trajmodes.results.folder import ResultsFolder, Writer, write_files
from trajmodes.results.netcdf import encode
from trajmodes.results.stored import RESULTS
from trajmodes.results.tables import Table, table_of

_MOST_CELLS = 2_000_000
"""Larger tables, such as the spectra of very many sets, are left to results.nc."""


class Content(Protocol):
    """What an output holds: a table, or a figure that is still to be drawn."""

    def write(self, path: Path) -> None:
        """Write it to a file."""


class Output(NamedTuple):
    """One file of a results folder, made from the Dataset alone."""

    name: str
    """Path within the folder."""
    text: str | tuple[tuple[str, str], ...]
    """What the file is, in one line; or parts of it, each with the variable that it needs."""
    needs: tuple[str, ...]
    """Variables or dimensions; the file is made where the results have one of them."""
    make: Callable[[xr.Dataset], Content]
    fits: Callable[[xr.Dataset], bool] = lambda _dataset: True
    """Whether the results suit the file otherwise."""

    def is_possible(self, dataset: xr.Dataset) -> bool:
        """Whether the results have the data."""
        known = {*dataset.variables, *dataset.dims}
        return not known.isdisjoint(self.needs) and self.fits(dataset)


def described(text: str | tuple[tuple[str, str], ...], dataset: xr.Dataset) -> str:
    """Describe a file, without what the results have no data for.

    Parameters
    ----------
    text
        The text, or its parts (variable, text): a part is used where the variable exists, or
        has no name.
    dataset
        Results.
    """
    if isinstance(text, str):
        return text
    return "".join(part for needed, part in text if not needed or needed in dataset)


def listed(title: str, *names: str) -> Callable[[xr.Dataset], Table]:
    """Table of some variables, see `table_of`."""
    return partial(table_of, title=title, names=names)


def _clusters(order: int, name: str, kind: str) -> Output:
    shell = f"{name}_shell"
    parts = ("species", "longest", "perimeter", "distances", "multiplicity", "norm")
    return Output(
        f"tables/force_constants{order}.csv",
        f"{kind} constants by species and distances of the {name}",
        (shell,),
        listed(
            f"Force constants of {name}s by species and distances",
            *(f"{shell}_{part}" for part in parts),
        ),
    )


BANDS = Output(
    "tables/bands.csv",
    (
        ("", "frequencies"),
        ("band_gruneisen", " and Grüneisen parameters"),
        ("", " along the band path"),
    ),
    ("band_freq_thz",),
    listed(
        "Harmonic frequencies along the band path",
        *("path_segment", "path_distance", "path_q", "band_freq_thz", "band_gruneisen"),
    ),
)

DENSITY_MAP = Output(
    "tables/sed.csv",
    (
        ("", "spectral energy density along the path"),
        ("map_branch_power", ", by branch"),
        ("map_site_power", ", by site and direction"),
    ),
    ("map_power",),
    tables_modes.energy_density_table,
)
"""The table of a map that is made by itself."""

TABLES = (
    BANDS,
    Output(
        "tables/orders.csv",
        "what the constants of each order add to the description of the forces",
        ("order",),
        tables.orders_table,
    ),
    _clusters(3, "triplet", "cubic"),
    _clusters(4, "quartet", "quartic"),
    Output(
        "tables/gruneisen.csv",
        "Grüneisen parameters of the sets of modes",
        ("gruneisen",),
        tables.gruneisen_table,
    ),
    Output(
        "tables/force_constants.csv",
        "pair constants by shell of neighbours",
        ("shell",),
        listed(
            "Pair force constants by shell of neighbours",
            *("shell_species", "shell_distance", "shell_neighbours"),
            *("shell_norm", "shell_trace"),
        ),
    ),
    Output(
        "tables/modes.csv",
        (
            ("", "sets of modes: frequencies"),
            ("linewidth_thz", ", linewidths, lifetimes"),
            ("linewidth_phi3_classical_thz", ", perturbative linewidths"),
            ("gruneisen", ", Grüneisen parameters"),
            ("mode_temperature", ", temperatures, heat capacities"),
            ("free_path", ", mean free paths"),
        ),
        ("set",),
        listed(
            "Sets of symmetry-equal modes; x_sem is the error of x",
            *("set", "set_q", "set_point", "star_size", "degeneracy"),
            *("branch_first", "branch_last", "members"),
            *("freq_harmonic_thz", "freq_displacement_thz"),
            *("freq_ratio_thz", "freq_spectrum_thz"),
            *("mode_temperature", "equipartition_z", "heat_capacity_kb", "anharmonicity"),
            *("linewidth_thz", "lifetime_ps", "lifetime_energy_ps", "lifetime_disagreement"),
            *("linewidth_phi3_classical_thz", "lifetime_phi3_classical_ps"),
            *("linewidth_phi3_quantum_thz", "lifetime_phi3_quantum_ps"),
            *("free_path", "gruneisen"),
            *("kinetic_mev", "potential_mev", "virial_mev"),
            *("line_kinetic_mev", "line_goodness", "line_resolution_thz", "line_segment_ps"),
            "energy_misfit",
            *("line_asymmetry", "line_baseline"),
            *("partner_freq_thz", "partner_linewidth_thz", "partner_kinetic_mev"),
            *("verdict", "advice", "energy_verdict", "energy_advice"),
        ),
    ),
    Output(
        "tables/energies.csv",
        "energies of every mode and of its waves along ±q",
        ("mode_kinetic_mev",),
        tables_modes.energies_table,
    ),
    Output(
        "tables/spectra.csv",
        "spectra of every set of modes",
        ("power",),
        tables_modes.spectra_table,
    ),
    Output(
        "tables/spectra_entropy.csv",
        "maximum-entropy spectra of every set of modes",
        ("power_entropy",),
        tables_modes.entropy_table,
    ),
    Output(
        "tables/lines.csv",
        "what the lines were fitted to, and the fits",
        ("line_power",),
        tables_modes.lines_table,
    ),
    Output(
        "tables/correlations.csv",
        "correlations of energies in time, and the fitted decays",
        ("energy_acf",),
        tables_modes.correlations_table,
    ),
    Output(
        "tables/energy_correlation.csv",
        "how the energies of modes fluctuate together",
        ("energy_correlation",),
        tables_modes.energy_correlation_table,
    ),
    Output(
        "tables/vdos.csv",
        "density of states, whole and by species, site and direction",
        ("vdos",),
        tables_modes.density_table,
    ),
    Output(
        "tables/renormalised.csv",
        "fitted bands and those made of the motion itself",
        ("band_quasi_particle_thz", "band_displacement_thz"),
        listed(
            "Bands compared; x_sem is the error of x",
            *("path_segment", "path_distance", "path_q", "band_freq_thz"),
            *("band_quasi_particle_thz", "band_displacement_thz"),
        ),
    ),
    Output(
        "tables/conductivity.csv",
        "thermal conductivity with its error",
        ("kappa_classical_w_mk",),
        tables_modes.conductivity_table,
    ),
    Output(
        "tables/conductivity_spectral.csv",
        "thermal conductivity by frequency",
        ("kappa_spectral_classical",),
        tables_modes.spectral_conductivity_table,
    ),
    Output(
        "tables/conductivity_cumulative.csv",
        "thermal conductivity by mean free path",
        ("kappa_cumulative_classical_w_mk",),
        tables_modes.cumulative_conductivity_table,
    ),
    Output(
        "figures/bands_map.csv",
        "spectral energy that is drawn with the bands",
        ("map_power",),
        tables_modes.shown_map_table,
    ),
    Output(
        "figures/renormalised_sets.csv",
        "differences that are drawn with the renormalised bands",
        ("quasi_particle_own",),
        listed(
            "Frequencies that the motion shows beside the fitted ones; x_sem: error of x",
            *("set", "set_q", "set_point", "branch_first", "branch_last"),
            *("freq_harmonic_thz", "freq_spectrum_thz", "quasi_particle_own"),
            "freq_ratio_thz",
        ),
    ),
    Output(
        "figures/fit_convergence.csv",
        "how the fit settles while the run grows",
        ("fit_change",),
        listed(
            "Change of the fit while the run grows",
            *("run_fraction", "fit_change", "fit_freq_change_thz"),
        ),
    ),
    Output(
        "figures/orders_convergence.csv",
        "how each order settles while the run grows",
        ("fit_order_change",),
        listed(
            "Change of the constants of each order while the run grows",
            *("run_fraction", "fit_order_change"),
        ),
        lambda dataset: dataset.sizes["order"] > 1,
    ),
)
"""Tables of a run. Those under ``figures`` hold data of a figure that no other table has."""


def write_outputs(
    dataset: xr.Dataset,
    text: str,
    outputs: Iterable[Output],
    folder: ResultsFolder,
    extra_writers: Mapping[str, Writer],
) -> dict[str, str]:
    """Write results.nc and all outputs that the results have data for.

    Parameters
    ----------
    dataset
        Results.
    text
        What results.nc is, in one line.
    outputs
        The list.
    folder
        An open folder.
    extra_writers
        Name of a file → how to write it, for files that are not made from the Dataset.

    Returns
    -------
    Name of each file → what it is, in one line.

    Raises
    ------
    UsageError
        If a name leads out of the folder.
    StorageError
        If the system refuses to write.
    """
    writers: dict[str, Writer] = {}
    large: list[str] = []
    for output in (output for output in outputs if output.is_possible(dataset)):
        content = output.make(dataset)
        if isinstance(content, Table) and content.n_cells > _MOST_CELLS:
            large.append(output.name)
        else:
            writers[output.name] = Writer(described(output.text, dataset), content.write)
    why = f"more than {_MOST_CELLS:,} cells".replace(",", " ")
    note = f"; {', '.join(large)} left to it, for {why}" if large else ""
    whole = {RESULTS.file: Writer(f"{text}; xarray opens it{note}", partial(encode, dataset))}
    return write_files(folder, whole | writers | dict(extra_writers))
