"""Phonon modes at a list of q points."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints, freeze
from trajmodes.data.crystal import Crystal


@dataclass(frozen=True, slots=True)
class Modes:
    """Frequencies and polarisation vectors, with the sets of modes that symmetry makes equal.

    The phase of a vector is that of the atom positions: D ~ exp[iq·(R + r_b' − r_b)].
    """

    crystal: Crystal
    qpoints: Floats
    """(q, 3), reduced coordinates, no 2π."""
    weights: Floats
    """(q,) how many q of the full set each one stands for (2 where it stands for ±q)."""
    omega: Floats
    """(q, m), unit: rad/ps, ascending. Negative means imaginary."""
    vectors: Complexes
    """(q, m, s, 3), each of norm 1. Row m is the polarisation vector e of mode m."""
    omega_sem: Floats | None
    """(q, m), unit: rad/ps. Standard error; equal within a degenerate set. None if unknown."""
    sets: Ints
    """(q, m) label of the set of symmetry-equal modes: the star of q and degenerate branches
    together. Counted from 0 in order of first appearance; −1 for the acoustic modes at Γ,
    which carry only drift."""

    def __post_init__(self) -> None:
        sizes = {"s": self.crystal.n_sites, "m": 3 * self.crystal.n_sites}
        freeze(self, sizes, float, qpoints="q 3", weights="q", omega="q m", omega_sem="q m")
        freeze(self, sizes, complex, vectors="q m s 3")
        freeze(self, sizes, int, sets="q m")

    @property
    def n_sets(self) -> int:
        """Number of sets of symmetry-equal modes."""
        return int(self.sets.max(initial=-1)) + 1


def signed_squares(omega: Floats, omega_sem: Floats | None) -> tuple[Floats, Floats | None]:
    """Signed squares of frequencies, in which an imaginary mode is to be judged.

    −0.12 ± 0.20 THz² is zero. The error of a frequency is s = min(δ/(2|ω|), √δ), δ being that
    of ω² (see `trajmodes.phonons.modes`); this gives back δ = max(2|ω|s, s²) exactly.

    Parameters
    ----------
    omega
        (…) frequencies in any unit, negative where imaginary.
    omega_sem
        (…) their standard errors in the same unit; None where unknown.

    Returns
    -------
    squared
        (…) ω|ω|.
    squared_sem
        (…) its standard error; None where unknown.
    """
    squared: Floats = omega * np.abs(omega)
    if omega_sem is None:
        return squared, None
    return squared, np.maximum(2.0 * np.abs(omega) * omega_sem, omega_sem**2)
