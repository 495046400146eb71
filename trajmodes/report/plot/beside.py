"""Bands and densities of states side by side, on one axis of frequency."""

from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.spectra import densities, harmonic_density
from trajmodes.report.figures.spectral_map import bands_panel
from trajmodes.report.figures.style import BLACK, BLUE, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

_PLACE = (1.03, 0.0, 0.28, 1.0)
"""Left end, foot, width and height of the panel at the side, in units of that of the bands."""


def bands_and_density(axes: "Axes", dataset: NamedArrays) -> "QuadMesh | None":
    """Draw bands, and beside them the density of states of the run and of the force constants.

    Both densities are per atom: their integrals are 3.
    """
    mesh = bands_panel(axes, dataset)
    side = axes.inset_axes(_PLACE, sharey=axes)
    legend = axes.get_legend()
    entries = (
        []
        if legend is None
        else list(zip(legend.legend_handles, legend.get_texts(), strict=True))
    )
    named = [(handle, text.get_text()) for handle, text in entries]
    if "vdos" in dataset:
        freq, total, _, _ = densities(dataset)
        side.fill_betweenx(freq, total, color=BLACK, alpha=0.12, linewidth=0)
        (line,) = side.plot(total, freq, color=BLACK, linewidth=0.9)
        named.append((line, "run"))
    if "dos" in dataset:
        # Blue as the bands, which are of the same force constants.
        freq, harmonic = harmonic_density(dataset)
        side.plot(harmonic, freq, color=BLUE, linewidth=0.9)
    side.set_xlim(left=0.0)
    # A number at the corner would stand on the name of the last point.
    side.xaxis.set_major_locator(MaxNLocator(2, prune="lower"))
    side.set_xlabel("States (1/THz)")
    side.tick_params(labelleft=False)
    if len(named) > 1:
        handles, texts = zip(*named, strict=True)
        legend_above(axes, handles, labels=texts, ncols=2)
    return mesh
