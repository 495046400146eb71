"""Kinetic energies of modes from velocities alone, where displacements are not known.

    K = ½⟨|Q̇|²⟩

K and the temperature are those of `estimates` to the bit. Their errors are not: there half the
total energy, which does not oscillate at 2ω, shows how slowly a mode exchanges energy. Here the
blocks of K itself take its place. The error of K is the larger of two (`larger_sem`).
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Complexes, Floats
from trajmodes.data.energies import ModeEnergies
from trajmodes.kernels import kernel
from trajmodes.project.energies.modulations import (
    lifetimes_in_run,
    relaxation,
    temperature_sem,
)
from trajmodes.project.energies.standard_errors import larger_sem
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.streaming.reduction import BlockReduction, BlockSums, Sums
from trajmodes.symmetry.stars import set_mean, set_members
from trajmodes.units import BOLTZMANN


@dataclass(frozen=True, slots=True)
class SpeedSums(Sums):
    """Sums over the frames of one block of time."""

    squares: Floats
    """(q, m), sums of |Q̇|² in eV."""


@dataclass(frozen=True, slots=True)
class VelocityEnergyReduction(BlockReduction[Amplitudes, SpeedSums]):
    """Reduction from amplitudes to `ModeEnergies` without all that is computed from Q."""

    projector: Projector
    n_frames: int
    n_ranges: int = 0
    """Number of uninterrupted parts of the run; 0 if the frames do not follow one another."""
    n_blocks: int = 64

    def sums(self, block: Amplitudes) -> SpeedSums:
        """Sum over the frames of one time block.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        velocity = block.velocity_or_raise("mode energies need velocities")
        squares = np.zeros(velocity.shape[:2])
        _sum_squares(velocity, squares)
        return SpeedSums(velocity.shape[-1], squares)

    def finalize(self, state: BlockSums[SpeedSums]) -> ModeEnergies:
        """Return the kinetic energy of each set of symmetry-equivalent modes.

        Raises
        ------
        DataError
            If frames are missing.
        """
        counts = state.counts(self.n_frames)
        modes, portions = self.projector.modes, counts / self.n_frames
        kinetic_bqm = 0.5 * state.stack("squares") / counts[:, None, None]
        kinetic_bg = set_mean(kinetic_bqm, modes)
        members, equal_g = set_members(modes), set_mean(self.projector.shares, modes)
        kelvin_g = 2.0 / BOLTZMANN * members / (members @ equal_g)
        temperature_b = kinetic_bg @ kelvin_g
        temperature = float(portions @ temperature_b)
        expected = 0.5 * BOLTZMANN * temperature * equal_g
        unknown = np.full(len(members), np.nan)
        relaxing = relaxation(kinetic_bg / expected, members, unknown)
        inside = modes.sets >= 0
        single, single_sem = np.full((2, 1, *inside.shape), np.nan)
        # The boolean index joins q and m to n.
        freedom = (modes.weights[:, None] * inside)[inside].astype(np.int64)
        single[0, inside] = portions @ kinetic_bqm[:, inside]
        equal_n = 0.5 * BOLTZMANN * temperature * self.projector.shares[inside]
        single_sem[0, inside] = larger_sem(kinetic_bqm[:, inside], freedom, equal_n)
        return ModeEnergies(
            members=members,
            kinetic=portions @ kinetic_bg,
            kinetic_sem=larger_sem(kinetic_bg, members, expected),
            potential=None,
            potential_sem=None,
            virial=None,
            virial_sem=None,
            omega_displacement=None,
            omega_displacement_sem=None,
            omega_ratio=None,
            omega_ratio_sem=None,
            temperature=temperature,
            temperature_sem=temperature_sem(
                temperature_b, np.zeros_like(temperature_b), relaxing, self.n_ranges
            ),
            anharmonicity=None,
            anharmonicity_sem=None,
            heat_capacity_kb=None,
            heat_capacity_kb_sem=None,
            single=single,
            single_sem=single_sem,
            travelling=None,
            travelling_sem=None,
            lifetimes_in_run=lifetimes_in_run(relaxing),
            share=None if self.projector.occupied is None else equal_g,
        )


@kernel()
def _sum_squares(v_qmt: Complexes, squares: Floats) -> None:
    """Sum |v|² over frames one after the other, as `block_means.accumulate` does."""
    for q in range(v_qmt.shape[0]):
        for m in range(v_qmt.shape[1]):
            total = 0.0
            for t in range(v_qmt.shape[2]):
                v = v_qmt[q, m, t]
                total += v.real * v.real + v.imag * v.imag
            squares[q, m] = total
