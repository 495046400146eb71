"""Decorators of compiled functions: without the GIL, kept in numba's cache.

Numba makes an entry for Python and one for C with every function. For functions that take many
arrays these entries take longer to compile than the function: they are left out where unused.
"""

from functools import partial

from numba import njit

kernel = partial(njit, nogil=True, cache=True, no_cfunc_wrapper=True)
"""Compiles a function that Python calls."""

inner_kernel = partial(kernel, no_cpython_wrapper=True)
"""Compiles a function that only compiled functions call."""
