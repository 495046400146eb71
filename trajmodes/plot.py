"""Figures as functions: results and axes in, axes out.

>>> import trajmodes.plot
>>> axes = trajmodes.plot.bands("results/")  # doctest: +SKIP
>>> axes.figure.savefig("bands.pdf")  # doctest: +SKIP

Results are those of `trajmodes.load` or of a job, their Dataset, or the path of their folder.
Without axes a new figure is made, which is not opened in a window. The program draws its own
figures by the same functions.
"""

import os
from typing import TYPE_CHECKING, Protocol

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.plot.draw import draw_panel, set_of
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
    name: str, results: Source, ax: "Axes | None", mode: int | str | None = None
) -> "Axes":
    from trajmodes.report.figures.style import new_axes  # noqa: PLC0415 - loads matplotlib

    if isinstance(results, str | os.PathLike):
        dataset: NamedArrays = read_arrays(results)
    elif hasattr(results, "dataset"):
        dataset = results.dataset
    else:
        dataset = results
    more = () if mode is None else (set_of(dataset, mode),)
    with new_axes(ax) as axes:
        draw_panel(name, dataset, axes, *more)
    return axes


def bands(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the bands, over the spectral energy density of a run if there is one."""
    return _drawn("bands", results, ax)


def bands_and_density(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the bands with the densities of states beside them."""
    return _drawn("bands-dos", results, ax)


def lifetimes(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the lifetimes of all sets of modes against their frequencies."""
    return _drawn("lifetimes", results, ax)


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


def temperatures(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the temperatures of all sets of modes against their frequencies."""
    return _drawn("temperatures", results, ax)


def vdos(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the vibrational density of states of a run, total and by species."""
    return _drawn("vdos", results, ax)


def shells(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the rms force constants of the neighbour shells against distance."""
    return _drawn("shells", results, ax)


def convergence(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the change of the fit with the length of the run."""
    return _drawn("convergence", results, ax)


def gruneisen(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the Grüneisen parameters along the path."""
    return _drawn("gruneisen", results, ax)


def dos(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the density of states of force constants, total and by species."""
    return _drawn("dos", results, ax)


def heat_capacity(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw heat capacity and entropy against temperature."""
    return _drawn("heat-capacity", results, ax)


def energy(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw free energy and energy of the phonons against temperature."""
    return _drawn("energy", results, ax)


def displacements(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the mean square displacements against temperature."""
    return _drawn("displacements", results, ax)


def series_bands(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the bands of all runs of a series."""
    return _drawn("series-bands", results, ax)


def volume(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the equilibrium volume against temperature."""
    return _drawn("volume", results, ax)


def expansion(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the thermal expansion against temperature."""
    return _drawn("expansion", results, ax)


def bulk_modulus(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the bulk moduli against temperature."""
    return _drawn("bulk-modulus", results, ax)


def renormalised_bands(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the bands of force constants, spectral lines and displacement covariances."""
    return _drawn("renormalised-bands", results, ax)


def differences(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the measured frequencies minus those of the force constants."""
    return _drawn("differences", results, ax)


def lifetimes_compared(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the lifetimes of energies against those of lines."""
    return _drawn("lifetimes-compared", results, ax)


def equipartition(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the deviations from equipartition in standard errors."""
    return _drawn("equipartition", results, ax)


def mode_heat_capacity(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the heat capacities of the modes."""
    return _drawn("mode-heat-capacity", results, ax)


def anharmonicity(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the anharmonicity W/U − 1 of the modes."""
    return _drawn("anharmonicity", results, ax)


def triplets(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the third-order force constants against distance."""
    return _drawn("triplets", results, ax)


def quartets(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the fourth-order force constants against distance."""
    return _drawn("quartets", results, ax)


def residuals(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the residual of the fit by order."""
    return _drawn("residuals", results, ax)


def order_convergence(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the convergence of each order with the length of the run."""
    return _drawn("order-convergence", results, ax)


def kappa_frequency(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw thermal conductivity by frequency."""
    return _drawn("kappa-frequency", results, ax)


def kappa_path(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw thermal conductivity by mean free path."""
    return _drawn("kappa-path", results, ax)


def free_paths(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the mean free paths against frequency."""
    return _drawn("free-paths", results, ax)


def gruneisen_modes(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the Grüneisen parameters of the modes."""
    return _drawn("gruneisen-modes", results, ax)


def free_energy_orders(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the free energy of the run by order."""
    return _drawn("free-energy-orders", results, ax)


def free_energy_length(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the free energy with the length of the run."""
    return _drawn("free-energy-length", results, ax)


def energy_differences(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the distribution of the energies beyond the force constants."""
    return _drawn("energy-differences", results, ax)


def predicted_widths(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the widths of the spectral functions."""
    return _drawn("predicted-widths", results, ax)


def predicted_shifts(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the shifts of the spectral functions."""
    return _drawn("predicted-shifts", results, ax)


def slopes(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the change of the frequencies with temperature."""
    return _drawn("slopes", results, ax)


def shifts(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the shifts of force constants and lines from the coldest run to the hottest."""
    return _drawn("shifts", results, ax)


def soft_modes(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the squared frequencies of the softest modes by temperature."""
    return _drawn("soft-modes", results, ax)


def widths(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the linewidths by temperature."""
    return _drawn("widths", results, ax)


def exponents(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the exponents of the linewidths."""
    return _drawn("exponents", results, ax)


def elastic(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the elastic constants by temperature."""
    return _drawn("elastic", results, ax)


def helmholtz(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the free energy by volume."""
    return _drawn("helmholtz", results, ax)


def heat_capacities(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the heat capacities at constant pressure and volume."""
    return _drawn("heat-capacities", results, ax)


def gruneisen_mean(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the thermodynamic Grüneisen parameter."""
    return _drawn("gruneisen-mean", results, ax)


def phases(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw the difference of the Gibbs free energies of two phases."""
    return _drawn("phases", results, ax)
