"""Energies, frequencies and heat capacities of sets of modes, with standard errors.

The sums over the run give energies and heat capacities, those over time blocks the error bars.

Heat capacity. Degenerate modes mix arbitrarily, at q = −q even into complex series, so the
fluctuation of the energy of one of them is not defined. It is defined for the energy ε = Σ(K +
U) of a group, the degenerate modes of one q together with those of −q, with all their n real
degrees of freedom. In a heat bath ε is gamma distributed, with mean n k_BT and variance n
(k_BT)². Hence

    C/k_B = ⟨(ε − n⟨E⟩)²⟩ / n(k_BT)²

for each degree of freedom; for one mode this is 2 var(E)/(k_BT)² where q ≠ −q (ε = 2E) and
var(E)/(k_BT)² where q = −q. ⟨E⟩ is the mean over the set in this run. In a short run its error
δ reduces the fluctuation by n δ², which is added back.

If the total energy of all N degrees of freedom is fixed (NVE, or a run too short for the heat
bath), the energies follow a Dirichlet distribution, and the variance of ε is smaller by the
factor 1 − (n + 1)/(N + 1), exactly so in a harmonic crystal. The run itself gives r, the
variance of the total energy relative to N(k_BT)², which interpolates between the two limits:
the heat capacity is divided by 1 − (1 − r)(n + 1)/(N + 1).

Vacancies. The mean energy of a mode is k_BT times its share w = Σ_b |e_b|² c_b, where c_b is
the occupied fraction of the sites b, so that w k_BT replaces k_BT. The sum of w is the number
of degrees of freedom.

Travelling waves. The energy of the wave along ±q is

    E± = ½|ωQ ± iQ̇|² = K + U ∓ ω Im Q*Q̇ .

cos(q·r − ωt) has Q ~ e^{−iωt}, so that iQ̇ = ωQ and E− = 0. Where q = −q the amplitude is real
up to a phase, and both are K + U.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.energies import ModeEnergies
from trajmodes.project.energies.block_means import (
    EnergySums,
    Means,
    Parts,
    ProductSums,
    accumulate,
)
from trajmodes.project.energies.end_terms import EdgeFrame, Ends, EndTerms
from trajmodes.project.energies.modulations import (
    lifetimes_in_run,
    relaxation,
    slow_sem,
    temperature_sem,
)
from trajmodes.project.energies.standard_errors import (
    energy_sem,
    fluctuation_sem,
    ratio_sem,
)
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.streaming.reduction import BlockSums, block_ranges, require_all_frames
from trajmodes.symmetry.stars import group_sizes, mode_groups, set_mean, set_members
from trajmodes.units import BOLTZMANN


class EnergyState(NamedTuple):
    """Sums over a part of the run, and its first and last frame."""

    sums: EnergySums
    first: EdgeFrame
    last: EdgeFrame


@dataclass(frozen=True, slots=True)
class EnergyReduction:
    """Reduction from amplitudes to `ModeEnergies`.

    The number of time blocks is a power of two, at least 8.
    """

    projector: Projector
    n_frames: int
    n_blocks: int = 64
    interval_ps: float = np.nan
    """Time between the frames of a range."""
    ranges: tuple[tuple[int, int], ...] = ()
    """Uninterrupted frame ranges [start, stop) of the run, in time order; none if the frames
    do not follow one another."""

    def chunk(self, amplitudes: Amplitudes, /) -> EnergyState:
        """Sum over one block of frames.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        velocity = amplitudes.velocity_or_raise("mode energies need velocities")
        coordinate = amplitudes.coordinate_or_raise("potential energies need positions")
        force = amplitudes.force
        n_q, n_m, n_t = coordinate.shape
        n_sets = self.projector.modes.n_sets
        q_nt, v_nt = coordinate.reshape(-1, n_t), velocity.reshape(-1, n_t)
        f_nt = np.empty((0, n_t), complex) if force is None else force.reshape(-1, n_t)
        blocks = dict(block_ranges(amplitudes.indices, self.n_blocks, self.n_frames))
        edges = np.array([0, *(frames.stop for frames in blocks.values())])
        products = np.zeros((len(blocks), 3 if force is None else 4, n_q, n_m))
        squares, waves = np.zeros(n_sets), np.zeros((2, n_q, n_m))
        energy_kgt = np.zeros((2, n_sets + 1, n_t))
        sums = (products.reshape(*products.shape[:2], -1), squares, waves.reshape(2, -1))
        accumulate(
            (q_nt, v_nt, f_nt), mode_groups(self.projector.modes), edges, sums, energy_kgt
        )
        energy_kgt[:, -1] = energy_kgt[:, :-1].sum(axis=1)
        kinetic_gt, energy_gt = energy_kgt
        pairs = ((kinetic_gt, kinetic_gt), (kinetic_gt, energy_gt), (energy_gt, energy_gt))
        wholes = np.array([np.einsum("gt,gt->g", one, other) for one, other in pairs])
        labels = np.repeat(list(blocks), np.diff(edges))
        ends = self._ends.inside(amplitudes, velocity, labels) if self.ranges else {}
        none = np.zeros((n_q, n_m))
        parts = zip(blocks, np.diff(edges).tolist(), products, strict=True)
        by_block = {b: ProductSums(n, part, ends.get(b, none)) for b, n, part in parts}
        first, last = (EdgeFrame.of(amplitudes, velocity, t) for t in (0, -1))
        sums_of_all = EnergySums(n_t, BlockSums(by_block), squares, wholes, waves)
        return EnergyState(sums_of_all, first, last)

    def combine(self, earlier: EnergyState, later: EnergyState) -> EnergyState:
        """Add the sums of two adjacent parts of the run, and the end terms between them."""
        sums = earlier.sums + later.sums
        if self.ranges and not self._ends.begins_range(later.first.frame):
            frames = np.array([earlier.last.frame, later.first.frame])
            labels = frames * self.n_blocks // self.n_frames
            sums = _with_ends(sums, self._ends.between(earlier.last, later.first, labels))
        return EnergyState(sums, earlier.first, later.last)

    def ended(self, state: EnergyState) -> EnergyState:
        """Add the end terms of the last frame, if the last range continues after it."""
        last = state.last
        label = last.frame * self.n_blocks // self.n_frames
        is_end = any(last.frame == stop - 1 for _, stop in self.ranges)
        if not self.ranges or is_end:
            return state
        ends = self._ends.after(last, label)
        return state._replace(sums=_with_ends(state.sums, ends))

    @property
    def _ends(self) -> EndTerms:
        return EndTerms(self.projector.modes, self.interval_ps, self.ranges)

    def finalize(self, state: EnergyState) -> ModeEnergies:
        """Return the energies of each set of symmetry-equivalent modes.

        Raises
        ------
        DataError
            If frames are missing.
        """
        require_all_frames(state.sums.frames, self.n_frames)
        found = _pooled(Means.of(self.projector, state.sums), len(self.ranges))
        if self.projector.occupied is None:
            return found
        share = set_mean(self.projector.shares, self.projector.modes)
        return replace(found, share=share)


def _with_ends(sums: EnergySums, ends: Ends) -> EnergySums:
    """Add end terms to those of blocks of time."""
    blocks = dict(sums.blocks.by_block)
    for label, value in ends.items():
        blocks[label] = replace(blocks[label], ends=blocks[label].ends + value)
    return replace(sums, blocks=BlockSums(blocks))


def _pooled(means: Means, n_ranges: int) -> ModeEnergies:
    """Means and standard errors over sets, for a run of ``n_ranges`` uninterrupted ranges."""
    modes, shares, members = means.modes, means.shares, set_members(means.modes)
    halves_bkg, equal_g = set_mean(means.halves, modes), set_mean(means.equal, modes)
    kelvin_g = 2.0 / BOLTZMANN * members / (members @ equal_g)
    temperature_b = halves_bkg[:, 0] @ kelvin_g
    temperature = float(shares @ temperature_b)
    equal = 0.5 * BOLTZMANN * temperature
    expected = equal * equal_g
    snapshot = _set_fluctuations(means, temperature)
    parts = Parts.of(halves_bkg, set_mean(means.potential, modes), shares)
    slow = energy_sem(parts.energy, members, expected, snapshot)
    energies, sems = parts.means(slow)
    square = shares @ parts.square
    displacement = np.sqrt(expected / square)
    ends = set_mean(means.ends, modes)
    steady = _steady_kinetic(parts, ends)
    ratio = np.sqrt(shares @ steady / square)
    ratio_b = steady / (shares @ steady) - parts.square / square
    relaxing = relaxation(parts.energy / expected, members, snapshot)
    # Without half of the end terms of K, (K + U)/2 of a harmonic crystal is left.
    kelvin_sem = temperature_sem(temperature_b, 0.5 * ends @ kelvin_g, relaxing, n_ranges)
    relative = 0.5 * np.hypot(parts.square_relative(slow), kelvin_sem / temperature)
    virial = virial_sem = anharmonicity = anharmonicity_sem = None
    if parts.virial is not None:
        virial, virial_sem = energies[2], sems[2]
        excess = virial / energies[1]
        anharmonicity = excess - 1.0
        anharmonicity_sem = np.abs(excess) * ratio_sem(parts.virial, parts.potential)
    heat, heat_sem = _heat_capacities(means, (temperature, kelvin_sem), snapshot)
    single, single_sem = _single(means, equal)
    travelling, travelling_sem = _travelling(means, equal)
    return ModeEnergies(
        members=members,
        kinetic=energies[0],
        kinetic_sem=sems[0],
        potential=energies[1],
        potential_sem=sems[1],
        virial=virial,
        virial_sem=virial_sem,
        omega_displacement=displacement,
        omega_displacement_sem=displacement * relative,
        omega_ratio=ratio,
        omega_ratio_sem=0.5 * ratio * slow_sem(ratio_b, relaxing),
        temperature=temperature,
        temperature_sem=kelvin_sem,
        anharmonicity=anharmonicity,
        anharmonicity_sem=anharmonicity_sem,
        heat_capacity_kb=heat,
        heat_capacity_kb_sem=heat_sem,
        single=single,
        single_sem=single_sem,
        travelling=travelling,
        travelling_sem=travelling_sem,
        lifetimes_in_run=lifetimes_in_run(relaxing),
    )


def _steady_kinetic(parts: Parts, ends: Floats) -> Floats:
    """Kinetic energy (b, g) without its end terms, unless the run is too short for that."""
    steady = parts.kinetic - ends
    positive = (parts.shares @ steady) > 0.0
    return np.where(positive, steady, parts.kinetic)


def _heat_capacities(
    means: Means, temperature: tuple[float, float], snapshot: Floats
) -> tuple[Floats, Floats]:
    """Heat capacity (g,) of one mode of each set in k_B, and its standard error."""
    modes, members, kt = means.modes, set_members(means.modes), BOLTZMANN * temperature[0]
    kt_g = kt * set_mean(means.equal, modes)
    energy_bg = set_mean(means.energy, modes)
    mean = means.shares @ energy_bg
    sizes = group_sizes(modes)
    # Σ(ε − n⟨E⟩)² over the groups of a set, expanded; every group has n modes of weight n.
    size = set_mean(sizes, modes)
    mixed = means.shares @ set_mean(sizes * means.energy, modes)
    spread = means.squares / members - 2.0 * mean * mixed + size * mean**2
    history = (0.5 * energy_bg, members, 0.5 * kt_g, snapshot)
    lost = size * (2.0 * energy_sem(*history)) ** 2
    heat = (spread + lost) / kt_g**2 / (1.0 - (size + 1.0) * means.fixed_share(kt))
    relative = np.hypot(fluctuation_sem(*history, size), 2.0 * temperature[1] / temperature[0])
    return heat, np.where(np.isfinite(heat), relative, np.nan)


def _set_fluctuations(means: Means, temperature: float) -> Floats:
    """Variance (g,) of the energy of whole sets in a heat bath, relative to its squared mean.

    The potential energy is scaled to the kinetic one, so that the result does not depend on ω.
    """
    modes, members = means.modes, set_members(means.modes)
    kinetic = means.shares @ set_mean(means.halves[:, 0], modes)
    energy = means.shares @ set_mean(means.energy, modes)
    c = kinetic / (energy - kinetic)
    # K + cU = (1 − c)K + cE
    kinetic_squared, mixed, energy_squared = means.wholes[:, :-1]
    square = (1.0 - c) ** 2 * kinetic_squared + 2.0 * c * (1.0 - c) * mixed
    square += c**2 * energy_squared
    # The energy of a single set may be fixed altogether.
    relative = square / (2.0 * members * kinetic) ** 2 - 1.0
    fixed = (members + 1.0) * means.fixed_share(BOLTZMANN * temperature)
    variance: Floats = relative / np.maximum(1.0 - fixed, 0.1)
    return variance


def _single(means: Means, equal: float) -> tuple[Floats, Floats]:
    """K, U, W of every single mode and their errors, (k, q, m); nan for drift."""
    inside = means.modes.sets >= 0
    # The boolean index joins q and m to n.
    parts = Parts.of(means.halves[..., inside], means.potential[:, inside], means.shares)
    # Real and imaginary part; one degree of freedom where q = −q.
    freedom = (means.modes.weights[:, None] * inside)[inside].astype(np.int64)
    slow = energy_sem(parts.energy, freedom, equal * means.equal[inside])
    found = np.full((2, 3 if parts.virial is not None else 2, *inside.shape), np.nan)
    found[..., inside] = parts.means(slow)
    return found[0], found[1]


def _travelling(means: Means, expected: float) -> tuple[Floats, Floats]:
    """⟨E±⟩ and its standard error, both (2, q, m); nan for drift."""
    modes = means.modes
    standing_bqm = means.energy + np.where(modes.sets >= 0, 0.0, np.nan)
    # Zero where q = −q, where only rounding errors are left.
    twofold_q = np.where(modes.weights == 2.0, 2.0, 0.0)
    flow_bqm = twofold_q[:, None] * (modes.omega * means.halves[:, 2])
    mean, sem = np.empty((2, 2, *modes.omega.shape))
    one = np.ones(modes.omega.size, dtype=np.int64)
    for k, sign in enumerate((-1.0, 1.0)):
        energy_bn = (standing_bqm + sign * flow_bqm).reshape(len(means.shares), -1)
        mean_n = means.shares @ energy_bn
        snapshot = means.waves[k].ravel() / mean_n**2 - 1.0
        # Exponentially distributed, like the energy of one real degree of freedom.
        limits = (one, expected * means.equal.ravel(), snapshot)
        mean[k] = mean_n.reshape(modes.omega.shape)
        sem[k] = (2.0 * energy_sem(0.5 * energy_bn, *limits)).reshape(modes.omega.shape)
    return mean, sem
