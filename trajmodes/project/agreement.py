"""Lifetimes of a mode by two ways, and beside those of perturbation theory."""

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data import EnergyLifetimes, LineFits, WidthComparison

__all__ = ["best_lifetimes", "compare_widths"]

_MOST_RESOLVED = 0.9
_FEWEST_COMPARED = 5


def best_lifetimes(lines: LineFits, energies: EnergyLifetimes | None) -> tuple[Floats, Floats]:
    """Take for each set the lifetime whose relative error is smaller.

    Parameters
    ----------
    lines
        Fits to the spectra.
    energies
        Fits to the correlation of energies, if there are any.

    Returns
    -------
    lifetime, sem
        (g,) in ps; nan where neither the line nor the correlation was resolved.
    """
    one, one_sem = lines.lifetime_ps, lines.lifetime_ps_sem
    if energies is None:
        return one, one_sem
    other, other_sem = energies.lifetime_ps, energies.lifetime_ps_sem
    ours, theirs = one_sem / one, other_sem / other
    by_other = np.isfinite(theirs) & ~(ours <= theirs)
    return np.where(by_other, other, one), np.where(by_other, other_sem, one_sem)


def compare_widths(lifetime_ps: Floats, sem_ps: Floats, predicted: Floats) -> WidthComparison:
    """Compare the mean linewidth of a run with the predicted one of the same sets.

    A run resolves what is wide in it. Those it resolves out of modes of equal prediction are
    the wider ones, and their mean ratio to the theory is too large. So modes are taken from
    the widest prediction on as long as nine in ten of them are resolved.

    Parameters
    ----------
    lifetime_ps, sem_ps
        (g,) lifetimes of the run and their errors in ps; nan where not resolved.
    predicted
        (g,) linewidths of the theory in rad/ps; nan where it has none.

    Returns
    -------
    Their ratio; nan for fewer than five sets.
    """
    sets = _widest_resolved(predicted, np.isfinite(lifetime_ps))
    if len(sets) < _FEWEST_COMPARED:
        return WidthComparison(np.nan, np.nan, len(sets))
    lifetime, sem, total = lifetime_ps[sets], sem_ps[sets], predicted[sets].sum()
    # γ̂ scatters evenly in its logarithm, so that its mean is large by half its variance.
    rate = (1.0 - 0.5 * (sem / lifetime) ** 2) / lifetime
    ratio_sem = float(np.sqrt(((rate**2 * sem) ** 2).sum()) / total)
    return WidthComparison(float(rate.sum() / total), ratio_sem, len(sets))


def _widest_resolved(predicted: Floats, resolved: Bools) -> Ints:
    """(n,) modes that are resolved, the widest prediction first."""
    order = np.argsort(-np.nan_to_num(predicted), kind="stable")
    order = order[np.nan_to_num(predicted)[order] > 0.0]
    share = np.cumsum(resolved[order]) / np.arange(1, len(order) + 1)
    last = int(np.flatnonzero(share >= _MOST_RESOLVED).max(initial=-1))
    chosen: Ints = order[: last + 1]
    return chosen[resolved[chosen]]
