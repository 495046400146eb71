"""Runs in arrays: HDF5 and zarr, xarray, Dask and MDAnalysis, read in pieces.

In: a file, a folder, or objects in memory. Out: a `ForeignFile`. Start with `array_store`,
which finds the arrays of a run by their names and their units by `unit_names`; `lazy` reads
frames. `in_memory` describes objects of other libraries.
"""
