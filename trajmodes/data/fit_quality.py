"""How well a fit determines the force constants: errors, convergence, shells, scans."""

from dataclasses import dataclass
from math import factorial
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.force_constants import FitQuality, jackknife_sem

ErrorMethod = Literal["jackknife", "sandwich"]
ScanKind = Literal["order", "cutoff", "constraints", "ridge", "time"]


@dataclass(frozen=True, slots=True)
class FitErrors:
    """Estimates of the parameters with one block left out, and what their spread tells."""

    parameters: Floats
    """(b, n). Covariance (B − 1)/B Σ_b (x_b − x̄)(x_b − x̄)ᵀ."""
    block_frames: float
    """Mean number of frames in one block."""
    inefficiency: float
    """Variance divided by what it would be if every force component had an error of its own:
    the number of frames per independent frame where forces on different atoms are
    independent."""
    levelled: bool
    """Whether the error stopped growing with the length of the blocks."""
    method: ErrorMethod = "jackknife"
    """Whether blocks were left out one at a time, or only to first order."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, parameters="b n")

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.parameters)

    @property
    def variance(self) -> Floats:
        """(n,) squared standard errors of the parameters."""
        squares: Floats = jackknife_sem(self.parameters) ** 2
        return squares


@dataclass(frozen=True, slots=True)
class Convergence:
    """How the fit settles while the run grows; parts that do not determine it are left out."""

    fraction: Floats
    """(c,) part of the run used, ascending, the last one 1."""
    change: Floats
    """(c, o) |x − x_full|/|x_full| of the parameters of each order, pairs first; the orders
    are those of `FitQuality.orders`."""
    omega_change: Floats | None = None
    """(c,), unit: rad/ps. Root mean square change of the commensurate frequencies; None where
    it was not computed."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, fraction="c", change="c o", omega_change="c")


@dataclass(frozen=True, slots=True)
class Reference:
    """How far the mean positions of the run lie from the reference structure."""

    shift: Floats
    """(s, 3), unit: Å. Mean displacement of each site as far as symmetry allows it."""
    shift_sem: Floats
    """(s, 3), unit: Å. Its standard error; nan if unknown."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, shift="s 3", shift_sem="s 3")


@dataclass(frozen=True, slots=True)
class Shells:
    """Clusters of the same species with the same distances, shortest first.

    Self terms, whose members are all one atom, are left out.
    """

    order: int
    """Number of members of a cluster."""
    species: tuple[str, ...]
    """(h,) for example Cl–Na."""
    distances: Floats
    """(h, d), unit: Å. Between every two members, ascending; zero where one repeats."""
    listed: Ints
    """(h,) clusters listed: from every site of the primitive cell, in every order."""
    norm: Floats
    """(h,), unit: eV/Åⁿ. Root mean square over the shell of the Frobenius norm |Φ|."""
    norm_sem: Floats | None
    """(h,), unit: eV/Åⁿ."""
    trace: Floats | None = None
    """(h,), unit: eV/Å². Mean over the shell of the trace of Φ; of pairs only."""
    trace_sem: Floats | None = None
    """(h,), unit: eV/Å²."""

    def __post_init__(self) -> None:
        sizes = {"h": len(self.species)}
        freeze(self, sizes, float, distances="h d", norm="h", norm_sem="h")
        freeze(self, sizes, float, trace="h", trace_sem="h")
        freeze(self, sizes, np.int64, listed="h")

    @property
    def longest(self) -> Floats:
        """(h,) largest distance between two members in Å."""
        return self.distances[:, -1]

    @property
    def perimeter(self) -> Floats:
        """(h,) sum of all distances in Å."""
        total: Floats = self.distances.sum(axis=1)
        return total

    @property
    def multiplicity(self) -> Ints:
        """(h,) different clusters in one primitive cell, whatever the order of members."""
        # A member that is there m times takes part in m(m − 1)/2 distances of zero.
        repeats = (self.distances == 0.0).sum(axis=1)
        same = {0: 1, 1: 2, 2: 4, 3: 6}
        orderings = [factorial(self.order) // same[zeros] for zeros in repeats.tolist()]
        different: Ints = np.rint(self.listed / np.array(orderings, float)).astype(np.int64)
        return different


@dataclass(frozen=True, slots=True)
class ScanPoint:
    """One fit of a scan: what was varied, and how well it describes the forces."""

    kind: ScanKind
    """Whether orders, a cutoff, constraints, the ridge strength or the run length is varied."""
    label: str
    """The choice in words, such as ``order 2 to 6.00 Å`` or ``+ Huang``."""
    order: int
    """Order whose cutoff differs; else the highest."""
    value: float
    """The choice as a number: order, cutoff in Å, strength of the ridge or number of frames;
    nan for constraints."""
    quality: FitQuality
    lowest_squared: float = np.nan
    """Lowest signed ω² in (rad/ps)² at the commensurate q; nan where it was not computed."""

    @property
    def cutoffs(self) -> str:
        """Cutoffs of all orders in Å, such as ``6 | 4.5``."""
        return " | ".join(one.cutoff for one in self.quality.orders)

    @property
    def rms_predicted(self) -> float:
        """Root mean square residual force in eV/Å of blocks of time left out of the fit."""
        return self.quality.orders[-1].rms_predicted

    @property
    def scheme_distance(self) -> float:
        """|Φ' − Φ|/|Φ| of the pair constants, joint and sequential; nan if one is singular."""
        return self.quality.orders[0].scheme_distance
