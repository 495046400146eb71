"""The output files: one xarray Dataset with all results, NetCDF files, tables, the folder.

In: `trajmodes.data.results.Results`. Out: the Dataset, results.nc and the CSV tables.

- `schema`, ``variables.csv``: every variable with its axes, unit and definition (start here)
- `dataset`: `Results` → Dataset
- `netcdf`: kinds of NetCDF files; reads and writes them as Datasets or plain arrays
- `normal_equations`: the normal equations of a fit as a Dataset, and back
- `tables`, `outputs`: the CSV tables, and the list of all output files
- `folder`, `storage`: complete results folders, atomic files, locks
"""
