"""Force constants of the primitive crystal, with what is known about their quality."""

from dataclasses import dataclass

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Crystal

__all__ = ["FitQuality", "ForceConstants"]


@dataclass(frozen=True, slots=True)
class FitQuality:
    """How well force constants describe the forces they were fitted to."""

    n_parameters: int
    """Number of free parameters after symmetry and sum rules."""
    rank: int
    """Numerical rank of the normal equations."""
    condition: float
    """Condition number of the equilibrated normal matrix."""
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

    def __post_init__(self) -> None:
        freeze(self, {}, float, first_order="s 3")


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

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, int, first="p", second="p", lattice="p 3")
        freeze(self, sizes, float, values="p 3 3", replicates="b p 3 3")

    @property
    def n_pairs(self) -> int:
        """Number of listed pairs."""
        return len(self.first)
