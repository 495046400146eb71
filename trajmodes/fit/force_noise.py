"""Noise in the forces, such as that of a Langevin thermostat, and its share of the residual.

The residual r = f + Φu of an anharmonic crystal obeys Newton's third law: the force on a cell
as a whole, Σ_s r_s(q), vanishes for long waves as the acoustic part of Φ(q) does,

    T(q) = ⅓ Σ_st tr Φ_st(q).

A random force on each atom, independent of all others, has the same power at all q instead. The
two are separated by least squares for the mean power of one component of the force on a cell,

    P(q) = ⅓ ⟨|Σ_s r_s(q)|²⟩ ≈ g + a T(q).

In crystals without noise g is found within ±0.13 of the mean of P: the shape of the anharmonic
part is not exactly T(q). The difference is large in layers, where bending waves cause in-plane
forces of long wavelength; but the power of noise is at least g at every q and in every
direction. Γ is left out, because the net force of a frame is removed.

A Langevin thermostat with the damping time τ adds −(m/τ)v and random forces of the variance
2mk_BT/(τh) per component in each time step h, so that g = 2k_BT Σ_s m_s/(τh) measures τ (Kubo,
Rep. Prog. Phys. 29, 255 (1966); Dünweg and Paul, Int. J. Mod. Phys. C 2, 817 (1991)). The
friction itself follows from forces and velocities of neighbouring frames at a distance Δ in
time; the last term is due to the acceleration by the other forces:

    ⟨r(t)·v(t+Δ) − r(t+Δ)·v(t)⟩ = (2/τ) ⟨v(t)·m v(t+Δ)⟩ + ½Δ ⟨ΣA·ΣF/m⟩,

with ΣA and ΣF the anharmonic and the whole force, summed over both frames.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Complexes, Floats
from trajmodes.coulomb.ewald import dipole_matrices, dipole_sum
from trajmodes.data.force_constants import FitQuality, ForceConstants
from trajmodes.data.motion import MotionBlock
from trajmodes.fit.harmonic import ForceCovariances
from trajmodes.notes import Note
from trajmodes.symmetry.translations import HalfSpace, fold_pairs, lattice_transform
from trajmodes.units import BOLTZMANN

_NOTABLE = 0.3
"""Least share of g in the mean of P, more than twice that of crystals without noise."""
_SYSTEMATIC = 0.15
"""Error of g relative to the mean anharmonic part of P, from its shape."""
_SURE = 3.0
"""Standard errors beyond which noise and friction are significant."""
_LESS = (0.3, 4.0)
"""Share of g by which the power at one q may be less, and the same in 1/√frames."""
_SOFT = 0.3
"""Weights of the least squares are those of an error proportional to this + T(q)/mean T."""
_CORRELATED = 0.8
"""Least correlation of neighbouring velocities from which friction is measured."""


@dataclass(frozen=True, slots=True)
class ForceNoise:
    """Random forces, independent of each other, in the forces of a run."""

    variance: float
    """Mean square of a component, over all atoms, in (eV/Å)²."""
    sem: float
    """Its error: standard error, and that of the shape of the anharmonic part."""
    share: float
    """Share of the squared residual of the second order."""
    per_mass: float
    """Variance of a component over the mass, in eV/ps²: that of all atoms in a thermostat."""


class Friction(NamedTuple):
    """Friction in the forces of a run, and correlation in time of the residual."""

    rate: float
    """1/τ of the friction −(m/τ)v in 1/ps."""
    sem: float
    """Its standard error."""
    correlation: float
    """Correlation of the residuals of neighbouring frames."""

    @property
    def is_seen(self) -> bool:
        """Whether the friction is significant."""
        return self.rate > _SURE * self.sem

    def allows(self, noise: ForceNoise) -> bool:
        """Whether the residual decorrelates as fast as with this noise, which is white."""
        return self.correlation < 1.0 - 0.5 * noise.share


def residual_matrices(constants: ForceConstants, space: HalfSpace) -> Complexes:
    """(q, 3s, 3s) Φ(q) in eV/Å²; the lattice transforms obey f(q) = −Φ(q) u(q) if harmonic."""
    n_sites, supercell = constants.crystal.n_sites, space.supercell
    rows = fold_pairs(constants, supercell).swapaxes(1, 2).reshape(-1, supercell.n_atoms, 3)
    waves = lattice_transform(space, rows).conj() * np.sqrt(supercell.n_cells)
    phases_qk = np.repeat(space.phases, 3, axis=1)
    matrices: Complexes = waves * phases_qk[:, :, None]
    return matrices.reshape(-1, 3 * n_sites, 3 * n_sites)


def whole_matrices(constants: ForceConstants, space: HalfSpace) -> Complexes:
    """Force constants (q, 3s, 3s) in eV/Å², the dipole–dipole part of charges included."""
    rest = residual_matrices(constants, space)
    if constants.charges is None:
        return rest
    total = dipole_sum(constants.crystal, constants.charges)
    return rest + dipole_matrices(total, space.qpoints)


def force_noise(covariances: ForceCovariances, constants: ForceConstants) -> ForceNoise | None:
    """Find noise in the forces of a run; None if there is no significant noise.

    The result is also None if the run has too few blocks of time for an error, or the supercell
    too few wave vectors.
    """
    space, frames = covariances.space, covariances.frames
    phi_qkl = residual_matrices(constants, space)
    power_bqx = _cell_power(covariances, phi_qkl)
    shape_q = np.einsum("qsxtx->q", _by_site(phi_qkl)).real / 3.0
    fitted = _least_squares(shape_q[1:], space.weights[1:])
    if fitted is None or len(frames) < 4:
        return None
    n_frames = covariances.n_frames
    level_b = power_bqx[:, 1:].mean(axis=2) @ fitted / frames
    shares = frames / n_frames
    level = float(shares @ level_b)
    spread = float(((shares * (level_b - level)) ** 2).sum())
    sem = float(np.sqrt(spread * len(frames) / (len(frames) - 1)))
    power_qx = power_bqx[:, 1:].sum(axis=0) / n_frames
    mean = float(np.average(power_qx.mean(axis=1), weights=space.weights[1:]))
    tolerated = _LESS[0] + _LESS[1] / float(np.sqrt(n_frames))
    if level < max(_NOTABLE * mean, _SURE * sem) or power_qx.min() < (1.0 - tolerated) * level:
        return None
    n_sites, n_atoms = constants.crystal.n_sites, space.supercell.n_atoms
    # The net force of the frame was removed.
    scale = (1.0 - 1.0 / n_atoms) / n_sites
    residual = _residual_square(covariances, phi_qkl) / (3 * n_atoms * n_frames)
    sem = float(np.hypot(sem, _SYSTEMATIC * max(mean - level, 0.0)))
    variance = min(level * scale, residual)
    return ForceNoise(
        variance=variance,
        sem=sem * scale,
        share=variance / residual,
        per_mass=level / float(constants.crystal.masses.sum()),
    )


def with_noise(quality: FitQuality, noises: Sequence[tuple[ForceNoise, float]]) -> FitQuality:
    """Record the noise of runs with their shares of the forces, so that σ is without it."""
    rms = float(np.sqrt(sum(share * noise.variance for noise, share in noises)))
    sem = float(np.linalg.norm([share * noise.sem for noise, share in noises]))
    return replace(quality, noise=rms, noise_sem=0.5 * sem / rms)


def _by_site(values: Complexes) -> Complexes:
    """(…, s, 3, t, 3) of (…, 3s, 3t)."""
    rows, columns = values.shape[-2:]
    return values.reshape(*values.shape[:-2], rows // 3, 3, columns // 3, 3)


def _cell_power(covariances: ForceCovariances, phi_qkl: Complexes) -> Floats:
    """(b, q, x) Σ_t |Σ_s r_s(q)|² along each direction in (eV/Å)²."""
    sums_qxl = _by_site(phi_qkl).sum(axis=1).reshape(len(phi_qkl), 3, -1)
    ff = np.einsum("bqsxtx->bqx", _by_site(covariances.force_force))
    fu_bqxl = _by_site(covariances.force).sum(axis=2).reshape(*ff.shape, -1)
    fu = np.einsum("bqxl,qxl->bqx", fu_bqxl, sums_qxl.conj())
    u_bqxl = sums_qxl @ covariances.displacement
    uu = np.einsum("bqxl,qxl->bqx", u_bqxl, sums_qxl.conj())
    power: Floats = (ff + 2.0 * fu + uu).real
    return power


def _residual_square(covariances: ForceCovariances, phi_qkl: Complexes) -> float:
    """Σ_t |f + Φu|² of all atoms in (eV/Å)²."""
    uu, fu = covariances.displacement.sum(axis=0), covariances.force.sum(axis=0)
    change = np.einsum("qkl,qkl->q", phi_qkl.conj(), 2.0 * fu + phi_qkl @ uu).real
    return float(covariances.square.sum() + covariances.space.weights @ change)


def _least_squares(shape_q: Floats, weights_q: Floats) -> Floats | None:
    """(q,) coefficients of P(q) in g; None where T(q) is the same at all q."""
    mean = float(weights_q @ shape_q / weights_q.sum()) if len(shape_q) else 0.0
    if not mean > 0.0:
        return None
    relative = shape_q / mean
    root = np.sqrt(weights_q) / (_SOFT + np.abs(relative))
    columns = root[:, None] * np.stack([np.ones_like(relative), relative], axis=1)
    if np.linalg.cond(columns) > 1.0 / _SOFT**4:
        return None
    inverse: Floats = np.linalg.pinv(columns)[0] * root
    return inverse


def friction(
    pairs: Iterable[MotionBlock],
    constants: ForceConstants,
    space: HalfSpace,
    interval_ps: float,
    noise: ForceNoise,
) -> Friction | None:
    """Measure the friction in the forces of pairs of neighbouring frames of a run.

    None without velocities, or if the frames are too far apart.
    """
    phi_qkl = whole_matrices(constants, space)
    masses, rows = space.supercell.masses[:, None], []
    white = noise.per_mass * 3 * (space.supercell.n_atoms - 1)
    for pair in pairs:
        if pair.velocities is None or pair.forces is None or pair.n_frames != 2:
            continue
        v = pair.velocities
        u_qtk, f_qtk, v_qtk, a_qtk = (
            lattice_transform(space, field)
            for field in (pair.displacements_or_raise(), pair.forces, v, pair.forces / masses)
        )
        r_qtk = f_qtk + u_qtk @ phi_qkl.swapaxes(1, 2)
        work = _product(space, r_qtk[:, 0], v_qtk[:, 1])
        work -= _product(space, r_qtk[:, 1], v_qtk[:, 0])
        # random forces of the two frames, which are part of both factors
        pushed = _product(space, r_qtk.sum(axis=1), a_qtk.sum(axis=1)) - 2.0 * white
        along, same = (2.0 * float((masses * v[0] * v[t]).sum()) for t in (1, 0))
        again = _product(space, r_qtk[:, 0], r_qtk[:, 1])
        square = 0.5 * sum(_product(space, r_qtk[:, t], r_qtk[:, t]) for t in (0, 1))
        rows.append((work - 0.5 * interval_ps * pushed, along, same, again, square))
    if len(rows) < 4:
        return None
    work, along, same, again, square = np.array(rows).T
    if along.sum() < _CORRELATED * same.sum():
        return None
    rate = float(work.sum() / along.sum())
    sem = float(np.linalg.norm(work - rate * along) / along.sum())
    return Friction(rate, sem, float(again.sum() / square.sum()))


def _product(space: HalfSpace, one_qk: Complexes, two_qk: Complexes) -> float:
    """Σ over atoms and directions of the product of two fields, from their transforms."""
    return float(space.weights @ (one_qk * two_qk.conj()).sum(axis=1).real)


def damping_time(noise: ForceNoise, temperature: float, step_ps: float) -> float:
    """Damping time τ in ps of a Langevin thermostat with this noise at a temperature in K."""
    return 2.0 * BOLTZMANN * temperature / (noise.per_mass * step_ps)


def noise_note(
    noise: ForceNoise,
    sigma: tuple[float, float | None] | None,
    *,
    found: Friction | None = None,
    damping_ps: float | None = None,
    fix: str = "",
) -> Note:
    """Warn of noise in the forces.

    Parameters
    ----------
    sigma
        Anharmonicity σ without the noise, and its error; None if it is unknown.
    found
        Friction, where it was measured.
    damping_ps
        Damping time of a thermostat whose random forces have this variance, by the
        fluctuation–dissipation theorem; None if the time step is unknown.
    """
    text = (
        f"the forces contain random forces of {np.sqrt(noise.variance):.2g} eV/Å rms, "
        f"{noise.share:.0%} of the squared residual, like those of a Langevin thermostat"
    )
    text += "" if damping_ps is None else f" with a damping time of {damping_ps:.2g} ps"
    text += ": force constants are right, but R² and residuals describe this noise"
    if sigma is not None:
        value, error = sigma[0], sigma[1] or 0.0
        text += "; without it the anharmonicity σ is "
        bound = f"below {2.0 * error:.2g}"
        text += f"{value:.2f} ± {error:.2f}" if value > 2.0 * error else bound
    why = (
        "the force on a cell as a whole is as large for long waves as for short ones, whereas "
        "forces between atoms cancel"
    )
    if found is not None and found.is_seen:
        sem_ps = found.sem / found.rate**2
        why += f"; there is friction, −(m/τ)v with τ = {1.0 / found.rate:.2g} ± {sem_ps:.1g} ps"
    return Note("warning", text, why=why, fix=fix, concerns="fit", subject="net-force")


def centred(sums: ForceCovariances) -> tuple[Complexes, Complexes]:
    """Σ u u† in Å² and Σ f u† in eV (b, q, 3s, 3s), about the means of u and f over all blocks.

    The forces include the dipole–dipole forces of charges.
    """
    displacement, force = sums.displacement.copy(), sums.force.copy()
    root = np.sqrt(sums.space.supercell.n_cells)
    u_bk, f_bk = (
        part.reshape(len(sums.frames), -1) / root
        for part in (sums.displacement_sum, sums.force_sum)
    )
    if sums.charges is not None:
        total = dipole_sum(sums.space.supercell.crystal, sums.charges)
        c_qkl = dipole_matrices(total, sums.space.qpoints)
        force -= c_qkl @ displacement
        f_bk = f_bk - u_bk @ c_qkl[0].real.T
    u_k, f_k = u_bk.sum(axis=0) / sums.n_frames, f_bk.sum(axis=0) / sums.n_frames
    frames = sums.frames[:, None, None]
    # Γ is the first q point.
    for total_bkl, x_bk, x_k in ((displacement, u_bk, u_k), (force, f_bk, f_k)):
        crossed = x_bk[:, :, None] * u_k + x_k[:, None] * u_bk[:, None]
        total_bkl[:, 0] -= crossed - frames * np.outer(x_k, u_k)
    return displacement, force
