"""The list of panels: names, what they need, and the functions that draw them into axes."""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.qpoints import zone_point
from trajmodes.project.selected_modes import parse_modes
from trajmodes.results.contents import modes_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Panel(NamedTuple):
    """One panel."""

    text: str
    maker: str
    """Module of `trajmodes.report` and its function."""
    needs: str
    """Variable without which there is nothing to draw."""
    xlabel: str = ""
    ylabel: str = ""
    """Labels that the function leaves to the figure."""
    of_a_mode: bool = False
    """Whether it is drawn for one set of modes."""


_WIDEST_LEGEND = 1.05
"""Largest width of a legend in one row, in units of that of its panel."""
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
    "lifetimes": Panel(
        "lifetimes against frequency", "figures.lifetimes.lifetimes_panel", "lifetime_ps"
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
    ),
    "vdos": Panel(
        "vibrational density of states of a run, total and by species",
        "figures.spectra.density_panel",
        "vdos",
    ),
    "shells": Panel("force constants by distance", "figures.fit.shells_panel", "shell_norm"),
    "convergence": Panel(
        "convergence of the fit with the length of the run",
        "figures.fit.convergence_panel",
        "fit_change",
    ),
    "gruneisen": Panel(
        "Grüneisen parameters along the path",
        "figures.bands.draw_along_path",
        "band_gruneisen",
    ),
    "dos": Panel("density of states of force constants", "figures.thermo.states_panel", "dos"),
    "heat-capacity": Panel(
        "heat capacity and entropy", "figures.thermo.capacity_panel", "capacity_kb"
    ),
    "energy": Panel(
        "free energy and energy of the phonons",
        "figures.thermo.energy_panel",
        "energy_classical",
    ),
    "displacements": Panel(
        "mean square displacements", "figures.thermo.displacements_panel", "b_iso_classical"
    ),
    "series-bands": Panel(
        "bands of all runs of a series", "figures.series.bands_panel", "series_band_freq_thz"
    ),
    "volume": Panel("equilibrium volume", "figures.quasiharmonic.volume_panel", "qha_volume"),
    "expansion": Panel(
        "thermal expansion", "figures.quasiharmonic.expansion_panel", "qha_volume"
    ),
    "bulk-modulus": Panel("bulk moduli", "figures.quasiharmonic.modulus_panel", "qha_volume"),
}
"""Name → panel."""


def possible_panels(dataset: NamedArrays) -> list[str]:
    """Names of the panels that the results have data for."""
    return [name for name, one in PANELS.items() if one.needs in dataset]


def draw_panel(name: str, dataset: NamedArrays, axes: "Axes", *more: Any) -> Any:
    """Draw a panel into axes; return what its function returns.

    Parameters
    ----------
    name
        Its name in `PANELS`.
    dataset
        The results.
    axes
        The axes of matplotlib.
    *more
        Number of the set of modes, if the panel is of one.

    Raises
    ------
    DataError
        If the results have nothing to draw.
    """
    panel = PANELS[name]
    if panel.needs not in dataset:
        raise DataError(
            f"the results hold nothing to draw: there is no {panel.needs}",
            why="this part of the analysis was not asked for",
            fix="project the run on its modes: run.project(force_constants)",
        )
    module, _, function = panel.maker.rpartition(".")
    drawn = getattr(import_module(f"trajmodes.report.{module}"), function)(axes, dataset, *more)
    if panel.xlabel:
        axes.set(xlabel=panel.xlabel, ylabel=panel.ylabel)
    _put_legend(axes)
    return drawn


def _put_legend(axes: "Axes") -> None:
    """Put a legend above a panel that has none; stack entries that are wider than the panel.

    A layout that is made later would leave room for wide legends by narrow panels.
    """
    legend = axes.get_legend()
    handles, texts = axes.get_legend_handles_labels()
    if legend is None and len(texts) < 2:
        return
    if legend is not None:
        wide = legend.get_window_extent().width
        if wide < _WIDEST_LEGEND * axes.get_window_extent().width:
            return
        if not texts:
            # The entries are not of what was drawn.
            handles = [one for one in legend.legend_handles if one is not None]
            texts = [text.get_text() for text in legend.get_texts()]
    axes.legend(
        *(handles[::-1], texts[::-1]),
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.1,
    )


def set_of(dataset: NamedArrays, mode: int | str) -> int:
    """Find the number of the set that a mode belongs to.

    Parameters
    ----------
    dataset
        The results.
    mode
        Number of the set, or one of its modes such as ``1/2 0 0:3`` or ``X:3``.

    Raises
    ------
    UsageError
        If there is no such mode or set.
    """
    number = mode
    if isinstance(mode, str):
        modes = modes_in(dataset)
        (chosen, *_) = parse_modes([mode], modes, partial(zone_point, modes.crystal))
        number = int(modes.sets[chosen.row, chosen.branch])
    count = dataset.sizes.get("set", 0)
    if not 0 <= int(number) < count:
        raise UsageError(
            f"there is no set of modes {mode}",
            fix=f"sets count from 0 to {count - 1}; acoustic modes at Γ belong to none",
        )
    return int(number)
