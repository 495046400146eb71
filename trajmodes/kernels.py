"""Decorators of compiled functions: without the GIL, kept in numba's cache.

Numba generates an entry point for Python and one for C with every function. For functions that
take many arrays these entry points take longer to compile than the function itself, so that
unused ones are left out. Kernels assign numbers in loops, not whole arrays: with an assignment
of arrays numba compiles the message of an error of their shapes, for seconds.
"""

from functools import partial

import numpy as np
import numpy.typing as npt
from numba import njit

kernel = partial(njit, nogil=True, cache=True, no_cfunc_wrapper=True)
"""Compiles a function that Python calls."""

inner_kernel = partial(kernel, no_cpython_wrapper=True)
"""Compiles a function that only compiled functions call."""


# "reassoc" lets the compiler vectorise the sum. It stands only here, around real products:
# numba compiles some arithmetic, that of complex numbers for example, once per process for all
# functions, with the options of the first one. Elsewhere the last bits of results would depend
# on the order in which functions were compiled.
@inner_kernel(fastmath={"reassoc", "contract"})
def scalar_product(
    first: npt.NDArray[np.float64], second: npt.NDArray[np.float64], size: int
) -> float:
    """Sum the products of the first `size` elements of two arrays."""
    total = 0.0
    for k in range(size):
        total += first[k] * second[k]
    return total
