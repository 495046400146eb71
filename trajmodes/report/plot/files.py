"""`trajmodes plot`: one figure of a results folder in a size and format of one's own."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.errors import UsageError
from trajmodes.report.figures.catalogue import Drawing
from trajmodes.report.numbers import counted
from trajmodes.report.plot.panels import PANELS, draw_panel, possible_panels, set_of
from trajmodes.report.write import outputs_of
from trajmodes.results.netcdf import read_arrays
from trajmodes.results.outputs import Output, describe
from trajmodes.results.storage import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MM_PER_INCH = 25.4
_WIDTH = 85.0
"""In mm: one column of a journal."""
_ASPECT = 0.72
"""Height over width, unless a height is given."""
_PER_ROW = 2.2
"""Least width in inches of each of several panels."""
_SHEET = {
    "font.size": 7.5,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "legend.fontsize": 7.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "trajmodes",
}
"""Text at the size of a journal, which stays text in vector files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Size, ranges and format of a figure."""

    width: float | None = None
    """mm"""
    height: float | None = None
    """mm"""
    format: str = "pdf"
    dpi: int = 300
    xlim: tuple[float, ...] | None = None
    ylim: tuple[float, ...] | None = None
    unit: str = "THz"
    """Unit of frequencies: THz, meV or cm-1."""
    style: str | None = None
    """A style sheet of matplotlib."""


def plot_job(
    path: str | os.PathLike[str],
    name: str | None,
    modes: Sequence[str] = (),
    output: str | None = None,
    look: Look = Look(),
) -> str:
    """Draw one figure of results; return a text about the file, or the list of figures.

    Parameters
    ----------
    path
        Results folder, or its ``results.nc``.
    name
        Name of a panel or of a figure of the folder; None: list them.
    modes
        Modes such as ``X:4``, for a panel of a mode.
    output
        The file; None: the name of the figure in the working folder.
    look
        Size, ranges and format.

    Raises
    ------
    DataError
        If the results have no data for the figure.
    UsageError
        If there is no such figure or mode, or a size or format does not suit it.
    StorageError
        If the file cannot be written.
    """
    dataset = read_arrays(path)
    if name is None:
        return _listed(dataset)
    target = Path(output or f"{name}.{look.format}")
    kind = target.suffix.removeprefix(".").lower() or look.format
    with _style(look):
        figure = _figure(dataset, name, modes, look)
        if look.unit != "THz":
            from trajmodes.report.plot.frequency_unit import set_unit  # noqa: PLC0415

            set_unit(figure, look.unit)
        with atomic_file(target) as partial:
            figure.savefig(
                partial,
                format=kind,
                dpi=look.dpi,
                metadata=_METADATA.get(kind),
            )
        wide, tall = figure.get_size_inches() * MM_PER_INCH
    return f"{target}: {wide:.0f} × {tall:.0f} mm\n"


_METADATA = {
    "png": {"Software": "trajmodes"},
    "pdf": {"Creator": "trajmodes", "CreationDate": None},
    "svg": {"Creator": "trajmodes", "Date": None},
}
"""The same results give the same bytes: without the time of day."""


def _figure(dataset: NamedArrays, name: str, modes: Sequence[str], look: Look) -> "Figure":
    if name in PANELS:
        return _of_panels(dataset, name, modes, look)
    whole = _whole_figures(dataset)
    if name not in whole:
        known = ", ".join([*possible_panels(dataset), *whole])
        raise UsageError(f'there is no figure "{name}" of these results', fix=f"take {known}")
    given = {"width": look.width, "height": look.height, "xlim": look.xlim, "ylim": look.ylim}
    for option, value in given.items():
        if value is not None:
            raise UsageError(
                f"--{option} is for a single panel, and {name} has several",
                fix=f"take one of {', '.join(possible_panels(dataset))}",
            )
    drawing = whole[name].make(dataset)
    assert isinstance(drawing, Drawing)
    return drawing.draw()


def _of_panels(dataset: NamedArrays, name: str, modes: Sequence[str], look: Look) -> "Figure":
    """One panel, or one for each of several modes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - loads slowly
    from matplotlib.figure import Figure  # noqa: PLC0415

    panel = PANELS[name]
    if panel.of_a_mode and not modes:
        raise UsageError(f"{name} is drawn for a mode", fix="name one, such as --modes X:4")
    if modes and not panel.of_a_mode:
        raise UsageError(f"{name} is not drawn for single modes", fix="leave out --modes")
    sets = [(set_of(dataset, mode),) for mode in modes] if panel.of_a_mode else [()]
    wide = (look.width or _WIDTH) / MM_PER_INCH
    n_columns = max(1, min(len(sets), int(wide / _PER_ROW)))
    n_rows = -(-len(sets) // n_columns)
    natural = n_rows * _ASPECT * wide / n_columns
    tall = natural if look.height is None else look.height / MM_PER_INCH
    figure = Figure(figsize=(wide, tall), layout="constrained")
    FigureCanvasAgg(figure)
    for place, more in enumerate(sets, 1):
        axes = figure.add_subplot(n_rows, n_columns, place)
        drawn = draw_panel(name, dataset, axes, *more)
        _set_limits(axes, look)
        if name in ("bands", "bands-dos") and drawn is not None:
            bar = figure.colorbar(drawn, ax=axes, pad=0.02, aspect=35)
            bar.set_label("Spectral kinetic energy (meV/THz)")
    return figure


def _set_limits(axes: "Axes", look: Look) -> None:
    from trajmodes.report.plot.frequency_unit import factor_of  # noqa: PLC0415 - loads slowly

    for axis, limits in ((axes.xaxis, look.xlim), (axes.yaxis, look.ylim)):
        if limits is not None:
            factor = factor_of(axis, look.unit)
            setter = axes.set_xlim if axis is axes.xaxis else axes.set_ylim
            setter(*(one / factor for one in limits))


@contextmanager
def _style(look: Look) -> Iterator[None]:
    """Use the style of the package at the size of a journal, and the user's own on top."""
    import matplotlib as mpl  # noqa: PLC0415 - loads slowly
    from matplotlib import style  # noqa: PLC0415

    from trajmodes.report.figures.style import sheet  # noqa: PLC0415

    with sheet():
        mpl.rcParams.update(_SHEET)  # type: ignore[arg-type]  # stubs want literal keys
        if look.style is not None:
            try:
                style.use(look.style)
            except OSError as error:
                raise UsageError(
                    f"the style {look.style} cannot be read", why=str(error).split("\n")[0]
                ) from error
        yield


def _whole_figures(dataset: NamedArrays) -> dict[str, Output]:
    """Figures of the folder that are not single panels."""
    return {
        Path(one.name).stem: one
        for one in outputs_of(dataset)
        if one.name.endswith(".png")
        and one.is_possible(dataset)
        and Path(one.name).stem not in PANELS
    }


def _listed(dataset: NamedArrays) -> str:
    panels = {name: PANELS[name].text for name in possible_panels(dataset)}
    whole = {name: describe(one.text, dataset) for name, one in _whole_figures(dataset).items()}
    width = max(map(len, [*panels, *whole]), default=0)
    lines = [f"{counted(len(panels), 'panel')}, of any size:"]
    lines += [f"  {name:<{width}}  {text}" for name, text in panels.items()]
    lines += ["", f"{counted(len(whole), 'figure')} of the folder, 178 mm wide:"] * bool(whole)
    lines += [f"  {name:<{width}}  {text}" for name, text in whole.items()]
    return "\n".join(lines) + "\n"
