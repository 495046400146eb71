"""Quality of the fitted force constants: errors, convergence, shells, scans."""

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
    """Estimates of the parameters with one block of time left out."""

    parameters: Floats
    """(b, n). Covariance (B − 1)/B Σ_b (x_b − x̄)(x_b − x̄)ᵀ."""
    block_frames: float
    """Mean number of frames in one block."""
    inefficiency: float
    """Variance relative to that of independent force components: the number of frames per
    independent frame if the forces on different atoms are independent."""
    levelled: bool
    """Whether the error stops growing with the length of the blocks."""
    method: ErrorMethod = "jackknife"
    """Jackknife, or sandwich: its first order."""

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
    """Convergence of the fit with run length; parts that do not determine it are left out."""

    fraction: Floats
    """(c,) fraction of the run used, ascending to 1."""
    change: Floats
    """(c, o) |x − x_full|/|x_full| of the parameters of each order in `FitQuality.orders`."""
    omega_change: Floats | None = None
    """(c,), unit: rad/ps. Root mean square change of the commensurate frequencies; None where
    it was not computed."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, fraction="c", change="c o", omega_change="c")


@dataclass(frozen=True, slots=True)
class Reference:
    """Mean displacements of the run from the reference structure."""

    shift: Floats
    """(s, 3), unit: Å. Mean displacement of each site, the part invariant under symmetry."""
    shift_sem: Floats
    """(s, 3), unit: Å. Standard error; nan if unknown."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, shift="s 3", shift_sem="s 3")


@dataclass(frozen=True, slots=True)
class Shells:
    """Neighbour shells (h): clusters of the same species and distances, shortest first.

    Self terms, whose members are all the same atom, are left out.
    """

    order: int
    """Number of members of a cluster."""
    species: tuple[str, ...]
    """(h,) such as Cl–Na."""
    distances: Floats
    """(h, d), unit: Å. Distances between members, ascending; zero for a repeated member."""
    listed: Ints
    """(h,) number of clusters listed: from every site of the primitive cell, in every order."""
    norm: Floats
    """(h,), unit: eV/Åⁿ. Root mean square over the shell of the Frobenius norm |Φ|."""
    norm_sem: Floats | None
    """(h,), unit: eV/Åⁿ. Standard error."""
    trace: Floats | None = None
    """(h,), unit: eV/Å². Mean over the shell of the trace of Φ; for order 2 alone."""
    trace_sem: Floats | None = None
    """(h,), unit: eV/Å². Standard error."""

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
        """(h,) number of clusters per primitive cell, regardless of the order of members."""
        # A member that occurs m times has m(m − 1)/2 zero distances.
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
    """The choice as text, such as ``order 2 to 6.00 Å`` or ``+ Huang``."""
    order: int
    """Order whose cutoff is varied; otherwise the highest."""
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
        """|Φ' − Φ|/|Φ| of Φ2, joint against sequential; nan if one is singular."""
        return self.quality.orders[0].scheme_distance
