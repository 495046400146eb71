"""The list of panels: their names, what they need, and the functions that draw them."""

from collections.abc import Mapping
from typing import NamedTuple

from trajmodes.data.named_arrays import NamedArrays


class Panel(NamedTuple):
    """One panel."""

    text: str
    maker: str
    """Module of `trajmodes.report` and its function."""
    needs: str
    """Variables without which there is nothing to draw; of those joined by | one is enough."""
    figure: str = ""
    """Figure of the results folder that the panel is a part of, unless it has its name."""
    xlabel: str = ""
    ylabel: str = ""
    """Labels that the function leaves to the figure."""
    of_a_mode: bool = False
    """Whether it is drawn for one set of modes."""


PANELS: Mapping[str, Panel] = {
    "bands": Panel(
        "bands, over the spectral energy density of a run",
        "figures.spectral_map.bands_panel",
        "path_distance",
    ),
    "bands-dos": Panel(
        "bands with the densities of states beside them",
        "plot.beside.bands_and_density",
        "path_distance",
    ),
    "renormalised-bands": Panel(
        "bands of force constants, spectral lines and displacement covariances",
        "figures.bands.renormalised_panel",
        "band_quasi_particle_thz|band_displacement_thz",
        figure="renormalised",
    ),
    "differences": Panel(
        "measured frequencies minus those of the force constants",
        "figures.bands.differences_panel",
        "freq_harmonic_thz freq_spectrum_thz|freq_ratio_thz "
        "band_quasi_particle_thz|band_displacement_thz",
        figure="renormalised",
    ),
    "lifetimes": Panel(
        "lifetimes against frequency",
        "figures.lifetimes.lifetimes_panel",
        "lifetime_ps|lifetime_energy_ps|lifetime_phi3_classical_ps",
    ),
    "lifetimes-compared": Panel(
        "lifetimes of energies against those of lines",
        "figures.lifetimes.compared_panel",
        "lifetime_disagreement",
    ),
    "spectrum": Panel(
        "spectrum of a mode with its fit",
        "figures.spectra.spectrum_panel",
        "line_power",
        xlabel="Frequency (THz)",
        ylabel="Spectral energy (meV/THz)",
        of_a_mode=True,
    ),
    "correlation": Panel(
        "energy autocorrelation of a mode with its fit",
        "figures.spectra.correlation_panel",
        "energy_acf",
        xlabel="Lag (ps)",
        ylabel="Energy correlation",
        of_a_mode=True,
    ),
    "temperatures": Panel(
        "mode temperatures against frequency: equipartition",
        "figures.energies.temperatures_panel",
        "mode_temperature",
        figure="energies",
    ),
    "equipartition": Panel(
        "deviations from equipartition in standard errors",
        "figures.energies.deviations_panel",
        "equipartition_z",
        figure="energies",
    ),
    "mode-heat-capacity": Panel(
        "heat capacities of the modes",
        "figures.energies.heat_capacity_panel",
        "heat_capacity_kb",
        figure="energies",
    ),
    "anharmonicity": Panel(
        "anharmonicity W/U − 1 of the modes",
        "figures.energies.anharmonicity_panel",
        "anharmonicity",
        figure="energies",
    ),
    "vdos": Panel(
        "vibrational density of states of a run, total and by species",
        "figures.spectra.density_panel",
        "vdos",
    ),
    "shells": Panel(
        "force constants by distance", "figures.fit.shells_panel", "shell_norm", figure="fit"
    ),
    "convergence": Panel(
        "convergence of the fit with the length of the run",
        "figures.fit.convergence_panel",
        "fit_change",
        figure="fit",
    ),
    "triplets": Panel(
        "third-order force constants by distance",
        "figures.fit.triplets_panel",
        "triplet_shell_norm",
        figure="orders",
    ),
    "quartets": Panel(
        "fourth-order force constants by distance",
        "figures.fit.quartets_panel",
        "quartet_shell_norm",
        figure="orders",
    ),
    "residuals": Panel(
        "residual of the fit by order",
        "figures.fit.residuals_panel",
        "triplet_shell_norm order_rms_residual",
        figure="orders",
    ),
    "order-convergence": Panel(
        "convergence of each order with the length of the run",
        "figures.fit.order_convergence_panel",
        "fit_order_change",
        figure="orders",
    ),
    "kappa-frequency": Panel(
        "thermal conductivity by frequency",
        "figures.lifetimes.spectral_panel",
        "kappa_classical_w_mk",
        figure="conductivity",
    ),
    "kappa-path": Panel(
        "thermal conductivity by mean free path",
        "figures.lifetimes.cumulative_panel",
        "kappa_classical_w_mk",
        figure="conductivity",
    ),
    "free-paths": Panel(
        "mean free paths against frequency",
        "figures.lifetimes.free_paths_panel",
        "free_path",
        figure="conductivity",
    ),
    "gruneisen": Panel(
        "Grüneisen parameters along the path",
        "figures.thermo.gruneisen.draw_along_path",
        "band_gruneisen",
    ),
    "gruneisen-modes": Panel(
        "Grüneisen parameters of the modes", "figures.thermo.gruneisen.sets_panel", "gruneisen"
    ),
    "dos": Panel(
        "density of states of force constants",
        "figures.thermo.harmonic.states_panel",
        "dos",
        figure="thermo",
    ),
    "heat-capacity": Panel(
        "heat capacity and entropy",
        "figures.thermo.harmonic.capacity_panel",
        "capacity_kb",
        figure="thermo",
    ),
    "energy": Panel(
        "free energy and energy of the phonons",
        "figures.thermo.harmonic.energy_panel",
        "energy_classical",
        figure="thermo",
    ),
    "displacements": Panel(
        "mean square displacements",
        "figures.thermo.harmonic.displacements_panel",
        "b_iso_classical",
        figure="thermo",
    ),
    "free-energy-orders": Panel(
        "free energy of the run by order",
        "figures.thermo.free_energy.orders_panel",
        "expansion_order",
        figure="free-energy",
    ),
    "free-energy-length": Panel(
        "free energy with the length of the run",
        "figures.thermo.free_energy.length_panel",
        "expansion_order",
        figure="free-energy",
    ),
    "energy-differences": Panel(
        "distribution of the energies beyond the force constants",
        "figures.thermo.free_energy.distribution_panel",
        "expansion_order",
        figure="free-energy",
    ),
    "predicted-widths": Panel(
        "widths of the spectral functions",
        "figures.spectral_function.widths_panel",
        "spectral_point",
        figure="spectral-widths",
    ),
    "predicted-shifts": Panel(
        "shifts of the spectral functions",
        "figures.spectral_function.shifts_panel",
        "spectral_point",
        figure="spectral-widths",
    ),
    "series-bands": Panel(
        "bands of all runs of a series", "figures.series.bands_panel", "series_band_freq_thz"
    ),
    "slopes": Panel(
        "change of the frequencies with temperature",
        "figures.series.slopes_panel",
        "freq_slope_thz_k",
    ),
    "shifts": Panel(
        "shifts of the frequencies from the coldest run to the hottest",
        "figures.series.shifts_panel",
        "series_shift_thz|series_line_shift_thz",
    ),
    "soft-modes": Panel(
        "squared frequencies of the softest modes by temperature",
        "figures.series.soft_panel",
        "soft_temperature",
    ),
    "widths": Panel(
        "linewidths by temperature",
        "figures.series.widths_panel",
        "linewidth_exponent",
        figure="linewidths",
    ),
    "exponents": Panel(
        "exponents of the linewidths",
        "figures.series.exponents_panel",
        "linewidth_exponent",
        figure="linewidths",
    ),
    "elastic": Panel(
        "elastic constants by temperature",
        "figures.series.elastic_panel",
        "curve_stiffness_gpa",
    ),
    "helmholtz": Panel(
        "free energy by volume",
        "figures.thermo.quasiharmonic.free_energy_panel",
        "qha_run_free_energy",
        figure="quasiharmonic",
    ),
    "volume": Panel(
        "equilibrium volume",
        "figures.thermo.quasiharmonic.volume_panel",
        "qha_volume",
        figure="quasiharmonic",
    ),
    "expansion": Panel(
        "thermal expansion",
        "figures.thermo.quasiharmonic.expansion_panel",
        "qha_volume",
        figure="quasiharmonic",
    ),
    "bulk-modulus": Panel(
        "bulk moduli",
        "figures.thermo.quasiharmonic.modulus_panel",
        "qha_volume",
        figure="quasiharmonic",
    ),
    "heat-capacities": Panel(
        "heat capacities at constant pressure and volume",
        "figures.thermo.quasiharmonic.capacity_panel",
        "qha_capacity_p_kb",
        figure="quasiharmonic",
    ),
    "gruneisen-mean": Panel(
        "thermodynamic Grüneisen parameter",
        "figures.thermo.quasiharmonic.gruneisen_panel",
        "qha_gruneisen",
        figure="quasiharmonic",
    ),
    "phases": Panel(
        "difference of the Gibbs free energies of two phases",
        "figures.thermo.quasiharmonic.phases_panel",
        "phase_difference",
    ),
}
"""Name → panel."""


def possible_panels(dataset: NamedArrays) -> list[str]:
    """Names of the panels that the results have data for."""
    return [name for name, one in PANELS.items() if not missing(one, dataset)]


def parts_of(figure: str, dataset: NamedArrays) -> list[str]:
    """Names of the panels of a figure that the results have data for."""
    return [name for name in possible_panels(dataset) if PANELS[name].figure == figure]


def missing(panel: Panel, dataset: NamedArrays) -> list[str]:
    """Variables that a panel needs and the results do not have."""
    return [
        " or ".join(names)
        for names in (word.split("|") for word in panel.needs.split())
        if not any(name in dataset for name in names)
    ]
