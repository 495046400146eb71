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

__all__ = ["MOST_CELLS", "tables_of"]

MOST_CELLS = 2_000_000
"""What is larger is left to results.nc."""


def tables_of(dataset: xr.Dataset) -> dict[str, Table]:
    """All tables that the results have data for, by the name of their file.

    What would make very large tables, as spectra of very many sets, is left to results.nc.

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
    return {name: table for name, table in tables.items() if table.n_cells <= MOST_CELLS}
