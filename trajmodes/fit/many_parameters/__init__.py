"""Second order with many parameters, without normal equations.

In: covariances of a run, and the expansion. Out: a `Fit` with error bars. Open first: `fit`,
then `least_squares` (the problem), `conjugate_gradients` (its solution) and `ridge`.
"""
