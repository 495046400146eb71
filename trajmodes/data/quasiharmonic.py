"""Equilibrium of a crystal at temperature and pressure, from several volumes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal import Crystal

PhaseVerdict = Literal["resolved", "not resolved", "first", "second"]


@dataclass(frozen=True, slots=True)
class VolumeFunctions:
    """Thermodynamic functions of one primitive cell at one volume, at temperatures (t)."""

    volume: float
    """In Å³, of the primitive cell."""
    values: Floats
    """(3, t) free energy with the static energy in eV, entropy and heat capacity in eV/K."""
    deviations: Floats
    """(m, 3, t). Change of the values by each independent source of error: the variance of any
    function of the values is the sum of the squares of its changes."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, values="3 t", deviations="m 3 t")

    @property
    def free_energy_sem(self) -> Floats:
        """(t,) standard error of the free energy in eV; zero without sources of error."""
        sem: Floats = np.sqrt((self.deviations[:, 0] ** 2).sum(axis=0))
        return sem


@dataclass(frozen=True, slots=True)
class Equilibrium:
    """A crystal in equilibrium at pressures (p) and temperatures (t), per primitive cell."""

    volume: Floats
    """(p, t), unit: Å³."""
    expansion: Floats
    """(p, t), unit: 1/K. Linear thermal expansion, a third of (1/V) ∂V/∂T."""
    bulk_modulus: Floats
    """(p, t), unit: eV/Å³. At constant temperature."""
    adiabatic_modulus: Floats
    """(p, t), unit: eV/Å³. Bulk modulus at constant entropy."""
    capacity_v: Floats
    """(p, t), unit: eV/K. Heat capacity at constant volume, that of equilibrium."""
    capacity_p: Floats
    """(p, t), unit: eV/K. Heat capacity at constant pressure."""
    entropy: Floats
    """(p, t), unit: eV/K."""
    free_energy: Floats
    """(p, t), unit: eV. Helmholtz free energy with the static energy."""
    gibbs: Floats
    """(p, t), unit: eV. Gibbs free energy F + pV."""
    gruneisen: Floats
    """(p, t) thermodynamic Grüneisen parameter V ∂S/∂V / C_V; nan where C_V is zero."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        for name in self.__slots__:
            freeze(self, sizes, float, **{name: "p t"})


@dataclass(frozen=True, slots=True)
class AxisEquilibrium:
    """Lengths of the cell of a uniaxial crystal in equilibrium at (p) and (t)."""

    a: Floats
    """(p, t), unit: Å. Of the conventional cell."""
    c: Floats
    """(p, t), unit: Å. Along the axis."""
    ratio: Floats
    """(p, t). c/a."""
    expansion_a: Floats
    """(p, t), unit: 1/K. Linear thermal expansion (1/a) ∂a/∂T at constant pressure."""
    expansion_c: Floats
    """(p, t), unit: 1/K. Linear thermal expansion (1/c) ∂c/∂T at constant pressure."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        for name in self.__slots__:
            freeze(self, sizes, float, **{name: "p t"})


@dataclass(frozen=True, slots=True)
class EquationComparison:
    """How well several forms of the free energy (e) describe the same values."""

    names: tuple[str, ...]
    """(e,) the first one is that of the results."""
    rms_residual: Floats
    """(e,), unit: eV. Root mean square residual over volumes and temperatures."""
    rms_left_out: Floats
    """(e,), unit: eV. The same of volumes left out of the fit; nan where none can be."""
    volume: Floats
    """(e, p, t), unit: Å³."""

    def __post_init__(self) -> None:
        sizes = {"e": len(self.names)}
        freeze(self, sizes, float, rms_residual="e", rms_left_out="e", volume="e p t")


@dataclass(frozen=True, slots=True)
class ModeGruneisen:
    """Grüneisen parameters −(V/ω) ∂ω/∂V of modes (q, m), from force constants at volumes."""

    qpoints: Floats
    """(q, 3), reduced coordinates."""
    omega: Floats
    """(q, m), unit: rad/ps. At the volume of reference; negative means imaginary."""
    gamma: Floats
    """(q, m). nan where ω² is not positive, and for the acoustic modes at Γ."""
    gamma_sem: Floats | None = None
    """(q, m) standard error; None where force constants have none."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, qpoints="q 3", omega="q m", gamma="q m", gamma_sem="q m")


@dataclass(frozen=True, slots=True)
class Quasiharmonic:
    """Quasiharmonic properties of a crystal from force constants at several volumes (v)."""

    crystal: Crystal
    """At the volume that is nearest to equilibrium at the first pressure and temperature."""
    temperatures: Floats
    """(t,), unit: K, ascending."""
    pressures: Floats
    """(p,), unit: eV/Å³."""
    volumes: Floats
    """(v,), unit: Å³, ascending. Two of them are the same where only c/a differs."""
    run_lengths: Floats
    """(v, 3), unit: Å. Lengths of the vectors of the conventional cell at each volume."""
    free_energies: Floats
    """(v, t), unit: eV. Helmholtz free energy at each volume."""
    free_energies_sem: Floats | None
    """(v, t) standard error; None where nothing has one."""
    equilibrium: Equilibrium
    sem: Equilibrium | None
    """Standard errors; None where nothing has one."""
    spread: Equilibrium | None
    """Half the range of the values from different forms of the equation of state; None with
    one form."""
    comparison: EquationComparison
    mesh: tuple[int, int, int]
    """Number of points along each reciprocal lattice vector."""
    is_classical: bool
    lengths: Floats
    """(p, t, 3), unit: Å. Lengths of the vectors of the conventional cell."""
    lengths_sem: Floats | None
    """(p, t, 3) standard error."""
    axes: AxisEquilibrium | None = None
    """Of a uniaxial crystal whose F is least in a and c; None where it is in V alone."""
    axes_sem: AxisEquilibrium | None = None
    axes_spread: AxisEquilibrium | None = None
    """Half the range over forms of F; None with one form."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, temperatures="t", pressures="p", volumes="v")
        freeze(self, sizes, float, run_lengths="v 3")
        freeze(self, sizes, float, free_energies="v t", free_energies_sem="v t")
        freeze(self, sizes, float, lengths="p t 3", lengths_sem="p t 3")


@dataclass(frozen=True, slots=True)
class GibbsEnergy:
    """Gibbs free energy of a phase per atom, at pressures (p) and temperatures (t)."""

    pressures: Floats
    """(p,), unit: eV/Å³."""
    temperatures: Floats
    """(t,), unit: K."""
    gibbs: Floats
    """(p, t), unit: eV."""
    entropy: Floats
    """(p, t), unit: eV/K."""
    volume: Floats
    """(p, t), unit: Å³."""
    gibbs_sem: Floats
    """(p, t), unit: eV. Standard error; nan where it is not known."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, pressures="p", temperatures="t")
        for name in ("gibbs", "entropy", "volume", "gibbs_sem"):
            freeze(self, sizes, float, **{name: "p t"})


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where two phases have the same Gibbs free energy at one pressure."""

    pressure: float
    """In eV/Å³."""
    verdict: PhaseVerdict
    """``resolved``; ``not resolved`` if errors leave open where, or whether, the phases cross;
    otherwise the phase that is stable at all temperatures given."""
    temperature: float
    """In K; nan without a crossing."""
    temperature_sem: float
    """Its standard error in K; nan without a crossing, or where errors are not known."""
    low: float
    """Lowest temperature in K at which errors allow the crossing; nan if they allow none, or
    are not known."""
    high: float
    """Highest such temperature in K."""
    latent_heat: float
    """TΔS in eV per atom from the first to the second phase; nan without a crossing."""
    slope: float
    """dp/dT of the phase boundary in eV/(Å³ K); nan without a crossing."""


@dataclass(frozen=True, slots=True)
class PhaseBoundary:
    """Difference of the Gibbs free energies of two phases, and where it vanishes."""

    pressures: Floats
    """(p,), unit: eV/Å³."""
    temperatures: Floats
    """(t,), unit: K."""
    difference: Floats
    """(p, t), unit: eV per atom. G of the first phase minus that of the second."""
    difference_sem: Floats
    """(p, t) standard error; nan where that of a phase is not known."""
    crossings: tuple[Crossing, ...]
    """At least one for each pressure, in their order."""
    transition_pressure: Floats | None
    """(t,), unit: eV/Å³. Lowest pressure at which G is equal at each temperature; nan where it
    is outside the pressures. None at one pressure."""
    transition_pressure_sem: Floats | None
    """(t,), unit: eV/Å³. Its standard error."""
    names: tuple[str, str] = ("first", "second")
    """Names of the phases."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, pressures="p", temperatures="t")
        freeze(self, sizes, float, difference="p t", difference_sem="p t")
        freeze(self, sizes, float, transition_pressure="t", transition_pressure_sem="t")

    def __repr__(self) -> str:
        """Summarise without the arrays."""
        found = [
            f"{one.temperature:.4g} ± {one.temperature_sem:.2g} K" for one in self.crossings
        ]
        return f"<PhaseBoundary of {' and '.join(self.names)}: {', '.join(found)}>"
