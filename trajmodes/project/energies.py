"""Mean energies of every mode in one pass: kinetic, harmonic potential, virial.

Kept are the sums of |Q̇|², |Q|² and Re Q*𝓕 of each mode for each block of time: the total tells
the energies, the blocks tell the error bars. Nothing else of the run is remembered.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data import ModeEnergies, Modes, MotionBlock
from trajmodes.errors import DataError
from trajmodes.project.coordinates import Amplitudes, Projector
from trajmodes.project.pooling import set_mean, set_members
from trajmodes.project.statistics import block_sem, energy_sem, ratio_sem
from trajmodes.units import BOLTZMANN

__all__ = ["EnergyReduction", "EnergySums"]


@dataclass(frozen=True, slots=True)
class EnergySums:
    """Sums over frames for a stretch of consecutive time blocks (b)."""

    first_block: int
    """Number of the first time block."""
    counts: Ints
    """(b,) frames summed."""
    products: Floats
    """(b, k, q, m), sums of |Q̇|² in eV, |Q|² in eV ps² and, where there are forces, Re Q*𝓕
    in eV (k)."""


@dataclass(frozen=True, slots=True)
class EnergyReduction:
    """Reduction from motion to `ModeEnergies`.

    Parameters
    ----------
    projector
        Projection on the modes.
    n_frames
        Number of frames of the whole run.
    n_blocks
        Number of time blocks kept for the error bars; a power of two, at least 8.
    """

    projector: Projector
    n_frames: int
    n_blocks: int = 64

    def chunk(self, block: MotionBlock) -> EnergySums:
        """Return the sums over one block of frames."""
        return self.sums(self.projector.project(block))

    def sums(self, amplitudes: Amplitudes) -> EnergySums:
        """Return the sums over amplitudes that are already there.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        q_qmt, v_qmt, f_qmt = amplitudes.coordinate, amplitudes.velocity, amplitudes.force
        if v_qmt is None:
            raise DataError(
                "mode energies need velocities, and the trajectory has none",
                why="velocities differenced from positions are attenuated: a 10 THz mode seen"
                " every 10 fs would keep only 0.875 of its kinetic energy",
                fix="dump vx vy vz",
            )
        pairs = [(v_qmt, v_qmt), (q_qmt, q_qmt)]
        if f_qmt is not None:
            pairs.append((q_qmt, f_qmt))
        frames = amplitudes.first_frame + np.arange(q_qmt.shape[-1])
        block_t = frames * self.n_blocks // self.n_frames
        first, counts = int(block_t[0]), np.bincount(block_t - block_t[0])
        stops = np.cumsum(counts)
        products = np.stack(
            [
                np.stack([_products(a[..., start:stop], b[..., start:stop]) for a, b in pairs])
                for start, stop in zip(stops - counts, stops, strict=True)
            ]
        )
        return EnergySums(first, counts, products)

    def combine(self, earlier: EnergySums, later: EnergySums) -> EnergySums:
        """Return the sums over two neighbouring stretches of time."""
        offset = later.first_block - earlier.first_block
        size = max(len(earlier.counts), offset + len(later.counts))
        counts = np.zeros(size, dtype=np.int64)
        products = np.zeros((size, *earlier.products.shape[1:]))
        for start, part in ((0, earlier), (offset, later)):
            stop = start + len(part.counts)
            counts[start:stop] += part.counts
            products[start:stop] += part.products
        return EnergySums(earlier.first_block, counts, products)

    def finalize(self, state: EnergySums) -> ModeEnergies:
        """Return the energies of each set of symmetry-equal modes.

        Raises
        ------
        DataError
            If frames are missing.
        """
        if state.counts.sum() != self.n_frames:
            raise DataError(f"{state.counts.sum()} of {self.n_frames} frames were summed")
        filled = state.counts > 0
        halves = 0.5 * state.products[filled] / state.counts[filled, None, None, None]
        shares = state.counts[filled] / self.n_frames
        return _pool_energies(self.projector.modes, halves, shares)


def _products(a_qmt: Complexes, b_qmt: Complexes) -> Floats:
    """Σ_t Re a*b, as (q, m)."""
    real: Floats = np.einsum("qmt,qmt->qm", a_qmt.real, b_qmt.real)
    real += np.einsum("qmt,qmt->qm", a_qmt.imag, b_qmt.imag)
    return real


def _pool_energies(modes: Modes, half_bkqm: Floats, shares: Floats) -> ModeEnergies:
    """Means and errors over sets, from block means of ½|Q̇|², ½|Q|² and ½Re Q*𝓕."""
    members = set_members(modes)
    half_bkg = set_mean(half_bkqm, modes)
    kinetic_bg, square_bg = half_bkg[:, 0], half_bkg[:, 1]
    temperature_b = 2.0 / BOLTZMANN * kinetic_bg @ (members / members.sum())
    temperature, temperature_sem = (
        float(shares @ temperature_b),
        float(block_sem(temperature_b)),
    )
    expected = np.full(modes.n_sets, 0.5 * BOLTZMANN * temperature)

    kinetic, square = shares @ kinetic_bg, shares @ square_bg
    # ½|Q|² in the unit of an energy, so that it has the mean of the kinetic one.
    strain_bg = square_bg * (kinetic / square)
    energy_bg = 0.5 * (kinetic_bg + strain_bg)
    slow = energy_sem(energy_bg, members, expected)

    def sem(part_bg: Floats) -> Floats:
        # The slow energy of the mode, and what the part does besides following it.
        return np.hypot(slow, block_sem(part_bg - energy_bg))

    squares = np.where(modes.omega > 0.0, modes.omega**2, np.nan)
    potential = set_mean(squares, modes) * square
    displacement, ratio = np.sqrt(expected / square), np.sqrt(kinetic / square)
    square_relative = sem(strain_bg) / kinetic
    displacement_relative = 0.5 * np.hypot(square_relative, temperature_sem / temperature)
    virial_bg = -half_bkg[:, 2] if half_bkg.shape[1] == 3 else None
    return ModeEnergies(
        members=members,
        kinetic=kinetic,
        kinetic_sem=sem(kinetic_bg),
        potential=potential,
        potential_sem=potential * square_relative,
        virial=None if virial_bg is None else shares @ virial_bg,
        virial_sem=None if virial_bg is None else sem(virial_bg),
        omega_displacement=displacement,
        omega_displacement_sem=displacement * displacement_relative,
        omega_ratio=ratio,
        omega_ratio_sem=0.5 * ratio * ratio_sem(kinetic_bg, square_bg),
        temperature=temperature,
        temperature_sem=temperature_sem,
    )
