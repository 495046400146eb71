"""Writing a results folder."""

from collections.abc import Callable, Mapping

from trajmodes.data.results import Results, SpectralEnergy
from trajmodes.report.figures.catalogue import MAP_OUTPUTS, OUTPUTS
from trajmodes.report.figures.painter import Painter
from trajmodes.results.dataset import to_dataset
from trajmodes.results.folder import ResultsFolder, Writer
from trajmodes.results.outputs import write_outputs
from trajmodes.results.stored import RESULTS

RESULT_FILES = (RESULTS.file, *(output.name for output in OUTPUTS))
"""Files that a run may write, known before there are results."""

MAP_FILES = (RESULTS.file, *(output.name for output in MAP_OUTPUTS))
"""Files that a map of the spectral energy may write."""


def write_results(
    results: Results,
    folder: ResultsFolder,
    make_extra: Callable[[], Mapping[str, Writer]],
    painter: Painter | None = None,
) -> dict[str, str]:
    """Write everything a run gave: all files, or none if one fails.

    Parameters
    ----------
    results
        What the run gave.
    folder
        An open folder, see `trajmodes.results.open_folder`.
    make_extra
        Gives files that other rooms know how to write, name → writer. Called while the second
        process already draws.
    painter
        A second process that draws some of the figures.

    Returns
    -------
    Name of each file → what it is, in one line.

    Raises
    ------
    UsageError
        If a name leads out of the folder.
    StorageError
        If the system refuses to write.
    """
    dataset = to_dataset(results)
    outputs = OUTPUTS if painter is None else painter.begin(dataset)
    return write_outputs(dataset, "all results", outputs, folder, make_extra())


def write_spectral_energy(sed: SpectralEnergy, folder: ResultsFolder) -> dict[str, str]:
    """Write a map of the spectral energy, with its table and figures.

    Returns
    -------
    Name of each file → what it is, in one line.

    Raises
    ------
    StorageError
        If the system refuses to write.
    """
    return write_outputs(to_dataset(sed), "the map", MAP_OUTPUTS, folder, {})
