"""Trajectories in NetCDF by AMBER's convention.

`classic` reads the classic formats of NetCDF, `amber` what the variables mean.
"""
