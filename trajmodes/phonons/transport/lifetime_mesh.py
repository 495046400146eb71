"""Linewidths between the q points of a supercell.

What is interpolated is ln λ, λ = γ/ω², for branches in order of frequency. Sound has γ ~ ω² at
long wavelength (classical occupation, three-phonon processes), so λ stays finite at Γ; for
optical branches it is as smooth as γ. The logarithm favours neither γ nor τ, has errors that
are the relative ones of both, and keeps γ positive. Interpolation is linear in each of the
three directions of the lattice of commensurate q points, in its Minkowski-reduced basis, and is
averaged over the images of q under the point group, for the little cells of that lattice need
not have its symmetry. It is exact at the commensurate points, stays between its neighbours (a
Fourier sum would overshoot where branches cross), and errs by the square of the spacing where
λ is smooth. At a crossing of branches their order changes, and lifetimes of unlike polarisation
are mixed within one spacing.

The three acoustic branches at Γ have no linewidth of their own. ln λ being even in q, they take
(4 x₁ − x₂)/3 from one and two steps along each basis vector, x₁ where two steps lead back to
Γ. The approach is that of F. Knoop, M. Scheffler, C. Carbogno, Phys. Rev. B 107, 224304
(2023), who interpolate τω².

A set without a lifetime takes ln λ from resolved sets of similar frequency: the mean with
Gaussian weights, τ = A(ω) ω⁻² with an A that varies slowly. Its error σ is the scatter of
resolved sets about the same model of the others, and is taken to have one sign in all filled
sets. Sets are not resolved because they live long: where the run tells that a lifetime is
longer than some τ₀, it is filled by the mean of a normal distribution about the model that is
cut off there, x = m − σ φ(z)/Φ(z), z = (−ln(τ₀ω²) − m)/σ. The model itself, of sets that do
not live as long, is rather too short.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import log_ndtr

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.data.crystal import Supercell
from trajmodes.data.lattice import reduced_cell
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.phonons.renormalised.quasi_particles import check_commensurate
from trajmodes.symmetry.mode_sets import set_mean, set_members
from trajmodes.symmetry.stars import point_group, star_images
from trajmodes.symmetry.translations import half_space

# Width of the Gaussian that makes sets similar in frequency, as part of the highest one.
_SIMILAR = 0.05
# Of ln λ: lifetimes of neighbours in frequency are never alike to better than this.
_LEAST_SCATTER = 0.05
# Standard deviations beyond which nothing of a normal distribution is left.
_NO_LIMIT = 40.0
_CORNERS = np.array(np.indices((2, 2, 2)).reshape(3, -1).T, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class ModeLifetimes:
    """Lifetimes of sets of symmetry-equal modes (g) at the q points of a supercell."""

    modes: Modes
    """Modes at the q points of `half_space`, of the constants that are to be used between."""
    lifetime_ps: Floats
    """(g,), unit: ps. Energy lifetime 1/γ; nan where not resolved."""
    lifetime_ps_sem: Floats
    """(g,), unit: ps. Standard errors, independent from set to set."""
    floor_ps: Floats | None = None
    """(g,), unit: ps. What a lifetime that is not resolved is longer than; nan where that is
    not known."""

    def __post_init__(self) -> None:
        sizes = {"g": self.modes.n_sets}
        freeze(self, sizes, float, lifetime_ps="g", lifetime_ps_sem="g", floor_ps="g")

    @property
    def resolved(self) -> Bools:
        """(g,) whether there is a lifetime and its error."""
        usable: Bools = np.isfinite(self.lifetime_ps) & np.isfinite(self.lifetime_ps_sem)
        return usable & (self.lifetime_ps > 0.0)


@dataclass(frozen=True, slots=True)
class Strengths:
    """x = ln(γ/ω²) of all sets (g), those of sets without a lifetime filled from the others."""

    log_strength: Floats
    """(g,), γ/ω² in ps."""
    sem: Floats
    """(g,). Standard errors; for filled sets the scatter about the model."""
    filled: Bools
    """(g,) sets without a lifetime of their own."""
    model: Floats
    """(filled, resolved) derivatives of a filled value by the resolved ones."""

    def deviations(self, slopes: Floats) -> Floats:
        """Independent deviations (k, …) of what has derivatives (g, …) by x of each set.

        The sum of their squares is its variance. Filled sets are off by the scatter of the
        resolved ones, all to one side, for what misleads the model misleads it for all.
        """
        known, filled = ~self.filled, self.filled
        own = slopes[known] + np.tensordot(self.model.T, slopes[filled], axes=1)
        own = own * self.sem[known].reshape(-1, *[1] * (own.ndim - 1))
        together = np.tensordot(self.sem[filled], slopes[filled], axes=1)
        return np.concatenate([own, together[None]])


@dataclass(frozen=True, slots=True)
class LifetimeGrid:
    """Where x = ln(γ/ω²) at any q comes from: corners of the lattice of commensurate points."""

    supercell: Supercell
    basis: Ints
    """(3, 3) rows: reduced supercell vectors in primitive ones; corner n = basis · q."""
    places: Ints
    """(c, m) set of each branch at each commensurate q, in the order of the q group; n_sets + k
    for acoustic branch k at Γ."""
    neighbours: Ints
    """(j, 3) sets of the acoustic branches at q points around Γ."""
    shares: Floats
    """(j,) weights that make the acoustic branches at Γ from them; their sum is 1."""
    n_sets: int

    @property
    def entries_per_q(self) -> int:
        """Entries of `weights` before equal ones are joined, for one q."""
        n_images = 2 * len(point_group(self.supercell.crystal))
        _, n_modes = self.places.shape
        return len(_CORNERS) * n_images * int(n_modes)

    def extended(self, values: Floats) -> Floats:
        """Values (g + 3,) with those of the acoustic branches at Γ appended to (g,) of sets."""
        return np.concatenate([values, self.shares @ values[self.neighbours]])

    def contracted(self, slopes: Floats) -> Floats:
        """Turn derivatives by `extended` values (g + 3, …) into those by sets (g, …)."""
        own = np.array(slopes[: self.n_sets])
        for row, share in zip(self.neighbours, self.shares, strict=True):
            np.add.at(own, row, share * slopes[self.n_sets :])
        return own

    def weights(self, qpoints: Floats) -> csr_matrix:
        """Matrix (q m, g + 3) that makes the values of all branches from `extended` ones."""
        crystal = self.supercell.crystal
        steps = star_images(crystal, qpoints) @ self.basis.T
        # Points of the lattice but for rounding belong to one corner.
        near = np.rint(steps)
        steps = np.where(np.abs(steps - near) < 1e-9, near, steps)
        low = np.floor(steps)
        part = (steps - low)[:, :, None]
        # (image, q, corner)
        weight = np.where(_CORNERS == 1, part, 1.0 - part).prod(axis=-1) / len(steps)
        corner = low[:, :, None].astype(np.int64) + _CORNERS
        rank = _group_rank(self.supercell, np.linalg.inv(self.basis), corner)
        columns = self.places[rank]
        n_modes = self.places.shape[1]
        rows = np.arange(len(qpoints))[:, None, None] * n_modes + np.arange(n_modes)
        shape = (len(qpoints) * n_modes, self.n_sets + 3)
        return csr_matrix(
            (
                np.broadcast_to(weight[..., None], columns.shape).ravel(),
                (np.broadcast_to(rows, columns.shape).ravel(), columns.ravel()),
            ),
            shape=shape,
        )


def lifetime_grid(modes: Modes, supercell: Supercell) -> LifetimeGrid:
    """Prepare interpolation between the q points of a supercell.

    Parameters
    ----------
    modes
        Modes at the q points of `half_space` of the supercell.
    supercell
        The supercell.

    Raises
    ------
    DataError
        If the modes are not at those points, or the supercell has no q but Γ.
    """
    space = half_space(supercell)
    check_commensurate(modes, space.qpoints)
    if modes.n_sets == 0 or supercell.n_cells == 1:
        raise DataError(
            "a run of one primitive cell has no lifetimes to interpolate between",
            fix="use a larger supercell",
        )
    _, change = reduced_cell(2.0 * np.pi * np.linalg.inv(supercell.cell).T)
    basis = np.rint(np.linalg.inv(change).T @ supercell.matrix).astype(np.int64)
    inverse = np.linalg.inv(basis)
    places = np.empty((supercell.n_cells, modes.omega.shape[1]), dtype=np.int64)
    corner = np.rint(space.qpoints @ basis.T).astype(np.int64)
    for sign in (1, -1):
        places[_group_rank(supercell, inverse, sign * corner)] = modes.sets
    acoustic = places[0] < 0
    places[0, acoustic] = modes.n_sets + np.arange(3)
    neighbours, shares = _around_zero(supercell, inverse)
    return LifetimeGrid(
        supercell, basis, places, places[neighbours][:, :3], shares, modes.n_sets
    )


def _around_zero(supercell: Supercell, inverse: Floats) -> tuple[Ints, Floats]:
    """Numbers in the q group of points around Γ, and their weights for a value at Γ."""
    ends = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.int64)
    one, two = (_group_rank(supercell, inverse, k * ends) for k in (1, 2))
    usable = one != 0
    one, two = one[usable], two[usable]
    far = np.where(two != 0, -1.0 / 3.0, 0.0)
    weights = np.concatenate([1.0 - far, far]) / len(one)
    neighbours = np.concatenate([one, two])
    return neighbours[weights != 0.0], weights[weights != 0.0]


def fill(lifetimes: ModeLifetimes, omega_square: Floats | None = None) -> Strengths:
    """Make strengths of all sets from the lifetimes of those that are resolved.

    Parameters
    ----------
    lifetimes
        The lifetimes.
    omega_square
        (g,) ω² of each set in (rad/ps)², if not those of the modes.

    Raises
    ------
    DataError
        If a mode is imaginary, or no lifetime is resolved, or one alone and others are not.
    """
    modes, known = lifetimes.modes, lifetimes.resolved
    square = set_mean(modes.omega * np.abs(modes.omega), modes)
    square = square if omega_square is None else omega_square
    if not (square > 0.0).all():
        raise DataError(
            f"{int((square <= 0.0).sum())} sets of modes at the q points of the supercell have "
            "no real frequency: they carry no heat that a lifetime describes",
            why="the force constants are those of an unstable crystal, or of too short a run",
            fix="look at trajmodes modes, and fit with more frames or at a higher temperature",
        )
    if not known.any():
        raise DataError(
            "no lifetime is resolved, and none can be filled in",
            fix="run longer: the advice beside each mode tells how much",
        )
    if known.sum() == 1 and not known.all():
        raise DataError(
            "one lifetime is resolved: how far others are off it cannot be told",
            fix="run longer: the advice beside each mode tells how much",
        )
    omega, members = np.sqrt(square), set_members(modes)[known].astype(float)
    values, sem = np.empty(len(square)), np.empty(len(square))
    values[known] = -np.log(lifetimes.lifetime_ps[known] * square[known])
    sem[known] = lifetimes.lifetime_ps_sem[known] / lifetimes.lifetime_ps[known]
    if known.all():
        return Strengths(values, sem, ~known, np.zeros((0, len(values))))
    apart = (omega[:, None] - omega[known]) / (_SIMILAR * omega.max())
    others = np.where(np.eye(len(omega), dtype=bool)[:, known], np.inf, apart)
    rest = values[known] - _similar(others[known], members) @ values[known]
    scatter = float(np.sqrt(np.average(rest**2, weights=members)))
    model = _similar(apart[~known], members)
    filled, slope = model @ values[known], np.ones(int((~known).sum()))
    if lifetimes.floor_ps is not None:
        highest = -np.log(lifetimes.floor_ps[~known] * square[~known])
        filled, slope = _below(highest, filled, max(scatter, _LEAST_SCATTER))
    values[~known], sem[~known] = filled, scatter
    return Strengths(values, sem, ~known, slope[:, None] * model)


def _below(highest: Floats, mean: Floats, scatter: float) -> tuple[Floats, Floats]:
    """Mean of a normal distribution below some value, and its derivative by the whole mean.

    Where no value is given it is that of the whole distribution.
    """
    z = np.where(np.isfinite(highest), (highest - mean) / scatter, _NO_LIMIT)
    hazard = np.exp(-0.5 * z**2 - log_ndtr(z)) / np.sqrt(2.0 * np.pi)
    return mean - scatter * hazard, np.clip(1.0 - hazard * (z + hazard), 0.0, 1.0)


def _similar(apart: Floats, members: Floats) -> Floats:
    """(w, r) normalised Gaussian weights of distances in frequency."""
    exponent = -0.5 * apart**2 + np.log(members)
    weights = np.exp(exponent - exponent.max(axis=1, keepdims=True, initial=-np.inf))
    normalised: Floats = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def _group_rank(supercell: Supercell, inverse: Floats, corner: Ints) -> Ints:
    """Find the number in the q group of each corner (…, 3), corner = basis · q."""
    shape = np.array(supercell.shape, dtype=np.int64)
    to_label = np.rint(shape[:, None] * (np.linalg.inv(supercell.transform) @ inverse))
    labels: Ints = (corner @ to_label.astype(np.int64).T) % shape
    rank: Ints = (labels[..., 0] * shape[1] + labels[..., 1]) * shape[2] + labels[..., 2]
    return rank
