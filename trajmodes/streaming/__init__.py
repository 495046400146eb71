"""One ordered pass over a trajectory on Dask, in bounded memory.

In: a reader of blocks and a `Reduction`. Out: the reduction's result, the same bits whatever
the number of workers. Open `reduction` for the contract, `blocks` for sums in blocks of time,
`schedule` for how the pass is run.
"""
