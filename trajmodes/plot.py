"""Figures as functions: results and axes in, axes out.

>>> import trajmodes.plot
>>> axes = trajmodes.plot.bands("results/")  # doctest: +SKIP
>>> axes.figure.savefig("bands.pdf")  # doctest: +SKIP

Results are those of `trajmodes.load` or of a job, their Dataset, or the path of their folder.
Without axes a new figure is made, which is not opened in a window. The program draws its own
figures by the same functions. ``number`` chooses one of several panels of a figure.
"""

import os
from typing import TYPE_CHECKING, Protocol

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.plot.panels import PANELS
from trajmodes.results.netcdf import read_arrays

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class _Results(Protocol):
    """An object with results, such as `trajmodes.Results`."""

    @property
    def dataset(self) -> NamedArrays:
        """The results."""


Source = _Results | NamedArrays | str | os.PathLike[str]
"""Results, their Dataset, or the path of their folder."""


def _drawn(
    name: str,
    results: Source,
    ax: "Axes | None",
    mode: int | str | None = None,
    number: int | None = None,
) -> "Axes":
    from trajmodes.report.figures.style import new_axes  # noqa: PLC0415 - loads matplotlib
    from trajmodes.report.plot.draw import draw_panel, set_of  # noqa: PLC0415

    if isinstance(results, str | os.PathLike):
        dataset: NamedArrays = read_arrays(results)
    elif hasattr(results, "dataset"):
        dataset = results.dataset
    else:
        dataset = results
    one = number if mode is None else set_of(dataset, mode)
    more = () if one is None else (one,)
    with new_axes(ax) as axes:
        draw_panel(name, dataset, axes, *more)
    return axes


class _Function(Protocol):
    def __call__(self, results: Source, ax: "Axes | None" = None) -> "Axes": ...


class _Numbered(Protocol):
    def __call__(
        self, results: Source, ax: "Axes | None" = None, number: int = 0
    ) -> "Axes": ...


def _function(name: str) -> _Function:
    """Make the function that draws a panel."""

    def draw(results: Source, ax: "Axes | None" = None) -> "Axes":
        return _drawn(name, results, ax)

    draw.__name__ = name.replace("-", "_")
    draw.__doc__ = f"Draw the panel {name}: {PANELS[name].text}."
    return draw


def _numbered(name: str) -> _Numbered:
    """Make the function that draws one of several panels of a name, which count from 0."""

    def draw(results: Source, ax: "Axes | None" = None, number: int = 0) -> "Axes":
        return _drawn(name, results, ax, number=number)

    draw.__name__ = name.replace("-", "_")
    draw.__doc__ = f"Draw the panel {name}, by its number from 0: {PANELS[name].text}."
    return draw


def spectrum(results: Source, mode: int | str, ax: "Axes | None" = None) -> "Axes":
    """Draw the spectrum of a mode with the fitted line.

    ``mode`` is the number of a set of modes, or one of its modes such as ``1/2 0 0:3``.
    """
    return _drawn("spectrum", results, ax, mode)


def correlation(results: Source, mode: int | str, ax: "Axes | None" = None) -> "Axes":
    """Draw the energy autocorrelation of a mode with the fitted decay.

    ``mode`` is the number of a set of modes, or one of its modes such as ``1/2 0 0:3``.
    """
    return _drawn("correlation", results, ax, mode)


bands = _function("bands")
bands_and_density = _function("bands-dos")
lifetimes = _function("lifetimes")
temperatures = _function("temperatures")
energy_correlation = _function("energy-correlation")
vdos = _function("vdos")
shells = _function("shells")
convergence = _function("convergence")
gruneisen = _function("gruneisen")
dos = _function("dos")
heat_capacity = _function("heat-capacity")
energy = _function("energy")
displacements = _function("displacements")
series_bands = _function("series-bands")
volume = _function("volume")
expansion = _function("expansion")
bulk_modulus = _function("bulk-modulus")
renormalised_bands = _function("renormalised-bands")
differences = _function("differences")
lifetimes_compared = _function("lifetimes-compared")
equipartition = _function("equipartition")
mode_heat_capacity = _function("mode-heat-capacity")
anharmonicity = _function("anharmonicity")
triplets = _function("triplets")
quartets = _function("quartets")
residuals = _function("residuals")
order_convergence = _function("order-convergence")
kappa_frequency = _function("kappa-frequency")
kappa_path = _function("kappa-path")
free_paths = _function("free-paths")
gruneisen_modes = _function("gruneisen-modes")
free_energy_orders = _function("free-energy-orders")
free_energy_length = _function("free-energy-length")
energy_differences = _function("energy-differences")
predicted_widths = _function("predicted-widths")
predicted_shifts = _function("predicted-shifts")
slopes = _function("slopes")
shifts = _function("shifts")
soft_modes = _function("soft-modes")
widths = _function("widths")
exponents = _function("exponents")
elastic = _function("elastic")
helmholtz = _function("helmholtz")
cells = _function("cells")
heat_capacities = _function("heat-capacities")
gruneisen_mean = _function("gruneisen-mean")
phases = _function("phases")
cell_expansion = _function("cell-expansion")
cell_modulus = _function("cell-modulus")
cell_heat_capacity = _function("cell-heat-capacity")
cell_gruneisen = _function("cell-gruneisen")
model_bands = _function("model-bands")
frequency_differences = _function("frequency-differences")
layer_dos = _function("layer-dos")
surface_bands = _function("surface-bands")
axial_ratio = _function("axial-ratio")
axial_expansion = _function("axial-expansion")

branch_map = _numbered("branch-map")
sound = _numbered("sound")
predicted_line = _numbered("predicted-line")
predicted_map = _numbered("predicted-map")
structure_factor = _numbered("structure-factor")
structure_factor_cut = _numbered("structure-factor-cut")
structure_factor_spectrum = _numbered("structure-factor-spectrum")
point_frequencies = _numbered("point-frequencies")
lattice = _numbered("lattice")
cell_lengths = _numbered("cell-lengths")
shell_constants = _numbered("shell-constants")
constant_differences = _numbered("constant-differences")
series_gruneisen = _numbered("series-gruneisen")
axial_lengths = _numbered("axial-lengths")
