"""One ordered pass over a trajectory on Dask, in bounded memory.

In: a reader of blocks of frames and a `Reduction`. Out: the result of the reduction, bit by bit
independent of the number of workers. Open first: `reduction` (the protocol, and sums in blocks
of time), then `schedule` (the pass).
"""
