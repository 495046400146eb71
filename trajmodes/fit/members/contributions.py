"""Contributions of the forces at each q to the deviations of fitted frequencies.

Let E_n(q) be the dynamical matrix of a unit of parameter n, g the residual force of the fit,
and H the normal matrix of the second order. The forces at q change the parameters by −H⁻¹ w_q
Re tr[E_n(q)† Σ_t g u†]. The sum over all q vanishes for the frames of the fit. For a part of
the frames it is the deviation of the fit that these frames cause.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data.modes import Modes
from trajmodes.fit.harmonic import ForceCovariances
from trajmodes.fit.model import Model

_SINGULAR = 1e12
"""Condition of a normal matrix that does not determine the parameters."""

_MATRIX_BYTES = 1 << 28
"""Most memory for the dynamical matrices of all parameters."""
_MOST_BYTES = 1 << 29
"""Most memory for the contributions, which scale as the square of the number of q points. Error
bars are then those of blocks of time: there are so many q that none of them matters."""


@dataclass(frozen=True, slots=True)
class SameSpace:
    """Runs in one supercell, and the modes of the fit at its q points."""

    covariances: tuple[ForceCovariances, ...]
    modes: Modes

    @property
    def frames(self) -> Ints:
        """(b,) frames of the blocks of all runs."""
        return np.concatenate([one.frames for one in self.covariances])

    @property
    def run(self) -> Ints:
        """(b,) run of each block."""
        counts = [one.n_blocks for one in self.covariances]
        return np.repeat(np.arange(len(counts)), counts)

    def stack(self, name: str) -> Complexes:
        """(b, q, 3s, 3s) covariances of all runs."""
        return np.concatenate([getattr(one, name) for one in self.covariances])


def unit_matrices(model: Model, modes: Modes) -> Complexes | None:
    """(n, q, 3s, 3s) dynamical matrix without masses of each second-order parameter.

    None if the parameters do not separate by order, or are too many.
    """
    own = np.flatnonzero(model.order == 2)
    n_bytes = 16 * len(own) * modes.omega.size * modes.omega.shape[1]
    if (model.order == 0).any() or n_bytes > _MATRIX_BYTES:
        return None
    basis, crystal = model.expansion.bases[1], modes.crystal
    first, second = basis.orbits.sites.T
    away = basis.orbits.lattice[:, 1] + crystal.sites[second] - crystal.sites[first]
    phase_qp = np.exp(2j * np.pi * modes.qpoints @ away.T)
    n_q, n_modes = modes.omega.shape
    pair, k, element = np.nonzero(basis.tensors)
    row = 3 * first[pair] + element // 3
    column = 3 * second[pair] + element % 3
    place = (basis.columns[pair, k] * n_modes + row) * n_modes + column
    shape = (basis.n_parameters * n_modes**2, len(first))
    add_up = csr_array((basis.tensors[pair, k, element], (place, pair)), shape=shape)
    free = model.null_space[model.expansion.columns(2)][:, own]
    matrix_zklq = (add_up @ phase_qp.T).reshape(basis.n_parameters, -1)
    found: Complexes = (free.T @ matrix_zklq).reshape(-1, n_modes, n_modes, n_q)
    return np.moveaxis(found, 3, 1)


def contributions(
    modes: Modes, runs: Sequence[SameSpace], model: Model | None
) -> list[Floats] | None:
    """(b, q, g) contributions of each q of the runs to the deviations of the frequencies.

    They are in rad/ps. None if they need too much memory, or if the runs do not determine the
    parameters, as few frames that are added to an earlier fit may not.
    """
    most_numbers = max(one.frames.size * one.modes.omega.shape[0] for one in runs)
    if 8 * most_numbers * modes.n_sets > _MOST_BYTES:
        return None
    own = None if model is None else unit_matrices(model, modes)
    residuals = [_residual(one) for one in runs]
    if model is None:
        return [_of_own_q(one, g) for one, g in zip(runs, residuals, strict=True)]
    units = [unit_matrices(model, one.modes) for one in runs]
    scores, normal = [], 0.0
    for one, unit_nqkl, residual_bqkl in zip(runs, units, residuals, strict=True):
        if unit_nqkl is None:
            return None
        n, n_q = unit_nqkl.shape[:2]
        flat_qnk = unit_nqkl.conj().reshape(n, n_q, -1).swapaxes(0, 1)
        flat_qnk = flat_qnk * one.modes.weights[:, None, None]
        residual_qkb = residual_bqkl.reshape(len(residual_bqkl), n_q, -1).transpose(1, 2, 0)
        scores.append(-(flat_qnk @ residual_qkb).real.transpose(2, 0, 1))
        moved_nqkl = unit_nqkl @ one.stack("displacement").sum(axis=0)
        image_qkn = moved_nqkl.reshape(n, n_q, -1).transpose(1, 2, 0)
        normal = normal + (flat_qnk @ image_qkn).real.sum(axis=0)
    if own is None or not np.linalg.cond(normal) < _SINGULAR:
        return None
    response_ng = np.linalg.solve(normal, _derivatives(modes, own).T)
    return [score_bqn @ response_ng for score_bqn in scores]


def _residual(one: SameSpace) -> Complexes:
    """(b, q, 3s, 3s) Σ_t g u†, with g the residual force of the fit."""
    modes = one.modes
    vectors_qkm = _vectors(modes).swapaxes(1, 2)
    root = _root_masses(modes)
    square_qm = modes.omega * np.abs(modes.omega)
    d_qkl = (vectors_qkm * square_qm[:, None]) @ vectors_qkm.conj().swapaxes(1, 2)
    d_qkl *= root[:, None] * root
    found: Complexes = one.stack("force") + d_qkl @ one.stack("displacement")
    return found


def _derivatives(modes: Modes, unit_nqkl: Complexes) -> Floats:
    """(g, n) change of the frequency of each set with each parameter."""
    vectors_qmk = _vectors(modes) / _root_masses(modes)
    image_nqkm = unit_nqkl @ vectors_qmk.swapaxes(1, 2)
    square_qmn = np.einsum("qmk,nqkm->qmn", vectors_qmk.conj(), image_nqkm).real
    omega, _ = sets_of(modes)
    mean = [square_qmn[modes.sets == label].mean(axis=0) for label in range(modes.n_sets)]
    found: Floats = np.array(mean) / (2.0 * omega[:, None])
    return found


def _of_own_q(one: SameSpace, residual_bqkl: Complexes) -> Floats:
    """(b, q, g) contributions if a frequency depends on the forces at its own q alone."""
    modes, root = one.modes, _root_masses(one.modes)
    vectors_qmk = _vectors(modes)
    right_qkm = (vectors_qmk * root).swapaxes(1, 2)
    left_qmk = vectors_qmk.conj() / root
    y_bqm = -np.einsum("qmk,bqkm->bqm", left_qmk, residual_bqkl @ right_qkm).real
    square_qm = squares_of(one).sum(axis=0)
    omega, _ = sets_of(modes)
    found = np.zeros((*y_bqm.shape[:2], modes.n_sets))
    for label in range(modes.n_sets):
        own_qm = modes.sets == label
        total = 2.0 * omega[label] * (square_qm * own_qm).sum()
        found[:, :, label] = (y_bqm * own_qm).sum(axis=2) / total
    return found


def squares_of(one: SameSpace) -> Floats:
    """(b, q, m) Σ_t |Q|² of each mode."""
    vectors_qmk = _vectors(one.modes) * _root_masses(one.modes)
    image_bqkm = one.stack("displacement") @ vectors_qmk.swapaxes(1, 2)
    found: Floats = np.einsum("qmk,bqkm->bqm", vectors_qmk.conj(), image_bqkm).real
    return found


def sets_of(modes: Modes) -> tuple[Floats, Floats]:
    """(g,) frequency, at least a tenth of the highest, and number of q of each set."""
    own = [modes.sets == label for label in range(modes.n_sets)]
    omega = np.array([np.abs(modes.omega[one]).mean() for one in own])
    size = np.array([float(one.any(axis=1).sum()) for one in own])
    return np.maximum(omega, 0.1 * omega.max(initial=0.0)), size


def _vectors(modes: Modes) -> Complexes:
    """(q, m, 3s) polarisation vectors."""
    return modes.vectors.reshape(*modes.omega.shape, -1)


def _root_masses(modes: Modes) -> Floats:
    """(3s,) square roots of the masses."""
    found: Floats = np.sqrt(np.repeat(modes.crystal.masses, 3))
    return found
