"""Correction of estimates that are reported only above a limit, for this selection.

A width near the limit of resolution is reported if noise raises the estimate above the limit,
but not if noise lowers it. Reported widths are therefore too large on average. For an estimate
y = x + noise with the standard error σ that is reported only if y > c, the likelihood of x is

    L(x) = φ((y − x)/σ) / Φ((x − c)/σ),

and its maximum obeys y = x + σλ(a) with a = (x − c)/σ and λ = φ/Φ (the conditional likelihood;
A. C. Cohen, Ann. Math. Statist. 21, 557 (1950)). The error bar from its curvature is
σ/√(1 − λ(λ + a)). Far above the limit λ = 0, and nothing changes.
"""

import numpy as np
from scipy.special import log_ndtr

from trajmodes.arrays import Floats

_LOWEST = -3.0
"""Least a; closer to the limit the maximum of the likelihood diverges to minus infinity."""
_A = np.linspace(_LOWEST, 10.0, 2601)
_LAMBDA = np.exp(-0.5 * _A**2 - log_ndtr(_A)) / np.sqrt(2.0 * np.pi)


def without_selection(value: Floats, sem: Floats, limit: Floats) -> tuple[Floats, Floats]:
    """Correct estimates (g,) that were selected for being above a limit, and their errors.

    Parameters
    ----------
    value
        (g,) estimates y; estimates below the limit are treated like estimates just above it.
    sem
        (g,) their standard errors σ without selection.
    limit
        (g,) limits c.
    """
    above = (value - limit) / np.where(sem > 0.0, sem, np.nan)
    a = np.interp(above, _A + _LAMBDA, _A)
    excess = np.interp(a, _A, _LAMBDA)
    # Above the table, and where the error is unknown or zero, nothing changes.
    near = above < _A[-1]
    corrected = np.where(near, limit + sem * np.nan_to_num(a), value)
    wider = np.where(near, sem / np.sqrt(1.0 - excess * (excess + a)), sem)
    return corrected, wider
