"""Born–von Kármán constants of neighbour shells."""

import os
from typing import Unpack

import xarray as xr

from trajmodes.api.calls import call_text
from trajmodes.api.force_constants import ForceConstants
from trajmodes.config.job import values_of
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import ShellKeywords
from trajmodes.pipeline.potentials.born_von_karman import bvk_job

Source = str | os.PathLike[str] | ForceConstants


@takes("bvk")
def born_von_karman(
    source: Source, *others: Source, **options: Unpack[ShellKeywords]
) -> xr.Dataset:
    """Find the constants of neighbour shells, and compare them with those of other models.

    The variables are those of the results of `trajmodes bvk`, which are written if a folder is
    named.

    Parameters
    ----------
    source
        Force constants, or the path of their file or folder, of a table of constants (TOML), or
        of a table of measured frequencies (CSV), to which constants are fitted.
    *others
        Other models of the same crystal.
    **options
        Options of `trajmodes bvk`.

    Raises
    ------
    UsageError
        If a source does not exist, or measured frequencies are given without a crystal.
    DataError
        If the sources are of different crystals, or the frequencies do not determine the
        constants.
    """
    origin = call_text("trajmodes.born_von_karman", source, *others, **options)
    first, *rest = (
        one if isinstance(one, ForceConstants) else os.fspath(one) for one in (source, *others)
    )
    values = {**values_of("bvk", options), "compare": tuple(rest)}
    return bvk_job(first, values, command=origin)[0]
