"""Text for the terminal."""

import shutil
from collections.abc import Mapping
from typing import Literal

from rich.console import Console, RenderableType

from trajmodes.data.results import Results
from trajmodes.report.mode_table import render_modes
from trajmodes.report.summary import render
from trajmodes.results.netcdf import read_arrays

WIDTH = 100
"""Largest width of the text: longer lines are hard to read on any terminal."""


def text_of(part: RenderableType) -> str:
    """Render for the terminal, at most 100 columns wide."""
    width = min(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH)
    console = Console(width=width)
    with console.capture() as capture:
        console.print(part)
    return capture.get()


def show_results(results: Results, files: Mapping[str, str]) -> str:
    """Summary of the results of a run, and the files that hold them (path → description)."""
    return text_of(render(results, files=files))


def show_file(path: str) -> str:
    """Summary of the results in a file ``results.nc``.

    Raises
    ------
    DataError
        If it is not a results file.
    """
    return text_of(render(read_arrays(path), rows=None))


def show_modes(
    path: str,
    *,
    sort: Literal["q", "frequency", "lifetime"] = "q",
    only_resolved: bool = False,
) -> str:
    """Table of all modes of ``results.nc`` or its folder, one row for each set of modes.

    Raises
    ------
    DataError
        If it is not a results file.
    """
    return text_of(render_modes(read_arrays(path), sort=sort, only_resolved=only_resolved))
