"""`trajmodes phases`: temperatures at which two phases have the same Gibbs free energy."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from math import gcd
from typing import NamedTuple

import numpy as np
import xarray as xr

from trajmodes.data.quasiharmonic import GibbsEnergy, PhaseBoundary
from trajmodes.data.results import Provenance
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.pipeline.job_folder import versions
from trajmodes.report.numbers import short_names
from trajmodes.report.write import PHASE_FILES, write_folder
from trajmodes.results.by_command.phases import phases_dataset
from trajmodes.results.folder import require_replaceable
from trajmodes.results.netcdf import RESULTS, read_dataset
from trajmodes.thermo.quasiharmonic.phases import phase_boundary
from trajmodes.units import BOLTZMANN, GIGAPASCAL

_RESULTS = RESULTS._replace(command="quasiharmonic")


class Comparison(NamedTuple):
    """Two phases compared."""

    boundary: PhaseBoundary
    """The difference of the Gibbs free energies, and where it vanishes."""
    dataset: xr.Dataset
    """All results."""
    files: dict[str, str]
    """Path → description of the files that were written."""


def phases_job(
    first: str | xr.Dataset, second: str | xr.Dataset, output: str | None, *, command: str
) -> Comparison:
    """Compare two phases; write the results if a folder is named.

    Parameters
    ----------
    first
        Results of `trajmodes quasiharmonic` of one phase, or their folder.
    second
        Those of the other phase.
    output
        Folder of the files.
    command
        The command line, or the call.

    Raises
    ------
    UsageError
        If a file that trajmodes did not write would be replaced.
    DataError
        If the phases have different compositions, statistics, temperatures or pressures.
    """
    if output is not None:
        inputs = [source for source in (first, second) if isinstance(source, str)]
        require_replaceable(output, PHASE_FILES, inputs)
    one, other = (
        read_dataset(x, _RESULTS) if isinstance(x, str) else x for x in (first, second)
    )
    _require_comparable(one, other)
    one_name, other_name = short_names(
        [
            source if isinstance(source, str) else place
            for source, place in ((first, "first"), (second, "second"))
        ]
    )
    boundary = phase_boundary(_gibbs_energy(one), _gibbs_energy(other))
    boundary = replace(boundary, names=(one_name, other_name))
    provenance = Provenance(versions(), (), command, "")
    dataset = phases_dataset(boundary, provenance, tuple(_notes(boundary)))
    return Comparison(boundary, dataset, write_folder(output, dataset))


def _notes(found: PhaseBoundary) -> Iterable[Note]:
    yield Note("note", "both phases must have their energies on one scale")
    if not np.isfinite(found.difference_sem).all():
        yield Note(
            "note", "there are no error bars: those of one phase or of both are not known"
        )


def _require_comparable(one: xr.Dataset, other: xr.Dataset) -> None:
    for dataset in (one, other):
        if "qha_gibbs" not in dataset:
            raise DataError(
                "the results have no Gibbs free energy",
                fix="give two folders of `trajmodes quasiharmonic`",
            )
    first, second = (_proportions(dataset) for dataset in (one, other))
    if first != second:
        raise DataError(
            f"the phases have different compositions: {first} and {second}",
            fix="give two phases of one substance",
        )
    kinds = {str(dataset["qha_statistics"].values.item()) for dataset in (one, other)}
    if len(kinds) > 1:
        raise DataError(
            "one phase has quantum, the other classical vibrations",
            fix="repeat `trajmodes quasiharmonic` of both with or without --classical",
        )


def _proportions(dataset: xr.Dataset) -> dict[str, int]:
    counts = Counter(map(str, dataset["species"].values))
    common = gcd(*counts.values())
    return {name: counts[name] // common for name in sorted(counts)}


def _gibbs_energy(dataset: xr.Dataset) -> GibbsEnergy:
    """Gibbs free energy per atom."""
    n_sites = dataset.sizes["site"]
    gibbs, sem = dataset["qha_gibbs"].values, dataset.get("qha_gibbs_sem")
    return GibbsEnergy(
        pressures=dataset["pressure_gpa"].values * GIGAPASCAL,
        temperatures=dataset["qha_temperature"].values,
        gibbs=gibbs / n_sites,
        entropy=dataset["qha_entropy_kb"].values * BOLTZMANN / n_sites,
        volume=dataset["qha_volume"].values / n_sites,
        gibbs_sem=np.full_like(gibbs, np.nan) if sem is None else sem.values / n_sites,
    )
