"""All figures that the results have data for."""

from collections.abc import Iterator
from typing import NamedTuple

import xarray as xr
from matplotlib.figure import Figure

from trajmodes.report.figure_bands import bands_data, draw_bands
from trajmodes.report.figure_fit import draw_fit, fit_data
from trajmodes.report.figure_gruneisen import draw_gruneisen, gruneisen_data
from trajmodes.report.figure_modes import (
    draw_linewidths,
    draw_temperatures,
    linewidths_data,
    temperatures_data,
)
from trajmodes.report.figure_orders import draw_orders, orders_data
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


_PLATES = (
    (
        "bands",
        (
            ("", "bands"),
            ("band_freq_thz_sem", " with error band"),
            ("map_power", " over the spectral energy"),
        ),
        *("band_freq_thz", draw_bands, bands_data),
    ),
    (
        *("spectra", (("", "spectra of chosen modes with fits"),)),
        *("power", draw_spectra, spectra_data),
    ),
    (
        *("linewidths", (("", "linewidth and lifetime against frequency"),)),
        *("linewidth_thz", draw_linewidths, linewidths_data),
    ),
    (
        "gruneisen",
        (("", "Grüneisen parameters along the bands and of the sets of modes"),),
        *("gruneisen", draw_gruneisen, gruneisen_data),
    ),
    (
        *("temperatures", (("", "mode temperatures: is energy shared equally?"),)),
        *("mode_temperature", draw_temperatures, temperatures_data),
    ),
    (
        "fit",
        (("", "constants by distance"), ("run_fraction", ", and how the fit settles")),
        *("shell_norm", draw_fit, fit_data),
    ),
    (
        "orders",
        (
            ("", "cubic"),
            ("quartet_shell_norm", " and quartic"),
            ("", " constants by distance"),
            ("order", ", and what each order adds to the fit"),
        ),
        *("triplet_shell_norm", draw_orders, orders_data),
    ),
)
"""Name, parts of the text (see `described`), variable that must be there, how to draw, data."""

_INSTEAD = {"linewidth_thz": "linewidth_phi3_classical_thz"}
"""Variable → another one that serves as well."""


def draw_figures(dataset: xr.Dataset) -> Iterator[Plate]:
    """Draw one figure after the other.

    Parameters
    ----------
    dataset
        Results, from a run or read back from results.nc.
    """
    for name, parts, needed, draw, data in _PLATES:
        if needed in dataset or _INSTEAD.get(needed) in dataset:
            with sheet():
                figure = draw(dataset)
            yield Plate(name, described(parts, dataset), figure, data(dataset))
