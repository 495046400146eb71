"""Heat capacity of modes from the fluctuation of their standing energy E = K + U.

A group of modes (degenerate, of q and −q together) has n real degrees of freedom; its energy ε
in a heat bath is gamma distributed, with mean n k_BT and variance n (k_BT)². So

    C/k_B = ⟨(ε − n⟨E⟩)²⟩ / n(k_BT)²

for each degree of freedom, which for one mode is 2 var(E)/(k_BT)² where q ≠ −q (ε = 2E) and
var(E)/(k_BT)² where q = −q. ⟨E⟩ is the mean over the set in this run; what its own error takes
from the fluctuation in a short run, n δ², is added again.

Where the total energy of all N degrees of freedom is fixed (NVE, or a run too short for the
heat bath), they share it by the Dirichlet distribution, and ε fluctuates less: by
1 − (n + 1)/(N + 1), exactly so in a harmonic crystal. Between the two limits stands r, the
variance of the total energy over the N(k_BT)² of a heat bath, measured in the run itself:
1 − (1 − r)(n + 1)/(N + 1) is divided out.
"""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data import Modes
from trajmodes.project.energy_sums import EnergyMeans, group_sizes
from trajmodes.project.statistics import energy_sem, fluctuation_sem
from trajmodes.symmetry.mode_sets import set_mean, set_members
from trajmodes.units import BOLTZMANN

__all__ = ["heat_capacities", "set_fluctuations"]


def heat_capacities(
    modes: Modes, means: EnergyMeans, temperature: tuple[float, float], snapshot: Floats
) -> tuple[Floats, Floats]:
    """Heat capacity of one mode of each set.

    Parameters
    ----------
    modes
        The modes with their sets.
    means
        What was measured of each mode.
    temperature
        Kinetic temperature of the run in K, and its standard error.
    snapshot
        (g,) what `set_fluctuations` tells.

    Returns
    -------
    heat, sem
        (g,) in k_B; nan for a set with an imaginary mode or fewer than eight time blocks.
    """
    members, kt = set_members(modes), BOLTZMANN * temperature[0]
    energy_bqm = _energy(modes, means)
    energy_bg = set_mean(energy_bqm, modes)
    mean = means.shares @ energy_bg
    sizes = group_sizes(modes)
    # Σ(ε − n⟨E⟩)² over the groups of a set, in parts; every group has n modes, each weighs n.
    size = set_mean(sizes, modes)
    mixed = means.shares @ set_mean(sizes * energy_bqm, modes)
    spread = means.squares / members - 2.0 * mean * mixed + size * mean**2
    history = (0.5 * energy_bg, members, np.full(modes.n_sets, 0.5 * kt), snapshot)
    lost = size * (2.0 * energy_sem(*history)) ** 2
    heat = (spread + lost) / kt**2 / (1.0 - (size + 1.0) * _held(modes, means, kt))
    relative = np.hypot(fluctuation_sem(*history, size), 2.0 * temperature[1] / temperature[0])
    return heat, np.where(np.isfinite(heat), relative, np.nan)


def set_fluctuations(modes: Modes, means: EnergyMeans, temperature: float) -> Floats:
    """Variance of the energy of whole sets from frame to frame, as in a heat bath.

    The potential energy counts as much as the kinetic one, whatever ω is.

    Parameters
    ----------
    modes
        The modes with their sets.
    means
        What was measured of each mode.
    temperature
        Kinetic temperature of the run in K.

    Returns
    -------
    (g,) variance per squared mean; nan for a set with an imaginary mode.
    """
    members = set_members(modes)
    kinetic = means.shares @ set_mean(means.halves[:, 0], modes)
    energy = means.shares @ set_mean(_energy(modes, means), modes)
    c = kinetic / (energy - kinetic)
    # K + cU = (1 − c)K + cE
    kinetic_squared, mixed, energy_squared = means.wholes[:, :-1]
    square = (1.0 - c) ** 2 * kinetic_squared + 2.0 * c * (1.0 - c) * mixed
    square += c**2 * energy_squared
    held = (members + 1.0) * _held(modes, means, BOLTZMANN * temperature)
    # Where one set is all there is, its energy may be fixed altogether.
    relative = square / (2.0 * members * kinetic) ** 2 - 1.0
    variance: Floats = relative / np.maximum(1.0 - held, 0.1)
    return variance


def _energy(modes: Modes, means: EnergyMeans) -> Floats:
    """K + U of single modes (b, q, m); nan where ω is imaginary."""
    squares = np.where(modes.omega > 0.0, modes.omega**2, np.nan)
    energy: Floats = means.halves[:, 0] + squares * means.halves[:, 1]
    return energy


def _held(modes: Modes, means: EnergyMeans, kt: float) -> float:
    """(1 − r)/(N + 1), 0 in a heat bath."""
    counted = (modes.sets >= 0) & (modes.omega > 0.0)
    weights = np.where(counted, modes.weights[:, None], 0.0)
    freedom = max(float(weights.sum()), 1.0)
    energy_bqm = np.where(counted, _energy(modes, means), 0.0)
    total = float(means.shares @ (weights * energy_bqm).sum(axis=(1, 2)))
    variance = float(means.wholes[2, -1]) - total**2
    return (1.0 - min(max(variance / (freedom * kt**2), 0.0), 1.0)) / (freedom + 1.0)
