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
δ reduces the fluctuation by n δ², which is added again.

If the total energy of all N degrees of freedom is fixed (NVE, or a run too short for the heat
bath), the energies follow a Dirichlet distribution, and ε fluctuates less by the factor 1 − (n
+ 1)/(N + 1), exactly so in a harmonic crystal. The run itself gives r, the variance of the
total energy relative to N(k_BT)², which interpolates between the two limits: 1 − (1 − r)(n +
1)/(N + 1) is divided out.

Travelling waves. The energy of the wave along ±q is

    E± = ½|ωQ ± iQ̇|² = K + U ∓ ω Im Q*Q̇ .

cos(q·r − ωt) has Q ~ e^{−iωt}, so that iQ̇ = ωQ and E− = 0. Where q = −q the amplitude is real
up to a phase, and both are K + U.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data.energies import ModeEnergies
from trajmodes.data.modes import Modes
from trajmodes.kernels import kernel
from trajmodes.project.energies.standard_errors import (
    block_sem,
    energy_sem,
    fluctuation_sem,
    ratio_sem,
    shared_sems,
)
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.streaming.reduction import BlockSums, Sums, block_ranges, require_all_frames
from trajmodes.symmetry.stars import (
    ModeGroups,
    group_sizes,
    mode_groups,
    set_mean,
    set_members,
)
from trajmodes.units import BOLTZMANN


@dataclass(frozen=True, slots=True)
class ProductSums(Sums):
    """Sums over the frames of one block of time."""

    products: Floats
    """(k, q, m), sums of |Q̇|² in eV, |Q|² in eV ps², Im Q*Q̇ in eV ps and, if there are
    forces, Re Q*𝓕 in eV (k)."""


@dataclass(frozen=True, slots=True)
class EnergySums(Sums):
    """Sums over frames: first moments by time block, second moments over all frames."""

    blocks: BlockSums[ProductSums]
    squares: Floats
    """(g,), unit: eV². Sums of ε², pooled over the groups of each set."""
    wholes: Floats
    """(3, g + 1), unit: eV². Sums of K², KE and E² of each whole set, and of all modes together
    (last); K is the kinetic, E = K + U the standing energy."""
    waves: Floats
    """(2, q, m), unit: eV². Sums of the squared travelling energies E±²."""


@kernel()
def _accumulate(
    fields: tuple[Complexes, Complexes, Complexes],
    groups: ModeGroups,
    edges: Ints,
    sums: tuple[Floats, Floats, Floats],
    energy_kgt: Floats,
) -> None:
    q_nt, v_nt, f_nt = fields
    products, squares, waves = sums
    for g in range(len(groups.labels)):
        kinetic_t, energy_t = np.zeros(q_nt.shape[1]), np.zeros(q_nt.shape[1])
        for place in range(groups.starts[g], groups.starts[g + 1]):
            n = groups.order[place]
            omega, weight = groups.omega[n], groups.weights[g]
            # Where q = −q the flow of energy is zero up to rounding.
            flow = omega if weight == 2.0 else 0.0
            forward = backward = 0.0
            for b in range(len(edges) - 1):
                speed = square = cross = work = 0.0
                for t in range(edges[b], edges[b + 1]):
                    q, v = q_nt[n, t], v_nt[n, t]
                    v2 = v.real * v.real + v.imag * v.imag
                    q2 = q.real * q.real + q.imag * q.imag
                    speed += v2
                    square += q2
                    along = q.real * v.imag - q.imag * v.real
                    cross += along
                    standing = 0.5 * (v2 + omega * omega * q2)
                    kinetic_t[t] += 0.5 * weight * v2
                    energy_t[t] += weight * standing
                    forward += (standing - flow * along) ** 2
                    backward += (standing + flow * along) ** 2
                products[b, 0, n] = speed
                products[b, 1, n] = square
                products[b, 2, n] = cross
                if len(f_nt) > 0:
                    for t in range(edges[b], edges[b + 1]):
                        q, f = q_nt[n, t], f_nt[n, t]
                        work += q.real * f.real + q.imag * f.imag
                    products[b, 3, n] = work
            waves[0, n] = forward
            waves[1, n] = backward
        if groups.labels[g] >= 0:
            for t in range(len(energy_t)):
                squares[groups.labels[g]] += energy_t[t] * energy_t[t]
                energy_kgt[0, groups.labels[g], t] += kinetic_t[t]
                energy_kgt[1, groups.labels[g], t] += energy_t[t]


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
        coordinate, force = amplitudes.coordinate, amplitudes.force
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
        _accumulate(
            (q_nt, v_nt, f_nt), mode_groups(self.projector.modes), edges, sums, energy_kgt
        )
        energy_kgt[:, -1] = energy_kgt[:, :-1].sum(axis=1)
        kinetic_gt, energy_gt = energy_kgt
        pairs = ((kinetic_gt, kinetic_gt), (kinetic_gt, energy_gt), (energy_gt, energy_gt))
        wholes = np.array([np.einsum("gt,gt->g", one, other) for one, other in pairs])
        parts = zip(blocks, np.diff(edges).tolist(), products, strict=True)
        by_block = BlockSums({b: ProductSums(frames, part) for b, frames, part in parts})
        return EnergySums(n_t, by_block, squares, wholes, waves)

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
        return _pooled(_Means.of(self.projector.modes, state))


class _Means(NamedTuple):
    """Means over frames, by time block (b) or over the run."""

    modes: Modes
    shares: Floats
    """(b,) share of the frames of the run; their sum is 1."""
    halves: Floats
    """(b, k, q, m), half of the products of `ProductSums`."""
    potential: Floats
    """(b, q, m), unit: eV. ½ω²|Q|²; nan for an imaginary mode, 0 for drift."""
    squares: Floats
    wholes: Floats
    waves: Floats
    """As in `EnergySums`."""

    @staticmethod
    def of(modes: Modes, state: EnergySums) -> "_Means":
        counts_b = state.blocks.stack("frames")
        halves = 0.5 * state.blocks.stack("products") / counts_b[:, None, None, None]
        stiffness = np.where(modes.omega > 0.0, modes.omega**2, np.nan)
        return _Means(
            modes=modes,
            shares=counts_b / state.frames,
            halves=halves,
            potential=np.where(modes.sets >= 0, stiffness, 0.0) * halves[:, 1],
            squares=state.squares / state.frames,
            wholes=state.wholes / state.frames,
            waves=state.waves / state.frames,
        )

    @property
    def energy(self) -> Floats:
        """K + U of single modes (b, q, m); nan where ω is imaginary."""
        return self.halves[:, 0] + self.potential

    def fixed_share(self, kt: float) -> float:
        """(1 − r)/(N + 1), 0 in a heat bath."""
        counted = self.modes.oscillating
        weights = np.where(counted, self.modes.weights[:, None], 0.0)
        freedom = max(float(weights.sum()), 1.0)
        energy_bqm = np.where(counted, self.energy, 0.0)
        total = float(self.shares @ (weights * energy_bqm).sum(axis=(1, 2)))
        variance = float(self.wholes[2, -1]) - total**2
        return (1.0 - min(max(variance / (freedom * kt**2), 0.0), 1.0)) / (freedom + 1.0)


class _Parts(NamedTuple):
    """Means over time blocks (b, n) of sets or of single modes."""

    shares: Floats
    kinetic: Floats
    square: Floats
    """½|Q|²."""
    potential: Floats
    virial: Floats | None
    strain: Floats
    """½|Q|² scaled to have the mean of the kinetic energy."""

    @staticmethod
    def of(halves_bkn: Floats, potential_bn: Floats, shares: Floats) -> "_Parts":
        kinetic, square = halves_bkn[:, 0], halves_bkn[:, 1]
        virial = -halves_bkn[:, 3] if halves_bkn.shape[1] == 4 else None
        strain = square * (shares @ kinetic / (shares @ square))
        return _Parts(shares, kinetic, square, potential_bn, virial, strain)

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


def _pooled(means: _Means) -> ModeEnergies:
    """Means and standard errors over sets."""
    modes, shares, members = means.modes, means.shares, set_members(means.modes)
    halves_bkg = set_mean(means.halves, modes)
    temperature_b = 2.0 / BOLTZMANN * halves_bkg[:, 0] @ (members / members.sum())
    temperature = float(shares @ temperature_b)
    equal = 0.5 * BOLTZMANN * temperature
    expected = np.full(modes.n_sets, equal)
    snapshot = _set_fluctuations(means, temperature)
    parts = _Parts.of(halves_bkg, set_mean(means.potential, modes), shares)
    slow = energy_sem(parts.energy, members, expected, snapshot)
    energies, sems = parts.means(slow)
    square = shares @ parts.square
    displacement, ratio = np.sqrt(expected / square), np.sqrt(energies[0] / square)
    ratio_b = parts.kinetic / energies[0] - parts.square / square
    ratio_relative, temperature_sem = shared_sems(ratio_b, temperature_b)
    relative = 0.5 * np.hypot(parts.square_relative(slow), temperature_sem / temperature)
    virial = virial_sem = anharmonicity = anharmonicity_sem = None
    if parts.virial is not None:
        virial, virial_sem = energies[2], sems[2]
        excess = virial / energies[1]
        anharmonicity = excess - 1.0
        anharmonicity_sem = np.abs(excess) * ratio_sem(parts.virial, parts.potential)
    heat, heat_sem = _heat_capacities(means, (temperature, temperature_sem), snapshot)
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
        omega_ratio_sem=0.5 * ratio * ratio_relative,
        temperature=temperature,
        temperature_sem=temperature_sem,
        anharmonicity=anharmonicity,
        anharmonicity_sem=anharmonicity_sem,
        heat_capacity_kb=heat,
        heat_capacity_kb_sem=heat_sem,
        single=single,
        single_sem=single_sem,
        travelling=travelling,
        travelling_sem=travelling_sem,
    )


def _heat_capacities(
    means: _Means, temperature: tuple[float, float], snapshot: Floats
) -> tuple[Floats, Floats]:
    """Heat capacity (g,) of one mode of each set in k_B, and its standard error."""
    modes, members, kt = means.modes, set_members(means.modes), BOLTZMANN * temperature[0]
    energy_bg = set_mean(means.energy, modes)
    mean = means.shares @ energy_bg
    sizes = group_sizes(modes)
    # Σ(ε − n⟨E⟩)² over the groups of a set, expanded; every group has n modes of weight n.
    size = set_mean(sizes, modes)
    mixed = means.shares @ set_mean(sizes * means.energy, modes)
    spread = means.squares / members - 2.0 * mean * mixed + size * mean**2
    history = (0.5 * energy_bg, members, np.full(modes.n_sets, 0.5 * kt), snapshot)
    lost = size * (2.0 * energy_sem(*history)) ** 2
    heat = (spread + lost) / kt**2 / (1.0 - (size + 1.0) * means.fixed_share(kt))
    relative = np.hypot(fluctuation_sem(*history, size), 2.0 * temperature[1] / temperature[0])
    return heat, np.where(np.isfinite(heat), relative, np.nan)


def _set_fluctuations(means: _Means, temperature: float) -> Floats:
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


def _single(means: _Means, equal: float) -> tuple[Floats, Floats]:
    """K, U, W of every single mode and their errors, (k, q, m); nan for drift."""
    inside = means.modes.sets >= 0
    # The boolean index joins q and m to n.
    parts = _Parts.of(means.halves[..., inside], means.potential[:, inside], means.shares)
    # Real and imaginary part; one degree of freedom where q = −q.
    freedom = (means.modes.weights[:, None] * inside)[inside].astype(np.int64)
    slow = energy_sem(parts.energy, freedom, np.full(len(freedom), equal))
    found = np.full((2, 3 if parts.virial is not None else 2, *inside.shape), np.nan)
    found[..., inside] = parts.means(slow)
    return found[0], found[1]


def _travelling(means: _Means, expected: float) -> tuple[Floats, Floats]:
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
        limits = (one, np.full(len(one), expected), snapshot)
        mean[k] = mean_n.reshape(modes.omega.shape)
        sem[k] = (2.0 * energy_sem(0.5 * energy_bn, *limits)).reshape(modes.omega.shape)
    return mean, sem
