"""Write a run as NetCDF, from which it is read fast."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from trajmodes.api.calls import PathLike, in_memory
from trajmodes.config.job import values_of
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import ConvertKeywords
from trajmodes.pipeline.convert.job import convert_job
from trajmodes.pipeline.load import LoadedRun

if TYPE_CHECKING:
    from ase import Atoms

    from trajmodes.api.calls import Frames


@takes("convert")
def convert(
    trajectory: "PathLike | Iterable[PathLike] | Sequence[Atoms] | Frames | LoadedRun",
    output: PathLike,
    **options: Unpack[ConvertKeywords],
) -> Path:
    """Write a run as compressed NetCDF by AMBER's convention, as `trajmodes convert` does.

    Parameters
    ----------
    trajectory
        The file or files of one run in any format, frames in memory as for `trajmodes.open`, or
        a run that is open.
    output
        The new file, whose name ends with ``.nc``.
    **options
        Options of `trajmodes convert`.

    Returns
    -------
    Path
        The path of the new file.

    Raises
    ------
    UsageError
        If the new file exists and `force` is not given.
    DataError
        If a frame is not valid.
    StorageError
        If the file cannot be written.
    """
    given = trajectory.trajectory if isinstance(trajectory, LoadedRun) else trajectory
    frames, files = in_memory(given, options)
    source = files if frames is None else frames
    return convert_job(source, os.fspath(output), values_of("convert", options)).path
