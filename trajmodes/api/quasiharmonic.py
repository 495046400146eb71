"""Equilibrium at temperature and pressure from force constants at several volumes."""

import os
from collections.abc import Sequence
from typing import Unpack

import numpy as np
import numpy.typing as npt
import xarray as xr

from trajmodes.api.calls import PathLike, call_text
from trajmodes.api.force_constants import ForceConstants
from trajmodes.config.job import values_of
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import QuasiharmonicKeywords
from trajmodes.data.quasiharmonic import PhaseBoundary
from trajmodes.pipeline.thermo.phases import phases_job
from trajmodes.pipeline.thermo.quasiharmonic import Energies, quasiharmonic_job


@takes("quasiharmonic")
def quasiharmonic(
    constants: Sequence[PathLike | ForceConstants],
    energies: npt.ArrayLike | PathLike | None = None,
    energies_sem: npt.ArrayLike = 0.0,
    **options: Unpack[QuasiharmonicKeywords],
) -> xr.Dataset:
    """Thermal expansion, moduli, heat capacities and Gibbs free energy from several volumes.

    The variables are those of the results of `trajmodes quasiharmonic`, which are written if a
    folder is named.

    Parameters
    ----------
    constants
        Force constants of one crystal at three volumes or more, or their files or folders.
        Force constants of the same volume are those of runs at different temperatures.
    energies
        (v,) energies in eV per atom of the crystal without vibrations, one for each of the
        force constants, or a file with one line for each. By default U0 as `trajmodes
        free-energy` has written it to the folders.
    energies_sem
        Standard errors of these energies in eV per atom.
    **options
        Options of `trajmodes quasiharmonic`.

    Raises
    ------
    UsageError
        If the energies are not given, and not in the folders.
    DataError
        If the volumes are too few, of different crystals, or do not enclose the equilibrium.
    """
    sources = [one if isinstance(one, ForceConstants) else os.fspath(one) for one in constants]
    file, own = None, None
    if isinstance(energies, str | os.PathLike):
        file = os.fspath(energies)
    elif energies is not None:
        found = np.atleast_1d(np.asarray(energies, dtype=float))
        own = Energies(found, np.broadcast_to(np.asarray(energies_sem, float), found.shape))
    origin = call_text("trajmodes.quasiharmonic", list(constants), energies, **options)
    values = values_of("quasiharmonic", {**options, "energies": file})
    return quasiharmonic_job(sources, values, command=origin, energies=own)[0]


def phases(
    first: PathLike | xr.Dataset,
    second: PathLike | xr.Dataset,
    output: PathLike | None = None,
) -> PhaseBoundary:
    """Temperatures at which two phases have the same Gibbs free energy, with errors.

    Parameters
    ----------
    first
        Results of `quasiharmonic` of one phase, or their folder.
    second
        Those of the other phase, at the same temperatures and pressures.
    output
        Folder for results.nc, tables and a figure.

    Raises
    ------
    DataError
        If the phases have different compositions, statistics, temperatures or pressures.
    """
    one, other = (x if isinstance(x, xr.Dataset) else os.fspath(x) for x in (first, second))
    folder = None if output is None else os.fspath(output)
    origin = call_text("trajmodes.phases", first, second, output=output)
    return phases_job(one, other, folder, command=origin).boundary
