"""Writing a results folder."""

from collections.abc import Callable, Mapping

import xarray as xr

from trajmodes.report.figures.catalogue import MAP_OUTPUTS, OUTPUTS
from trajmodes.report.figures.painter import Painter
from trajmodes.results.folder import ResultsFolder, Writer
from trajmodes.results.outputs import Output, write_outputs
from trajmodes.results.stored import RESULTS

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
