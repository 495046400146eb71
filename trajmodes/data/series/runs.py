"""Runs of one crystal at several temperatures and volumes."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import LOWER_BOUND, ForceConstants
from trajmodes.notes import Note


@dataclass(frozen=True, slots=True)
class MeasuredLines:
    """Spectral lines of a projected run, by set (h) of symmetry-equivalent modes."""

    qpoints: Floats
    """(q, 3) commensurate q points."""
    sets: Ints
    """(q, m) set of each mode; −1 for translations."""
    omega: Floats
    """(h,), unit: rad/ps; nan where not resolved."""
    omega_sem: Floats
    """(h,), unit: rad/ps."""
    linewidth: Floats
    """(h,), unit: rad/ps. Full width at half maximum γ; nan where not resolved."""
    linewidth_sem: Floats
    """(h,), unit: rad/ps."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoints="q 3")
        freeze(self, {}, np.int64, sets="q m")
        names = ("omega", "omega_sem", "linewidth", "linewidth_sem")
        freeze(self, {}, float, **dict.fromkeys(names, "h"))


@dataclass(frozen=True, slots=True)
class SeriesRun:
    """One run of a series: fitted force constants, and its lines if it was projected."""

    name: str
    constants: ForceConstants
    supercell: Supercell
    lines: MeasuredLines | None = None
    error_factor: float = 1.0
    """Largest factor by which the standard error of a fitted frequency may be larger."""

    @property
    def warnings(self) -> tuple[Note, ...]:
        """A warning if errors of its frequencies are lower bounds."""
        if not self.error_factor > LOWER_BOUND:
            return ()
        text = (
            f"errors of frequencies of {self.name} may be up to {self.error_factor:.2g} times "
            "larger, and with them those of shifts and slopes"
        )
        why = "the run is too short to show slow changes that its modes share"
        return (Note("warning", text, why=why, fix="run longer"),)
