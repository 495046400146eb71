"""Energies, frequencies and heat capacities of sets of modes, with standard errors.

`EnergyReduction` keeps the sums of |Q̇|², |Q|², Im Q*Q̇ and Re Q*𝓕 of each mode for each time
block, and those of the squared energy of each set, in one pass. The totals give energies and
heat capacities, the time blocks give the error bars.

Heat capacity. A group of modes (degenerate, of q and −q together) has n real degrees of
freedom. In a heat bath its standing energy ε = Σ(K + U) is gamma distributed, with mean n k_BT
and variance n (k_BT)². Hence

    C/k_B = ⟨(ε − n⟨E⟩)²⟩ / n(k_BT)²

for each degree of freedom; for one mode this is 2 var(E)/(k_BT)² where q ≠ −q (ε = 2E) and
var(E)/(k_BT)² where q = −q. ⟨E⟩ is the mean over the set in this run. In a short run its error
δ reduces the fluctuation by n δ², which is added again.

If the total energy of all N degrees of freedom is fixed (NVE, or a run too short for the heat
bath), the energies follow a Dirichlet distribution, and ε fluctuates less by the factor 1 − (n
+ 1)/(N + 1), exactly so in a harmonic crystal. The run itself gives r, the variance of the
total energy relative to N(k_BT)², which interpolates between the two limits: 1 − (1 − r)(n +
1)/(N + 1) is divided out.

Travelling waves.

    E± = ½|ωQ ± iQ̇|² = K + U ∓ ω Im Q*Q̇

is the energy of the wave along ±q: cos(q·r − ωt) has Q ~ e^{−iωt}, so that iQ̇ = ωQ and E− = 0.
Where q = −q the amplitude is real up to a phase, and both are K + U.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.energies import ModeEnergies
from trajmodes.data.modes import Modes
from trajmodes.project.energies.accumulate import (
    EnergyMeans,
    EnergySums,
    group_sizes,
    groups_of,
    sum_frames,
)
from trajmodes.project.energies.standard_errors import (
    block_sem,
    energy_sem,
    fluctuation_sem,
    longest_sem,
    ratio_sem,
)
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.streaming.reduction import block_ranges, require_all_frames
from trajmodes.symmetry.stars import set_mean, set_members
from trajmodes.units import BOLTZMANN


def heat_capacities(
    modes: Modes, means: EnergyMeans, temperature: tuple[float, float], snapshot: Floats
) -> tuple[Floats, Floats]:
    """Heat capacity of one mode of each set.

    Parameters
    ----------
    temperature
        Kinetic temperature of the run in K, and its standard error.
    snapshot
        (g,) from `set_fluctuations`.

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
    # Σ(ε − n⟨E⟩)² over the groups of a set, expanded; every group has n modes of weight n.
    size = set_mean(sizes, modes)
    mixed = means.shares @ set_mean(sizes * energy_bqm, modes)
    spread = means.squares / members - 2.0 * mean * mixed + size * mean**2
    history = (0.5 * energy_bg, members, np.full(modes.n_sets, 0.5 * kt), snapshot)
    lost = size * (2.0 * energy_sem(*history)) ** 2
    heat = (
        (spread + lost) / kt**2 / (1.0 - (size + 1.0) * _fixed_energy_share(modes, means, kt))
    )
    relative = np.hypot(fluctuation_sem(*history, size), 2.0 * temperature[1] / temperature[0])
    return heat, np.where(np.isfinite(heat), relative, np.nan)


def set_fluctuations(modes: Modes, means: EnergyMeans, temperature: float) -> Floats:
    """Variance of the energy of whole sets from frame to frame, as in a heat bath.

    The potential energy is scaled to the kinetic one, so that the result does not depend on ω.

    Parameters
    ----------
    temperature
        Kinetic temperature of the run in K.

    Returns
    -------
    (g,) variance relative to the squared mean; nan for a set with an imaginary mode.
    """
    members = set_members(modes)
    kinetic = means.shares @ set_mean(means.halves[:, 0], modes)
    energy = means.shares @ set_mean(_energy(modes, means), modes)
    c = kinetic / (energy - kinetic)
    # K + cU = (1 − c)K + cE
    kinetic_squared, mixed, energy_squared = means.wholes[:, :-1]
    square = (1.0 - c) ** 2 * kinetic_squared + 2.0 * c * (1.0 - c) * mixed
    square += c**2 * energy_squared
    fixed = (members + 1.0) * _fixed_energy_share(modes, means, BOLTZMANN * temperature)
    # The energy of a single set may be fixed altogether.
    relative = square / (2.0 * members * kinetic) ** 2 - 1.0
    variance: Floats = relative / np.maximum(1.0 - fixed, 0.1)
    return variance


def _energy(modes: Modes, means: EnergyMeans) -> Floats:
    """K + U of single modes (b, q, m); nan where ω is imaginary."""
    squares = np.where(modes.omega > 0.0, modes.omega**2, np.nan)
    energy: Floats = means.halves[:, 0] + squares * means.halves[:, 1]
    return energy


def _fixed_energy_share(modes: Modes, means: EnergyMeans, kt: float) -> float:
    """(1 − r)/(N + 1), 0 in a heat bath."""
    counted = (modes.sets >= 0) & (modes.omega > 0.0)
    weights = np.where(counted, modes.weights[:, None], 0.0)
    freedom = max(float(weights.sum()), 1.0)
    energy_bqm = np.where(counted, _energy(modes, means), 0.0)
    total = float(means.shares @ (weights * energy_bqm).sum(axis=(1, 2)))
    variance = float(means.wholes[2, -1]) - total**2
    return (1.0 - min(max(variance / (freedom * kt**2), 0.0), 1.0)) / (freedom + 1.0)


def pool_energies(modes: Modes, means: EnergyMeans) -> ModeEnergies:
    """Means and standard errors over sets."""
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
    """Means over time blocks (b, n) of sets or of single modes."""

    shares: Floats
    """(b,) shares of the run."""
    kinetic: Floats
    square: Floats
    """½|Q|²."""
    potential: Floats
    virial: Floats | None
    strain: Floats
    """½|Q|² scaled to have the mean of the kinetic energy."""

    @staticmethod
    def of(halves_bkn: Floats, potential_bn: Floats, shares: Floats) -> "_Blocks":
        kinetic, square = halves_bkn[:, 0], halves_bkn[:, 1]
        virial = -halves_bkn[:, 3] if halves_bkn.shape[1] == 4 else None
        strain = square * (shares @ kinetic / (shares @ square))
        return _Blocks(shares, kinetic, square, potential_bn, virial, strain)

    @property
    def energy(self) -> Floats:
        """Half the total energy."""
        return 0.5 * (self.kinetic + self.strain)

    def sem(self, part_bn: Floats, slow: Floats) -> Floats:
        """Combine the error of the slow energy of the mode with that of the remainder."""
        return np.hypot(slow, block_sem(part_bn - self.energy))

    def square_relative(self, slow: Floats) -> Floats:
        """Relative error of ⟨|Q|²⟩ (n,)."""
        relative: Floats = self.sem(self.strain, slow) / (self.shares @ self.kinetic)
        return relative

    def means(self, slow: Floats) -> tuple[Floats, Floats]:
        """K, U and, if there are forces, W, and their errors, as (k, n)."""
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
    # Real and imaginary part; one degree of freedom where q = −q.
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
    """⟨E±⟩ and its standard error, both (2, q, m); nan for drift."""
    drift = np.where(modes.sets >= 0, 0.0, np.nan)
    standing_bqm = means.halves[:, 0] + _potential(modes, means) + drift
    # Zero where q = −q, where only rounding errors are left.
    flow_bqm = np.where(modes.weights == 2.0, 2.0, 0.0)[:, None] * (
        modes.omega * means.halves[:, 2]
    )
    mean, sem = np.empty((2, 2, *modes.omega.shape))
    for k, sign in enumerate((-1.0, 1.0)):
        energy_bn = (standing_bqm + sign * flow_bqm).reshape(len(means.shares), -1)
        one = np.ones(energy_bn.shape[1], dtype=np.int64)
        mean_n = means.shares @ energy_bn
        snapshot = means.waves[k].ravel() / mean_n**2 - 1.0
        # Exponentially distributed, like the energy of one real degree of freedom.
        limits = (one, np.full(len(one), expected), snapshot)
        slow_n = 2.0 * energy_sem(0.5 * energy_bn, *limits)
        mean[k] = mean_n.reshape(modes.omega.shape)
        sem[k] = slow_n.reshape(modes.omega.shape)
    return mean, sem


@dataclass(frozen=True, slots=True)
class EnergyReduction:
    """Reduction from amplitudes to `ModeEnergies`.

    The number of time blocks is a power of two, at least 8.
    """

    projector: Projector
    n_frames: int
    n_blocks: int = 64

    def chunk(self, amplitudes: Amplitudes, /) -> EnergySums:
        """Sum over one block of frames.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        velocity = amplitudes.velocity_or_raise("mode energies need velocities")
        ranges = block_ranges(amplitudes.indices, self.n_blocks, self.n_frames)
        return sum_frames(amplitudes, velocity, groups_of(self.projector.modes), dict(ranges))

    def combine(self, earlier: EnergySums, later: EnergySums) -> EnergySums:
        """Add the sums of two parts of the run."""
        return earlier + later

    def finalize(self, state: EnergySums) -> ModeEnergies:
        """Return the energies of each set of symmetry-equivalent modes.

        Raises
        ------
        DataError
            If frames are missing.
        """
        require_all_frames(state.frames, self.n_frames)
        counts_b = state.blocks.stack("frames")
        means = EnergyMeans(
            shares=counts_b / self.n_frames,
            halves=0.5 * state.blocks.stack("products") / counts_b[:, None, None, None],
            squares=state.squares / self.n_frames,
            wholes=state.wholes / self.n_frames,
            waves=state.waves / self.n_frames,
        )
        return pool_energies(self.projector.modes, means)
