"""Vibrations of a molecule or cluster, from a run without periodicity.

In: frames of a file and a reference. Out: motion in the Eckart frame, second derivatives,
normal modes. A molecule is treated as a crystal of one cell at Γ. Open `geometry` first, which
defines the external motions.

- `reference`, `eckart`: reference structure, Eckart frame
- `hessian`: second derivatives from a file or from the forces of the run
- `normal_modes`: frequencies and vectors; normal-mode positions and velocities
"""
