"""What a run writes and reads again: one Dataset, NetCDF files, tables, and their folder.

Open `schema` and ``variables.csv`` for the variables, which `dataset` fills from
`trajmodes.data.Results`; `outputs` has the list of tables, `netcdf` reads and writes all NetCDF
files, and `folder` keeps a results folder whole.
"""
