"""The text of a report: summary, charts, figures, tables and provenance of results folders."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader
from markupsafe import Markup
from PIL import Image

from trajmodes import __version__
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.catalogue import Drawing
from trajmodes.report.html.charts import DRAWN, charts_of
from trajmodes.report.html.comparison import compare
from trajmodes.report.numbers import size_of
from trajmodes.report.sections import fit_rows
from trajmodes.report.summary import overview_rows, unresolved_rows
from trajmodes.report.text.mode_table import columns_of_sets, lower_bounds, verdict_lines
from trajmodes.report.text.of_run import verdict_of
from trajmodes.report.text.overview import texts_in
from trajmodes.report.text.tables import cells_of
from trajmodes.report.write import outputs_of
from trajmodes.results.outputs import Output, describe
from trajmodes.results.schema import VARIABLES, variable_of
from trajmodes.results.tables import Table

GENERATOR = '<meta name="generator" content="trajmodes">'
"""Tag that a report begins with."""
_HOME = files("trajmodes.report.html")
_MOST_CELLS = 4_000
"""Larger tables are named, and not in the report."""
MOST_BYTES = 5_000_000
"""Of a page: mail and browsers take it. Pages of many folders leave out parts for it."""
_PARTS = ((), ("figures",), ("figures", "tables"))
"""What is left out, one after the other, until a page is small enough."""
_LEGEND = "1.234(56) means 1.234 ± 0.056; FWHM is the linewidth, τ the lifetime of the energy"


@dataclass(frozen=True, slots=True)
class Source:
    """Results and their location."""

    name: str
    dataset: NamedArrays
    folder: Path | None
    """From which figures are taken if they are there."""


def page_of(sources: Sequence[Source]) -> str:
    """Make the report of one or more results.

    Parameters
    ----------
    sources
        Results of one crystal.

    Raises
    ------
    DataError
        If they are of different crystals.
    """
    environment = Environment(
        loader=FunctionLoader(_read), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    # First, because it may refuse.
    comparison = compare([one.name for one in sources], [one.dataset for one in sources])
    template = environment.get_template("page.html.j2")
    runs = [_run(one) for one in sources]
    known = {
        "comparison": comparison,
        "data": _json([{"name": one.name, **charts_of(one.dataset)} for one in sources]),
        "style": _read("page.css"),
        "script": _read("page.js"),
        "plotly": _read("plotly-cartesian.min.js"),
        "version": __version__,
        "generator": Markup(GENERATOR),
    }
    text = ""
    for left_out in _PARTS:
        shown = [{**run, **dict.fromkeys(left_out, ())} for run in runs]
        text = template.render(runs=shown, left_out=left_out, **known)
        if len(text.encode()) <= MOST_BYTES:
            break
    return text


def _read(name: str) -> str:
    return _HOME.joinpath(name).read_text(encoding="utf-8")


def _json(data: Any) -> str:
    """Write JSON for a script element: without characters that begin or end a tag."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c")


def _run(source: Source) -> Mapping[str, Any]:
    """Collect the content of one folder for the template."""
    dataset = source.dataset
    return {
        "name": source.name,
        "title": _title(source),
        "rows": [*overview_rows(dataset), *fit_rows(dataset)],
        "warnings": [*texts_in(dataset, "not_done"), *texts_in(dataset, "warnings")],
        "unresolved": unresolved_rows(dataset),
        "notes": texts_in(dataset, "notes"),
        "figures": _figures(source),
        "tables": _tables(dataset),
        "provenance": _provenance(dataset),
        "job": str(dataset.attrs.get("run_file", "")),
    }


def _title(source: Source) -> str:
    """Return the verdict; without one, the crystal and the content of the first file."""
    dataset = source.dataset
    verdict = verdict_of(dataset) if "species" in dataset else source.name
    if ": " in verdict:
        return verdict
    texts = (one.text for one in outputs_of(dataset) if one.is_possible(dataset))
    return ": ".join([verdict, *(describe(text, dataset) for text in islice(texts, 1))])


def _figures(source: Source) -> list[tuple[str, str]]:
    """List description and data URI of each figure whose content no chart shows."""
    charts = charts_of_figures(source.dataset)
    return [
        (describe(one.text, source.dataset), _data_uri(one, source))
        for one in outputs_of(source.dataset)
        if not one.name.endswith(".csv")
        and Path(one.name).stem not in charts
        and one.is_possible(source.dataset)
    ]


def charts_of_figures(dataset: NamedArrays) -> frozenset[str]:
    """Figures whose content the charts show: none of a series, the bands of a potential."""
    if "series_run" in dataset.dims:
        return frozenset()
    if any(name in dataset for name in ("mode_temperature", "r_squared", "map_power")):
        return frozenset(DRAWN)
    is_drawn = "band_freq_thz" in dataset and "bvk_band_freq_thz" not in dataset
    return frozenset({"bands"} if is_drawn else ())


def _data_uri(output: Output, source: Source) -> str:
    """Encode a figure at 150 dots per inch, half those of the folder: enough on a screen."""
    path = None if source.folder is None else source.folder / output.name
    stream = BytesIO()
    if path is not None and path.is_file():
        with Image.open(path) as image:
            # A palette takes less than half of the bytes of 24 bits.
            small = image.convert("RGB").reduce(2).quantize(256, dither=Image.Dither.NONE)
            small.save(stream, format="png", compress_level=9)
    else:
        drawing = output.make(source.dataset)
        assert isinstance(drawing, Drawing)
        drawing.draw().savefig(stream, format="png", dpi=150)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _tables(dataset: NamedArrays) -> list[Mapping[str, Any]]:
    """Name, title, headings and rows of the tables; of large tables the name alone."""
    found = []
    if "mode_temperature" in dataset or "freq_harmonic_thz" in dataset:
        found.append(_modes(dataset))
    for output in outputs_of(dataset):
        if not output.name.endswith(".csv") or not output.is_possible(dataset):
            continue
        name, title = Path(output.name).stem, describe(output.text, dataset)
        table = output.make(dataset)
        assert isinstance(table, Table)
        one: dict[str, Any] = {"name": name, "title": title, "heads": [], "rows": []}
        if table.n_cells <= _MOST_CELLS:
            cells = cells_of(table)
            one |= {
                "heads": [_head(name, table) for name in cells],
                "rows": list(zip(*cells.values(), strict=True)),
            }
        found.append(one)
    return found


def _head(name: str, table: Table) -> tuple[str, str, str]:
    """Name, unit and meaning of a column; those of ``x_a`` and ``x_b`` are taken from ``x``."""
    base = name
    while base and base.removesuffix("_sem") not in VARIABLES:
        base = base.rpartition("_")[0]
    unit = variable_of(base).unit if base else ""
    return name, "" if unit == "1" else unit, table.meanings.get(base or name, "")


def _modes(dataset: NamedArrays) -> Mapping[str, Any]:
    """Make the table of the sets of modes, as on the terminal."""
    heads, columns = columns_of_sets(dataset, range(dataset.sizes["set"]))
    legend = [_LEGEND, *lower_bounds(dataset), *verdict_lines(dataset)]
    return {
        "name": "sets of modes",
        "title": "; ".join(legend),
        "heads": [(head.title, head.unit, "") for head in heads],
        "rows": list(zip(*columns, strict=True)),
    }


def _provenance(dataset: NamedArrays) -> list[tuple[str, str]]:
    inputs = [
        f"{name}, {size_of(int(size))}, SHA-256 {digest}"
        for name, size, digest in zip(
            texts_in(dataset, "input_name"),
            texts_in(dataset, "input_bytes"),
            texts_in(dataset, "input_sha256"),
            strict=True,
        )
    ]
    attributes = dataset.attrs
    return [
        ("Command", str(attributes.get("command", ""))),
        *((f"Input {k}", text) for k, text in enumerate(inputs, 1)),
        ("Versions", ", ".join(str(attributes.get("versions", "")).splitlines())),
        ("Conventions", str(attributes.get("conventions", ""))),
    ]
