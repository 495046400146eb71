"""Trajectories in NetCDF by AMBER's convention.

`classic` reads the classic formats of NetCDF, `chunks` arrays of HDF5 (their `numbers`, and the
`digits` of decimal numbers); `amber` interprets the variables.
"""
