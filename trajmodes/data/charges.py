"""Born effective charges and the dielectric tensor of a polar crystal."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Charges:
    """Born effective charges Z* and high-frequency dielectric tensor ε∞.

    They define the dipole–dipole part of the force constants (`trajmodes.coulomb`). Dynamical
    quadrupoles, where they are known, add the forces between dipoles and quadrupoles, and
    between quadrupoles.

    Raises
    ------
    DataError
        If ε∞ is not symmetric and positive definite, or a number is not finite.
    """

    born: Floats
    """(s, 3, 3), unit: e. Z*_αβ = V ∂P_α/∂u_β: polarisation along α, displacement along β."""
    dielectric: Floats
    """(3, 3) ε∞, relative to vacuum, at clamped nuclei."""
    quadrupoles: Floats | None = None
    """(s, 3, 3, 3), unit: e Å. Q_αβγ = ∫ρ r_α r_β per displacement along γ, of the charge ρ
    that it induces without macroscopic field; symmetric in αβ. None where it is left out."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, born="s 3 3", dielectric="3 3", quadrupoles="s 3 3 3")
        given = [
            one for one in (self.born, self.dielectric, self.quadrupoles) if one is not None
        ]
        if not all(np.isfinite(one).all() for one in given):
            raise DataError("the charges or the dielectric tensor are not finite numbers")
        epsilon = self.dielectric
        asymmetry = float(np.abs(epsilon - epsilon.T).max())
        if asymmetry > 1e-3 * np.abs(epsilon).max():
            raise DataError(
                f"the dielectric tensor is not symmetric: ε_ij and ε_ji differ by up to "
                f"{asymmetry:.3g}",
                why="a number is in the wrong place",
                fix="give the nine numbers row by row",
            )
        lowest = float(np.linalg.eigvalsh(0.5 * (epsilon + epsilon.T))[0])
        if not lowest > 0.0:
            raise DataError(
                f"the dielectric tensor is not positive: its lowest eigenvalue is {lowest:.4g}",
                why="the calculation found a metal, or a number is wrong",
                fix="give ε∞ of an insulator; a metal has no long-range dipole forces: leave "
                "the charges out",
            )

    def __repr__(self) -> str:
        """Summarise by the mean charges and the mean of ε∞."""
        mean = np.einsum("sxx->s", self.born) / 3.0
        charges = ", ".join(f"{charge:+.3g}" for charge in mean)
        return f"<Charges {charges} e, ε∞ {np.trace(self.dielectric) / 3.0:.3g}>"


def same_charges(one: Charges | None, other: Charges | None) -> bool:
    """Whether both are the same up to rounding, or there are none."""
    if one is None or other is None:
        return one is other
    none = np.zeros((0, 3, 3, 3))
    pairs = [
        (x.born, x.dielectric, none if x.quadrupoles is None else x.quadrupoles)
        for x in (one, other)
    ]
    return all(
        x.shape == y.shape and np.allclose(x, y, rtol=0.0, atol=1e-6)
        for x, y in zip(*pairs, strict=True)
    )


@dataclass(frozen=True, slots=True, eq=False)
class Splitting:
    """Frequencies of optic modes at Γ with and without the field of a direction."""

    direction: Floats
    """(3,) Cartesian unit vector along which Γ is approached."""
    transverse: Floats
    """(m,), unit: rad/ps. Optic modes without macroscopic field, ascending."""
    longitudinal: Floats
    """(m,), unit: rad/ps. Optic modes with the field of the direction, ascending; those that
    are transverse to it are unchanged."""
    transverse_sem: Floats | None = None
    """(m,), unit: rad/ps. Standard errors."""
    longitudinal_sem: Floats | None = None
    """(m,), unit: rad/ps. Standard errors."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, direction="3")
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, transverse="m", longitudinal="m")
        freeze(self, sizes, float, transverse_sem="m", longitudinal_sem="m")


@dataclass(frozen=True, slots=True, eq=False)
class PolarModes:
    """Optic modes at Γ of a polar crystal."""

    transverse: Floats
    """(m,), unit: rad/ps. Without macroscopic field, ascending."""
    longitudinal: Floats
    """(m, 3), unit: rad/ps. As q → 0 along x, y and z, ascending along each."""
    static: Floats | None
    """(3, 3) static dielectric tensor; None where an optic mode is unstable."""
    transverse_sem: Floats | None = None
    """(m,), unit: rad/ps. Standard errors."""
    longitudinal_sem: Floats | None = None
    """(m, 3), unit: rad/ps. Standard errors."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, transverse="m", longitudinal="m 3", static="3 3")
        freeze(self, sizes, float, transverse_sem="m", longitudinal_sem="m 3")
