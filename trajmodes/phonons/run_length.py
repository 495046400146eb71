"""How much longer a run must be for frequencies of a wanted error.

Errors of the constants, and of ω² with them, fall as 1/√t once the blocks are independent. The
error of ω is min(δ/2|ω|, √δ) with δ the error of ω² (see `diagonalize`), so a mode near zero
needs time as the fourth power of the wanted precision.
"""

import numpy as np

from trajmodes.data import Modes, RunLength
from trajmodes.data.modes import signed_squares
from trajmodes.errors import DataError, UsageError
from trajmodes.units import THZ

__all__ = ["WANTED", "run_length"]

WANTED = 0.05 * THZ
"""Error of frequencies in rad/ps that the run length is computed for by default."""


def run_length(modes: Modes, duration: float, wanted: float = WANTED) -> RunLength:
    """Length of run for a wanted error of the frequencies, acoustic modes at Γ left aside.

    Parameters
    ----------
    modes
        The modes with their errors.
    duration
        Length in ps of what the errors come from, all runs together.
    wanted
        The wanted standard error in rad/ps.

    Raises
    ------
    UsageError
        If the duration or the wanted error is not positive.
    DataError
        If the modes have no errors, or there are none but the acoustic ones at Γ.
    """
    if not (duration > 0.0 and wanted > 0.0):
        raise UsageError(
            "the length of the run and the wanted error must be positive, got "
            f"{duration:g} ps and {wanted / THZ:g} THz"
        )
    square_qm, square_sem = signed_squares(modes.omega, modes.omega_sem)
    counted = modes.sets >= 0
    if square_sem is None or modes.omega_sem is None or not counted.any():
        raise DataError(
            "the modes have no errors to judge a run by",
            why="the constants have no replicates, or only acoustic modes at Γ are there",
            fix="fit to at least eight blocks of time",
        )
    linear = (square_sem / (2.0 * wanted)) ** 2
    # The smaller of δ/2|ω| and √δ is wanted: whichever gets there first.
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.where(square_qm != 0.0, linear / np.abs(square_qm), np.inf)
    factors = np.where(counted, np.minimum(away, (square_sem / wanted**2) ** 2), -np.inf)
    sem = modes.omega_sem[counted]
    q, m = np.unravel_index(int(factors.argmax()), factors.shape)
    return RunLength(
        wanted=wanted,
        duration=duration,
        worst=float(sem.max()),
        typical=float(np.median(sem)),
        worst_factor=float(factors[q, m]),
        typical_factor=float(np.median(factors[counted])),
        qpoint=modes.qpoints[q],
        branch=int(m),
    )
