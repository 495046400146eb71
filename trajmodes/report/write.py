"""Writing a results folder, with a second process that draws figures at the same time.

The second process, ``python -m trajmodes.report.figures.catalogue``, is started while the run
is read, so that matplotlib is loaded when the results arrive. It draws the slowest figures, and
then the others from the last to the first. The first process goes through them from the first
to the last: it takes those that are complete and draws the others itself. It never waits for
the second process. If that fails, the first process draws the figure itself, and raises the
error.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import IO

import xarray as xr

from trajmodes.data.named_arrays import NamedArrays, PlainArray, PlainArrays
from trajmodes.machine import available_processors
from trajmodes.report.figures.catalogue import (
    FIGURES,
    MAP_OUTPUTS,
    OUTPUTS,
    PHASE_OUTPUTS,
    PROPERTY_OUTPUTS,
    SCATTERING_OUTPUTS,
    SERIES_OUTPUTS,
    VOLUME_OUTPUTS,
    place_of_drawing,
)
from trajmodes.report.figures.potentials.outputs import (
    MINIMUM_OUTPUTS,
    POTENTIAL_OUTPUTS,
    SHELL_OUTPUTS,
)
from trajmodes.results.folder import ResultsFolder, Writer, open_folder, write_files
from trajmodes.results.netcdf import RESULTS, encode
from trajmodes.results.outputs import MOST_CELLS, Content, Output, describe
from trajmodes.results.tables import Table

RESULT_FILES = (RESULTS.file, *(output.name for output in OUTPUTS))
"""Files that a run may write; known before the run."""

MAP_FILES = (RESULTS.file, *(output.name for output in MAP_OUTPUTS))
"""Files that `trajmodes sed` may write."""

PROPERTY_FILES = (RESULTS.file, *(output.name for output in PROPERTY_OUTPUTS))
"""Files that `thermo`, `elastic`, `free-energy` and `spectral-function` may write."""

SERIES_FILES = (RESULTS.file, *(output.name for output in SERIES_OUTPUTS))
"""Files that `trajmodes series` may write, without interpolated force constants."""


VOLUME_FILES = (RESULTS.file, *(output.name for output in VOLUME_OUTPUTS))
"""Files that `trajmodes quasiharmonic` may write."""
PHASE_FILES = (RESULTS.file, *(output.name for output in PHASE_OUTPUTS))
"""Files that `trajmodes phases` may write."""
SHELL_FILES = (RESULTS.file, *(output.name for output in SHELL_OUTPUTS))
"""Files that `trajmodes bvk` may write, without force constants and the table."""
POTENTIAL_FILES = (RESULTS.file, *(output.name for output in POTENTIAL_OUTPUTS))
"""Files that `trajmodes potential` may write, without force constants."""
MINIMUM_FILES = (RESULTS.file, *(output.name for output in MINIMUM_OUTPUTS))
"""Files that `trajmodes qha` of a potential may write."""
SCATTERING_FILES = (RESULTS.file, *(output.name for output in SCATTERING_OUTPUTS))
"""Files that `trajmodes sqw` and `trajmodes one-phonon` may write."""


@dataclass(frozen=True, slots=True)
class Painter:
    """The second process and its folder."""

    stdin: IO[bytes]
    """Pipe from which the process reads the results."""
    folder: Path
    """Folder of complete figures."""

    def begin(self, dataset: xr.Dataset) -> tuple[Output, ...]:
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
        finished = place_of_drawing(self.folder, output)
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
    """Start the second process if there are two processors; end it after the block.

    The folder for complete figures must be on the same disk as the results.
    """
    if available_processors() < 2:
        yield None
        return
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "trajmodes.report.figures.catalogue"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
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


def is_map(dataset: NamedArrays) -> bool:
    """Whether these are the spectral energy along a path, rather than results of a run."""
    return "map_power" in dataset and "set" not in dataset.dims


def is_property(dataset: NamedArrays) -> bool:
    """Whether these are properties of force constants alone, rather than results of a run."""
    axes = {"thermo_temperature", "strain", "spectral_point", "expansion_order"}
    return not axes.isdisjoint(dataset.dims)


def is_series(dataset: NamedArrays) -> bool:
    """Whether these are a series of runs."""
    return "series_run" in dataset.dims


def is_scattering(dataset: NamedArrays) -> bool:
    """Whether these are dynamic structure factors, rather than results of a run."""
    return "wavevector" in dataset.dims


def outputs_of(dataset: NamedArrays) -> tuple[Output, ...]:
    """Files that may be written for results of this kind."""
    kinds = (
        (is_series(dataset), SERIES_OUTPUTS),
        (is_property(dataset), PROPERTY_OUTPUTS),
        ("qha_run_volume" in dataset.dims, VOLUME_OUTPUTS),
        ("phase" in dataset.dims, PHASE_OUTPUTS),
        ("minimum_volume" in dataset, MINIMUM_OUTPUTS),
        (is_scattering(dataset), SCATTERING_OUTPUTS),
        ("potential_energy_ev" in dataset, POTENTIAL_OUTPUTS),
        ("bvk_shell" in dataset.dims, SHELL_OUTPUTS),
        (is_map(dataset), MAP_OUTPUTS),
    )
    return next((outputs for is_kind, outputs in kinds if is_kind), OUTPUTS)


def write_folder(
    output: str | os.PathLike[str] | None,
    dataset: xr.Dataset,
    extra: Mapping[str, Writer] = MappingProxyType({}),
) -> dict[str, str]:
    """Write results and extra files to a folder, if one is named; return path → description.

    See `write_results`.
    """
    if output is None:
        return {}
    with open_folder(output) as folder:
        files = write_results(dataset, folder, lambda: extra)
    return {str(Path(output) / name): text for name, text in files.items()}


def write_results(
    dataset: xr.Dataset,
    folder: ResultsFolder,
    make_extra: Callable[[], Mapping[str, Writer]],
    painter: Painter | None = None,
) -> dict[str, str]:
    """Write results.nc and all tables and figures: all files, or none if one fails.

    Parameters
    ----------
    dataset
        All results of a run, or a map of the spectral energy.
    folder
        An open folder, see `trajmodes.results.folder.open_folder`.
    make_extra
        Returns name → writer of the files that are not made from the results. It is called
        while the second process draws.
    painter
        A second process that draws some of the figures.

    Returns
    -------
    Name of each file → its description.

    Raises
    ------
    UsageError
        If a name leads out of the folder.
    StorageError
        If a file cannot be written.
    """
    outputs = outputs_of(dataset)
    if painter is not None:
        outputs = painter.begin(dataset)
    extra = make_extra()
    writers: dict[str, Writer] = {}
    large: list[str] = []
    for output in (output for output in outputs if output.is_possible(dataset)):
        content = output.make(dataset)
        if isinstance(content, Table) and content.n_cells > MOST_CELLS:
            large.append(output.name)
        else:
            writers[output.name] = Writer(describe(output.text, dataset), content.write)
    limit = f"{MOST_CELLS:,}".replace(",", " ")
    note = f"; {', '.join(large)} not written: more than {limit} cells" if large else ""
    kind = "the map" if is_map(dataset) else "all results"
    text = f"{kind} as an xarray Dataset{note}"
    results = {RESULTS.file: Writer(text, partial(encode, dataset))}
    return write_files(folder, results | writers | dict(extra))
