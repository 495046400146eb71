"""What cubic force constants give: Grüneisen parameters and three-phonon linewidths."""

from dataclasses import dataclass

from trajmodes.arrays import Floats, freeze


@dataclass(frozen=True, slots=True)
class MeanGruneisen:
    """Grüneisen parameters averaged over a mesh of q points."""

    temperatures: Floats
    """(k,), unit: K."""
    quantum: Floats
    """(k,) mean with Bose–Einstein heat capacities."""
    quantum_sem: Floats | None
    """(k,) its standard error; None where the constants have none."""
    classical: float
    """Mean with the same heat capacity for all modes."""
    classical_sem: float | None
    """Its standard error; None where the constants have none."""
    mesh: tuple[int, int, int]
    """Points along each reciprocal lattice vector."""
    left_out: float
    """Part of the modes that have no Grüneisen parameter, for ω² is not positive. The acoustic
    modes at Γ, which are left out too, are not counted in it."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, temperatures="k", quantum="k", quantum_sem="k")


@dataclass(frozen=True, slots=True)
class GruneisenParameters:
    """Answers of the frequencies to volume, γ = −(V/ω) ∂ω/∂V, from the cubic constants."""

    path: Floats
    """(n, m) at the points of a band path; nan where ω² is not positive."""
    path_sem: Floats | None
    """(n, m); None where the constants have no error bars."""
    sets: Floats
    """(g,) of each set of symmetry-equal modes; nan where ω² is not positive."""
    sets_sem: Floats | None
    """(g,); None where the constants have no error bars."""
    mean: MeanGruneisen
    """Mean over the zone, at the temperature of the constants if that is known."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, path="n m", path_sem="n m", sets="g", sets_sem="g")


@dataclass(frozen=True, slots=True)
class PerturbativeWidths:
    """Linewidths of three-phonon scattering at a list of q points.

    A linewidth is the full width at half maximum γ of a line in angular frequency. The energy
    decays as e^{−γt}.
    """

    temperature: float
    """In K."""
    mesh: tuple[int, int, int]
    """Points along each reciprocal lattice vector of the sum over scattering partners."""
    qpoints: Floats
    """(q, 3), reduced coordinates, no 2π."""
    omega: Floats
    """(q, m), unit: rad/ps. Negative means imaginary."""
    quantum: Floats
    """(q, m), unit: rad/ps. Linewidth with Bose–Einstein occupation; nan for modes that are
    imaginary, or acoustic at Γ."""
    classical: Floats
    """(q, m), unit: rad/ps. The same with the occupation k_BT/ħω of a classical crystal."""
    left_out: float
    """Part of the modes of the mesh that took no part, for they are imaginary; besides them the
    three acoustic ones at Γ."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, qpoints="q 3", omega="q m", quantum="q m", classical="q m")


@dataclass(frozen=True, slots=True)
class WidthComparison:
    """Linewidths of a run beside those of perturbation theory, for the widest modes."""

    ratio: float
    """Mean width of the run over the mean perturbative one of the same sets; nan for none."""
    ratio_sem: float
    n_sets: int
    """Number of sets compared."""
