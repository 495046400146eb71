"""The quasiharmonic crystal of a potential."""

import os
from typing import Unpack

import xarray as xr

from trajmodes.api.calls import call_text
from trajmodes.config.job import values_of
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import MinimisationKeywords
from trajmodes.pipeline.potentials.quasiharmonic import qha_job


@takes("qha")
def minimised(
    *files: str | os.PathLike[str], **options: Unpack[MinimisationKeywords]
) -> xr.Dataset:
    """Minimise the Gibbs free energy of a potential over cell and positions.

    The variables are those of the results of `trajmodes qha`, which are written if a folder is
    named.

    Parameters
    ----------
    *files
        The potential, as `trajmodes.potential` reads it.
    **options
        Options of `trajmodes qha`.

    Raises
    ------
    UsageError
        If no crystal is given, or the potential does not describe its species.
    DataError
        If the file is not a potential, or there is no minimum near the crystal.
    """
    origin = call_text("trajmodes.minimised", *files, **options)
    return qha_job(
        [os.fspath(one) for one in files], values_of("qha", options), command=origin
    )[0]
