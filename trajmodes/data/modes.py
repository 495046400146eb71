"""Phonon modes at a list of q points; verdicts on stability and on the length of the run."""

import math
from dataclasses import dataclass
from typing import overload

import numpy as np

from trajmodes.arrays import Bools, Complexes, Floats, Ints, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.labels import html_table, point, two_digits
from trajmodes.units import THZ

DECISIVE = 3.0
"""Standard errors by which ω² must differ from zero for a verdict on stability."""

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Modes:
    """Frequencies and polarisation vectors, and the sets of symmetry-equivalent modes.

    The phases refer to the positions of the atoms: D ~ exp[iq·(R + r_b' − r_b)].
    """

    crystal: Crystal
    qpoints: Floats
    """(q, 3), reduced coordinates, no 2π."""
    weights: Floats
    """(q,) number of q of the full set that each represents: 2 for ±q."""
    omega: Floats
    """(q, m), unit: rad/ps, ascending. Negative means imaginary."""
    vectors: Complexes
    """(q, m, s, 3), each of norm 1. Row m is the polarisation vector e of mode m."""
    omega_sem: Floats | None
    """(q, m), unit: rad/ps. Standard error, equal for degenerate modes; None if unknown."""
    sets: Ints
    """(q, m) label of the set of symmetry-equivalent modes: the degenerate branches at all q of
    a star. Numbered from 0 in order of first appearance; −1 for the acoustic modes at Γ, which
    are uniform translations."""

    def __post_init__(self) -> None:
        sizes = {"s": self.crystal.n_sites, "m": 3 * self.crystal.n_sites}
        freeze(self, sizes, float, qpoints="q 3", weights="q", omega="q m", omega_sem="q m")
        freeze(self, sizes, complex, vectors="q m s 3")
        freeze(self, sizes, int, sets="q m")

    def __repr__(self) -> str:
        """Summarise without the arrays."""
        n_q, n_branches = self.omega.shape
        counts = f"{n_q} q points, {n_branches} branches, {self.n_sets} sets"
        return f"<Modes of {self.crystal.formula}: {counts}>"

    def _repr_html_(self) -> str:
        """Table of the frequencies at the first q points, in THz."""
        rows = {
            f"q = {point(q)}": ", ".join(f"{freq:.4g}" for freq in omega / THZ)
            for q, omega in zip(self.qpoints[:_SHOWN], self.omega, strict=False)
        }
        return html_table(f"Modes of {self.crystal.formula}, frequencies in THz", rows)

    @property
    def n_sets(self) -> int:
        """Number of sets of symmetry-equivalent modes."""
        return int(self.sets.max(initial=-1)) + 1

    @property
    def oscillating(self) -> Bools:
        """(q, m) whether a mode has an energy: it is neither drift nor imaginary."""
        oscillating: Bools = (self.sets >= 0) & (self.omega > 0.0)
        return oscillating

    def are_at(self, qpoints: Floats) -> bool:
        """Whether the modes are at the q points of a list (q, 3), in its order."""
        same_shape = self.qpoints.shape == qpoints.shape
        return same_shape and np.allclose(self.qpoints, qpoints, rtol=0.0, atol=1e-9)


@overload
def signed_squares(omega: Floats, omega_sem: Floats) -> tuple[Floats, Floats]: ...
@overload
def signed_squares(omega: Floats, omega_sem: Floats | None) -> tuple[Floats, Floats | None]: ...
def signed_squares(omega: Floats, omega_sem: Floats | None) -> tuple[Floats, Floats | None]:
    """Compute signed squares ω|ω| of (…) frequencies, and their standard errors.

    Whether a mode is imaginary is to be judged by its signed square: −0.12 ± 0.20 THz² is
    compatible with zero. The standard error of a frequency is s = min(δ/(2|ω|), √δ), with δ
    that of ω² (see `trajmodes.phonons.modes`). Here δ = max(2|ω|s, s²) recovers δ exactly.
    """
    squared: Floats = omega * np.abs(omega)
    if omega_sem is None:
        return squared, None
    return squared, np.maximum(2.0 * np.abs(omega) * omega_sem, omega_sem**2)


@dataclass(frozen=True, slots=True)
class Stability:
    """The verdict on the stability of a crystal, and the mode that decides it."""

    verdict: str
    """``stable``, ``unstable`` or ``not decided``."""
    squared: float
    """Signed ω² of the mode in (rad/ps)²."""
    squared_sem: float | None
    """Its standard error in (rad/ps)²; None where unknown."""
    qpoint: Floats
    """(3,) reduced coordinates of the mode's q."""
    branch: int
    """Branch of the mode at that q, from 0."""
    significance: float
    """ω² over its standard error; infinite where the error is unknown."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoint="3")

    @property
    def text(self) -> str:
        """The verdict and its reason in one sentence."""
        where = f"at q = {point(self.qpoint)}, branch {self.branch + 1}"
        sem = None if self.squared_sem is None else self.squared_sem / THZ**2
        square = f"{_number(self.squared / THZ**2, sem)} THz²"
        far = f"{two_digits(abs(self.significance))} standard errors"
        if sem is None:
            return f"{self.verdict}: the lowest ω² is {square} {where}; its error is unknown"
        if self.verdict == "stable":
            return f"stable: the lowest ω² is {square} {where}, {far} above zero"
        if self.verdict == "unstable":
            return f"unstable: ω² = {square} {where}, {far} below zero"
        return f"not decided: ω² = {square} {where} is zero within {DECISIVE:g} standard errors"


@dataclass(frozen=True, slots=True)
class RunLength:
    """Length of run at which the frequencies have a given standard error."""

    wanted: float
    """Required standard error of a frequency in rad/ps."""
    duration: float
    """Length of the run in ps."""
    worst: float
    """Largest standard error of a frequency in rad/ps."""
    typical: float
    """Median standard error in rad/ps."""
    worst_factor: float
    """Required length over the length of the run, for the slowest mode."""
    typical_factor: float
    """The same for the median mode."""
    qpoint: Floats
    """(3,) reduced coordinates of the slowest mode."""
    branch: int
    """Branch of this mode, from 0."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoint="3")

    @property
    def worst_duration(self) -> float:
        """Length of run in ps at which every mode has the required error."""
        return self.worst_factor * self.duration

    @property
    def typical_duration(self) -> float:
        """Length of run in ps at which half of the modes have the required error."""
        return self.typical_factor * self.duration

    @property
    def text(self) -> str:
        """The errors reached and the length required, in one sentence."""
        goal = f"±{self.wanted / THZ:g} THz"
        if self.worst_factor <= 1.0:
            return (
                f"every frequency is known to better than {goal}, the worst to "
                f"±{self.worst / THZ:.2g} THz"
            )
        half = (
            "half of them have it already"
            if self.typical_factor <= 1.0
            else f"half of them at {two_digits(self.typical_duration)} ps"
        )
        return (
            f"all frequencies are known to {goal} after a run of "
            f"{two_digits(self.worst_duration)} ps, {two_digits(self.worst_factor)} times as "
            f"long as this one, {half}; slowest is branch {self.branch + 1} at "
            f"q = {point(self.qpoint)}"
        )


def _number(value: float, sem: float | None) -> str:
    """Round a number to the second digit of its error, with a minus sign."""
    if sem is None or not sem > 0.0:
        return f"{value:.4g}".replace("-", "−")
    digits = max(0, 1 - math.floor(math.log10(sem)))
    return f"{value:.{digits}f} ± {sem:.{digits}f}".replace("-", "−")
