"""Writing a results folder."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import xarray as xr

from trajmodes.report.figures.catalogue import MAP_OUTPUTS, OUTPUTS
from trajmodes.report.figures.painter import Painter
from trajmodes.results.folder import ResultsFolder, Writer, write_files
from trajmodes.results.netcdf import encode
from trajmodes.results.outputs import MOST_CELLS, Output, describe
from trajmodes.results.stored import RESULTS
from trajmodes.results.tables import Table

RESULT_FILES = (RESULTS.file, *(output.name for output in OUTPUTS))
"""Files that a run may write; known before the run."""

MAP_FILES = (RESULTS.file, *(output.name for output in MAP_OUTPUTS))
"""Files that `trajmodes sed` may write."""


def write_results(
    dataset: xr.Dataset,
    folder: ResultsFolder,
    make_extra: Callable[[], Mapping[str, Writer]],
    painter: Painter | None = None,
) -> dict[str, str]:
    """Write all results of a run: all files, or none if one fails.

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
    outputs: tuple[Output, ...] = MAP_OUTPUTS if is_map(dataset) else OUTPUTS
    if painter is not None:
        outputs = painter.begin(dataset)
    text = "the map" if is_map(dataset) else "all results"
    return write_outputs(dataset, text, outputs, folder, make_extra())


def is_map(dataset: xr.Dataset) -> bool:
    """Whether these are the spectral energy along a path, and no results of a run."""
    return "map_power" in dataset and "set" not in dataset.dims


def write_outputs(
    dataset: xr.Dataset,
    text: str,
    outputs: Iterable[Output],
    folder: ResultsFolder,
    extra_writers: Mapping[str, Writer],
) -> dict[str, str]:
    """Write results.nc and all outputs for which the results contain data.

    Parameters
    ----------
    dataset
        Results.
    text
        Description of results.nc, in one line.
    outputs
        The list of outputs.
    folder
        An open folder.
    extra_writers
        Name of a file → its writer, for files that are not made from the Dataset.

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
    text = f"{text} as an xarray Dataset{note}"
    results = {RESULTS.file: Writer(text, partial(encode, dataset))}
    return write_files(folder, results | writers | dict(extra_writers))
