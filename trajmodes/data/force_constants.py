"""Force constants of the primitive crystal by order; quality and error bars of their fit."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import factorial
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError

ErrorMethod = Literal["jackknife", "sandwich"]
ScanKind = Literal["order", "cutoff", "constraints", "ridge", "time"]

LOWER_BOUND = 1.25
"""A standard error that may be larger by this factor or more is called a lower bound."""


def jackknife_sem(replicates: Iterable[Floats]) -> Floats:
    """Compute the jackknife standard error √[(B − 1)/B Σ_b (g_b − ḡ)²] (Tukey 1958).

    Replicates (…) differ little: the sum of squares is accumulated by Welford's recurrence.
    """
    count = 0
    mean = spread = np.zeros(())
    for count, value in enumerate(replicates, start=1):
        step = value - mean
        mean = mean + step / count
        spread = spread + step**2 * ((count - 1) / count)
    return np.sqrt(spread * ((count - 1) / count))


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
    """Coefficient of determination, 1 − Σ|f − f_fit|² / Σ|f|². The forces are without the net
    force of each frame, and f_fit includes the constant force Φ1 where it is fitted."""
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
    r_squared_without_constant: float | None = None
    """The same with Φ1 = 0: R² of the force constants alone; None where no Φ1 is fitted."""
    noise: float | None = None
    """Root mean square component in eV/Å of noise in the forces, as of a Langevin thermostat;
    None if none was found."""
    noise_sem: float | None = None
    """Its standard error."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, first_order="s 3")

    @property
    def anharmonicity(self) -> float:
        """Root mean square residual force of Φ2 over the root mean square force.

        The measure σ of Knoop, Purcell, Scheffler, Carbogno, Phys. Rev. Materials 4, 083809
        (2020), here for the effective force constants. Noise in the forces is left out.
        """
        pairs = self.orders[0].rms_residual if self.orders else self.rms_residual
        return float(np.sqrt(self._without_noise(pairs)))

    @property
    def anharmonicity_sem(self) -> float | None:
        """Error of the anharmonicity from that of the noise; None if no noise was found."""
        if self.noise is None or self.noise_sem is None:
            return None
        pairs = self.orders[0].rms_residual if self.orders else self.rms_residual
        rest = self.rms_force**2 - self.noise**2
        error = 2.0 * self.noise * self.noise_sem * (self.rms_force**2 - pairs**2) / rest**2
        return 0.5 * error / max(self.anharmonicity, float(np.sqrt(0.5 * error)))

    @property
    def r_squared_without_noise(self) -> float | None:
        """R² of the forces without their noise; None if no noise was found."""
        return None if self.noise is None else 1.0 - self._without_noise(self.rms_residual)

    def _without_noise(self, rms_residual: float) -> float:
        """Squared residual over the squared force, both without noise."""
        noise = 0.0 if self.noise is None else self.noise**2
        return max(rms_residual**2 - noise, 0.0) / (self.rms_force**2 - noise)

    @property
    def r_squared_predicted(self) -> float | None:
        """R² of blocks of time left out of the fit; None if unknown."""
        rms = self.orders[-1].rms_predicted if self.orders else np.nan
        return 1.0 - (rms / self.rms_force) ** 2 if np.isfinite(rms) else None


@dataclass(frozen=True, slots=True)
class ClusterConstants:
    """Force constants of one order n ≥ 3: Φ[c] = ∂ⁿU/∂u(first, cell 0)…∂u(last, its cell).

    Every cluster is listed in every order of its members, with the first one in cell 0 and the
    axes of its values in the order of its members. Members may repeat. The sum over the last
    member vanishes for every choice of the others; if images in a supercell share the force
    constants, it vanishes after the sum over these images.
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
    optional. With charges Φ is the second order minus the dipole–dipole part, which
    `trajmodes.coulomb` computes from the charges.
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
    has_static_part: bool | None = None
    """Whether Φ contains the static part of the self-energy; None where it is not known."""
    cutoff: float | None = None
    """Cutoff radius in Å; None for the whole supercell with Wigner–Seitz sharing."""
    quality: FitQuality | None = None
    """Quality of the fit; None where they were not fitted."""
    triplets: ClusterConstants | None = None
    """Third order; None where there is none."""
    quartets: ClusterConstants | None = None
    """Fourth order; None where there is none."""
    charges: Charges | None = None
    """Born charges and ε∞ of the dipole–dipole part; None where there is none."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, int, first="p", second="p", lattice="p 3")
        freeze(self, sizes, float, values="p 3 3", replicates="b p 3 3")
        for order, clusters in ((3, self.triplets), (4, self.quartets)):
            if clusters is not None and clusters.order != order:
                raise DataError(
                    f"clusters of order {clusters.order} are given as order {order}"
                )
        if self.charges is not None and len(self.charges.born) != self.crystal.n_sites:
            raise DataError(
                f"there are Born charges of {len(self.charges.born)} sites, and the crystal "
                f"has {self.crystal.n_sites}"
            )

    def __repr__(self) -> str:
        """Summarise without the arrays."""
        parts = [f"{self.n_pairs} pairs"]
        for name, clusters in (("triplets", self.triplets), ("quartets", self.quartets)):
            parts += [] if clusters is None else [f"{clusters.n_clusters} {name}"]
        kelvin = "" if self.temperature is None else f", {self.temperature:.1f} K"
        errors = "" if self.replicates is None else ", with error bars"
        polar = "" if self.charges is None else ", with dipole–dipole part"
        summary = f"{', '.join(parts)}{kelvin}{errors}{polar}"
        return f"<ForceConstants of {self.crystal.formula}: {summary}>"

    @property
    def n_pairs(self) -> int:
        """Number of listed pairs."""
        return len(self.first)

    @property
    def members(self) -> tuple[Ints, Ints]:
        """Sites (p, 2) and lattice vectors (p, 2, 3), listed as in `ClusterConstants`."""
        sites = np.stack([self.first, self.second], axis=1)
        return sites, np.stack([np.zeros_like(self.lattice), self.lattice], axis=1)


@dataclass(frozen=True, slots=True)
class FitErrors:
    """Estimates of the parameters with one block of time left out."""

    parameters: Floats
    """(b, n). Covariance (B − 1)/B Σ_b (x_b − x̄)(x_b − x̄)ᵀ."""
    block_frames: float
    """Mean number of frames in one block."""
    inefficiency: float
    """Variance relative to independent force components: frames per independent frame."""
    levelled: bool
    """Whether errors no longer grow with the length of blocks, or equivalent modes show the
    rest. Without these: whether a block lasts four mean lifetimes, if known."""
    method: ErrorMethod = "jackknife"
    """Jackknife, or sandwich: its first order."""
    coherence: float | None = None
    """Variance of the mean over equivalent modes, relative to that of independent ones."""
    may_exceed: Floats | None = None
    """(q, m) factor by which errors of frequencies may be larger, from equivalent modes."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, parameters="b n", may_exceed="q m")

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.parameters)

    @property
    def variance(self) -> Floats:
        """(n,) squared standard errors of the parameters."""
        return jackknife_sem(self.parameters) ** 2


@dataclass(frozen=True, slots=True)
class Convergence:
    """Convergence of the fit with run length, from parts that determine the parameters."""

    fraction: Floats
    """(c,) fraction of the run used, ascending to 1."""
    change: Floats
    """(c, o) |x − x_full|/|x_full| of the parameters of each order in `FitQuality.orders`."""
    omega_change: Floats | None = None
    """(c,), unit: rad/ps. Root mean square change of the commensurate frequencies; None where
    it was not computed."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, fraction="c", change="c o", omega_change="c")


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
