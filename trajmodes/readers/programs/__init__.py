"""Trajectories of ab initio programs, read frame by frame in internal units.

In: the files of one run. Out: a `ForeignFile`. There is one module for each format; `recognise`
finds the one that reads a file, and `spans` holds what files of text have in common.
"""
