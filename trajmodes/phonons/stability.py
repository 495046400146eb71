"""Stability of a crystal, and the length of run that a wanted error of frequencies needs.

The sign of ω² decides on stability, compared with its standard error: −0.12 ± 0.20 THz² is
zero, −0.52 ± 0.03 THz² is not.

The errors of the force constants and of ω² fall as 1/√t once the blocks are independent. The
error of ω is min(δ/2|ω|, √δ), with δ the error of ω² (see `modes`). The time needed therefore
grows as the inverse square of the wanted error of ω, and as its inverse fourth power for a mode
near zero.
"""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.modes import DECISIVE, Modes, RunLength, Stability, signed_squares
from trajmodes.errors import DataError, UsageError
from trajmodes.units import THZ


def stability(modes: Modes) -> Stability:
    """Judge the sign of ω² of all modes except the acoustic ones at Γ.

    A mode with ω² three standard errors below zero makes the crystal unstable, and the lowest
    such mode is named. If there is none, but ω² of some mode is less than three standard errors
    above zero, the sign is not decided, and the mode of least significance is named. Otherwise
    the crystal is stable at these q, and the lowest mode is named. Without errors the sign
    alone decides.

    Raises
    ------
    DataError
        If there is no mode to judge.
    """
    square_qm, sem_qm = signed_squares(modes.omega, modes.omega_sem)
    judged = modes.sets >= 0
    if not judged.any():
        raise DataError("there is no mode to judge: the acoustic modes at Γ are always zero")
    score_qm = _significance(square_qm, sem_qm)
    unstable, undecided = judged & (score_qm <= -DECISIVE), judged & (score_qm < DECISIVE)
    if unstable.any():
        verdict, among, order = "unstable", unstable, square_qm
    elif undecided.any():
        verdict, among, order = "not decided", undecided, score_qm
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


def _significance(square: Floats, sem: Floats | None) -> Floats:
    """ω² in units of its standard error; infinite where there is no error."""
    if sem is None:
        return np.copysign(np.inf, square)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = square / sem
    return np.where(sem > 0.0, score, np.copysign(np.inf, square))


WANTED = 0.05 * THZ
"""Error of the frequencies in rad/ps that the run length is computed for by default."""


def run_length(modes: Modes, duration: float, wanted: float = WANTED) -> RunLength:
    """Length of run that a wanted error of the frequencies needs, without acoustic modes at Γ.

    Parameters
    ----------
    duration
        Length in ps of all runs together that the errors come from.
    wanted
        The wanted standard error in rad/ps.

    Raises
    ------
    UsageError
        If the duration or the wanted error is not positive.
    DataError
        If the modes have no errors, or all are acoustic modes at Γ.
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
            "the modes have no errors, so the length of run cannot be judged",
            why="the force constants have no replicates, or all modes are acoustic ones at Γ",
            fix="fit to at least eight blocks of time",
        )
    linear = (square_sem / (2.0 * wanted)) ** 2
    # The error of ω is the smaller of δ/2|ω| and √δ.
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(square_qm != 0.0, linear / np.abs(square_qm), np.inf)
    factors = np.where(counted, np.minimum(ratio, (square_sem / wanted**2) ** 2), -np.inf)
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
