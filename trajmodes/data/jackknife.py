"""The standard error of a function of delete-one-block estimates."""

from collections.abc import Iterable

import numpy as np

from trajmodes.arrays import Floats

__all__ = ["jackknife_sem"]


def jackknife_sem(replicates: Iterable[Floats]) -> Floats:
    """Form the jackknife standard error √[(B − 1)/B Σ_b (g_b − ḡ)²] (Tukey 1958).

    Welford's recurrence takes one estimate at a time: they differ little from each other, and
    all of them together may be large.

    Parameters
    ----------
    replicates
        (b, …) estimates, each without one block. Any iterable of arrays (…).
    """
    count = 0
    mean = spread = np.zeros(())
    for count, value in enumerate(replicates, start=1):
        step = value - mean
        mean = mean + step / count
        spread = spread + step**2 * ((count - 1) / count)
    sem: Floats = np.sqrt(spread * ((count - 1) / count))
    return sem
