"""From block means of single modes to the energies of sets, with their errors.

    E± = ½|ωQ ± iQ̇|² = K + U ∓ ω Im Q*Q̇

is the energy of the wave that runs along ±q: cos(q·r − ωt) has Q ~ e^{−iωt}, so that iQ̇ = ωQ
and E− = 0. Where q = −q the amplitude is real but for a phase, and both are K + U.
"""

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
    half_bkg = set_mean(means.halves, modes)
    kinetic_bg, square_bg = half_bkg[:, 0], half_bkg[:, 1]
    potential_bg = set_mean(_potential(modes, means), modes)
    temperature_b = 2.0 / BOLTZMANN * kinetic_bg @ (members / members.sum())
    temperature = float(shares @ temperature_b)
    temperature_sem = float(longest_sem(temperature_b))
    expected = np.full(modes.n_sets, 0.5 * BOLTZMANN * temperature)

    kinetic, square = shares @ kinetic_bg, shares @ square_bg
    # ½|Q|² in the unit of an energy, so that it has the mean of the kinetic one.
    strain_bg = square_bg * (kinetic / square)
    energy_bg = 0.5 * (kinetic_bg + strain_bg)
    snapshot = set_fluctuations(modes, means, temperature)
    slow = energy_sem(energy_bg, members, expected, snapshot)

    def sem(part_bg: Floats) -> Floats:
        # The slow energy of the mode, and what the part does besides following it.
        return np.hypot(slow, block_sem(part_bg - energy_bg))

    potential = shares @ potential_bg
    displacement, ratio = np.sqrt(expected / square), np.sqrt(kinetic / square)
    square_relative = sem(strain_bg) / kinetic
    displacement_relative = 0.5 * np.hypot(square_relative, temperature_sem / temperature)
    virial_bg = -half_bkg[:, 3] if half_bkg.shape[1] == 4 else None
    virial = None if virial_bg is None else shares @ virial_bg
    excess = None if virial is None else virial / potential
    heat, heat_sem = heat_capacities(modes, means, (temperature, temperature_sem), snapshot)
    travelling, travelling_sem = _travelling(modes, means, 0.5 * BOLTZMANN * temperature)
    return ModeEnergies(
        members=members,
        kinetic=kinetic,
        kinetic_sem=sem(kinetic_bg),
        potential=potential,
        potential_sem=potential * square_relative,
        virial=virial,
        virial_sem=None if virial_bg is None else sem(virial_bg),
        omega_displacement=displacement,
        omega_displacement_sem=displacement * displacement_relative,
        omega_ratio=ratio,
        omega_ratio_sem=0.5 * ratio * ratio_sem(kinetic_bg, square_bg),
        temperature=temperature,
        temperature_sem=temperature_sem,
        anharmonicity=None if excess is None else excess - 1.0,
        anharmonicity_sem=None
        if excess is None or virial_bg is None
        else np.abs(excess) * ratio_sem(virial_bg, potential_bg),
        heat_capacity_kb=heat,
        heat_capacity_kb_sem=heat_sem,
        travelling=travelling,
        travelling_sem=travelling_sem,
    )


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
