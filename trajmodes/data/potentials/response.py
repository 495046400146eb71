"""Static response of a crystal to strain and to an electric field."""

from dataclasses import dataclass

from trajmodes.arrays import Floats, freeze


@dataclass(frozen=True, slots=True, eq=False)
class StaticResponse:
    """Second derivatives of the static energy with respect to strain and electric field.

    Strains η are in Voigt's order xx, yy, zz, yz, xz, xy, with shears that are twice the
    component ε of the tensor. With clamped atoms their reduced coordinates are constant, and
    only electrons (shells) relax. Otherwise the atoms relax too.
    """

    stiffness: Floats
    """(6, 6), unit: eV/Å³. (1/V) ∂²E/∂η∂η at constant electric field."""
    stiffness_clamped: Floats
    """(6, 6), unit: eV/Å³. The same with clamped atoms."""
    piezoelectric: Floats | None = None
    """(3, 6), unit: e/Å². Proper tensor e = ∂P/∂η at constant field; None without charges."""
    piezoelectric_clamped: Floats | None = None
    """(3, 6), unit: e/Å². The same with clamped atoms."""
    dielectric_static: Floats | None = None
    """(3, 3) ε0 at constant strain; None without charges."""
    dielectric: Floats | None = None
    """(3, 3) ε∞, of clamped atoms."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, stiffness="6 6", stiffness_clamped="6 6")
        freeze(self, {}, float, piezoelectric="3 6", piezoelectric_clamped="3 6")
        freeze(self, {}, float, dielectric_static="3 3", dielectric="3 3")
