"""Interpolation of linewidths between the q points of a supercell.

The interpolated quantity is x = ln(γ/ω²), for branches in order of frequency. Acoustic phonons
have γ ~ ω² at long wavelength (classical occupation, three-phonon processes), so x is finite at
Γ; for optical branches it is as smooth as γ. The logarithm treats γ and τ equally, its error is
the relative error of both, and γ stays positive. Interpolation is linear in each of the three
directions of the lattice of commensurate q points, in its Minkowski-reduced basis. It is
averaged over the images of q under the point group, since the cells of that lattice may lack
its symmetry. It is exact at the commensurate points, stays between their values (a Fourier sum
would overshoot where branches cross), and has an error of second order in the spacing where x
is smooth. At a crossing the order of branches changes, and lifetimes of different polarisation
are mixed within one spacing.

The three acoustic branches at Γ have no linewidth. Since x is even in q, they take
(4 x₁ − x₂)/3 from one and two steps along each basis vector, or x₁ if two steps lead back to Γ.
The approach follows F. Knoop, M. Scheffler, C. Carbogno, Phys. Rev. B 107, 224304 (2023), who
interpolate τω².

For a set without a lifetime x follows from resolved sets of similar frequency: it is their mean
m with Gaussian weights, which is the model τ = A(ω) ω⁻² with slowly varying A. Its error σ is
the scatter of resolved sets about the same model of the other sets. It is assumed to have the
same sign for all such sets. Lifetimes are unresolved because they are long. If the run gives a
lower bound τ₀, x is the mean of a normal distribution about the model that is cut off at the
bound, x = m − σ φ(z)/Φ(z), z = (−ln(τ₀ω²) − m)/σ. Without a bound the model gives too short a
lifetime, since it is based on sets with shorter lifetimes.
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
from trajmodes.phonons.renormalised import check_commensurate
from trajmodes.symmetry.stars import point_group, set_mean, set_members, star_images
from trajmodes.symmetry.translations import half_space

# Width of the Gaussian weights in frequency, relative to the highest frequency.
_SIMILAR = 0.05
# The same for a local linear fit, which needs more sets.
_LOCAL = 0.15
# Range of ln ω below which sets have no slope.
_LEAST_RANGE = 0.03
# Frequency, relative to the highest one, to which a local fit is extrapolated.
_LOWEST = 1e-3
# Least scatter of ln(γ/ω²) among sets of similar frequency.
_LEAST_SCATTER = 0.05
# Number of standard deviations beyond which a normal distribution is zero.
_NO_LIMIT = 40.0
_CORNERS = np.array(np.indices((2, 2, 2)).reshape(3, -1).T, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class ModeLifetimes:
    """Lifetimes of sets of symmetry-equivalent modes (g) at the q points of a supercell."""

    modes: Modes
    """Modes at the q points of `half_space`."""
    lifetime_ps: Floats
    """(g,), unit: ps. Energy lifetime 1/γ; nan where not resolved."""
    lifetime_ps_sem: Floats
    """(g,), unit: ps. Standard errors, independent from set to set."""
    floor_ps: Floats | None = None
    """(g,), unit: ps. Lower bound of a lifetime that is not resolved; nan where not known."""

    def __post_init__(self) -> None:
        sizes = {"g": self.modes.n_sets}
        freeze(self, sizes, float, lifetime_ps="g", lifetime_ps_sem="g", floor_ps="g")

    @property
    def resolved(self) -> Bools:
        """(g,) sets with a lifetime and its error."""
        usable: Bools = np.isfinite(self.lifetime_ps) & np.isfinite(self.lifetime_ps_sem)
        return usable & (self.lifetime_ps > 0.0)


@dataclass(frozen=True, slots=True)
class Strengths:
    """x = ln(γ/ω²) of all sets (g); sets without a lifetime are filled from the others."""

    log_strength: Floats
    """(g,), γ/ω² in ps."""
    sem: Floats
    """(g,) standard errors; for filled sets the scatter about the model."""
    filled: Bools
    """(g,) sets without a lifetime of their own."""
    model: Floats
    """(filled, resolved) derivatives of filled values by resolved ones."""

    def deviations(self, slopes: Floats) -> Floats:
        """Independent deviations (k, …) of a quantity whose derivatives by x are (g, …).

        The sum of their squares is its variance. Filled sets deviate by the scatter of the
        resolved ones, all with the same sign, since they share the model.
        """
        known, filled = ~self.filled, self.filled
        own = slopes[known] + np.tensordot(self.model.T, slopes[filled], axes=1)
        own = own * self.sem[known].reshape(-1, *[1] * (own.ndim - 1))
        common = np.tensordot(self.sem[filled], slopes[filled], axes=1)
        return np.concatenate([own, common[None]])


@dataclass(frozen=True, slots=True)
class LifetimeGrid:
    """Interpolation of x = ln(γ/ω²) from the lattice of commensurate points to any q."""

    supercell: Supercell
    basis: Ints
    """(3, 3) rows: reduced supercell vectors in primitive ones; lattice point n = basis · q."""
    sets: Ints
    """(c, m) set of each branch at each commensurate q, in the order of the q group; n_sets + k
    for acoustic branch k at Γ."""
    neighbours: Ints
    """(j, 3) sets of the acoustic branches at q points around Γ."""
    shares: Floats
    """(j,) weights of these in the acoustic branches at Γ; their sum is 1."""
    omega: Floats
    """(g,), unit: rad/ps. Root mean square frequency of each set."""
    members: Floats
    """(g,) number of modes of each set."""

    @property
    def n_sets(self) -> int:
        """Number of sets."""
        return len(self.omega)

    @property
    def entries_per_q(self) -> int:
        """Entries of `weights` for one q, before equal ones are added up."""
        n_images = 2 * len(point_group(self.supercell.crystal))
        _, n_modes = self.sets.shape
        return len(_CORNERS) * n_images * int(n_modes)

    def extended(self, values: Floats) -> Floats:
        """Append values of the acoustic branches at Γ to those of the sets: (g,) → (g + 3,)."""
        return np.concatenate([values, self.shares @ values[self.neighbours]])

    def contracted(self, slopes: Floats) -> Floats:
        """Convert derivatives by `extended` values (g + 3, …) to those by sets (g, …)."""
        own = np.array(slopes[: self.n_sets])
        for row, share in zip(self.neighbours, self.shares, strict=True):
            np.add.at(own, row, share * slopes[self.n_sets :])
        return own

    def by_frequency(self, values: Floats, omega: Floats) -> Floats:
        """Values (n,) at frequencies (n,) in rad/ps from those of the sets (g,).

        They are from a local linear fit in ln ω: γ ~ ω^{2 + slope}. Slopes are limited to ±1.
        """
        unit = _LOCAL * float(self.omega.max())
        weights = _gaussian_weights((omega[:, None] - self.omega) / unit, self.members)
        log = np.log(self.omega)
        middle, mean = weights @ log, weights @ values
        away = log - middle[:, None]
        variance = (weights * away**2).sum(axis=1) + _LEAST_RANGE**2
        slope = np.clip((weights * away) @ values / variance, -1.0, 1.0)
        lowest = _LOWEST * float(self.omega.max())
        fitted: Floats = mean + slope * (np.log(np.maximum(omega, lowest)) - middle)
        return fitted

    def weights(self, qpoints: Floats) -> csr_matrix:
        """Matrix (q m, g + 3) that gives the values of all branches from `extended` ones."""
        crystal = self.supercell.crystal
        steps = star_images(crystal, qpoints) @ self.basis.T
        # A lattice point up to rounding has one corner.
        near = np.rint(steps)
        steps = np.where(np.abs(steps - near) < 1e-9, near, steps)
        low = np.floor(steps)
        part = (steps - low)[:, :, None]
        # (image, q, corner)
        weight = np.where(_CORNERS == 1, part, 1.0 - part).prod(axis=-1) / len(steps)
        corner = low[:, :, None].astype(np.int64) + _CORNERS
        rank = _group_rank(self.supercell, np.linalg.inv(self.basis), corner)
        columns = self.sets[rank]
        n_modes = self.sets.shape[1]
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
    """Prepare the interpolation between the q points of a supercell.

    Raises
    ------
    DataError
        If the modes are not at the q points of `half_space`, or the supercell has no q but Γ.
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
    sets = np.empty((supercell.n_cells, modes.omega.shape[1]), dtype=np.int64)
    corner = np.rint(space.qpoints @ basis.T).astype(np.int64)
    for sign in (1, -1):
        sets[_group_rank(supercell, inverse, sign * corner)] = modes.sets
    acoustic = sets[0] < 0
    sets[0, acoustic] = modes.n_sets + np.arange(3)
    neighbours, shares = _neighbours_of_gamma(supercell, inverse)
    square = set_mean(modes.omega * np.abs(modes.omega), modes)
    return LifetimeGrid(
        supercell,
        basis,
        sets,
        sets[neighbours][:, :3],
        shares,
        np.sqrt(np.maximum(square, 0.0)),
        set_members(modes).astype(float),
    )


def _neighbours_of_gamma(supercell: Supercell, inverse: Floats) -> tuple[Ints, Floats]:
    """Find the q points around Γ in the q group, and their weights for a value at Γ."""
    ends = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.int64)
    one, two = (_group_rank(supercell, inverse, k * ends) for k in (1, 2))
    usable = one != 0
    one, two = one[usable], two[usable]
    far = np.where(two != 0, -1.0 / 3.0, 0.0)
    weights = np.concatenate([1.0 - far, far]) / len(one)
    neighbours = np.concatenate([one, two])
    return neighbours[weights != 0.0], weights[weights != 0.0]


def all_strengths(lifetimes: ModeLifetimes, omega_square: Floats | None = None) -> Strengths:
    """Scattering strengths ln(γ/ω²) of all sets from the lifetimes of those that are resolved.

    ``omega_square`` (g,) in (rad/ps)² is used in place of ω² of the modes, if given.

    Raises
    ------
    DataError
        If a mode is imaginary, or no lifetime is resolved, or only one of several.
    """
    modes, known = lifetimes.modes, lifetimes.resolved
    square = set_mean(modes.omega * np.abs(modes.omega), modes)
    square = square if omega_square is None else omega_square
    if not (square > 0.0).all():
        raise DataError(
            f"{int((square <= 0.0).sum())} sets of modes at the q points of the supercell have "
            "no real frequency: their heat flow is not defined",
            why="the crystal is unstable, or the run was too short for its force constants",
            fix="look at trajmodes modes, and fit with more frames or at a higher temperature",
        )
    if not known.any():
        raise DataError(
            "no lifetime is resolved, so the others cannot be estimated",
            fix="run longer; the advice for each mode says how long",
        )
    if known.sum() == 1 and not known.all():
        raise DataError(
            "only one lifetime is resolved, so the error of estimated ones is not known",
            fix="run longer; the advice for each mode says how long",
        )
    omega, members = np.sqrt(square), set_members(modes)[known].astype(float)
    values, sem = np.empty(len(square)), np.empty(len(square))
    values[known] = -np.log(lifetimes.lifetime_ps[known] * square[known])
    sem[known] = lifetimes.lifetime_ps_sem[known] / lifetimes.lifetime_ps[known]
    if known.all():
        return Strengths(values, sem, ~known, np.zeros((0, len(values))))
    distance = (omega[:, None] - omega[known]) / (_SIMILAR * omega.max())
    others = np.where(np.eye(len(omega), dtype=bool)[:, known], np.inf, distance)
    residual = values[known] - _gaussian_weights(others[known], members) @ values[known]
    scatter = float(np.sqrt(np.average(residual**2, weights=members)))
    model = _gaussian_weights(distance[~known], members)
    filled, slope = model @ values[known], np.ones(int((~known).sum()))
    if lifetimes.floor_ps is not None:
        highest = -np.log(lifetimes.floor_ps[~known] * square[~known])
        filled, slope = _truncated_mean(highest, filled, max(scatter, _LEAST_SCATTER))
    values[~known], sem[~known] = filled, scatter
    return Strengths(values, sem, ~known, slope[:, None] * model)


def _truncated_mean(highest: Floats, mean: Floats, scatter: float) -> tuple[Floats, Floats]:
    """Mean of a normal distribution cut off above ``highest``, and its derivative by ``mean``.

    Where ``highest`` is nan the distribution is not cut off.
    """
    z = np.where(np.isfinite(highest), (highest - mean) / scatter, _NO_LIMIT)
    hazard = np.exp(-0.5 * z**2 - log_ndtr(z)) / np.sqrt(2.0 * np.pi)
    return mean - scatter * hazard, np.clip(1.0 - hazard * (z + hazard), 0.0, 1.0)


def _gaussian_weights(distance: Floats, members: Floats) -> Floats:
    """Normalised Gaussian weights (w, r) of distances in frequency."""
    exponent = -0.5 * distance**2 + np.log(members)
    weights = np.exp(exponent - exponent.max(axis=1, keepdims=True, initial=-np.inf))
    normalised: Floats = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def _group_rank(supercell: Supercell, inverse: Floats, corner: Ints) -> Ints:
    """Index in the q group of each lattice point (…, 3), corner = basis · q."""
    steps = np.array(supercell.shape)[:, None] * (np.linalg.inv(supercell.transform) @ inverse)
    labels = np.moveaxis(corner @ np.rint(steps).astype(np.int64).T, -1, 0)
    rank: Ints = np.ravel_multi_index(tuple(labels), supercell.shape, mode="wrap")
    return rank
