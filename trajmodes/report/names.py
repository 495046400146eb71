"""Names of the files that the report may write, known before there are results.

They tell in time whether a results folder holds files of someone else that are in the way.
"""

__all__ = ["MAP_FILES", "RESULT_FILES"]

_TABLES = (
    *("modes", "energies", "bands", "orders", "renormalised", "gruneisen", "spectra"),
    *("force_constants", "force_constants3", "force_constants4", "spectra_entropy", "lines"),
    *("correlations", "energy_correlation", "vdos", "conductivity"),
    *("conductivity_spectral", "conductivity_cumulative"),
)
_FIGURES = (
    *("bands", "renormalised", "sed_branches", "vdos", "spectra", "correlations", "lifetimes"),
    *("conductivity", "gruneisen", "energies", "energy_correlation", "fit", "orders"),
)
_DATA_OF_FIGURES = (
    *("bands", "bands_map", "renormalised", "renormalised_sets", "sed_branches", "vdos"),
    *("spectra", "correlations", "lifetimes", "free_paths", "conductivity"),
    *("conductivity_spectral", "conductivity_cumulative"),
    *("gruneisen_path", "gruneisen_sets", "energies"),
    *("energy_correlation", "fit_shells", "fit_convergence", "orders", "orders_triplets"),
    *("orders_quartets", "orders_convergence"),
)

RESULT_FILES = (
    "results.nc",
    *(f"tables/{name}.csv" for name in _TABLES),
    *(f"figures/{name}.png" for name in _FIGURES),
    *(f"figures/{name}.csv" for name in _DATA_OF_FIGURES),
)
"""Files of a run."""

MAP_FILES = (
    "results.nc",
    *("tables/sed.csv", "tables/bands.csv"),
    *("figures/sed.png", "figures/sed_branches.png"),
)
"""Files of a map of the spectral energy."""
