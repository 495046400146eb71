"""Sums over frames for the mode energies, in one pass over the amplitudes.

Degenerate modes mix arbitrarily, at q = −q even into complex series, so the fluctuation of the
energy of one of them is not defined. It is defined for the energy ε of a *group*: the
degenerate modes of one q together with those of −q, which have the same energy, with all their
wd real degrees of freedom.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data.modes import Modes
from trajmodes.kernels import kernel
from trajmodes.project.projector import Amplitudes
from trajmodes.streaming.reduction import BlockSums, Sums


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
    """(g,), unit: eV². Sums over all frames of ε², pooled over the groups of each set."""
    wholes: Floats
    """(3, g + 1), unit: eV². Sums over all frames of K², KE and E² of each whole set, and of
    all modes together (last); K is the kinetic, E = K + U the standing energy."""
    waves: Floats
    """(2, q, m), unit: eV². Sums over all frames of the squared travelling energies E±²."""


@dataclass(frozen=True, slots=True)
class EnergyMeans:
    """Means over frames, by time block (b) or over the run."""

    shares: Floats
    """(b,) share of the frames of the run; their sum is 1."""
    halves: Floats
    """(b, k, q, m), means of ½|Q̇|² in eV, ½|Q|² in eV ps², ½Im Q*Q̇ in eV ps and, if there are
    forces, ½Re Q*𝓕 in eV (k)."""
    squares: Floats
    """(g,), unit: eV². Mean ε², pooled over the groups of each set."""
    wholes: Floats
    """(3, g + 1), unit: eV². Mean K², KE and E² of whole sets, and of all modes (last)."""
    waves: Floats
    """(2, q, m), unit: eV². Mean E±²."""


class Groups(NamedTuple):
    """Modes n = (q, m), sorted by group."""

    order: Ints
    """(n,) modes, those of one group consecutive."""
    starts: Ints
    """(groups + 1,) position of the first mode of each group in that order."""
    labels: Ints
    """(groups,) set of each group; −1 if its energy is not counted."""
    weights: Floats
    """(groups,) 2 if the group represents ±q, 1 if q = −q."""
    omega: Floats
    """(n,), unit: rad/ps."""
    n_sets: int


def groups_of(modes: Modes) -> Groups:
    """Find the groups; drift and imaginary modes have no energy."""
    n_q, n_m = modes.omega.shape
    counted = np.where(modes.omega > 0.0, modes.sets, -1).ravel()
    q_n = np.repeat(np.arange(n_q), n_m)
    order = np.lexsort((counted, q_n))
    key = q_n[order] * (modes.n_sets + 1) + counted[order] + 1
    first = np.flatnonzero(np.diff(key, prepend=-1))
    return Groups(
        order,
        np.append(first, len(order)),
        counted[order[first]],
        modes.weights[q_n[order[first]]],
        modes.omega.ravel(),
        modes.n_sets,
    )


def group_sizes(modes: Modes) -> Floats:
    """Count the real degrees of freedom in the group of each mode, as (q, m)."""
    groups = groups_of(modes)
    lengths = np.diff(groups.starts)
    sizes = np.empty(len(groups.order))
    sizes[groups.order] = np.repeat(lengths * groups.weights, lengths)
    return sizes.reshape(modes.omega.shape)


def sum_frames(
    amplitudes: Amplitudes, velocity: Complexes, groups: Groups, blocks: dict[int, slice]
) -> EnergySums:
    """Sum over frames.

    Parameters
    ----------
    velocity
        (q, m, t) amplitudes of the velocities.
    blocks
        Index of each time block → its frames, which are consecutive.
    """
    coordinate, force = amplitudes.coordinate, amplitudes.force
    n_q, n_m, n_t = coordinate.shape
    q_nt, v_nt = coordinate.reshape(-1, n_t), velocity.reshape(-1, n_t)
    f_nt = np.empty((0, n_t), complex) if force is None else force.reshape(-1, n_t)
    edges = np.array([0, *(frames.stop for frames in blocks.values())])
    products = np.zeros((len(blocks), 3 if force is None else 4, n_q * n_m))
    squares, energy_kgt = np.zeros(groups.n_sets), np.zeros((2, groups.n_sets + 1, n_t))
    waves = np.zeros((2, n_q * n_m))
    _accumulate((q_nt, v_nt, f_nt), groups, edges, (products, squares, waves), energy_kgt)
    energy_kgt[:, -1] = energy_kgt[:, :-1].sum(axis=1)
    kinetic_gt, energy_gt = energy_kgt
    pairs = ((kinetic_gt, kinetic_gt), (kinetic_gt, energy_gt), (energy_gt, energy_gt))
    wholes = np.array([np.einsum("gt,gt->g", one, other) for one, other in pairs])
    shaped = products.reshape(*products.shape[:2], n_q, n_m)
    sums = zip(blocks, np.diff(edges).tolist(), shaped, strict=True)
    by_block = BlockSums({b: ProductSums(frames, part) for b, frames, part in sums})
    return EnergySums(n_t, by_block, squares, wholes, waves.reshape(2, n_q, n_m))


@kernel()
def _accumulate(
    fields: tuple[Complexes, Complexes, Complexes],
    groups: Groups,
    edges: Ints,
    sums: tuple[Floats, Floats, Floats],
    energy_kgt: Floats,
) -> None:
    q_nt, v_nt, f_nt = fields
    products, squares, waves = sums
    kinetic_t, energy_t = np.empty(q_nt.shape[1]), np.empty(q_nt.shape[1])
    for g in range(len(groups.labels)):
        for t in range(len(energy_t)):
            kinetic_t[t] = energy_t[t] = 0.0
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
