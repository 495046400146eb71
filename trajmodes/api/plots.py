"""Figures of results, one panel each: they are drawn into given axes, or into new ones."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import xarray as xr

from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.qpoints import zone_point
from trajmodes.project.mode_selection import parse_modes
from trajmodes.results.dataset import modes_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@contextmanager
def new_axes(ax: "Axes | None") -> Iterator["Axes"]:
    """Give the axes back, or those of a new figure, drawn in the style of the package."""
    style = import_module("trajmodes.report.figures.style")
    with style.sheet() if ax is None else nullcontext():
        if ax is None:
            ax = style.new_figure(3.6).add_axes((0.1, 0.13, 0.87, 0.79))
        yield ax


@dataclass(frozen=True, slots=True)
class Plots:
    """Panels of the results. Each takes the matplotlib axes to draw into, and returns them.

    Without axes a new figure is made, which no window knows of: ``ax.figure.savefig(path)``
    writes it.
    """

    dataset: xr.Dataset

    def bands(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the bands over the measured spectral energy along the path."""
        return self._draw("bands.bands_panel", "path_distance", ax)

    def lifetimes(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the lifetimes of all sets of modes against their frequencies."""
        axes = self._draw("lifetimes.lifetimes_panel", "lifetime_ps", ax)
        axes.legend(loc="best")
        return axes

    def energies(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the mode temperatures of all sets of modes against their frequencies."""
        return self._draw("energies.temperatures_panel", "mode_temperature", ax)

    def vdos(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the vibrational density of states per atom, whole and by species."""
        return self._draw("spectra.density_panel", "vdos", ax)

    def spectrum(self, mode: int | str, ax: "Axes | None" = None) -> "Axes":
        """Draw the spectrum of a set of modes with the fitted line.

        Parameters
        ----------
        mode
            Number of the set, or one of its modes such as ``1/2 0 0:3``.
        ax
            The axes.
        """
        axes = self._draw("spectra.spectrum_panel", "line_power", ax, self._set(mode))
        axes.set(xlabel="Frequency (THz)", ylabel="Spectral energy (meV/THz)")
        return axes

    def correlation(self, mode: int | str, ax: "Axes | None" = None) -> "Axes":
        """Draw the correlation of the energy of a set of modes with the fitted decay.

        Parameters
        ----------
        mode
            Number of the set, or one of its modes such as ``1/2 0 0:3``.
        ax
            The axes.
        """
        axes = self._draw("spectra.correlation_panel", "energy_acf", ax, self._set(mode))
        axes.set(xlabel="Lag (ps)", ylabel="Energy correlation")
        return axes

    def _draw(self, panel: str, needs: str, ax: "Axes | None", *more: Any) -> "Axes":
        if needs not in self.dataset.variables:
            raise DataError(
                f"the results hold nothing to draw: there is no {needs}",
                why="this part of the analysis was not asked for",
                fix="project the run on its modes: run.project(force_constants)",
            )
        module, name = panel.split(".")
        with new_axes(ax) as axes:
            home = import_module(f"trajmodes.report.figures.{module}")
            getattr(home, name)(axes, self.dataset, *more)
        return axes

    def _set(self, mode: int | str) -> int:
        """Find the number of the set that a mode belongs to."""
        number = mode
        if isinstance(mode, str):
            modes = modes_in(self.dataset)
            (chosen, *_) = parse_modes([mode], modes, partial(zone_point, modes.crystal))
            number = int(modes.sets[chosen.row, chosen.branch])
        count = self.dataset.sizes.get("set", 0)
        if not 0 <= int(number) < count:
            raise UsageError(
                f"there is no set of modes {mode}",
                fix=f"sets count from 0 to {count - 1}; acoustic modes at Γ belong to none",
            )
        return int(number)
