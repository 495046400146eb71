"""Phonon modes at a list of q points."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.labels import html_table, point
from trajmodes.units import THZ

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
        """Say what they are; the arrays would fill screens."""
        said = ", ".join(f"{value} {name}" for name, value in self._counts().items())
        return f"<Modes of {self.crystal.formula}: {said}>"

    def _repr_html_(self) -> str:
        """Table of the frequencies at the first q points, in THz."""
        rows = {
            f"q = {point(q)}": ", ".join(f"{thz:.4g}" for thz in omega / THZ)
            for q, omega in zip(self.qpoints[:_SHOWN], self.omega, strict=False)
        }
        return html_table(f"Modes of {self.crystal.formula}, frequencies in THz", rows)

    def _counts(self) -> dict[str, int]:
        n_qpoints, n_branches = self.omega.shape
        return {"q points": n_qpoints, "branches": n_branches, "sets": self.n_sets}

    @property
    def n_sets(self) -> int:
        """Number of sets of symmetry-equivalent modes."""
        return int(self.sets.max(initial=-1)) + 1


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
