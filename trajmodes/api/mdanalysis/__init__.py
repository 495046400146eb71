"""Runs that trajmodes reads, as trajectories of MDAnalysis.

>>> import trajmodes.api.mdanalysis
>>> universe = mda.Universe(topology, "run.lammpstrj.gz", format="TRAJMODES")  # doctest: +SKIP
"""

from trajmodes.api.mdanalysis.reader import TrajmodesReader

__all__ = ["TrajmodesReader"]
