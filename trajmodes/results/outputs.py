"""The list of output tables. Each is declared by one entry of `TABLES`.

Figures are declared in the same way in `trajmodes.report.figures.catalogue`. These two lists
determine the names and the content of all files of a results folder.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.results import tables
from trajmodes.results.tables import Table, table_of

MOST_CELLS = 2_000_000
"""Larger tables, such as the spectra of very many sets, are not written: see results.nc."""


class Content(Protocol):
    """Content of an output: a table, or a figure that is drawn when it is written."""

    def write(self, path: Path) -> None:
        """Write it to a file."""


class Output(NamedTuple):
    """One file of a results folder, made from the Dataset alone."""

    name: str
    """Path within the folder."""
    text: str | tuple[tuple[str, str], ...]
    """Description in one line; or parts of it, each with the variable that it needs."""
    needs: tuple[str, ...]
    """Variables or dimensions; the file is written if the results have one of them."""
    make: Callable[[NamedArrays], Content]
    fits: Callable[[NamedArrays], bool] = lambda _dataset: True
    """Further condition on the results."""

    def is_possible(self, dataset: NamedArrays) -> bool:
        """Whether the results contain the data for this file."""
        known = {*dataset.variables, *dataset.dims}
        return not known.isdisjoint(self.needs) and self.fits(dataset)


def describe(text: str | tuple[tuple[str, str], ...], dataset: NamedArrays) -> str:
    """Describe a file: join the parts of the text whose variable is in the results."""
    if isinstance(text, str):
        return text
    return "".join(part for needed, part in text if not needed or needed in dataset)


def listed(title: str, *names: str) -> Callable[[NamedArrays], Table]:
    """Return a function that makes a table of the named variables, see `table_of`."""
    return partial(table_of, title=title, names=names)


def _cluster_table(order: int, name: str, ordinal: str) -> Output:
    shell = f"{name}_shell"
    parts = ("species", "longest", "perimeter", "distances", "multiplicity", "norm")
    return Output(
        f"tables/force_constants{order}.csv",
        f"{ordinal}-order force constants by species and distances of the {name}",
        (shell,),
        listed(
            f"Force constants of {ordinal} order by species and distances of the {name}",
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
        "band_connection",
    ),
)

IRREPS = Output(
    "tables/irreps.csv",
    "irreducible representations of the branches at the named points of the path",
    ("band_irrep",),
    listed("Irreducible representations", "tick_label", "band_irrep"),
)

DENSITY_MAP = Output(
    "tables/sed.csv",
    (
        ("", "spectral energy density along the path"),
        ("map_branch_power", ", by branch"),
        ("map_site_power", ", by site and direction"),
    ),
    ("map_power",),
    tables.energy_density_table,
)
"""The table of `trajmodes sed`."""

MODES = Output(
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
        "Sets of symmetry-equivalent modes (star of q and degenerate branches); x_sem is "
        "the standard error of x",
        *("set", "set_q", "set_point", "star_size", "degeneracy"),
        *("branch_first", "branch_last", "members"),
        *("freq_harmonic_thz", "freq_harmonic_error_factor", "freq_displacement_thz"),
        *("freq_ratio_thz", "freq_spectrum_thz"),
        *("mode_temperature", "equipartition_z", "heat_capacity_kb"),
        *("anharmonicity", "sigma_set"),
        *("linewidth_thz", "lifetime_ps", "lifetime_energy_ps", "lifetime_disagreement"),
        *("linewidth_phi3_classical_thz", "lifetime_phi3_classical_ps"),
        *("linewidth_phi3_quantum_thz", "lifetime_phi3_quantum_ps"),
        *("free_path", "gruneisen"),
        *("kinetic_mev", "potential_mev", "virial_mev"),
        *("line_kinetic_mev", "line_reduced_chi2", "line_error_factor"),
        *(
            "line_resolution_thz",
            "line_segment_ps",
            "energy_chi2_ratio",
            "line_asymmetry",
            "line_baseline",
        ),
        *("partner_freq_thz", "partner_linewidth_thz", "partner_kinetic_mev"),
        *("verdict", "advice", "energy_verdict", "energy_advice"),
    ),
)

TABLES = (
    BANDS,
    IRREPS,
    Output(
        "tables/orders.csv",
        "fit quality with force constants up to each order",
        ("order",),
        listed(
            "Quality of the fit with force constants up to each order; {fit_scheme} fit",
            *("order", "order_cutoff", "order_parameters", "order_r_squared"),
            *("order_rms_residual", "order_rms_predicted", "order_scheme_distance"),
        ),
    ),
    _cluster_table(3, "triplet", "third"),
    _cluster_table(4, "quartet", "fourth"),
    Output(
        "tables/gruneisen.csv",
        "Grüneisen parameters of the sets of modes",
        ("gruneisen",),
        listed(
            "Grüneisen parameters of the sets of modes; classical mean "
            "{gruneisen_classical:.6g}, quantum mean {gruneisen_quantum:.6g} at "
            "{gruneisen_temperature:g} K",
            *("set", "set_q", "set_point", "star_size", "degeneracy"),
            *("branch_first", "branch_last", "freq_harmonic_thz", "gruneisen"),
        ),
    ),
    Output(
        "tables/polar.csv",
        "optic modes at Γ, longitudinal and transverse",
        ("freq_transverse_thz",),
        listed(
            "Optic modes at Γ: without macroscopic field, and as q → 0 along x, y and z",
            *("freq_transverse_thz", "freq_longitudinal_thz"),
        ),
    ),
    Output(
        "tables/force_constants.csv",
        (
            ("", "second-order force constants by neighbour shell"),
            ("born_charge", ", without their dipole–dipole part"),
        ),
        ("shell",),
        listed(
            "Second-order force constants by neighbour shell",
            *("shell_species", "shell_distance", "shell_neighbours"),
            *("shell_norm", "shell_trace"),
        ),
    ),
    Output(
        "tables/alloy_pairs.csv",
        "second-order force constants of the alloy by pair of species",
        ("alloy_pair",),
        listed(
            "Second-order force constants by pair of species",
            *("alloy_pair", "alloy_distance", "alloy_longitudinal", "alloy_transverse"),
            *("alloy_count", "alloy_mean_distance", "alloy_sites"),
        ),
    ),
    MODES,
    Output(
        "tables/energies.csv",
        "energies of every mode and of its travelling waves along ±q",
        ("mode_kinetic_mev",),
        tables.energies_table,
    ),
    Output(
        "tables/widths.csv",
        "frequencies and linewidths of every mode by q and branch",
        ("linewidth_thz", "linewidth_phi3_classical_thz"),
        tables.widths_table,
        lambda dataset: "mode_set" in dataset,
    ),
    Output(
        "tables/sigma.csv",
        "anharmonicity σ about the force constants, in successive parts of the run",
        ("sigma_time",),
        listed(
            "Anharmonicity σ of the run about the force constants of the modes; {sigma:.6g} in "
            "all frames",
            *("sigma_time_ps", "sigma_time"),
        ),
    ),
    Output(
        "tables/spectra.csv",
        "spectra of every set of modes",
        ("power",),
        partial(
            tables.by_set,
            title="Velocity power spectra of the sets of modes of modes.csv",
            axis="freq_thz",
            name="power",
        ),
    ),
    Output(
        "tables/spectra_entropy.csv",
        "maximum-entropy spectra of every set of modes",
        ("power_entropy",),
        partial(
            tables.by_set,
            title="Maximum-entropy spectra of the sets of modes of modes.csv, "
            "{entropy_order} poles",
            axis="entropy_freq_thz",
            name="power_entropy",
        ),
    ),
    Output(
        "tables/lines.csv",
        "spectra around each line, with the fitted lines",
        ("line_power",),
        partial(
            tables.long_by_set,
            title="Spectra around each line, and the fitted lines",
            names=("line_freq_thz", "line_power", "line_model"),
        ),
    ),
    Output(
        "tables/correlations.csv",
        "energy autocorrelations, with the fitted decays",
        ("energy_acf",),
        partial(
            tables.long_by_set,
            title="Energy autocorrelations of the sets of modes, and the fitted decays",
            names=("acf_lag_ps", "energy_acf", "energy_acf_sem", "energy_acf_model"),
        ),
    ),
    Output(
        "tables/energy_correlation.csv",
        "correlation of the energies of different sets of modes",
        ("energy_correlation",),
        tables.energy_correlation_table,
    ),
    Output(
        "tables/vdos.csv",
        "vibrational density of states: total, and by species, site and direction",
        ("vdos",),
        tables.density_table,
    ),
    Output(
        "tables/renormalised.csv",
        "bands of force constants, spectral lines and displacement covariances",
        ("band_quasi_particle_thz", "band_displacement_thz"),
        listed(
            "Bands compared; x_sem is the standard error of x",
            *("path_segment", "path_distance", "path_q", "band_freq_thz"),
            *("band_quasi_particle_thz", "band_displacement_thz"),
        ),
    ),
    Output(
        "tables/conductivity.csv",
        "thermal conductivity with its standard error",
        ("kappa_classical_w_mk",),
        tables.conductivity_table,
    ),
    Output(
        "tables/conductivity_spectral.csv",
        "thermal conductivity by frequency",
        ("kappa_spectral_classical",),
        listed(
            f"{tables.CONDUCTIVITY_TITLE}, by frequency",
            *("kappa_freq_thz", "kappa_spectral_classical", "kappa_spectral_quantum"),
        ),
    ),
    Output(
        "tables/conductivity_cumulative.csv",
        "thermal conductivity by mean free path",
        ("kappa_cumulative_classical_w_mk",),
        listed(
            f"{tables.CONDUCTIVITY_TITLE}, by mean free path",
            *("kappa_path", "kappa_cumulative_classical_w_mk"),
            "kappa_cumulative_quantum_w_mk",
        ),
    ),
    Output(
        "tables/run_displacements.csv",
        "mean square displacements of the sites in the run, and of its force constants",
        ("u2_measured",),
        tables.run_displacements_table,
        lambda dataset: "thermo_temperature" not in dataset,
    ),
    Output(
        "figures/bands_map.csv",
        "spectral energy density drawn with the bands",
        ("map_power",),
        tables.shown_map_table,
    ),
    Output(
        "figures/renormalised_sets.csv",
        "frequency differences drawn with the renormalised bands",
        ("quasi_particle_own",),
        listed(
            "Frequencies measured in the run and fitted ones; x_sem: standard error of x",
            *("set", "set_q", "set_point", "branch_first", "branch_last"),
            *("freq_harmonic_thz", "freq_spectrum_thz", "quasi_particle_own"),
            "freq_ratio_thz",
        ),
    ),
    Output(
        "figures/fit_convergence.csv",
        "convergence of the fit with the length of the run",
        ("fit_change",),
        listed(
            "Change of the fit with the length of the run",
            *("run_fraction", "fit_change", "fit_freq_change_thz"),
        ),
    ),
    Output(
        "figures/orders_convergence.csv",
        "convergence of each order with the length of the run",
        ("fit_order_change",),
        listed(
            "Change of the force constants of each order with the length of the run",
            *("run_fraction", "fit_order_change"),
        ),
        lambda dataset: dataset.sizes["order"] > 1,
    ),
)
"""Tables of a run. Those under ``figures`` contain data of a figure that no other table has."""
