"""From block means of single modes to the energies of sets, with their errors.

    E± = ½|ωQ ± iQ̇|² = K + U ∓ ω Im Q*Q̇

is the energy of the wave that runs along ±q: cos(q·r − ωt) has Q ~ e^{−iωt}, so that iQ̇ = ωQ
and E− = 0. Where q = −q the amplitude is real but for a phase, and both are K + U.
"""

from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data import ModeEnergies, Modes
from trajmodes.project.energy_sums import EnergyMeans
from trajmodes.project.heat_capacity import heat_capacities, set_fluctuations
from trajmodes.project.statistics import block_sem, energy_sem, longest_sem, ratio_sem
from trajmodes.symmetry.mode_sets import set_mean, set_members
from trajmodes.units import BOLTZMANN

__all__ = ["pool_energies"]


def pool_energies(modes: Modes, means: EnergyMeans) -> ModeEnergies:
    """Means and errors over sets.

    Parameters
    ----------
    modes
        The modes with their sets.
    means
        What was measured of each mode.
    """
    shares, members = means.shares, set_members(modes)
    halves_bkg = set_mean(means.halves, modes)
    temperature_b = 2.0 / BOLTZMANN * halves_bkg[:, 0] @ (members / members.sum())
    temperature = float(shares @ temperature_b)
    temperature_sem = float(longest_sem(temperature_b))
    equal = 0.5 * BOLTZMANN * temperature
    expected = np.full(modes.n_sets, equal)
    snapshot = set_fluctuations(modes, means, temperature)
    potential_bqm = _potential(modes, means)
    parts = _Blocks.of(halves_bkg, set_mean(potential_bqm, modes), shares)
    slow = energy_sem(parts.energy, members, expected, snapshot)
    energies, energies_sem = parts.means(slow)
    kinetic, square = energies[0], shares @ parts.square
    displacement, ratio = np.sqrt(expected / square), np.sqrt(kinetic / square)
    square_relative = parts.square_relative(slow)
    displacement_relative = 0.5 * np.hypot(square_relative, temperature_sem / temperature)
    virial, virial_sem = (energies[2], energies_sem[2]) if len(energies) == 3 else (None, None)
    excess = None if virial is None else virial / energies[1]
    heat, heat_sem = heat_capacities(modes, means, (temperature, temperature_sem), snapshot)
    single, single_sem = _single(modes, means, potential_bqm, equal)
    travelling, travelling_sem = _travelling(modes, means, equal)
    return ModeEnergies(
        members=members,
        kinetic=kinetic,
        kinetic_sem=energies_sem[0],
        potential=energies[1],
        potential_sem=energies_sem[1],
        virial=virial,
        virial_sem=virial_sem,
        omega_displacement=displacement,
        omega_displacement_sem=displacement * displacement_relative,
        omega_ratio=ratio,
        omega_ratio_sem=0.5 * ratio * ratio_sem(parts.kinetic, parts.square),
        temperature=temperature,
        temperature_sem=temperature_sem,
        anharmonicity=None if excess is None else excess - 1.0,
        anharmonicity_sem=None
        if excess is None or parts.virial is None
        else np.abs(excess) * ratio_sem(parts.virial, parts.potential),
        heat_capacity_kb=heat,
        heat_capacity_kb_sem=heat_sem,
        single=single,
        single_sem=single_sem,
        travelling=travelling,
        travelling_sem=travelling_sem,
    )


class _Blocks(NamedTuple):
    """Means over blocks of time (b, n) of sets or of single modes."""

    shares: Floats
    """(b,) of the run."""
    kinetic: Floats
    square: Floats
    """½|Q|²."""
    potential: Floats
    virial: Floats | None
    strain: Floats
    """½|Q|² in the unit of an energy, so that it has the mean of the kinetic one."""

    @staticmethod
    def of(halves_bkn: Floats, potential_bn: Floats, shares: Floats) -> "_Blocks":
        kinetic, square = halves_bkn[:, 0], halves_bkn[:, 1]
        virial = -halves_bkn[:, 3] if halves_bkn.shape[1] == 4 else None
        strain = square * (shares @ kinetic / (shares @ square))
        return _Blocks(shares, kinetic, square, potential_bn, virial, strain)

    @property
    def energy(self) -> Floats:
        """Half the total one."""
        return 0.5 * (self.kinetic + self.strain)

    def sem(self, part_bn: Floats, slow: Floats) -> Floats:
        """Error of the slow energy of the mode, and of what the part does besides."""
        return np.hypot(slow, block_sem(part_bn - self.energy))

    def square_relative(self, slow: Floats) -> Floats:
        """Relative error of ⟨|Q|²⟩ (n,)."""
        relative: Floats = self.sem(self.strain, slow) / (self.shares @ self.kinetic)
        return relative

    def means(self, slow: Floats) -> tuple[Floats, Floats]:
        """K, U and, where there are forces, W, and their errors, as (k, n)."""
        potential = self.shares @ self.potential
        values = [self.shares @ self.kinetic, potential]
        sems = [self.sem(self.kinetic, slow), potential * self.square_relative(slow)]
        if self.virial is not None:
            values.append(self.shares @ self.virial)
            sems.append(self.sem(self.virial, slow))
        return np.array(values), np.array(sems)


def _single(
    modes: Modes, means: EnergyMeans, potential_bqm: Floats, equal: float
) -> tuple[Floats, Floats]:
    """K, U, W of every single mode and their errors, (k, q, m); nan for drift."""
    inside = modes.sets >= 0
    # The boolean index joins q and m to n.
    parts = _Blocks.of(means.halves[..., inside], potential_bqm[:, inside], means.shares)
    # Real and imaginary part; where q = −q one of them, or two that errors count as one.
    freedom = np.broadcast_to(modes.weights[:, None], inside.shape)[inside].astype(np.int64)
    slow = energy_sem(parts.energy, freedom, np.full(len(freedom), equal))
    found = np.full((2, 3 if parts.virial is not None else 2, *inside.shape), np.nan)
    found[..., inside] = parts.means(slow)
    return found[0], found[1]


def _potential(modes: Modes, means: EnergyMeans) -> Floats:
    """½ω²|Q|² (b, q, m); nan for an imaginary mode, 0 for drift."""
    squares = np.where(modes.omega > 0.0, modes.omega**2, np.nan)
    potential: Floats = np.where(modes.sets >= 0, squares, 0.0) * means.halves[:, 1]
    return potential


def _travelling(modes: Modes, means: EnergyMeans, expected: float) -> tuple[Floats, Floats]:
    """⟨E±⟩ and its error, both (2, q, m); nan for drift, too."""
    drift = np.where(modes.sets >= 0, 0.0, np.nan)
    standing_bqm = means.halves[:, 0] + _potential(modes, means) + drift
    # Zero where q = −q: there rounding is all that is left of it.
    flow_bqm = np.where(modes.weights == 2.0, 2.0, 0.0)[:, None] * (
        modes.omega * means.halves[:, 2]
    )
    mean, sem = np.empty((2, 2, *modes.omega.shape))
    for k, sign in enumerate((-1.0, 1.0)):
        energy_bn = (standing_bqm + sign * flow_bqm).reshape(len(means.shares), -1)
        one = np.ones(energy_bn.shape[1], dtype=np.int64)
        mean_n = means.shares @ energy_bn
        snapshot = means.waves[k].ravel() / mean_n**2 - 1.0
        # Exponentially distributed, as the energy of one real degree of freedom is.
        limits = (one, np.full(len(one), expected), snapshot)
        slow_n = 2.0 * energy_sem(0.5 * energy_bn, *limits)
        mean[k] = mean_n.reshape(modes.omega.shape)
        sem[k] = slow_n.reshape(modes.omega.shape)
    return mean, sem
