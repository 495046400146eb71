"""`trajmodes bvk`: Born–von Kármán constants of force constants, tables or frequencies."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.data.bands import BandPath
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.potentials.shell_constants import ShellModels
from trajmodes.data.results import Provenance
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.notes import Note
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import band_path
from trajmodes.pipeline.derived import PATH_SPACING, connected_bands
from trajmodes.pipeline.job_folder import text_writer, versions
from trajmodes.pipeline.potentials.comparison import Comparison, among_each_other
from trajmodes.pipeline.potentials.neighbour_models import (
    ShellModel,
    distinct_labels,
    remarks,
    require_alike,
    shell_model,
)
from trajmodes.pipeline.potentials.shell_table import (
    shell_table,
)
from trajmodes.report.write import SHELL_FILES, write_folder
from trajmodes.results.by_command.born_von_karman import shells_dataset
from trajmodes.results.folder import Writer, require_replaceable

CONSTANTS_FILE, TABLE_FILE = "force_constants.h5", "bvk.toml"


def bvk_job(
    source: str | ForceConstants, values: Mapping[str, Any], *, command: str
) -> tuple[xr.Dataset, dict[str, str]]:
    """Find or fit the constants of neighbour shells; write them if ``values`` name a folder.

    Parameters
    ----------
    source
        Force constants, or the path of their file or folder, of a table of constants (TOML), or
        of a table of measured frequencies (CSV).
    values
        Values of the options of `trajmodes bvk`.
    command
        The command line, or the call.

    Returns
    -------
    dataset
        All results.
    files
        Path → description of the files that were written.

    Raises
    ------
    UsageError
        If a source does not exist, or a file would be overwritten that trajmodes did not write.
    DataError
        If the sources are of different crystals, or the frequencies do not determine the
        constants.
    """
    output, others = values["output"], values["compare"]
    if output is not None:
        inputs = [one for one in (source, *others) if isinstance(one, str)]
        require_replaceable(output, (*SHELL_FILES, CONSTANTS_FILE, TABLE_FILE), inputs)
    first = shell_model(source, values)
    models = [first, *(require_alike(first, shell_model(one, values)) for one in others)]
    found = beside_each_other(
        among_each_other(models), values["path"], command, remarks(models)
    )
    dataset = shells_dataset(found)
    return dataset, write_folder(output, dataset, _writers(first))


def beside_each_other(
    compared: Comparison, path: str, command: str, remarks: list[Note]
) -> ShellModels:
    """Combine the constants and bands of several models."""
    models, notes = compared.models, [*remarks, *compared.notes]
    first = models[0].force_constants
    line = band_path(first.crystal, PATH_SPACING, path)
    bands = connected_bands(first, line)
    omega = [bands.omega, *(_bands(one.force_constants, line) for one in models[1:])]
    whole = models[0].whole
    return ShellModels(
        labels=distinct_labels([one.label for one in models]),
        models=tuple(one.constants for one in models),
        bands=bands,
        band_omega=np.array(omega),
        provenance=Provenance(versions(), (), command, ""),
        whole_omega=None if whole is None else _bands(whole, line),
        measured=models[0].fit,
        temperatures=tuple(one.temperature for one in models),
        reference_label=compared.label,
        reference=compared.reference,
        modes=compared.modes,
        warnings=tuple(note for note in notes if note.severity == "warning"),
        notes=tuple(note for note in notes if note.severity != "warning"),
    )


def _bands(constants: ForceConstants, path: BandPath) -> Floats:
    """(p, b) frequencies alone, without their errors."""
    return frequencies_at(replace(constants, replicates=None), path.qpoints, path.directions())[
        0
    ]


def _writers(model: ShellModel) -> dict[str, Writer]:
    """Force constants of the shells, and their table."""
    constants = model.force_constants
    text = shell_table(model.constants, model.label)
    return {
        CONSTANTS_FILE: Writer(
            "force constants of these shells", partial(write_hdf5, constants, model.enclosing)
        ),
        TABLE_FILE: Writer("the constants as a table that can be compared", text_writer(text)),
    }
