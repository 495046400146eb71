"""The list of panels: their names, what they need, and the functions that draw them."""

from collections.abc import Mapping

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.plot.panel import ENERGY, FREQUENCY, Panel, missing
from trajmodes.report.plot.property_panels import PROPERTY_PANELS

PANELS: Mapping[str, Panel] = {
    "bands": Panel(
        "bands, over the spectral energy density of a run",
        "figures.spectral_map.bands_panel",
        "path_distance",
        figure="sed",
        colours=ENERGY,
    ),
    "bands-dos": Panel(
        "bands with the densities of states beside them",
        "plot.beside.bands_and_density",
        "path_distance dos|vdos",
        colours=ENERGY,
    ),
    "branch-map": Panel(
        "spectral energy density of a branch",
        "figures.spectral_map.branch_panel",
        "map_branch_power",
        figure="sed-branches",
        ylabel=FREQUENCY,
        each="branches_of",
        entries="branch_entries",
        colours=ENERGY,
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
        figure="spectra",
        xlabel=FREQUENCY,
        ylabel="Spectral energy (meV/THz)",
        of_a_mode=True,
    ),
    "correlation": Panel(
        "energy autocorrelation of a mode with its fit",
        "figures.spectra.correlation_panel",
        "energy_acf",
        figure="correlations",
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
    "energy-correlation": Panel(
        "correlations of the energies of all pairs of sets",
        "figures.energies.covariance_panel",
        "energy_correlation",
        colours="Correlation of energies",
    ),
    "vdos": Panel(
        "vibrational density of states of a run, total and by species",
        "figures.spectra.density_panel",
        "vdos",
    ),
    "shells": Panel(
        "force constants against distance",
        "figures.fit.shells_panel",
        "shell_norm",
        figure="fit",
    ),
    "convergence": Panel(
        "convergence of the fit with the length of the run",
        "figures.fit.convergence_panel",
        "fit_change",
        figure="fit",
    ),
    "triplets": Panel(
        "third-order force constants against distance",
        "figures.fit.triplets_panel",
        "triplet_shell_norm",
        figure="orders",
    ),
    "quartets": Panel(
        "fourth-order force constants against distance",
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
    **PROPERTY_PANELS,
}
"""Name → panel."""


def possible_panels(dataset: NamedArrays) -> list[str]:
    """Names of the panels that the results have data for."""
    return [name for name, one in PANELS.items() if not missing(one, dataset)]


def parts_of(figure: str, dataset: NamedArrays) -> list[str]:
    """Names of the panels of a figure that the results have data for."""
    return [name for name in possible_panels(dataset) if PANELS[name].figure == figure]
