"""Whether a crystal is stable: the sign of ω², as far as its error lets one tell.

ω itself is no measure near zero, and the sign of an estimate proves nothing without its error:
−0.12 ± 0.20 THz² is zero, −0.52 ± 0.03 THz² is not.

How much longer a run must be for frequencies of a wanted error.

Errors of the constants, and of ω² with them, fall as 1/√t once the blocks are independent. The
error of ω is min(δ/2|ω|, √δ) with δ the error of ω² (see `diagonalize`), so a mode near zero
needs time as the fourth power of the wanted precision.
"""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.modes import Modes, signed_squares
from trajmodes.data.verdicts import DECISIVE, RunLength, Stability
from trajmodes.errors import DataError, UsageError
from trajmodes.units import THZ


def stability(modes: Modes) -> Stability:
    """Judge the sign of ω² of all modes but the acoustic ones at Γ.

    A mode three standard errors below zero makes the crystal unstable: the lowest such mode is
    named. If there is none, but some mode is less than three standard errors from zero, the
    matter is not decided: the mode that is lowest in standard errors is named. Else the crystal
    is stable, at these q, and the lowest mode is named.

    Parameters
    ----------
    modes
        The modes; without errors the sign alone decides.

    Raises
    ------
    DataError
        If there is no mode to judge.
    """
    square_qm, sem_qm = signed_squares(modes.omega, modes.omega_sem)
    judged = modes.sets >= 0
    if not judged.any():
        raise DataError("there is no mode to judge: the acoustic ones at Γ are always zero")
    score_qm = _score(square_qm, sem_qm)
    unstable, open_qm = judged & (score_qm <= -DECISIVE), judged & (score_qm < DECISIVE)
    if unstable.any():
        verdict, among, order = "unstable", unstable, square_qm
    elif open_qm.any():
        verdict, among, order = "not decided", open_qm, score_qm
    else:
        verdict, among, order = "stable", judged, square_qm
    q, m = np.unravel_index(int(np.where(among, order, np.inf).argmin()), order.shape)
    return Stability(
        verdict=verdict,
        squared=float(square_qm[q, m]),
        squared_sem=None if sem_qm is None else float(sem_qm[q, m]),
        qpoint=modes.qpoints[q],
        branch=int(m),
        significance=float(score_qm[q, m]),
    )


def _score(square: Floats, sem: Floats | None) -> Floats:
    """Count standard errors from zero; infinite where there is no error."""
    if sem is None:
        return np.copysign(np.inf, square)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = square / sem
    return np.where(sem > 0.0, score, np.copysign(np.inf, square))


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
