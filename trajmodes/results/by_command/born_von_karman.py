"""Results of `trajmodes bvk` → one flat Dataset, and its tables."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.data.potentials.shell_constants import (
    MeasuredFit,
    SharedModes,
    ShellConstants,
    ShellModels,
)
from trajmodes.results.dataset import attributes_of, filled, path_roots
from trajmodes.results.outputs import BANDS, Output
from trajmodes.results.schema import variable_of
from trajmodes.results.tables import Table, table_of


def shells_dataset(found: ShellModels) -> xr.Dataset:
    """Collect the constants of all models, and their bands, in one Dataset, with units."""
    first, bands = found.models[0], found.band_omega
    known = [one is not None for one in found.temperatures]
    roots: dict[str, Any] = {
        **path_roots(found.bands),
        "supercell": SimpleNamespace(crystal=first.crystal, matrix=None),
        "bands": found.bands,
        "bvk": SimpleNamespace(**_constants(found), **_shells(found)),
        "bvk_labels": list(found.labels),
        "bvk_temperatures": np.array(found.temperatures, dtype=float) if any(known) else None,
        "bvk_bands": None if bands is None else np.moveaxis(bands, 0, -1),
        "bvk_whole": found.whole_omega,
        "bvk_reference_label": found.reference_label,
        "provenance": found.provenance,
        "warnings": [str(note) for note in found.warnings],
        "notes": [str(note) for note in found.notes],
    }
    if found.modes is not None:
        roots["bvk_modes"] = _modes(found.modes)
    if found.measured is not None:
        roots["bvk_measured"] = _measured(found.measured)
    return filled(roots, attributes_of(found.provenance))


def _constants(found: ShellModels) -> dict[str, Any]:
    """Arrays of the constants: (n, …) of the first model, and (n, k) of all models."""
    first = found.models[0]
    shell = first.shell
    values = [(one, _padded(one.values, first), one.values_sem) for one in found.models]
    sems = [_padded(sem, first) if sem is not None else None for _, _, sem in values]
    return {
        "number": np.arange(1, len(first.names) + 1),
        "name": list(first.names),
        "shell": shell + 1,
        "values": np.stack([row for _, row, _ in values], axis=1),
        "values_sem": _stacked(sems, len(first.names)),
        "reference": found.reference,
    }


def _shells(found: ShellModels) -> dict[str, Any]:
    """Arrays of the shells: (h, …) of the first model, and (h, k) of all models."""
    first, models = found.models[0], found.models
    count = first.n_shells
    residuals = [None if one.residual is None else _cut(one.residual, count) for one in models]
    axial = [_cut(one.axial, count) for one in models]
    axial_sem = [
        None if one.axial_sem is None else _cut(one.axial_sem, count) for one in models
    ]
    parts: dict[str, Any] = {
        "shell_number": np.arange(1, count + 1),
        "species": list(first.species),
        "bond": first.bonds,
        "distance": first.distances,
        "neighbours": first.multiplicity,
        "residual": _stacked(residuals, count),
        "unit": "half lattice parameter" if first.is_cubic else "Å",
    }
    for k, name in enumerate(("along", "across")):
        parts[name] = np.stack([one[:, k] for one in axial], axis=1)
        sems = [None if one is None else one[:, k] for one in axial_sem]
        parts[f"{name}_sem"] = _stacked(sems, count)
    return parts


def _padded(values: Floats, first: ShellConstants) -> Floats:
    """Constants of the shells of the first model; nan for those that another lacks."""
    return _cut(values, len(first.names))


def _cut(values: Floats, count: int) -> Floats:
    """Keep the first rows; nan for rows that do not exist."""
    rows = np.full((count, *values.shape[1:]), np.nan)
    rows[: len(values)] = values[:count]
    return rows


def _stacked(columns: list[Floats | None], count: int) -> Floats | None:
    """(count, k) columns, nan for those that are None; None if all are."""
    if all(one is None for one in columns):
        return None
    empty = np.full(count, np.nan)
    return np.stack([empty if one is None else one for one in columns], axis=1)


def _modes(modes: SharedModes) -> SimpleNamespace:
    is_known = np.isfinite(modes.omega_sem).any()
    return SimpleNamespace(
        number=np.arange(1, len(modes.branch) + 1),
        qpoints=modes.qpoints,
        branch=modes.branch,
        omega=modes.omega,
        omega_sem=modes.omega_sem if is_known else None,
        reference=modes.reference,
    )


def _measured(fit: MeasuredFit) -> SimpleNamespace:
    data = fit.measured
    return SimpleNamespace(
        number=np.arange(1, len(data.branch) + 1),
        qpoints=data.qpoints,
        branch=list(data.branch),
        omega=data.omega,
        omega_sem=data.omega_sem,
        fitted=fit.fitted,
        reduced_chi2=fit.reduced_chi2,
    )


def bands_table(dataset: NamedArrays) -> Table:
    """One row for each point of the path: frequencies of all branches of all models."""
    path = ("path_segment", "path_distance", "path_q")
    start = table_of(dataset, "Frequencies along the band path by model", path)
    columns = dict(start.columns)
    values, labels = dataset["bvk_band_freq_thz"].values, dataset["bvk_model"].values
    for k, m in np.ndindex(values.shape[2], values.shape[1]):
        columns[f"bvk_band_freq_thz_{labels[k]}_{m + 1}"] = values[:, m, k]
    meanings = {
        **start.meanings,
        "bvk_band_freq_thz_model_m": variable_of("bvk_band_freq_thz").text,
    }
    return Table(start.title, columns, meanings)


BVK_TABLES = (
    Output(
        "tables/constants.csv",
        "Born–von Kármán constants by shell and model",
        ("bvk_constant",),
        partial(
            table_of,
            title="Born–von Kármán constants K = −Φ of one bond of each shell of shells.csv; "
            "x_sem is the standard error of x",
            names=(
                *("bvk_constant", "bvk_constant_shell", "bvk_name"),
                *("bvk_value_n_per_m", "bvk_reference_n_per_m"),
            ),
        ),
    ),
    Output(
        "tables/shells.csv",
        "neighbour shells, and their constants along and across the bond",
        ("bvk_shell",),
        partial(
            table_of,
            title="Neighbour shells; bonds in units of {bvk_unit}",
            names=(
                *("bvk_shell", "bvk_species", "bvk_bond", "bvk_distance", "bvk_neighbours"),
                *("bvk_along_n_per_m", "bvk_across_n_per_m", "bvk_residual"),
            ),
        ),
    ),
    Output(
        "tables/compared_modes.csv",
        "frequencies of fits, and those with which they are compared",
        ("bvk_mode",),
        partial(
            table_of,
            title="Frequencies of the force constants of each model beside {bvk_reference}; "
            "x_sem is the standard error of x",
            names=(
                *("bvk_mode", "bvk_mode_q", "bvk_mode_branch"),
                *("bvk_mode_freq_thz", "bvk_mode_reference_thz"),
            ),
        ),
    ),
    Output(
        "tables/measured.csv",
        "measured frequencies, and those of the fitted constants",
        ("bvk_measured",),
        partial(
            table_of,
            title="Measured and fitted frequencies",
            names=(
                *("bvk_measured", "bvk_measured_q", "bvk_measured_branch"),
                *("bvk_measured_freq_thz", "bvk_fitted_freq_thz"),
            ),
        ),
    ),
    BANDS._replace(name="tables/bands.csv", text="bands of all models", make=bands_table),
)
"""Tables of `trajmodes bvk`."""
