"""Potential energies of modes from displacements and forces, without velocities.

    U = ½ω²⟨|Q|²⟩,   W = −½⟨Re Q*𝓕⟩,   ω² = k_BT/⟨|Q|²⟩

The error of U and W is the larger of two (`larger_sem`), as for ⟨uu⟩.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, square_modulus
from trajmodes.data.static.energies import PotentialEnergies
from trajmodes.project.energies.standard_errors import larger_sem, ratio_sem
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.streaming.reduction import BlockReduction, BlockSums, Sums
from trajmodes.symmetry.stars import set_mean, set_members
from trajmodes.units import BOLTZMANN


@dataclass(frozen=True, slots=True)
class PotentialSums(Sums):
    """Sums over the frames of one block of time."""

    products: Floats
    """(k, q, m), sums of |Q|² in eV ps² and, where there are forces, of −Re Q*𝓕 in eV (k)."""


@dataclass(frozen=True, slots=True)
class PotentialReduction(BlockReduction[Amplitudes, PotentialSums]):
    """Reduction from amplitudes to `PotentialEnergies`; `temperature` in K, if it is known."""

    projector: Projector
    n_frames: int
    temperature: float | None = None
    n_blocks: int = 64

    def sums(self, block: Amplitudes) -> PotentialSums:
        """Sum over the frames of one time block."""
        coordinate = block.coordinate_or_raise("potential energies need positions")
        force = block.force
        products = [square_modulus(coordinate).sum(axis=-1)]
        if force is not None:
            products.append(-np.einsum("qmt,qmt->qm", coordinate.conj(), force).real)
        return PotentialSums(coordinate.shape[-1], np.array(products))

    def finalize(self, state: BlockSums[PotentialSums]) -> PotentialEnergies:
        """Return means and standard errors.

        Raises
        ------
        DataError
            If frames are missing.
        """
        counts = state.counts(self.n_frames)
        modes, portions = self.projector.modes, counts / counts.sum()
        means_bkqm = state.stack("products") / counts[:, None, None, None]
        square_bg = set_mean(means_bkqm[:, 0], modes)
        stiffness = np.where(modes.oscillating, modes.omega**2, np.nan)
        potential_bg = 0.5 * set_mean(stiffness * means_bkqm[:, 0], modes)
        members, share = set_members(modes), set_mean(self.projector.shares, modes)
        potential = portions @ potential_bg
        # The temperature of the displacements, from all sets together.
        known = np.isfinite(potential)
        whole = members[known] @ potential[known] / (members[known] @ share[known])
        expected = np.where(known, whole * share, np.nan)

        virial = virial_sem = anharmonicity = anharmonicity_sem = None
        if means_bkqm.shape[1] == 2:
            virial_bg = 0.5 * set_mean(means_bkqm[:, 1], modes)
            virial, virial_sem = portions @ virial_bg, larger_sem(virial_bg, members, expected)
            excess = virial / potential
            anharmonicity = excess - 1.0
            anharmonicity_sem = np.abs(excess) * ratio_sem(virial_bg, potential_bg)
        omega = omega_sem = None
        potential_sem = larger_sem(potential_bg, members, expected)
        if self.temperature is not None:
            omega = np.sqrt(BOLTZMANN * self.temperature * share / (portions @ square_bg))
            omega_sem = 0.5 * omega * potential_sem / potential
        return PotentialEnergies(
            members=members,
            potential=potential,
            potential_sem=potential_sem,
            virial=virial,
            virial_sem=virial_sem,
            anharmonicity=anharmonicity,
            anharmonicity_sem=anharmonicity_sem,
            temperature=self.temperature,
            omega_displacement=omega,
            omega_displacement_sem=omega_sem,
        )
