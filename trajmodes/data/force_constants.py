"""Force constants of the primitive crystal by order, their fit quality and error bars."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError


def jackknife_sem(replicates: Iterable[Floats]) -> Floats:
    """Compute the jackknife standard error √[(B − 1)/B Σ_b (g_b − ḡ)²] (Tukey 1958).

    The replicates are any iterable of (…) estimates, each without one block. They are taken one
    at a time by Welford's recurrence: they differ little, and all together may be large.
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
    """Contribution of the force constants of one order to the description of the forces."""

    order: int
    """2, 3 or 4."""
    cutoff: str
    """Cutoff in Å as text, such as ``4.5 O-Si:3.2``."""
    n_parameters: int
    """Number of free parameters of this order."""
    r_squared: float
    """Coefficient of determination of this order and all lower ones together."""
    rms_residual: float
    """Root mean square residual force component of these orders, in eV/Å."""
    rms_predicted: float
    """The same for blocks of time left out of the fit (cross-validation); nan if too few."""
    scheme_distance: float
    """|Φ' − Φ|/|Φ| with Φ' of the other scheme, joint or sequential; nan if it is singular."""


@dataclass(frozen=True, slots=True)
class FitQuality:
    """Quality of fitted force constants as a description of the forces."""

    n_parameters: int
    """Number of free parameters of all orders from 2, after symmetry and sum rules."""
    rank: int
    """Number of parameters that the forces determine."""
    condition: float
    """Largest condition number of the equilibrated normal matrices of all stages."""
    n_frames: int
    """Number of frames fitted."""
    r_squared: float
    """Coefficient of determination, 1 − Σ|f − f_fit|² / Σ|f|²."""
    rms_force: float
    """Root mean square of the force components, in eV/Å."""
    rms_residual: float
    """Root mean square of the residual components, in eV/Å."""
    first_order: Floats
    """(s, 3), unit: eV/Å. Mean residual force on each site; zero in equilibrium."""
    orders: tuple[OrderQuality, ...] = ()
    """Contribution of each order, ascending; empty if unknown."""
    scheme: Literal["sequential", "joint"] = "sequential"
    """Whether each order was fitted to the residual of the lower ones, or all at once."""
    constraints: tuple[str, ...] = ()
    """Names of the constraints imposed besides the translational sum rules."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, first_order="s 3")

    @property
    def anharmonicity(self) -> float:
        """Root mean square residual force of Φ2 over the root mean square force.

        The measure σ of Knoop, Purcell, Scheffler, Carbogno, Phys. Rev. Materials 4, 083809
        (2020), here for the effective force constants.
        """
        pairs = self.orders[0].rms_residual if self.orders else self.rms_residual
        return pairs / self.rms_force


@dataclass(frozen=True, slots=True)
class ClusterConstants:
    """Force constants of one order n ≥ 3: Φ[c] = ∂ⁿU/∂u(first, cell 0)…∂u(last, its cell).

    Every cluster is listed in every order of its members, with the first one in cell 0 and the
    axes of its values in the order of its members. Members may repeat. The sum over the last
    member vanishes for every choice of the others.
    """

    sites: Ints
    """(c, n) site of each member."""
    lattice: Ints
    """(c, n, 3) lattice vector of the cell of each member; zero for the first."""
    values: Floats
    """(c, 3, …, 3), unit: eV/Åⁿ, one axis of directions per member."""
    replicates: Floats | None = None
    """(b, c, 3, …, 3), unit: eV/Åⁿ. Jackknife replicates, of the same blocks as
    `ForceConstants.replicates`."""
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
        """Summarise without the arrays."""
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
    """Force constants Φ[p] = ∂²U/∂u(first, cell 0)∂u(second, cell R), self terms included.

    Both (i, j, R) and (j, i, −R) are listed. The sum over p for one first site is zero
    (acoustic sum rule). Equally near periodic images share the value. Higher orders are
    optional.
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
    """(b, p, 3, 3), unit: eV/Å². Jackknife replicates: the covariance of any function g of the
    force constants is (B − 1)/B Σ_b (g_b − ḡ)(g_b − ḡ)ᵀ. None without error bars."""
    temperature: float | None = None
    """Temperature in K of the fitted ensemble; None for static force constants."""
    cutoff: float | None = None
    """Cutoff radius in Å; None for the whole supercell with Wigner–Seitz sharing."""
    quality: FitQuality | None = None
    """Quality of the fit; None where they were not fitted."""
    triplets: ClusterConstants | None = None
    """Third order; None where there is none."""
    quartets: ClusterConstants | None = None
    """Fourth order; None where there is none."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, int, first="p", second="p", lattice="p 3")
        freeze(self, sizes, float, values="p 3 3", replicates="b p 3 3")
        for order, clusters in ((3, self.triplets), (4, self.quartets)):
            if clusters is not None and clusters.order != order:
                raise DataError(
                    f"clusters of order {clusters.order} are given as order {order}"
                )

    def __repr__(self) -> str:
        """Summarise without the arrays."""
        parts = [f"{self.n_pairs} pairs"]
        for name, clusters in (("triplets", self.triplets), ("quartets", self.quartets)):
            parts += [] if clusters is None else [f"{clusters.n_clusters} {name}"]
        kelvin = "" if self.temperature is None else f", {self.temperature:.1f} K"
        errors = "" if self.replicates is None else ", with error bars"
        summary = f"{', '.join(parts)}{kelvin}{errors}"
        return f"<ForceConstants of {self.crystal.formula}: {summary}>"

    @property
    def n_pairs(self) -> int:
        """Number of listed pairs."""
        return len(self.first)
