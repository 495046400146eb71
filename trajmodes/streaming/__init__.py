"""One ordered pass over a trajectory on Dask, in bounded memory.

In: a reader of blocks and a `Reduction`. Out: the reduction's result, the same bits whatever
the number of workers. Open `reduction` for the contract, `schedule` for how it is run.
"""

from trajmodes.streaming.reduction import Reduction, Together

__all__ = ["Reduction", "Together"]
