"""Test whether the energy is shared equally among the modes."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.special import chdtrc

__all__ = ["Equipartition", "equipartition_of"]


class Equipartition(NamedTuple):
    """χ² test of the mode temperatures against the temperature of the run."""

    chi_squared: float
    freedom: int
    """Degrees of freedom: sets of modes with an error bar, less one for the mean."""
    probability: float
    """Chance of a χ² at least as large where the energy is shared equally."""
    farthest: int
    """Set that is farthest off, in units of its error bar."""
    farthest_sigma: float
    """By how many error bars."""

    @property
    def verdict(self) -> str:
        """Say holds, is doubtful (p < 0.05) or is violated (p < 0.001)."""
        if self.probability < 1e-3:
            return "is violated"
        return "is doubtful" if self.probability < 0.05 else "holds"


def equipartition_of(dataset: xr.Dataset) -> Equipartition | None:
    """Test the mode temperatures; None with fewer than two error bars.

    Parameters
    ----------
    dataset
        Results with mode temperatures.
    """
    if "mode_temperature" not in dataset:
        return None
    sem = dataset["mode_temperature_sem"].values
    off = dataset["mode_temperature"].values - float(dataset["temperature"])
    known = np.isfinite(off) & np.isfinite(sem) & (sem > 0.0)
    if known.sum() < 2:
        return None
    sigmas = np.divide(off, sem, where=known, out=np.zeros_like(off))
    chi_squared, freedom = float((sigmas**2).sum()), int(known.sum()) - 1
    farthest = int(np.abs(sigmas).argmax())
    probability = float(chdtrc(freedom, chi_squared))
    return Equipartition(chi_squared, freedom, probability, farthest, float(sigmas[farthest]))
