"""From displacements and forces to effective force constants with error bars.

In: `MotionBlock`s of a trajectory, through one of two reductions. `ForceRows` makes a `Ledger`,
the sums of an `Expansion` of any order; `ForceCovariance` serves pairs alone, faster and for
every cutoff, and is turned into a ledger by `harmonic_ledger`. Out: `fit_ledger` makes a `Fit`
of a ledger as often as wanted: orders, cutoffs, constraints, schemes. Open `ledger` for the
idea, `expansion` for the columns, `effective` for the whole.
"""
