"""Figures as functions: results and axes in, axes out.

>>> import trajmodes.plot
>>> axes = trajmodes.plot.bands("results/")  # doctest: +SKIP
>>> axes.figure.savefig("bands.pdf")  # doctest: +SKIP

Results are those of `trajmodes.load` or of a job, their Dataset, or the path of their folder.
Without axes a new figure is made, which no window knows of. The figures of the program are
drawn by the same functions.
"""

import os
from typing import TYPE_CHECKING, Protocol

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.plot.panels import draw_panel, set_of
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
    """Draw the rms force constants of the shells of neighbours by distance."""
    return _drawn("shells", results, ax)


def convergence(results: Source, ax: "Axes | None" = None) -> "Axes":
    """Draw how the fit changes with the length of the run."""
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
