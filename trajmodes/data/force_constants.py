"""The standard error of a function of delete-one-block estimates.

Force constants of the primitive crystal, order by order, and what is known about them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError


def jackknife_sem(replicates: Iterable[Floats]) -> Floats:
    """Form the jackknife standard error √[(B − 1)/B Σ_b (g_b − ḡ)²] (Tukey 1958).

    Welford's recurrence takes one estimate at a time: they differ little from each other, and
    all of them together may be large.

    Parameters
    ----------
    replicates
        (b, …) estimates, each without one block. Any iterable of arrays (…).
    """
    count = 0
    mean = spread = np.zeros(())
    for count, value in enumerate(replicates, start=1):
        step = value - mean
        mean = mean + step / count
        spread = spread + step**2 * ((count - 1) / count)
    sem: Floats = np.sqrt(spread * ((count - 1) / count))
    return sem


@dataclass(frozen=True, slots=True)
class OrderQuality:
    """What the constants of one order add to the description of the forces."""

    order: int
    """2 for pairs, 3 for triplets, 4 for quartets."""
    cutoff: str
    """Cutoff in Å, in words: radii for pairs of species may follow."""
    n_parameters: int
    """Number of free parameters of this order."""
    r_squared: float
    """Coefficient of determination by this order and all lower ones."""
    rms_residual: float
    """Root mean square force component that these leave, in eV/Å."""
    rms_predicted: float
    """The same for blocks of time that were left out of the fit; nan if there are too few."""
    scheme_distance: float
    """|Φ_other − Φ|/|Φ| to the constants of the other scheme, joint or sequential; nan if
    that is singular."""


@dataclass(frozen=True, slots=True)
class FitQuality:
    """How well force constants describe the forces they were fitted to."""

    n_parameters: int
    """Number of free parameters after symmetry and sum rules, of all orders from 2."""
    rank: int
    """How many of them the forces determine."""
    condition: float
    """Condition number of the equilibrated normal matrix: the largest of all stages."""
    n_frames: int
    """Number of frames fitted."""
    r_squared: float
    """Coefficient of determination, 1 − Σ|f − f_fit|² / Σ|f|²."""
    rms_force: float
    """Root mean square of the force components, in eV/Å."""
    rms_residual: float
    """Root mean square of the residual components, in eV/Å."""
    first_order: Floats
    """(s, 3), unit: eV/Å. Mean force left on each site: not zero means it wants to relax."""
    orders: tuple[OrderQuality, ...] = ()
    """What each order adds, ascending; empty where that is not known."""
    scheme: Literal["sequential", "joint"] = "sequential"
    """Whether each order was fitted to what the lower ones leave, or all at once."""
    constraints: tuple[str, ...] = ()
    """Names of the relations imposed beside those of translations."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, first_order="s 3")

    @property
    def anharmonicity(self) -> float:
        """Root mean square force that pair constants leave, over that of all forces.

        The measure σ of Knoop, Purcell, Scheffler, Carbogno, Phys. Rev. Materials 4, 083809
        (2020), here about the effective constants.
        """
        pairs = self.orders[0].rms_residual if self.orders else self.rms_residual
        return pairs / self.rms_force


@dataclass(frozen=True, slots=True)
class ClusterConstants:
    """Constants of one order n ≥ 3: Φ[c] = ∂ⁿU/∂u(first, cell 0)…∂u(last, its cell).

    Every cluster is listed in every order of its members, brought home so that the first one
    lies in cell 0, with the axes of its values in the order of its members. Members may repeat.
    The sum over the last member vanishes for every choice of the others.
    """

    sites: Ints
    """(c, n) site of each member."""
    lattice: Ints
    """(c, n, 3) lattice vector of each member's cell; zero for the first."""
    values: Floats
    """(c, 3, …, 3), unit: eV/Åⁿ, one axis of directions per member."""
    replicates: Floats | None = None
    """(b, c, 3, …, 3), unit: eV/Åⁿ. Delete-one-block estimates, of the same blocks as those of
    the pairs; see `ForceConstants.replicates`."""
    cutoff: float | None = None
    """Largest distance in Å between two members."""

    def __post_init__(self) -> None:
        order = np.shape(self.sites)[-1] if np.ndim(self.sites) == 2 else 0
        if order < 3:
            raise DataError(
                f"clusters of order 3 or higher are expected, got {order} sites each"
            )
        sizes: dict[str, int] = {"n": order}
        directions = "3 " * order
        freeze(self, sizes, np.int64, sites="c n", lattice="c n 3")
        freeze(self, sizes, float, values=f"c {directions}", replicates=f"b c {directions}")

    def __repr__(self) -> str:
        """Say what it holds; the arrays would fill screens."""
        reach = "" if self.cutoff is None else f", cutoff {self.cutoff:g} Å"
        return f"<ClusterConstants of order {self.order}: {self.n_clusters} clusters{reach}>"

    @property
    def order(self) -> int:
        """Number of members of a cluster."""
        return int(self.sites.shape[1])

    @property
    def n_clusters(self) -> int:
        """Number of clusters listed."""
        return len(self.sites)


@dataclass(frozen=True, slots=True)
class ForceConstants:
    """Pair constants Φ[p] = ∂²U/∂u(first, cell 0)∂u(second, cell R), self terms included.

    Both (i, j, R) and (j, i, −R) are listed, and every sum over p for one first site is zero
    (acoustic sum rule). A constant shared by periodic images is divided among them.
    """

    crystal: Crystal
    first: Ints
    """(p,) site in the home cell."""
    second: Ints
    """(p,) site of the neighbour."""
    lattice: Ints
    """(p, 3) lattice vector R of the neighbour's cell."""
    values: Floats
    """(p, 3, 3), unit: eV/Å², axes (pair, direction of first, direction of second)."""
    replicates: Floats | None = None
    """(b, p, 3, 3), unit: eV/Å². Delete-one-block estimates: the covariance of any function g
    of the constants is (B − 1)/B Σ_b (g_b − ḡ)(g_b − ḡ)ᵀ. None where there is no error bar."""
    temperature: float | None = None
    """Temperature in K of the ensemble they were fitted to; None for static constants."""
    cutoff: float | None = None
    """Cutoff radius in Å; None for the whole supercell with Wigner–Seitz sharing."""
    quality: FitQuality | None = None
    """Quality of the fit; None where the constants were not fitted."""
    triplets: ClusterConstants | None = None
    """Cubic constants; None where there are none."""
    quartets: ClusterConstants | None = None
    """Quartic constants; None where there are none."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, int, first="p", second="p", lattice="p 3")
        freeze(self, sizes, float, values="p 3 3", replicates="b p 3 3")
        for order, clusters in ((3, self.triplets), (4, self.quartets)):
            if clusters is not None and clusters.order != order:
                raise DataError(f"clusters of order {clusters.order} stand for order {order}")

    def __repr__(self) -> str:
        """Say what they are; the arrays would fill screens."""
        parts = [f"{self.n_pairs} pairs"]
        for name, clusters in (("triplets", self.triplets), ("quartets", self.quartets)):
            parts += [] if clusters is None else [f"{clusters.n_clusters} {name}"]
        kelvin = "" if self.temperature is None else f", {self.temperature:.1f} K"
        errors = "" if self.replicates is None else ", with error bars"
        told = f"{', '.join(parts)}{kelvin}{errors}"
        return f"<ForceConstants of {self.crystal.formula}: {told}>"

    @property
    def n_pairs(self) -> int:
        """Number of listed pairs."""
        return len(self.first)
