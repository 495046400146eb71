"""One ordered pass over a trajectory on Dask, in bounded memory.

In: a reader of blocks and a `Reduction`. Out: the reduction's result, the same bits whatever
the number of workers. Open `reduction` for the contract, `schedule` for how it is run.
"""

from trajmodes.streaming.lazy import lazy_arrays
from trajmodes.streaming.reduction import Reduction, Together
from trajmodes.streaming.schedule import cut_blocks, stream

__all__ = ["Reduction", "Together", "cut_blocks", "lazy_arrays", "stream"]
