"""All figures that the results have data for."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import xarray as xr
from matplotlib.figure import Figure

from trajmodes.report.figure_bands import bands_data, draw_bands
from trajmodes.report.figure_conductivity import conductivity_data, draw_conductivity
from trajmodes.report.figure_correlations import correlations_data, draw_correlations
from trajmodes.report.figure_covariance import covariance_data, draw_covariance
from trajmodes.report.figure_density import density_data, draw_density
from trajmodes.report.figure_energies import draw_energies, energies_data
from trajmodes.report.figure_fit import draw_fit, fit_data
from trajmodes.report.figure_gruneisen import draw_gruneisen, gruneisen_data
from trajmodes.report.figure_lifetimes import draw_lifetimes, lifetimes_data
from trajmodes.report.figure_orders import draw_orders, orders_data
from trajmodes.report.figure_renormalised import draw_renormalised, renormalised_data
from trajmodes.report.figure_sed import (
    draw_energy_density,
    energy_density_data,
    few_branches,
)
from trajmodes.report.figure_spectra import draw_spectra, spectra_data
from trajmodes.report.style import sheet
from trajmodes.report.tables import Table, described

__all__ = ["Plate", "draw_figures"]


class Plate(NamedTuple):
    """A figure with the data it shows."""

    name: str
    text: str
    """What it shows, in one line."""
    figure: Figure
    data: dict[str, Table]
    """Name of the file → its table."""


def _has(*names: str) -> Callable[[xr.Dataset], bool]:
    """Whether one of some variables is there."""
    return lambda dataset: any(name in dataset for name in names)


class _Plan(NamedTuple):
    """How a figure is made."""

    name: str
    parts: tuple[tuple[str, str], ...]
    """Of its text, see `described`."""
    possible: Callable[[xr.Dataset], bool]
    """Whether the results have the data for it."""
    draw: Callable[[xr.Dataset], Figure]
    data: Callable[[xr.Dataset], dict[str, Table]]


_PLANS = (
    _Plan(
        "bands",
        (
            ("", "bands"),
            ("band_freq_thz_sem", " with error band"),
            ("map_power", " over the spectral energy"),
        ),
        *(_has("band_freq_thz"), draw_bands, bands_data),
    ),
    _Plan(
        "renormalised",
        (
            ("", "fitted bands beside those made of the motion itself"),
            ("freq_harmonic_thz", ", and how far apart they are"),
        ),
        _has("band_quasi_particle_thz", "band_displacement_thz"),
        *(draw_renormalised, renormalised_data),
    ),
    _Plan(
        "sed_branches",
        (("", "spectral energy along the path, branch by branch"),),
        *(few_branches, draw_energy_density, energy_density_data),
    ),
    _Plan(
        "vdos",
        (("", "density of states: whole, and by species or direction where these differ"),),
        *(_has("vdos"), draw_density, density_data),
    ),
    _Plan(
        "spectra",
        (("", "spectra of chosen modes with fits"),),
        *(_has("line_power"), draw_spectra, spectra_data),
    ),
    _Plan(
        "correlations",
        (("", "correlations of energies of chosen modes with fits"),),
        *(_has("energy_acf"), draw_correlations, correlations_data),
    ),
    _Plan(
        "lifetimes",
        (
            ("", "lifetimes against frequency"),
            ("lifetime_energy_ps", ", and both ways of the run compared"),
        ),
        _has("lifetime_ps", "lifetime_energy_ps", "lifetime_phi3_classical_ps"),
        *(draw_lifetimes, lifetimes_data),
    ),
    _Plan(
        "conductivity",
        (("", "thermal conductivity by frequency and by mean free path"),),
        *(_has("kappa_classical_w_mk"), draw_conductivity, conductivity_data),
    ),
    _Plan(
        "gruneisen",
        (("", "Grüneisen parameters along the bands and of the sets of modes"),),
        *(_has("gruneisen"), draw_gruneisen, gruneisen_data),
    ),
    _Plan(
        "energies",
        (
            ("", "mode temperatures (is energy shared equally?), heat capacities"),
            ("anharmonicity", ", anharmonicity"),
        ),
        *(_has("mode_temperature"), draw_energies, energies_data),
    ),
    _Plan(
        "energy_correlation",
        (("", "how the energies of modes fluctuate together"),),
        *(_has("energy_correlation"), draw_covariance, covariance_data),
    ),
    _Plan(
        "fit",
        (("", "constants by distance"), ("run_fraction", ", and how the fit settles")),
        *(_has("shell_norm"), draw_fit, fit_data),
    ),
    _Plan(
        "orders",
        (
            ("", "cubic"),
            ("quartet_shell_norm", " and quartic"),
            ("", " constants by distance"),
            ("order", ", and what each order adds to the fit"),
        ),
        *(_has("triplet_shell_norm"), draw_orders, orders_data),
    ),
)


def draw_figures(dataset: xr.Dataset) -> Iterator[Plate]:
    """Draw one figure after the other.

    Parameters
    ----------
    dataset
        Results, from a run or read back from results.nc.
    """
    for plan in _PLANS:
        if plan.possible(dataset):
            with sheet():
                figure = plan.draw(dataset)
            yield Plate(plan.name, described(plan.parts, dataset), figure, plan.data(dataset))
