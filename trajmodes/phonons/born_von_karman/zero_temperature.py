"""Constants and frequencies of fits at several temperatures, extrapolated to 0 K.

Effective force constants of classical runs depend on T linearly at low T. The line through the
values x_k of fits at T_k, with weights 1/σ_k², meets T = 0 at Σ_k a_k x_k, and the a_k follow
from T_k and σ_k alone. At constant volume this is the value of the static crystal. Fits at
several volumes are first corrected for the volume: their differences from the potential in the
crystal of each fit are extrapolated.
"""

from collections.abc import Sequence

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.potentials.shell_constants import ShellConstants
from trajmodes.phonons.born_von_karman.projection import shell_constants
from trajmodes.phonons.born_von_karman.shells import NeighbourShells


def intercept_weights(kelvin: Floats, sems: Floats) -> Floats:
    """(k, …) factors of values at temperatures (k,) in the value of their line at 0 K.

    ``sems`` (k, …) are the errors of the values. If one of them is zero, all weights are equal.
    """
    known = (sems > 0.0).all(axis=0)
    weight = np.where(known, sems, 1.0) ** -2.0
    t_k = kelvin.reshape(-1, *[1] * (sems.ndim - 1))
    none, first, second = ((weight * t_k**n).sum(axis=0) for n in range(3))
    found: Floats = weight * (second - first * t_k) / (none * second - first**2)
    return found


def constants_at_zero(
    kelvin: Floats, fits: Sequence[ShellConstants], shells: NeighbourShells, change: Floats
) -> ShellConstants:
    """Extrapolate the constants of fits at several temperatures to 0 K, with errors.

    Parameters
    ----------
    kelvin
        (k,) temperatures; two of them differ.
    fits
        (k,) constants with replicates. Fits are independent of each other.
    shells
        Shells common to all fits.
    change
        (k, n), unit: eV/Å². Change of the constants from the crystal of each fit to that of the
        shells.
    """
    count = len(shells.names)
    replicates = [np.asarray(one.replicates)[:, :count] for one in fits]
    sems = np.array([np.asarray(one.values_sem)[:count] for one in fits])
    factors = intercept_weights(kelvin, sems)
    values = np.array([one.values[:count] for one in fits]) + change
    at_zero = (factors * values).sum(axis=0)
    # Jackknife variances are (B − 1)/B times sums of squares, B that of the fit or of all.
    total = 1.0 - 1.0 / sum(map(len, replicates))
    rows = [
        np.sqrt((1.0 - 1.0 / len(one)) / total) * factor * (one - one.mean(axis=0))
        for one, factor in zip(replicates, factors, strict=True)
    ]
    return shell_constants(shells, at_zero, replicates=at_zero + np.concatenate(rows))


def values_at_zero(kelvin: Floats, values: Floats, sems: Floats) -> tuple[Floats, Floats]:
    """Values (…) at 0 K of lines through values (k, …) with errors, and their errors."""
    factors = intercept_weights(kelvin, sems)
    at_zero: Floats = (factors * values).sum(axis=0)
    error: Floats = np.sqrt((factors**2 * sems**2).sum(axis=0))
    return at_zero, error


def reduced_chi2(kelvin: Floats, values: Floats, sems: Floats) -> float | None:
    """Mean over all lines of χ² per degree of freedom; None if there are only two points.

    Lines with a value (k, …) whose error is zero do not count.
    """
    free = len(kelvin) - 2
    known = (sems > 0.0).all(axis=0)
    if free < 1 or not known.any():
        return None
    x, s = values[:, known], sems[:, known]
    start = (intercept_weights(kelvin, s) * x).sum(axis=0)
    weight, t_kn = s**-2.0, kelvin[:, None]
    slope = (weight * t_kn * (x - start)).sum(axis=0) / (weight * t_kn**2).sum(axis=0)
    return float((((x - start - slope * t_kn) / s) ** 2).sum(axis=0).mean() / free)
