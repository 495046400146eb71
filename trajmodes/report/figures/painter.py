"""A second process that draws figures while the first one writes the other files.

It is started while the run is read, so that matplotlib is loaded when the results are there. It
draws the figures from the last to the first; the first process goes through them from the first
to the last, takes those that are finished and draws the others itself. It never waits, and an
error in the second process comes up in the first one, which then draws that figure.

``python -m trajmodes.report.figures.painter`` is the second process.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO

import xarray as xr

from trajmodes.report.figures.catalogue import FIGURES, OUTPUTS
from trajmodes.results.outputs import Content, Output


@dataclass(frozen=True, slots=True)
class Painter:
    """The second process and its folder."""

    orders: IO[bytes]
    """Where the process reads the results from."""
    folder: Path
    """Where it puts finished figures."""

    def begin(self, dataset: xr.Dataset) -> tuple[Output, ...]:
        """Have the figures of these results drawn; the outputs that take the finished ones."""
        # A process that has ended draws nothing, and all is drawn here.
        with suppress(OSError):
            pickle.dump((dataset, self.folder), self.orders)
            self.orders.close()
        return tuple(self._shared(output) for output in OUTPUTS)

    def _shared(self, output: Output) -> Output:
        if output not in FIGURES:
            return output
        finished = _place(self.folder, output)
        return output._replace(make=lambda dataset: _Shared(output.make(dataset), finished))


@dataclass(frozen=True, slots=True)
class _Shared:
    """A figure that may have been drawn by the second process."""

    drawing: Content
    finished: Path

    def write(self, path: Path) -> None:
        """Take the finished picture, or draw it."""
        try:
            self.finished.replace(path)
        except FileNotFoundError:
            self.drawing.write(path)


@contextmanager
def second_painter(folder: Path) -> Iterator[Painter | None]:
    """Start the second process where there is a processor for it, and end it with the block.

    Parameters
    ----------
    folder
        A folder for finished figures, on the disk of the results.
    """
    words = [sys.executable, "-m", "trajmodes.report.figures.painter"]
    if len(os.sched_getaffinity(0)) < 2:
        yield None
        return
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError:
        # A system that starts no process: all is drawn here.
        yield None
        return
    assert process.stdin is not None
    try:
        yield Painter(process.stdin, folder)
    finally:
        process.kill()
        process.wait()
        with suppress(OSError):
            process.stdin.close()


def _place(folder: Path, output: Output) -> Path:
    return folder / Path(output.name).name


def _draw_all() -> None:
    """Load what drawing needs, read the results, draw."""
    style = import_module("trajmodes.report.figures.style")
    # The first picture of a process takes longer: fonts and symbols are loaded with it.
    with style.sheet():
        empty = style.new_figure(2.0)
        empty.add_subplot(xlabel="0")
    style.save_png(empty, Path(os.devnull))
    dataset, folder = pickle.load(sys.stdin.buffer)
    for output in reversed(FIGURES):
        if output.is_possible(dataset):
            place = _place(folder, output)
            partial = place.with_suffix(".part")
            output.make(dataset).write(partial)
            # Whole or not there at all.
            partial.replace(place)


if __name__ == "__main__":
    _draw_all()
