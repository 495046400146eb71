"""All tables that the results have data for."""

import xarray as xr

from trajmodes.report.tables import (
    Table,
    bands_table,
    cluster_table,
    force_constants_table,
    gruneisen_table,
    orders_table,
)
from trajmodes.report.tables_modes import projection_tables

__all__ = ["small_ones", "tables_of"]

_MOST_CELLS = 2_000_000
"""What is larger is left to results.nc."""


def tables_of(dataset: xr.Dataset) -> dict[str, Table]:
    """All tables that the results have data for, by the name of their file.

    Parameters
    ----------
    dataset
        Results.
    """
    tables = {"bands.csv": bands_table(dataset)}
    if "order" in dataset.dims:
        tables["orders.csv"] = orders_table(dataset)
    for order, name in ((3, "triplet"), (4, "quartet")):
        if f"{name}_shell" in dataset.dims:
            tables[f"force_constants{order}.csv"] = cluster_table(dataset, name)
    if "gruneisen" in dataset:
        tables["gruneisen.csv"] = gruneisen_table(dataset)
    if "shell" in dataset.dims:
        tables["force_constants.csv"] = force_constants_table(dataset)
    tables |= projection_tables(dataset)
    return tables


def small_ones(tables: dict[str, Table]) -> tuple[dict[str, Table], str]:
    """Leave very large tables, as spectra of very many sets, to results.nc.

    Parameters
    ----------
    tables
        Name of a file → its table.

    Returns
    -------
    The others, and a clause that tells which were left out, empty if none.
    """
    small = {name: table for name, table in tables.items() if table.n_cells <= _MOST_CELLS}
    large = [f"tables/{name}" for name in tables if name not in small]
    why = f"more than {_MOST_CELLS:,} cells".replace(",", " ")
    told = f"; {', '.join(large)} left to it, for {why}" if large else ""
    return small, told
