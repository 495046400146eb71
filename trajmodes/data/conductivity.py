"""What a run says about the lattice thermal conductivity, κ = Σ C v⊗v τ / V."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Floats, freeze


@dataclass(frozen=True, slots=True)
class HeatFlow:
    """The conductivity with one kind of heat capacity, and what it is made of."""

    kappa: Floats
    """(3, 3), unit: eV/(K Å ps), Cartesian."""
    kappa_sem: Floats
    """(3, 3), unit: eV/(K Å ps). From the lifetimes, and the force constants where they have
    replicates."""
    isotropic: float
    """One third of the trace in eV/(K Å ps): that of a crystal of many grains."""
    isotropic_sem: float
    """In eV/(K Å ps)."""
    long_wave_share: float
    """Part of the trace that rests on linewidths continued from the longest waves of the
    supercell to Γ: the box does not hold these waves."""
    filled_share: float
    """Part of the trace that rests on sets without a lifetime of their own."""
    edges: Floats
    """(w + 1,), unit: rad/ps. Edges of the bins in frequency, from 0."""
    below_frequency: Floats
    """(w + 1, 3, 3), unit: eV/(K Å ps). What modes below each edge carry."""
    length: Floats
    """(l,), unit: Å. Mean free paths |v|τ, ascending."""
    below_length: Floats
    """(l, 3, 3), unit: eV/(K Å ps). What modes with shorter mean free paths carry."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, kappa="3 3", kappa_sem="3 3")
        freeze(self, sizes, float, edges="w", below_frequency="w 3 3")
        freeze(self, sizes, float, length="l", below_length="l 3 3")

    @property
    def omega(self) -> Floats:
        """(w,) middle of each bin in rad/ps."""
        middle: Floats = 0.5 * (self.edges[1:] + self.edges[:-1])
        return middle

    @property
    def spectral(self) -> Floats:
        """(w,) isotropic conductivity per angular frequency in eV/(K Å); its integral is κ."""
        density: Floats = np.diff(_isotropic(self.below_frequency)) / np.diff(self.edges)
        return density

    @property
    def cumulative(self) -> Floats:
        """(l,) isotropic part of `below_length` in eV/(K Å ps)."""
        return _isotropic(self.below_length)


@dataclass(frozen=True, slots=True)
class Conductivity:
    """Lattice thermal conductivity in the relaxation-time picture.

    The lifetimes are those of a classical run in both kinds of heat flow.
    """

    temperature: float
    """In K."""
    mesh: tuple[int, int, int]
    """Points along each reciprocal lattice vector."""
    classical: HeatFlow
    """Heat capacity k_B of every mode, as in the run."""
    quantum: HeatFlow
    """Heat capacity of a quantum oscillator."""
    filled: Bools
    """(g,) sets without a lifetime of their own: τ ~ ω⁻² through sets of similar frequency."""
    speed: Floats
    """(g,), unit: Å/ps. Group velocity of the modes of each set, root of the mean square."""
    free_path: Floats
    """(g,), unit: Å. Mean free path |v|τ of each set; nan where the lifetime is not known."""
    free_path_sem: Floats
    """(g,), unit: Å. From the lifetime."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, bool, filled="g")
        freeze(self, sizes, float, speed="g", free_path="g", free_path_sem="g")


def _isotropic(tensors: Floats) -> Floats:
    """(…) one third of the traces of tensors (…, 3, 3)."""
    mean: Floats = np.trace(tensors, axis1=-2, axis2=-1) / 3.0
    return mean
