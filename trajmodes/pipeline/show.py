"""Results and checks as text for the terminal."""

import shutil
from collections.abc import Mapping
from typing import Literal

from rich.console import Console, RenderableType

from trajmodes.data.results import Results
from trajmodes.report.text.mode_table import render_modes
from trajmodes.report.text.summary import render
from trajmodes.results.stored import read_arrays

WIDTH = 100
"""Widest text: longer lines are hard to read, whatever the terminal."""


def text_of(part: RenderableType) -> str:
    """Text of something that rich can show, as wide as the terminal but at most 100 columns."""
    width = min(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH)
    console = Console(width=width)
    with console.capture() as capture:
        console.print(part)
    return capture.get()


def show_results(results: Results, files: Mapping[str, str]) -> str:
    """Tell what a run gave and where it was written.

    Parameters
    ----------
    results
        What the run gave.
    files
        Path of each file that was written → what it is.
    """
    return text_of(render(results, files=files))


def show_file(path: str) -> str:
    """Tell what a results file holds.

    Parameters
    ----------
    path
        The file ``results.nc``.

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
    """Tell all modes of a results file, one row for each set.

    Parameters
    ----------
    path
        The file ``results.nc``, or its folder.
    sort
        Order of the rows.
    only_resolved
        Whether sets without a lifetime are left out.

    Raises
    ------
    DataError
        If it is not a results file.
    """
    return text_of(render_modes(read_arrays(path), sort=sort, only_resolved=only_resolved))
