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
