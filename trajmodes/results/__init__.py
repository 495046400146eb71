"""What a run writes and reads again: one Dataset, NetCDF files, tables, and their folder.

Open `schema` and ``variables.csv`` for the variables, which `dataset` fills from
`trajmodes.data.Results`; `outputs` has the list of tables, `netcdf` reads and writes all NetCDF
files, and `folder` keeps a results folder whole.
"""

from trajmodes.results.folder import (
    ResultsFolder,
    Writer,
    open_folder,
    require_replaceable,
    whole_results,
    write_files,
)
from trajmodes.results.netcdf import (
    AMPLITUDES,
    COORDINATES,
    LEDGER,
    RESULTS,
    encode,
    read_dataset,
    read_results,
    save_dataset,
    write_series,
)

__all__ = [
    "AMPLITUDES",
    "COORDINATES",
    "LEDGER",
    "RESULTS",
    "ResultsFolder",
    "Writer",
    "encode",
    "open_folder",
    "read_dataset",
    "read_results",
    "require_replaceable",
    "save_dataset",
    "whole_results",
    "write_files",
    "write_series",
]
