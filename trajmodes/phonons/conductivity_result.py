"""What a run says about the lattice thermal conductivity."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Floats, freeze
from trajmodes.data import Crystal

__all__ = ["Conductivity", "HeatFlow"]


@dataclass(frozen=True, slots=True)
class HeatFlow:
    """The conductivity with one kind of heat capacity, and what it is made of."""

    kappa_w_mk: Floats
    """(3, 3), unit: W/(m K), Cartesian."""
    kappa_w_mk_sem: Floats
    """(3, 3), unit: W/(m K). From the lifetimes, and the force constants where they have
    replicates."""
    isotropic_w_mk: float
    """One third of the trace: that of a crystal of many grains, in W/(m K)."""
    isotropic_w_mk_sem: float
    """Its standard error in W/(m K)."""
    long_wave_share: float
    """Part of the trace that rests on linewidths continued from the longest waves of the
    supercell to Γ: the box does not hold these waves."""
    filled_share: float
    """Part of the trace that rests on sets without a lifetime of their own."""
    edge_thz: Floats
    """(w + 1,), unit: THz. Edges of the bins in frequency, from 0."""
    below_frequency_w_mk: Floats
    """(w + 1, 3, 3), unit: W/(m K). What modes below each edge carry."""
    length_nm: Floats
    """(l,), unit: nm. Mean free paths |v|τ, ascending."""
    below_length_w_mk: Floats
    """(l, 3, 3), unit: W/(m K). What modes with shorter mean free paths carry."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, kappa_w_mk="3 3", kappa_w_mk_sem="3 3")
        freeze(self, sizes, float, edge_thz="w", below_frequency_w_mk="w 3 3")
        freeze(self, sizes, float, length_nm="l", below_length_w_mk="l 3 3")

    @property
    def freq_thz(self) -> Floats:
        """(w,) middle of each bin in THz."""
        middle: Floats = 0.5 * (self.edge_thz[1:] + self.edge_thz[:-1])
        return middle

    @property
    def spectral_w_mk_thz(self) -> Floats:
        """(w, 3, 3) conductivity per frequency in W/(m K THz); its integral is κ."""
        steps = np.diff(self.edge_thz)[:, None, None]
        density: Floats = np.diff(self.below_frequency_w_mk, axis=0) / steps
        return density


@dataclass(frozen=True, slots=True)
class Conductivity:
    """Lattice thermal conductivity in the relaxation-time picture.

    The lifetimes are those of a classical run in both kinds of heat flow.
    """

    crystal: Crystal
    temperature: float
    """In K."""
    divisions: tuple[int, int, int]
    """Mesh, points along each reciprocal lattice vector."""
    classical: HeatFlow
    """Heat capacity k_B of every mode, as in the run."""
    quantum: HeatFlow
    """Heat capacity of a quantum oscillator."""
    filled: Bools
    """(g,) sets without a lifetime of their own: τ ~ ω⁻² through sets of similar frequency."""
    speed: Floats
    """(g,), unit: Å/ps. Group velocity of the modes of each set, root of the mean square."""
    free_path_nm: Floats
    """(g,), unit: nm. Mean free path |v|τ of each set; nan where the lifetime is not known."""
    free_path_nm_sem: Floats
    """(g,), unit: nm. From the lifetime."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, bool, filled="g")
        freeze(self, sizes, float, speed="g", free_path_nm="g", free_path_nm_sem="g")

    def __str__(self) -> str:
        """Say in one sentence what was found."""
        parts = [
            f"{flow.isotropic_w_mk:.4g} ± {flow.isotropic_w_mk_sem:.2g} W/(m K) {name}"
            for name, flow in (("classical", self.classical), ("quantum", self.quantum))
        ]
        mesh = "×".join(map(str, self.divisions))
        return (
            f"κ at {self.temperature:.1f} K: {', '.join(parts)}; mesh {mesh}, "
            f"{100 * self.classical.filled_share:.0f} % from lifetimes filled in"
        )
