"""Tables of a series of runs, declared as those in `outputs`."""

from functools import partial

import numpy as np

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.results.outputs import Output
from trajmodes.results.schema import variable_of
from trajmodes.results.tables import Table, table_of

_ROUNDING = 1e-3
"""Fraction of the largest elastic constant below which two constants are equal."""


def curves_table(dataset: NamedArrays) -> Table:
    """One row for each temperature: fitted frequencies of all sets of modes."""
    columns = {"curve_temperature": dataset["curve_temperature"].values}
    for name in ("curve_freq_thz", "curve_freq_thz_sem"):
        if name in dataset:
            values = dataset[name].values
            columns |= {f"{name}_{g}": values[:, g] for g in range(values.shape[1])}
    meanings = {
        "curve_temperature": "in K",
        "curve_freq_thz_n": variable_of("curve_freq_thz").text + "; set n of series.csv",
    }
    return Table("Fitted frequencies of the sets of modes of series.csv", columns, meanings)


def elastic_places(dataset: NamedArrays) -> list[tuple[int, int]]:
    """List the elastic constants that differ from zero and from those listed before."""
    curve = dataset["curve_stiffness_gpa"].values
    found: list[tuple[int, int]] = []
    for i, j in zip(*np.triu_indices(6), strict=True):
        own = curve[:, i, j]
        size = _ROUNDING * np.abs(curve).max()
        is_known = any(np.abs(own - curve[:, k, m]).max() < size for k, m in found)
        if np.abs(own).max() > size and not is_known:
            found.append((int(i), int(j)))
    return found


def elastic_table(dataset: NamedArrays) -> Table:
    """One row for each temperature: the distinct fitted elastic constants."""
    columns = {"curve_temperature": dataset["curve_temperature"].values}
    for i, j in elastic_places(dataset):
        for end in ("", "_sem"):
            if f"curve_stiffness_gpa{end}" in dataset:
                values = dataset[f"curve_stiffness_gpa{end}"].values[:, i, j]
                columns[f"curve_stiffness_gpa{end}_{i + 1}{j + 1}"] = values
    meanings = {
        "curve_temperature": "in K",
        "curve_stiffness_gpa_ij": variable_of("curve_stiffness_gpa").text,
    }
    return Table("Fitted elastic constants", columns, meanings)


def bands_table(dataset: NamedArrays) -> Table:
    """One row for each point of the path: frequencies of all branches in all runs."""
    path = ("path_segment", "path_distance", "path_q")
    start = table_of(dataset, "Frequencies along the band path in each run", path)
    columns = dict(start.columns)
    values = dataset["series_band_freq_thz"].values
    labels = dataset["series_run"].values
    for r, m in np.ndindex(values.shape[2], values.shape[1]):
        columns[f"series_band_freq_thz_{labels[r]}_{m + 1}"] = values[:, m, r]
    text = variable_of("series_band_freq_thz").text
    meanings = {**start.meanings, "series_band_freq_thz_run_m": text}
    return Table(start.title, columns, meanings)


SERIES_TABLES = (
    Output(
        "tables/runs.csv",
        "temperature, volume and lattice parameters of the runs",
        ("run_temperature",),
        partial(
            table_of,
            title="Runs of the series",
            names=(
                *("series_run", "run_name", "run_temperature", "run_volume"),
                "lattice_parameter",
            ),
        ),
    ),
    Output(
        "tables/series.csv",
        (
            ("", "frequencies of the sets of modes in all runs, shifts, slopes"),
            ("soft_verdict", ", soft modes"),
            ("series_linewidth_thz", ", linewidths"),
            ("series_gruneisen", ", Grüneisen parameters"),
        ),
        ("series_set",),
        partial(
            table_of,
            title="Sets of symmetry-equivalent modes in all runs; x_sem is the standard error "
            "of x",
            names=(
                *("series_set", "series_q", "series_point", "series_star_size"),
                *("series_degeneracy", "series_branch_first", "series_branch_last"),
                *("series_freq_thz", "series_shift_thz", "freq_slope_thz_k"),
                "series_probability",
                *(
                    "series_gruneisen",
                    "series_axial_gruneisen",
                    "soft_temperature",
                    "soft_order",
                    "soft_verdict",
                ),
                *("series_line_freq_thz", "series_line_shift_thz"),
                *("series_linewidth_thz", "linewidth_exponent"),
            ),
        ),
    ),
    Output(
        "tables/curves.csv",
        "fitted frequencies as functions of temperature",
        ("curve_freq_thz",),
        curves_table,
    ),
    Output(
        "tables/elastic.csv",
        "fitted elastic constants as functions of temperature",
        ("curve_stiffness_gpa",),
        elastic_table,
    ),
    Output(
        "tables/lattice.csv",
        "fitted lattice parameters as functions of temperature",
        ("curve_lattice_parameter",),
        partial(
            table_of,
            title="Fitted lattice parameters",
            names=("curve_temperature", "curve_lattice_parameter"),
        ),
    ),
    Output(
        "tables/bands.csv",
        "bands of all runs",
        ("series_band_freq_thz",),
        bands_table,
    ),
)
"""Tables of `trajmodes series`."""
