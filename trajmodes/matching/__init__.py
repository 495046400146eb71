"""From frames to motion about the sites of a crystal.

In: a `trajmodes.readers.Trajectory` and a crystal, from a file or found in the run. Out: a
`Match`, which says how the run repeats, strains, turns, shifts and numbers the crystal; a
`Displacer`, which turns frames into a `trajmodes.data.MotionBlock`; and a `Diagnosis` of what
the run is good for.

Read `match` first. `average` and `box` give the mean structure and the mean box, `find_cell`
the primitive crystal where there is no cell file, `registration` the map between both, and
`species` the elements. `displacements` turns frames into motion, `outliers` finds damaged
numbers. `sample` measures some frames; `checks` and `diagnosis` say what follows.
"""

from trajmodes.matching.average import AverageStructure, average_structure
from trajmodes.matching.diagnosis import Diagnosis, diagnose
from trajmodes.matching.displacements import Displacer, Hops
from trajmodes.matching.find_cell import find_crystal
from trajmodes.matching.match import Match, match
from trajmodes.matching.species import species_of_run

__all__ = [
    "AverageStructure",
    "Diagnosis",
    "Displacer",
    "Hops",
    "Match",
    "average_structure",
    "diagnose",
    "find_crystal",
    "match",
    "species_of_run",
]
