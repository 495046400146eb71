"""The anharmonicity σ of a run about given second-order force constants.

Force constants Φ predict the forces −Φu. With the forces F of the run

    σ² = Σ⟨|F + Φu|²⟩ / Σ⟨|F|²⟩

over all atoms, the atoms of one species, or the modes of one set, with 𝓕 + ω²Q and 𝓕 in place
of F + Φu and F (Knoop, Purcell, Scheffler, Carbogno, Phys. Rev. Materials 4, 083809 (2020)).
All products are in the space of modes, where Φ is diagonal. By Parseval's theorem the forces on
the atoms of a site are Σ_m √M e_m 𝓕_m summed over all q.

The means converge with far fewer frames than a long run has, so that only a part of its frames
is used.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trajmodes.arrays import Complexes, Floats
from trajmodes.data.energies import Anharmonicity
from trajmodes.errors import DataError
from trajmodes.project.energies.standard_errors import ratio_sem
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.streaming.reduction import BlockReduction, BlockSums, Sums
from trajmodes.symmetry.stars import set_mean

_ENOUGH = 2048
"""Least number of frames that are used, if the run has as many."""


@dataclass(frozen=True, slots=True)
class ResidualSums(Sums):
    """Sums over the frames of one block of time: residual force (0) and total force (1)."""

    sites: Floats
    """(2, s), unit: (eV/Å)². Σ_t of the square over all atoms of each site."""
    modes: Floats
    """(2, q, m), unit: eV/ps². Σ_t of the squared modulus of each mode force."""


@dataclass(frozen=True)
class AnharmonicityReduction(BlockReduction[Amplitudes, ResidualSums]):
    """Reduction from amplitudes with forces to `Anharmonicity`.

    Parameters
    ----------
    times_ps
        (t,) time of each frame; None if unknown.
    noise
        Variance of random forces over the mass, in eV/ps², which is subtracted from the mean
        squares of both forces.
    """

    projector: Projector
    n_frames: int
    times_ps: Floats | None = None
    n_blocks: int = 64
    noise: float = 0.0

    @property
    def stride(self) -> int:
        """Distance of the frames that are used; 1 if all are used."""
        return max(1, self.n_frames // _ENOUGH)

    @cached_property
    def _kets(self) -> Complexes:
        """(q, s x, m) √M e, from mode forces to forces on sites."""
        modes = self.projector.modes
        n_q, n_m = modes.omega.shape
        weighted = modes.vectors * np.sqrt(modes.crystal.masses)[:, None]
        kets: Complexes = weighted.reshape(n_q, n_m, -1).swapaxes(1, 2)
        return kets

    def sums(self, block: Amplitudes) -> ResidualSums:
        """Sum over the frames of one time block.

        Raises
        ------
        DataError
            If the run has no forces.
        """
        if block.force is None:
            raise DataError("the anharmonicity σ compares forces, and the run has none")
        coordinate = block.coordinate_or_raise("the anharmonicity σ needs positions")
        modes, n_q = self.projector.modes, len(self.projector.modes.qpoints)
        used = block.indices % self.stride == 0
        stiffness = (modes.omega * np.abs(modes.omega))[..., None]
        force = block.force[..., used]
        residual = force + stiffness * coordinate[..., used]
        sites, squares = [], []
        for field in (residual, force):
            on_sites = _square_sum(self._kets @ field).reshape(n_q, -1, 3).sum(axis=2)
            sites.append(modes.weights @ on_sites)
            squares.append(_square_sum(field))
        return ResidualSums(int(used.sum()), np.array(sites), np.array(squares))

    def finalize(self, state: BlockSums[ResidualSums]) -> Anharmonicity:
        """Return σ with its standard errors from blocks of time."""
        labels = sorted(state.by_block)
        # Blocks without a frame in use contribute nothing.
        labels = [b for b in labels if state.by_block[b].frames]
        parts = [state.by_block[b] for b in labels]
        counts = np.array([part.frames for part in parts])
        sites_bks = np.array([part.sites for part in parts]) / counts[:, None, None]
        modes_bkg = set_mean(np.array([part.modes for part in parts]), self.projector.modes)
        modes_bkg /= counts[:, None, None]
        supercell = self.projector.space.supercell
        # The net force was removed, which is a fraction 1/N.
        n_free = 3 * (supercell.n_cells - 1.0 / supercell.crystal.n_sites)
        sites_bks -= self.noise * n_free * supercell.crystal.masses
        modes_bkg -= self.noise
        species = self.projector.modes.crystal.species
        names = tuple(dict.fromkeys(species))
        own_ns = np.array([[one == name for one in species] for name in names], dtype=float)
        shares = counts / counts.sum()
        whole, whole_sem = _sigma(sites_bks.sum(axis=2)[..., None], shares)
        by_species, by_species_sem = _sigma(sites_bks @ own_ns.T, shares)
        by_set, by_set_sem = _sigma(modes_bkg, shares)
        residual_b, force_b = sites_bks.sum(axis=2).T
        return Anharmonicity(
            whole=float(whole[0]),
            whole_sem=float(whole_sem[0]),
            species=names,
            by_species=by_species,
            by_species_sem=by_species_sem,
            by_set=by_set,
            by_set_sem=by_set_sem,
            by_time=np.sqrt(np.maximum(residual_b, 0.0) / force_b),
            time_ps=self._times(labels),
        )

    def _times(self, labels: list[int]) -> Floats | None:
        """(b,) mean time of the frames of each block of time."""
        if self.times_ps is None:
            return None
        block_t = np.arange(self.n_frames) * self.n_blocks // self.n_frames
        mean_b = np.bincount(block_t, self.times_ps) / np.maximum(np.bincount(block_t), 1)
        times: Floats = mean_b[labels]
        return times


def _square_sum(field: Complexes) -> Floats:
    """Σ_t |…|² of (…, t)."""
    total: Floats = np.einsum("...t,...t->...", field.real, field.real)
    total += np.einsum("...t,...t->...", field.imag, field.imag)
    return total


def _sigma(squares_bkn: Floats, shares_b: Floats) -> tuple[Floats, Floats]:
    """σ (n,) from squares of the residual and of the force in time blocks, and its error."""
    residual, force = np.tensordot(shares_b, squares_bkn, axes=1)
    sigma = np.sqrt(np.maximum(residual, 0.0) / force)
    sem = 0.5 * sigma * ratio_sem(squares_bkn[:, 0], squares_bkn[:, 1])
    return sigma, sem
