"""A second process that draws figures while the first one writes the other files.

The second process, ``python -m trajmodes.report.figures.painter``, is started while the run is
read, so that matplotlib is loaded when the results arrive. It draws the figures from the last
to the first. The first process goes through them from the first to the last: it takes those
that are complete and draws the others itself. It never waits. If the second process fails, the
first one draws the figure and raises the error.
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

from trajmodes.data.named_arrays import NamedArrays, PlainArray, PlainArrays
from trajmodes.report.figures.catalogue import FIGURES, OUTPUTS
from trajmodes.results.outputs import Content, Output


@dataclass(frozen=True, slots=True)
class Painter:
    """The second process and its folder."""

    stdin: IO[bytes]
    """Pipe from which the process reads the results."""
    folder: Path
    """Folder of complete figures."""

    def begin(self, dataset: NamedArrays) -> tuple[Output, ...]:
        """Send the results to the process; return outputs that use its complete figures."""
        # If the process has ended, all figures are drawn by this one.
        with suppress(OSError):
            # As plain arrays: the process does without xarray, which takes long to load.
            variables = {
                str(name): PlainArray(tuple(map(str, one.dims)), one.values)
                for name, one in dataset.variables.items()
            }
            pickle.dump((PlainArrays(variables, {}), self.folder), self.stdin)
            self.stdin.close()
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
        """Move the complete figure to its place, or draw it."""
        try:
            self.finished.replace(path)
        except FileNotFoundError:
            self.drawing.write(path)


@contextmanager
def second_painter(folder: Path) -> Iterator[Painter | None]:
    """Start the second process if there are two processors, and end it with the block.

    The folder for complete figures must be on the disk of the results.
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
        # No process could be started: all figures are drawn by this one.
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
    """Import matplotlib, read the results from stdin, draw the figures."""
    style = import_module("trajmodes.report.figures.style")
    # The first figure of a process takes longer, because it loads the fonts.
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
            # Appears in one step, when it is complete.
            partial.replace(place)


if __name__ == "__main__":
    _draw_all()
