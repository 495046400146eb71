"""Write runs of any format as NetCDF, from which they are read fast."""
