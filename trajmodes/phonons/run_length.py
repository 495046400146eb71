"""How much longer a run must be for frequencies of a wanted error.

Errors of the constants, and of ω² with them, fall as 1/√t once the blocks are independent. The
error of ω is min(δ/2|ω|, √δ) with δ the error of ω² (see `diagonalize`), so a mode near zero
needs time as the fourth power of the wanted precision.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data import Modes
from trajmodes.data.points import point
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.diagonalize import squared_thz
from trajmodes.units import THZ

__all__ = ["RunLength", "run_length"]


@dataclass(frozen=True, slots=True)
class RunLength:
    """Length of run at which frequencies have a wanted standard error."""

    wanted_thz: float
    """The wanted standard error of a frequency in THz."""
    duration: float
    """Length of the run so far in ps."""
    worst_thz: float
    """Largest standard error of a frequency so far in THz."""
    typical_thz: float
    """Median of the standard errors so far in THz."""
    worst_factor: float
    """How many times the run so far the mode takes that needs longest; below 1 if the run is
    longer than it takes."""
    typical_factor: float
    """The same for the median of the modes."""
    qpoint: Floats
    """(3,) reduced coordinates of the mode that needs longest."""
    branch: int
    """Its branch, from 0."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoint="3")

    @property
    def worst_duration(self) -> float:
        """Length of run in ps at which every mode has the wanted error."""
        return self.worst_factor * self.duration

    @property
    def typical_duration(self) -> float:
        """Length of run in ps at which half of the modes have the wanted error."""
        return self.typical_factor * self.duration

    def __str__(self) -> str:
        """Say in one sentence what is reached and what it takes."""
        goal = f"±{self.wanted_thz:g} THz"
        if self.worst_factor <= 1.0:
            return (
                f"every frequency is known to better than {goal}, the worst to "
                f"±{self.worst_thz:.2g} THz"
            )
        half = (
            "half of them have it already"
            if self.typical_factor <= 1.0
            else f"half of them at {_short(self.typical_duration)} ps"
        )
        return (
            f"all frequencies are known to {goal} after a run of {_short(self.worst_duration)} "
            f"ps, {_short(self.worst_factor)} times as long as this one, {half}; slowest is "
            f"branch {self.branch + 1} at q = {point(self.qpoint)}"
        )


def run_length(modes: Modes, duration: float, wanted_thz: float = 0.05) -> RunLength:
    """Length of run for a wanted error of the frequencies, acoustic modes at Γ left aside.

    Parameters
    ----------
    modes
        The modes with their errors.
    duration
        Length in ps of what the errors come from, all runs together.
    wanted_thz
        The wanted standard error in THz.

    Raises
    ------
    UsageError
        If the duration or the wanted error is not positive.
    DataError
        If the modes have no errors, or there are none but the acoustic ones at Γ.
    """
    if not (duration > 0.0 and wanted_thz > 0.0):
        raise UsageError(
            "the length of the run and the wanted error must be positive, got "
            f"{duration:g} ps and {wanted_thz:g} THz"
        )
    square_qm, square_sem = squared_thz(modes)
    counted = modes.sets >= 0
    if square_sem is None or modes.omega_sem is None or not counted.any():
        raise DataError(
            "the modes have no errors to judge a run by",
            why="the constants have no replicates, or only acoustic modes at Γ are there",
            fix="fit to at least eight blocks of time",
        )
    linear = (square_sem / (2.0 * wanted_thz)) ** 2
    # The smaller of δ/2|ω| and √δ is wanted: whichever gets there first.
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.where(square_qm != 0.0, linear / np.abs(square_qm), np.inf)
    factors = np.where(counted, np.minimum(away, (square_sem / wanted_thz**2) ** 2), -np.inf)
    sem_thz = modes.omega_sem[counted] / THZ
    q, m = np.unravel_index(int(factors.argmax()), factors.shape)
    return RunLength(
        wanted_thz=wanted_thz,
        duration=duration,
        worst_thz=float(sem_thz.max()),
        typical_thz=float(np.median(sem_thz)),
        worst_factor=float(factors[q, m]),
        typical_factor=float(np.median(factors[counted])),
        qpoint=modes.qpoints[q],
        branch=int(m),
    )


def _short(value: float) -> str:
    """Write two digits, without an exponent up to a million."""
    return f"{float(f'{value:.2g}'):g}"
