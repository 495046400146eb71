"""Sums over the frames of a run for the energies of modes, and means over blocks of time."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data.modes import Modes
from trajmodes.kernels import kernel
from trajmodes.project.energies.standard_errors import block_sem
from trajmodes.project.projector import Projector
from trajmodes.streaming.reduction import BlockSums, Sums
from trajmodes.symmetry.stars import ModeGroups


@dataclass(frozen=True, slots=True)
class ProductSums(Sums):
    """Sums over the frames of one block of time."""

    products: Floats
    """(k, q, m), sums of |Q̇|² in eV, |Q|² in eV ps², Im Q*Q̇ in eV ps and, if there are
    forces, Re Q*𝓕 in eV (k)."""
    ends: Floats
    """(q, m), unit: eV. Sum of the end terms of |Q̇|²; zero where they are not known."""


@dataclass(frozen=True, slots=True)
class EnergySums(Sums):
    """Sums over frames: first moments by time block, second moments over all frames."""

    blocks: BlockSums[ProductSums]
    squares: Floats
    """(g,), unit: eV². Sums of ε², pooled over the groups of each set."""
    wholes: Floats
    """(3, g + 1), unit: eV². Sums of K², KE and E² of each whole set, and of all modes together
    (last); K is the kinetic energy, E = K + U the standing-wave energy."""
    waves: Floats
    """(2, q, m), unit: eV². Sums of the squared travelling-wave energies E±²."""


@kernel()
def accumulate(
    fields: tuple[Complexes, Complexes, Complexes],
    groups: ModeGroups,
    edges: Ints,
    sums: tuple[Floats, Floats, Floats],
    energy_kgt: Floats,
) -> None:
    """Sum over the frames [edges[b], edges[b + 1]) of each block, and over sets in each."""
    q_nt, v_nt, f_nt = fields
    products, squares, waves = sums
    for g in range(len(groups.labels)):
        kinetic_t, energy_t = np.zeros(q_nt.shape[1]), np.zeros(q_nt.shape[1])
        for place in range(groups.starts[g], groups.starts[g + 1]):
            n = groups.order[place]
            omega, weight = groups.omega[n], groups.weights[g]
            # For q = −q the energy flow is zero up to rounding.
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


class Means(NamedTuple):
    """Means over frames, by time block (b) or over the run."""

    modes: Modes
    equal: Floats
    """(q, m) ⟨|Q̇|²⟩/k_BT in equipartition, `Projector.shares`."""
    shares: Floats
    """(b,) share of the frames of the run; their sum is 1."""
    halves: Floats
    """(b, k, q, m), half of the products of `ProductSums`."""
    ends: Floats
    """(b, q, m), unit: eV. The part of ½|Q̇|² due to the ends of the block, if known."""
    potential: Floats
    """(b, q, m), unit: eV. ½ω²|Q|²; nan for an imaginary mode, 0 for drift."""
    squares: Floats
    wholes: Floats
    waves: Floats
    """As in `EnergySums`."""

    @staticmethod
    def of(projector: Projector, state: EnergySums) -> "Means":
        """Divide the sums over the run by numbers of frames."""
        modes, counts_b = projector.modes, state.blocks.stack("frames")
        halves = 0.5 * state.blocks.stack("products") / counts_b[:, None, None, None]
        stiffness = np.where(modes.omega > 0.0, modes.omega**2, np.nan)
        return Means(
            modes=modes,
            equal=projector.shares,
            shares=counts_b / state.frames,
            halves=halves,
            ends=0.5 * state.blocks.stack("ends") / counts_b[:, None, None],
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
        """(1 − r)/(N + 1) of `estimates`; 0 in a heat bath."""
        counted = self.modes.oscillating
        weights = np.where(counted, self.modes.weights[:, None], 0.0)
        freedom = max(float((weights * self.equal).sum()), 1.0)
        energy_bqm = np.where(counted, self.energy, 0.0)
        total = float(self.shares @ (weights * energy_bqm).sum(axis=(1, 2)))
        variance = float(self.wholes[2, -1]) - total**2
        return (1.0 - min(max(variance / (freedom * kt**2), 0.0), 1.0)) / (freedom + 1.0)


class Parts(NamedTuple):
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
    def of(halves_bkn: Floats, potential_bn: Floats, shares: Floats) -> "Parts":
        """Means of sets or single modes (n) from halves of products (b, k, n)."""
        kinetic, square = halves_bkn[:, 0], halves_bkn[:, 1]
        virial = -halves_bkn[:, 3] if halves_bkn.shape[1] == 4 else None
        strain = square * (shares @ kinetic / (shares @ square))
        return Parts(shares, kinetic, square, potential_bn, virial, strain)

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
