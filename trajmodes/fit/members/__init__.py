"""Slow variation of frequencies, from the scatter of symmetry-equivalent modes.

In: covariances of the runs of a fit, and its modes at their q points. Out: by how much the
variance of each frequency exceeds that from blocks of time, and replicates widened by it. Open
first: `scatter` (the idea), then `contributions` and `widening`.
"""
