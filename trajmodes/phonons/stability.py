"""Whether a crystal is stable: the sign of ω², as far as its error lets one tell.

ω itself is no measure near zero, and the sign of an estimate proves nothing without its error:
−0.12 ± 0.20 THz² is zero, −0.52 ± 0.03 THz² is not.
"""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data import Modes, Stability
from trajmodes.data.modes import signed_squares
from trajmodes.data.verdicts import DECISIVE
from trajmodes.errors import DataError

__all__ = ["stability"]


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
