"""`trajmodes plot`: one figure of a results folder in a chosen size and format."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.errors import UsageError, instead_of
from trajmodes.report.figures.catalogue import Drawing
from trajmodes.report.numbers import counted
from trajmodes.report.plot.panels import PANELS, parts_of, possible_panels
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

    @property
    def is_default_size(self) -> bool:
        """Whether neither a size nor a range is given."""
        given = (self.width, self.height, self.xlim, self.ylim)
        return all(one is None for one in given)


def plot_job(
    path: str | os.PathLike[str],
    names: Sequence[str],
    modes: Sequence[str] = (),
    output: str | None = None,
    look: Look = Look(),
) -> str:
    """Draw one figure of results; return a text about the file, or the list of figures.

    Parameters
    ----------
    path
        Results folder, or its ``results.nc``.
    names
        Names of panels, or of a figure of the folder; none: list them.
    modes
        Modes such as ``X:4``, for panels of a mode.
    output
        The file; by default it is named after the panels, in the working folder.
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
    if not names:
        return _listed(dataset)
    names = [name.replace("_", "-") for name in names]
    target = Path(output or f"{'-'.join(names)}.{look.format}")
    kind = target.suffix.removeprefix(".").lower() or look.format
    _require_format(kind)
    with _style(look):
        figure = _figure(dataset, names, modes, look)
        if kind == "csv":
            from trajmodes.report.plot.table import table_of  # noqa: PLC0415 - loads slowly

            with atomic_file(target) as partial:
                partial.write_text(table_of(figure, dataset, look.unit), encoding="utf-8")
            return f"{target}: the data of the figure\n"
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


def _figure(
    dataset: NamedArrays, names: Sequence[str], modes: Sequence[str], look: Look
) -> "Figure":
    whole = _whole_figures(dataset)
    if len(names) == 1 and names[0] in whole and look.is_default_size:
        drawing = whole[names[0]].make(dataset)
        assert isinstance(drawing, Drawing)
        return drawing.draw()
    panels: list[str] = []
    for name in names:
        parts = parts_of(name, dataset) if name in whole or name not in PANELS else [name]
        if not parts:
            fix = instead_of(name, [*possible_panels(dataset), *whole])
            raise UsageError(f'there is no figure "{name}" of these results', fix=fix)
        panels += parts
    return _of_panels(dataset, panels, modes, look)


def _of_panels(
    dataset: NamedArrays, names: Sequence[str], modes: Sequence[str], look: Look
) -> "Figure":
    """Combine panels in one figure; panels of a mode are drawn for each of several modes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - loads slowly
    from matplotlib.figure import Figure  # noqa: PLC0415

    from trajmodes.report.figures.style import letter_panels  # noqa: PLC0415
    from trajmodes.report.plot.draw import draw_panel, numbers_of, set_of  # noqa: PLC0415

    _require_consistent(names, modes, look)
    drawn = [
        (name, number)
        for name in names
        for number in (
            [set_of(dataset, one) for one in modes]
            if PANELS[name].of_a_mode
            else numbers_of(name, dataset)
        )
    ]
    wide = (look.width or _WIDTH) / MM_PER_INCH
    n_rows = -(-len(drawn) // max(1, min(len(drawn), int(wide / _PER_ROW))))
    # As many panels in each row as possible.
    n_columns = -(-len(drawn) // n_rows)
    natural = n_rows * _ASPECT * wide / n_columns
    tall = natural if look.height is None else look.height / MM_PER_INCH
    figure = Figure(figsize=(wide, tall), layout="constrained")
    FigureCanvasAgg(figure)
    legends: dict[str, set[tuple[str, ...]]] = {name: set() for name in names}
    for place, (name, number) in enumerate(drawn, 1):
        axes = figure.add_subplot(n_rows, n_columns, place)
        one = PANELS[name]
        more = (number,) if one.of_a_mode or one.each else ()
        drawing = draw_panel(name, dataset, axes, *more, legends=legends[name])
        _set_limits(axes, look)
        if one.colours and drawing is not None:
            figure.colorbar(drawing, ax=axes, pad=0.02, aspect=35).set_label(one.colours)
        if len(names) > 1:
            letter_panels((axes,), place - 1)
    return figure


def _require_format(kind: str) -> None:
    from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415 - loads slowly

    known = {"csv", *FigureCanvasBase.get_supported_filetypes()}
    if kind not in known:
        raise UsageError(
            f'figures have no format "{kind}"',
            why="the end of the name of the file is its format",
            fix="end the name in .pdf, .svg, .png or .csv",
        )


def _require_consistent(names: Sequence[str], modes: Sequence[str], look: Look) -> None:
    of_a_mode = [name for name in names if PANELS[name].of_a_mode]
    if of_a_mode and not modes:
        raise UsageError(
            f"{of_a_mode[0]} is drawn for a mode", fix="name one, such as --modes X:4"
        )
    if modes and not of_a_mode:
        raise UsageError(f"{names[0]} is not drawn for single modes", fix="leave out --modes")
    if len(names) > 1 and (look.xlim, look.ylim) != (None, None):
        raise UsageError(
            "--xlim and --ylim are for one panel, and there are several",
            fix="draw the panels one by one, or leave the ranges out",
        )


def _set_limits(axes: "Axes", look: Look) -> None:
    from trajmodes.report.plot.frequency_unit import factor_of  # noqa: PLC0415 - loads slowly

    for axis, limits in ((axes.xaxis, look.xlim), (axes.yaxis, look.ylim)):
        if limits is not None:
            factor = factor_of(axis, look.unit)
            setter = axes.set_xlim if axis is axes.xaxis else axes.set_ylim
            setter(*(one / factor for one in limits))


@contextmanager
def _style(look: Look) -> Iterator[None]:
    """Use the style of the package at the size of a journal; the user's style overrides it."""
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
    figures = {
        Path(one.name).stem.replace("_", "-"): one
        for one in outputs_of(dataset)
        if one.name.endswith(".png") and one.is_possible(dataset)
    }
    panels = possible_panels(dataset)
    return {name: one for name, one in figures.items() if name not in panels}


def _listed(dataset: NamedArrays) -> str:
    panels = {name: PANELS[name].text for name in possible_panels(dataset)}
    whole = {name: describe(one.text, dataset) for name, one in _whole_figures(dataset).items()}
    width = max(map(len, [*panels, *whole]), default=0)
    lines = [f"{counted(len(panels), 'panel')}, of any size, alone or together:"]
    lines += [f"  {name:<{width}}  {text}" for name, text in panels.items()]
    lines += ["", f"{counted(len(whole), 'figure')} of the folder:"] * bool(whole)
    lines += [f"  {name:<{width}}  {text}" for name, text in whole.items()]
    return "\n".join(lines) + "\n"
