"""Whether a crystal is stable: the sign of ω², as far as its error lets one tell.

ω itself is no measure near zero, and the sign of an estimate proves nothing without its error:
−0.12 ± 0.20 THz² is zero, −0.52 ± 0.03 THz² is not.
"""

import math
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data import Modes
from trajmodes.data.points import point
from trajmodes.errors import DataError
from trajmodes.phonons.diagonalize import squared_thz

__all__ = ["Stability", "stability"]

# Standard errors from zero that decide.
_DECISIVE = 3.0


@dataclass(frozen=True, slots=True)
class Stability:
    """The mode that decides whether a crystal is stable, and the verdict."""

    verdict: str
    """``stable``, ``unstable`` or ``not decided``."""
    square_thz: float
    """Signed (ω/2π)² of the mode in THz²."""
    square_thz_sem: float | None
    """Its standard error in THz²; None where unknown."""
    qpoint: Floats
    """(3,) reduced coordinates of the mode's q."""
    branch: int
    """Branch of the mode at that q, from 0."""
    significance: float
    """Standard errors from zero, negative below it; infinite where the error is not known."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoint="3")

    def __str__(self) -> str:
        """Say the verdict and its reason in one sentence."""
        where = f"at q = {point(self.qpoint)}, branch {self.branch + 1}"
        square = f"{_number(self.square_thz, self.square_thz_sem)} THz²"
        far = f"{float(f'{abs(self.significance):.2g}'):g} standard errors"
        if self.square_thz_sem is None:
            return f"{self.verdict}: the lowest ω² is {square} {where}; its error is not known"
        if self.verdict == "stable":
            return f"stable: the lowest ω² is {square} {where}, {far} above zero"
        if self.verdict == "unstable":
            return f"unstable: ω² = {square} {where}, {far} below zero"
        return (
            f"not decided: ω² = {square} {where} is zero within {_DECISIVE:g} standard errors"
        )


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
    square_qm, sem_qm = squared_thz(modes)
    judged = modes.sets >= 0
    if not judged.any():
        raise DataError("there is no mode to judge: the acoustic ones at Γ are always zero")
    score_qm = _score(square_qm, sem_qm)
    unstable, open_qm = judged & (score_qm <= -_DECISIVE), judged & (score_qm < _DECISIVE)
    if unstable.any():
        verdict, among, order = "unstable", unstable, square_qm
    elif open_qm.any():
        verdict, among, order = "not decided", open_qm, score_qm
    else:
        verdict, among, order = "stable", judged, square_qm
    q, m = np.unravel_index(int(np.where(among, order, np.inf).argmin()), order.shape)
    return Stability(
        verdict=verdict,
        square_thz=float(square_qm[q, m]),
        square_thz_sem=None if sem_qm is None else float(sem_qm[q, m]),
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


def _number(value: float, sem: float | None) -> str:
    """Write a number to the second digit of its error, with a true minus."""
    if sem is None or not sem > 0.0:
        return f"{value:.4g}".replace("-", "−")
    digits = max(0, 1 - math.floor(math.log10(sem)))
    return f"{value:.{digits}f} ± {sem:.{digits}f}".replace("-", "−")
