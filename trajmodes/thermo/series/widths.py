"""Power laws of linewidths: Γ = Γ_0 (T/T_0)ⁿ, with n = 1 for classical three-phonon scattering.

ln Γ is a straight line in ln T, with the relative errors of the widths as weights. The third
order of the energy gives Γ ∝ T at temperatures far above ħω/k_B, where occupations are k_BT/ħω,
and in a classical run at every temperature; fourth order adds T² (Maradudin and Fein, Phys.
Rev. 128, 2589 (1962)).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from trajmodes.arrays import Bools, Floats

_LEAST = 2


@dataclass(frozen=True, slots=True)
class WidthLaws:
    """Exponents n of Γ ∝ Tⁿ of sets of modes (g)."""

    exponent: Floats
    """(g,); nan where fewer than two runs have a width."""
    exponent_sem: Floats
    """(g,)."""
    chi2: Floats
    """(g,) χ² about the power law; nan without degrees of freedom."""
    n_runs: Floats
    """(g,) number of runs with a width."""
    mean: float
    """Mean exponent of all sets, weighted by their variances; nan without any."""
    mean_sem: float
    """Its standard error, widened by the scatter of the sets."""


def width_laws(temperatures: Floats, widths: Floats, sems: Floats) -> WidthLaws:
    """Fit power laws to linewidths (r, g) at temperatures (r,); nan where not resolved.

    Runs at 0 K are left out: there is no power law at zero.
    """
    known = np.isfinite(widths) & np.isfinite(sems) & (widths > 0.0) & (sems > 0.0)
    known &= temperatures[:, None] > 0.0
    safe = np.where(known, widths, 1.0)
    weight = np.where(known, (safe / np.where(known, sems, 1.0)) ** 2, 0.0)
    count = known.sum(axis=0)
    log_t = np.log(np.where(known, temperatures[:, None], 1.0))
    total = weight.sum(axis=0)
    has_any = total > 0.0
    mean_t, mean_w = (
        (weight * one).sum(axis=0) / np.where(has_any, total, 1.0)
        for one in (log_t, np.log(safe))
    )
    moment = (weight * (log_t - mean_t) ** 2).sum(axis=0)
    fits = (count >= _LEAST) & (moment > 1e-6 * total)
    divisor = np.where(fits, moment, 1.0)
    exponent = (weight * (log_t - mean_t) * (np.log(safe) - mean_w)).sum(axis=0) / divisor
    residual = np.log(safe) - mean_w - exponent * (log_t - mean_t)
    chi2 = (weight * residual**2).sum(axis=0)
    free = count - 2
    doubtful = fits & (free > 0) & (chdtrc(np.maximum(free, 1), chi2) < 0.05)
    widening = np.where(doubtful, np.sqrt(chi2 / np.maximum(free, 1)), 1.0)
    sem = widening / np.sqrt(divisor)
    mean, mean_sem = _mean(exponent[fits], sem[fits])
    return WidthLaws(
        exponent=_or_nan(exponent, fits),
        exponent_sem=_or_nan(sem, fits),
        chi2=_or_nan(chi2, fits & (free > 0)),
        n_runs=count.astype(float),
        mean=mean,
        mean_sem=mean_sem,
    )


def _mean(values: Floats, sems: Floats) -> tuple[float, float]:
    if not len(values):
        return np.nan, np.nan
    weight = sems**-2.0
    mean = float(np.average(values, weights=weight))
    chi2 = float((weight * (values - mean) ** 2).sum()) / max(1, len(values) - 1)
    return mean, float(np.sqrt(max(1.0, chi2) / weight.sum()))


def _or_nan(values: Floats, known: Bools) -> Floats:
    return np.where(known, values, np.nan)
