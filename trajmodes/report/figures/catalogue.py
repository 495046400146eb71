"""The list of figures. Each is drawn, and matplotlib loaded, when its file is written."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from trajmodes.results.outputs import BANDS, DENSITY_MAP, TABLES, Output

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_MOST_BRANCHES = 12
"""Of more branches the panels would be too small."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure that is still to be drawn."""

    maker: str
    """Module of this room and its function, such as ``figure_bands.draw_bands``."""
    dataset: xr.Dataset

    def draw(self) -> "Figure":
        """Draw it in the style of the package."""
        module, function = self.maker.split(".")
        home = import_module(f"trajmodes.report.figures.{module}")
        with import_module("trajmodes.report.figures.style").sheet():
            figure: Figure = getattr(home, function)(self.dataset)
        return figure

    def write(self, path: Path) -> None:
        """Draw it and write a PNG file."""
        import_module("trajmodes.report.figures.style").save_png(self.draw(), path)


def _drawn(maker: str) -> Callable[[xr.Dataset], Drawing]:
    return partial(Drawing, maker)


def _has_few_branches(dataset: xr.Dataset) -> bool:
    return dataset.sizes["branch"] <= _MOST_BRANCHES


FIGURES = (
    Output(
        "figures/bands.png",
        (
            ("", "bands"),
            ("band_freq_thz_sem", " with error band"),
            ("map_power", " over the spectral energy"),
        ),
        ("band_freq_thz",),
        _drawn("bands.draw_bands"),
    ),
    Output(
        "figures/renormalised.png",
        (
            ("", "fitted bands beside those made of the motion itself"),
            ("freq_harmonic_thz", ", and how far apart they are"),
        ),
        ("band_quasi_particle_thz", "band_displacement_thz"),
        _drawn("renormalised.draw_renormalised"),
    ),
    Output(
        "figures/sed_branches.png",
        "spectral energy along the path, branch by branch",
        ("map_branch_power",),
        _drawn("sed.draw_energy_density"),
        _has_few_branches,
    ),
    Output(
        "figures/vdos.png",
        "density of states: whole, and by species or direction where these differ",
        ("vdos",),
        _drawn("density.draw_density"),
    ),
    Output(
        "figures/spectra.png",
        "spectra of chosen modes with fits",
        ("line_power",),
        _drawn("mode_panels.draw_spectra"),
    ),
    Output(
        "figures/correlations.png",
        "correlations of energies of chosen modes with fits",
        ("energy_acf",),
        _drawn("mode_panels.draw_correlations"),
    ),
    Output(
        "figures/lifetimes.png",
        (
            ("", "lifetimes against frequency"),
            ("lifetime_energy_ps", ", and both ways of the run compared"),
        ),
        ("lifetime_ps", "lifetime_energy_ps", "lifetime_phi3_classical_ps"),
        _drawn("lifetimes.draw_lifetimes"),
    ),
    Output(
        "figures/conductivity.png",
        "thermal conductivity by frequency and by mean free path",
        ("kappa_classical_w_mk",),
        _drawn("conductivity.draw_conductivity"),
    ),
    Output(
        "figures/gruneisen.png",
        "Grüneisen parameters along the bands and of the sets of modes",
        ("gruneisen",),
        _drawn("gruneisen.draw_gruneisen"),
    ),
    Output(
        "figures/energies.png",
        (
            ("", "mode temperatures (is energy shared equally?), heat capacities"),
            ("anharmonicity", ", anharmonicity"),
        ),
        ("mode_temperature",),
        _drawn("energies.draw_energies"),
    ),
    Output(
        "figures/energy_correlation.png",
        "how the energies of modes fluctuate together",
        ("energy_correlation",),
        _drawn("energies.draw_covariance"),
    ),
    Output(
        "figures/fit.png",
        (("", "constants by distance"), ("run_fraction", ", and how the fit settles")),
        ("shell_norm",),
        _drawn("fit.draw_fit"),
    ),
    Output(
        "figures/orders.png",
        (
            ("", "cubic"),
            ("quartet_shell_norm", " and quartic"),
            ("", " constants by distance"),
            ("order", ", and what each order adds to the fit"),
        ),
        ("triplet_shell_norm",),
        _drawn("fit.draw_orders"),
    ),
)

OUTPUTS = (*TABLES, *FIGURES)
"""What a run writes beside results.nc, as far as it is made from the results alone."""

MAP_OUTPUTS = (
    DENSITY_MAP,
    BANDS,
    Output(
        "figures/sed.png",
        (("", "spectral energy along the path"), ("band_freq_thz", ", bands drawn over it")),
        ("map_power",),
        _drawn("bands.draw_bands"),
    ),
    Output(
        "figures/sed_branches.png",
        "the same, branch by branch",
        ("map_branch_power",),
        _drawn("sed.draw_energy_density"),
        _has_few_branches,
    ),
)
"""What a map of the spectral energy writes."""
