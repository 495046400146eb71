"""From displacements and forces to effective force constants with error bars.

In: `MotionBlock`s of a trajectory. `ForceRows` (any order) or `ForceCovariance` with
`harmonic_equations` (second order, faster, every cutoff) reduce them to `NormalEquationBlocks`.
Out: `fit_equations` makes a `Fit` of these for any choice of orders, cutoffs, constraints and
scheme; `scan_equations` compares choices; `by_species` fits an alloy by pair of species. Open
first: `normal_equations` (the idea), `expansion` (columns), `fit` (the whole).
"""
