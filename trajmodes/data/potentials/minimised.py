"""The quasiharmonic crystal of a potential at temperatures and pressures."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal import Crystal

Scheme = Literal["full", "zsisa", "fixed"]
Statistics = Literal["quantum", "classical"]


@dataclass(frozen=True, slots=True)
class MinimisedCrystal:
    """Structures of lowest Gibbs energy at pressures (p) and temperatures (t), with properties.

    Beyond the last temperature at which there is a minimum all values are nan. Classical values
    at 0 K are limits: C_V is k_B for each mode, and the crystal expands.
    """

    crystal: Crystal
    """The structure of lowest static energy at zero pressure."""
    scheme: Scheme
    """Coordinates that minimise the free energy: all; strains, with displacements of lowest
    static energy (zsisa); strains, with the reduced coordinates of `crystal` (fixed)."""
    statistics: Statistics
    mesh: tuple[int, int, int]
    """Divisions of the mesh over the zone."""
    temperatures: Floats
    """(t,), unit: K."""
    pressures: Floats
    """(p,), unit: eV/Å³."""
    cells: Floats
    """(p, t, 3, 3), unit: Å. Rows are the lattice vectors."""
    sites: Floats
    """(p, t, s, 3) reduced coordinates."""
    static: Floats
    """(p, t), unit: eV. Static energy."""
    free_energy: Floats
    """(p, t), unit: eV. Static energy and vibrations."""
    entropy: Floats
    """(p, t), unit: eV/K. nan at 0 K with classical vibrations: it has no limit (−∞)."""
    expansion: Floats
    """(p, t, 3, 3), unit: 1/K. Thermal expansion tensor, Cartesian."""
    compressibility: Floats
    """(p, t), unit: Å³/eV. −(∂V/∂P)/V at constant temperature."""
    heat_capacity_p: Floats
    """(p, t), unit: eV/K. At constant pressure."""
    ended: tuple[str, ...]
    """(p,) why there is no minimum at the next temperature; empty if all were reached."""

    def __post_init__(self) -> None:
        sizes = {"s": self.crystal.n_sites}
        freeze(self, sizes, float, temperatures="t", pressures="p", cells="p t 3 3")
        freeze(self, sizes, float, sites="p t s 3", expansion="p t 3 3")
        names = ("static", "free_energy", "entropy", "compressibility", "heat_capacity_p")
        freeze(self, sizes, float, **dict.fromkeys(names, "p t"))

    @property
    def volume(self) -> Floats:
        """(p, t), unit: Å³."""
        a, b, c = np.moveaxis(self.cells, 2, 0)
        volumes: Floats = np.einsum("ptx,ptx->pt", a, np.cross(b, c))
        return volumes

    @property
    def gibbs_energy(self) -> Floats:
        """(p, t), unit: eV."""
        return self.free_energy + self.pressures[:, None] * self.volume

    @property
    def volume_expansion(self) -> Floats:
        """(p, t), unit: 1/K. β, the trace of the thermal expansion."""
        found: Floats = np.trace(self.expansion, axis1=2, axis2=3)
        return found

    @property
    def bulk_modulus(self) -> Floats:
        """(p, t), unit: eV/Å³. K_T, isothermal."""
        return 1.0 / self.compressibility

    @property
    def heat_capacity_v(self) -> Floats:
        """(p, t), unit: eV/K. C_V = C_P − T V β² K_T."""
        work = self.volume * self.volume_expansion**2 * self.bulk_modulus
        return self.heat_capacity_p - self.temperatures * work

    @property
    def adiabatic_bulk_modulus(self) -> Floats:
        """(p, t), unit: eV/Å³. K_S = K_T C_P/C_V."""
        return self.bulk_modulus * _ratio(self.heat_capacity_p, self.heat_capacity_v, 1.0)

    @property
    def gruneisen(self) -> Floats:
        """(p, t) Grüneisen function γ = β V K_T/C_V; nan at 0 K."""
        above = self.volume_expansion * self.volume * self.bulk_modulus
        return _ratio(above, self.heat_capacity_v, np.nan)


@dataclass(frozen=True, slots=True)
class ZoneGruneisen:
    """Mode Grüneisen parameters for symmetric strains (e) on a mesh (q) of the zone."""

    qpoints: Floats
    """(q, 3) reduced coordinates."""
    weights: Floats
    """(q,) fractions of the zone."""
    strains: Floats
    """(e, 3, 3) patterns of the strains."""
    omega: Floats
    """(q, m), unit: rad/ps; nan for translations."""
    gamma: Floats
    """(e, q, m) −∂ln ω/∂e; nan where ω is not positive."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoints="q 3", weights="q", strains="e 3 3")


class ComparedLattice(NamedTuple):
    """Lattice parameters of other results (n), such as runs at constant pressure."""

    name: list[str]
    temperature: Floats
    """(n,), unit: K."""
    volume: Floats
    """(n,), unit: Å³. Of a primitive cell."""
    lengths: Floats
    """(n, 3), unit: Å. Of the vectors of the conventional cell."""


def _ratio(above: Floats, below: Floats, otherwise: float) -> Floats:
    """Quotient; where the divisor is zero, the given value."""
    found = np.full(above.shape, otherwise)
    value: Floats = np.divide(above, below, out=found, where=below != 0.0)
    return value
