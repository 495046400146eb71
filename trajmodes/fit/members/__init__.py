"""Slow variation of frequencies, from the scatter of symmetry-equivalent modes.

In: covariances of the runs of a fit, and its modes at their q points. Out: the ratio of the
variance of each frequency to that from blocks of time, and replicates whose scatter is
increased by it. Open first: `scatter` (the idea), then `contributions` and `widening`.
"""
