"""From frames to motion about the sites of a crystal.

In: a `trajmodes.readers.trajectory.Trajectory` and a crystal, from a file or found in the run.
Out: a `Match` (supercell matrix, strain, rotation, shift and site assignment), a `Displacer`,
which turns frames into a `trajmodes.data.motion.MotionBlock`, and a `Diagnosis` of the run.
Open `match` first.

- `species`, `average`: elements of the atoms, mean structure and mean box
- `find_cell`: the primitive crystal without a cell file
- `nearest`: search trees of atoms
- `registration`, `assignment`, `match`: the map between crystal and run
- `imperfect`: alloys, isotopes, vacancies and interstitials on the sites of a parent crystal
- `displacements`, `outliers`: frames → displacements, velocities, forces; damaged numbers
- `sample`, `temperatures`, `conclusions`, `diagnosis`: quantities of a sample of frames, and
  conclusions from them
"""
