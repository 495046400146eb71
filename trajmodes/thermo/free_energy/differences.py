"""Potential energies of a run minus those of its force constants, frame by frame.

With the potential energy U of a frame and those of the force constants,

    U_h = ½ Σ_q Σ_s ω²(qs) |Q(qs)|²,  U_3 and U_4 (`higher_orders`),

the differences U − U_h and U − U_h − U_3 − U_4 give the free energy (`terms`). A replicate of
the force constants changes U_h by ½ Σ_q Q† δ(q) Q, with the change δ of the dynamical matrix
between the modes.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Complexes, Floats
from trajmodes.data.energies import EnergyDifferences
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sums
from trajmodes.project.projector import Projector
from trajmodes.thermo.free_energy.higher_orders import HigherOrders
from trajmodes.thermo.free_energy.terms import FEWEST_BLOCKS, merged

_MATRIX_BYTES = 1 << 28
"""Most memory for the changes of the dynamical matrices of all replicates."""

_Part = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class EnergyReduction:
    """Reduction from motion to `EnergyDifferences`."""

    projector: Projector
    energies: Floats
    """(t,), unit: eV. Potential energy of each frame of the run; nan if unknown."""
    higher: HigherOrders | None = None
    changes: Complexes | None = None
    """(q, b, m, m'), unit: (rad/ps)². Change of the dynamical matrix by each replicate."""

    def chunk(self, block: MotionBlock, /) -> tuple[_Part, ...]:
        """U − U_h, U_3 + U_4 and changes of U_h of the frames with an energy."""
        energies_t = self.energies[block.indices]
        known = np.isfinite(energies_t)
        u_tax = block.displacements_or_raise()[known]
        modes = self.projector.modes
        q_qmt = self.projector.coordinates(u_tax)
        stiffness_qm = 0.5 * modes.weights[:, None] * modes.omega * np.abs(modes.omega)
        harmonic_t = np.einsum("qm,qmt->t", stiffness_qm, np.abs(q_qmt) ** 2)
        higher_t = np.zeros(0) if self.higher is None else self.higher.energies(u_tax)
        return ((energies_t[known] - harmonic_t, higher_t, self._changes(q_qmt)),)

    def _changes(self, q_qmt: Complexes) -> Floats:
        """(b, t) change of U_h by each replicate."""
        n_replicates = 0 if self.changes is None else self.changes.shape[1]
        found_bt = np.zeros((n_replicates, q_qmt.shape[2]))
        if self.changes is None:
            return found_bt
        for weight, change_bmn, q_mt in zip(
            self.projector.modes.weights, self.changes, q_qmt, strict=True
        ):
            image_bmt = change_bmn @ q_mt
            found_bt += 0.5 * weight * np.einsum("mt,bmt->bt", q_mt.conj(), image_bmt).real
        return found_bt

    def combine(
        self, earlier: tuple[_Part, ...], later: tuple[_Part, ...]
    ) -> tuple[_Part, ...]:
        """List the parts in order of time."""
        return earlier + later

    def finalize(self, state: tuple[_Part, ...]) -> EnergyDifferences:
        """Join the parts."""
        harmonic, higher, changes = zip(*state, strict=True)
        total = np.concatenate(harmonic)
        if not total.size:
            raise DataError("no frame has a potential energy")
        return EnergyDifferences(
            harmonic=total,
            higher=None if self.higher is None else np.concatenate(higher),
            changes=None if self.changes is None else np.concatenate(changes, axis=1),
        )


def matrix_changes(constants: ForceConstants, modes: Modes) -> Complexes | None:
    """(q, b, m, m') change of D(q) between the modes by each replicate, in (rad/ps)².

    The changes are from the mean of the replicates. Neighbouring replicates are merged if the
    matrices would be too large. None without replicates.
    """
    replicates = constants.replicates
    if replicates is None or len(replicates) < FEWEST_BLOCKS:
        return None
    mean = replicates.mean(axis=0)
    n_bytes = 16 * modes.omega.size * modes.omega.shape[1]
    while n_bytes * len(replicates) > _MATRIX_BYTES and len(replicates) >= 2 * FEWEST_BLOCKS:
        replicates = mean + merged(replicates - mean)
    e_qmk = modes.vectors.reshape(*modes.omega.shape, -1)
    found = np.empty((len(e_qmk), len(replicates), *e_qmk.shape[1:]), dtype=complex)
    for b, one in enumerate(lattice_sums(constants, replicates)):
        d_qkl = dynamical_matrices(one, modes.qpoints)
        found[:, b] = e_qmk.conj() @ d_qkl @ e_qmk.swapaxes(1, 2)
    found -= found.mean(axis=1, keepdims=True)
    return found
