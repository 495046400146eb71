"""Vibrational density of states: total, by species, and by direction if these differ."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.arrays import Floats
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.style import (
    BLACK,
    COLOURS,
    branch_colours,
    new_figure,
    panel_letter,
)
from trajmodes.results.tables import density_table

_SHOWN = 0.01
"""Densities above this part of the maximum determine the limit of the frequency axis."""
_MARGIN = 1.05
_ANISOTROPIC = 0.03
"""Directions are drawn if they differ by more than this part of the total."""


def draw_density(dataset: NamedArrays) -> Figure:
    """Draw the vibrational density of states of the run."""
    columns = density_table(dataset).columns
    freq, total = columns["freq_thz"], columns["density"]
    species = dict.fromkeys(dataset["species"].values.tolist())
    kinds = {name: columns[f"density_{name}"] for name in species}
    directions = {x: columns[f"density_{x}"] for x in "xyz"}
    parts = [kinds] if len(kinds) > 1 else []
    if _differ(total, list(directions.values())):
        parts.append(directions)
    n_rows, tall = max(len(parts), 1), 2.3
    height = 0.7 + n_rows * (tall + 0.25) - 0.25
    figure = new_figure(height)
    seen = freq[total > _SHOWN * total.max()]
    last = min(_MARGIN * float(seen[-1]), float(freq[-1])) if seen.size else float(freq[-1])
    for k, part in enumerate(parts or [{}]):
        foot = 0.47 + (n_rows - 1 - k) * (tall + 0.25)
        axes = figure.add_axes((0.085, foot / height, 0.89, tall / height))
        _draw(axes, freq, total, part)
        axes.set_xlim(0.0, last)
        if k + 1 < n_rows:
            axes.tick_params(labelbottom=False)
        else:
            axes.set_xlabel("Frequency (THz)")
        if n_rows > 1:
            panel_letter(axes, "ab"[k])
    return figure


def _differ(total: Floats, directions: list[Floats]) -> bool:
    """Whether the cumulative densities along x, y, z differ."""
    cumulative = np.cumsum(directions, axis=1)
    apart = float(np.ptp(cumulative, axis=0).max())
    return apart > _ANISOTROPIC * float(np.sum(total)) / 3.0


def _draw(axes: Axes, freq: Floats, total: Floats, parts: dict[str, Floats]) -> None:
    axes.fill_between(freq, total, color=BLACK, alpha=0.08, linewidth=0)
    axes.plot(freq, total, color=BLACK, label="total")
    colours = COLOURS if len(parts) <= len(COLOURS) else branch_colours(len(parts))
    # Different dashes, because lines may coincide.
    dashes = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))
    for k, (name, density) in enumerate(parts.items()):
        axes.plot(
            freq, density, color=colours[k], linestyle=dashes[k % 3], linewidth=1.0, label=name
        )
    axes.set_ylim(0.0, 1.12 * float(total.max()))
    axes.set_ylabel("States per atom (1/THz)")
    if parts:
        axes.legend(loc="upper left", ncols=1 + len(parts), borderaxespad=0.4)
