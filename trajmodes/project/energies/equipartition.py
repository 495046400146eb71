"""Test whether the energy is shared equally among the modes.

The mean of a few exponentially distributed energies is skewed: a mode that outlives the run is
easily twice as hot as the others, and never as much colder. A gamma distribution has the mean
and the error that are known; its cube root is nearly normal (Wilson & Hilferty, Proc. Natl.
Acad. Sci. 17, 684 (1931)), and tells how many standard errors off a temperature really is. An
error bar that was itself measured in this run gives that number the tails of Student's t. Its
variance is one where the run holds many lifetimes and error bars are right on average, and its
own larger one where the run holds few and errors are near those of a snapshot, ⟨K⟩² for each
degree of freedom.

The common temperature T is the mean of those of the sets, each weighed by σ⁻². It is known to
σ₀² = 1/Σσ⁻² only, and moves with each of the sets, so that T_g − T has the variance σ_g² − σ₀².
This holds where a heat bath gives each set its energy by itself; and where the total energy is
fixed, and one set has what the others lack, as well: independent σ_g² = c/n_g for n_g degrees
of freedom, under the condition Σ n_g (T_g − T) = 0, leave just that. Either way χ² = Σ z² loses
one degree of freedom.
"""

import numpy as np
from scipy.special import chdtrc, erfc, ndtri, stdtr

from trajmodes.arrays import Floats
from trajmodes.data.energies import ModeEnergies
from trajmodes.data.verdicts import Equipartition
from trajmodes.errors import DataError
from trajmodes.units import BOLTZMANN

_ANY_SET = 1e-2
# Degrees of freedom of the error bars: fits the tails of damped oscillators that are simulated
# for 1 to 300 lifetimes, one in a hundred of which is 2.5 to 3.6 error bars off.
_STUDENT = 8.0
# How soon the variance becomes one with what is left of a snapshot's: fits the same runs.
_SETTLING = 4


def equipartition(energies: ModeEnergies) -> Equipartition:
    """Test the kinetic temperatures of all sets against their common one.

    Parameters
    ----------
    energies
        What the run says about the energies.

    Raises
    ------
    DataError
        If fewer than two sets have an error bar.
    """
    temperature_g = 2.0 / BOLTZMANN * energies.kinetic
    sem_g = 2.0 / BOLTZMANN * energies.kinetic_sem
    known = np.isfinite(temperature_g) & np.isfinite(sem_g) & (sem_g > 0.0)
    if known.sum() < 2:
        raise DataError(
            f"equipartition needs two sets with an error bar, there are {known.sum()}",
            why="error bars need at least eight blocks of time",
            fix="project more frames",
        )
    weights = np.where(known, np.where(known, sem_g, 1.0) ** -2.0, 0.0)
    temperature = float((weights * np.where(known, temperature_g, 0.0)).sum() / weights.sum())
    variance = np.where(known, sem_g**2 - 1.0 / weights.sum(), np.nan)
    left = np.clip(energies.members * (sem_g / temperature) ** 2, 0.0, 1.0)
    narrower = np.sqrt(1.0 - 2.0 / _STUDENT * (1.0 - left) ** _SETTLING)
    z = _normal_score(temperature_g / temperature, variance / temperature**2, narrower)
    chi_squared, freedom = float(np.nansum(z**2)), int(known.sum()) - 1
    probability = erfc(np.abs(z) / np.sqrt(2.0))
    return Equipartition(
        temperature=temperature,
        temperature_sem=float(weights.sum() ** -0.5),
        z=z,
        probability=probability,
        chi_squared=chi_squared,
        freedom=freedom,
        p_value=float(chdtrc(freedom, chi_squared)),
        failing=np.flatnonzero(probability < _ANY_SET / known.sum()),
    )


def _normal_score(ratio: Floats, variance: Floats, narrower: Floats) -> Floats:
    """Make a gamma variable of mean 1 and uncertain variance a normal deviate."""
    spread = variance / 9.0
    off = (np.cbrt(ratio) - (1.0 - spread)) / np.sqrt(spread) / narrower
    score: Floats = -np.sign(off) * ndtri(stdtr(_STUDENT, -np.abs(off)))
    return score
