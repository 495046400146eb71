"""Energy and frequencies of a crystal near a structure, as functions of its coordinates.

The vibrational free energy F = Σ_qm f(λ_qm), λ = ω², has the derivatives

    ∂F/∂x = Σ f'(λ_m) ⟨m|D_x|m⟩,
    ∂²F/∂x∂y = Σ_mn g_mn ⟨m|D_x|n⟩⟨n|D_y|m⟩ + Σ_m f'(λ_m) ⟨m|D_xy|m⟩,
    g_mn = [f'(λ_m) − f'(λ_n)]/(λ_m − λ_n),  g_mm = f''(λ_m),

with the derivatives D_x and D_xy of the dynamical matrix at constant reduced q. One contraction
gives all coordinates: Σ f'(λ_m)|m⟩⟨m| is half the covariance of the displacements (quantum or
classical), weighted by mass, so that ∂F/∂x = ½ tr[C ∂B/∂x] (Taylor, Barrera, Allan, Barron,
Phys. Rev. B 56, 14380 (1997), term by term). D_x and D_xy are central differences of D; the
second derivatives of the static energy are central differences of its first derivatives.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from trajmodes.arrays import Bools, Complexes, Floats, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.potentials.minimised import Statistics
from trajmodes.errors import DataError
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum
from trajmodes.phonons.qpoints import mesh
from trajmodes.potentials.potential import Potential, State
from trajmodes.thermo.functions import (
    OscillatorFunctions,
    classical_functions,
    quantum_functions,
)
from trajmodes.thermo.minimisation.coordinates import Coordinates

_STEP = 1e-4
"""Step of strains; that of displacements is the same in units of 1 Å."""
_WIDE = 6e-3
"""Step of second differences. It averages over the usual intervals of tabulated functions
(0.01 Å), whose third derivatives jump from one interval to the next."""
_SAME = 1e-7
"""Difference of λ, relative to the largest, below which g_mn is f''."""
_ZERO = 1e-6
"""λ of acoustic modes at Γ, relative to the largest, that is rounding."""


class ImaginaryModesError(DataError):
    """The crystal has imaginary modes on the mesh, so that it has no free energy."""


class Vibrating(Protocol):
    """Interface of a potential for the minimisation."""

    def near(self, crystal: Crystal) -> "Vibrating":
        """Fix the interactions to those of a crystal, for others at small strains."""
        ...

    def state(self, crystal: Crystal) -> State:
        """Compute energy, forces and stress."""
        ...

    def matrices(self, crystal: Crystal, qpoints: Floats) -> Complexes:
        """Compute D (q, 3s, 3s) in (rad/ps)² at reduced q (q, 3)."""
        ...


@dataclass(frozen=True, slots=True)
class ByForceConstants:
    """A potential whose dynamical matrices come from its force constants."""

    potential: Potential

    def near(self, _crystal: Crystal) -> "ByForceConstants":
        """Return it unchanged; it must be a smooth function of the structure."""
        return self

    def state(self, crystal: Crystal) -> State:
        """Compute energy, forces and stress."""
        return self.potential.state(crystal)

    def matrices(self, crystal: Crystal, qpoints: Floats) -> Complexes:
        """Compute D (q, 3s, 3s) in (rad/ps)² at reduced q (q, 3)."""
        total = lattice_sum(self.potential.force_constants(crystal))
        return dynamical_matrices(total, qpoints)


@dataclass(frozen=True, slots=True)
class Mesh:
    """Points of the sum over the zone."""

    qpoints: Floats
    """(q, 3) reduced coordinates."""
    weights: Floats
    """(q,) parts of the zone; they add up to 1."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoints="q 3", weights="q")

    @property
    def at_gamma(self) -> Bools:
        """(q,) whether a point is Γ, whose acoustic modes are translations."""
        found: Bools = np.abs(self.qpoints).max(axis=1) < 1e-9
        return found

    @classmethod
    def through_gamma(cls, crystal: Crystal, divisions: tuple[int, int, int]) -> "Mesh":
        """Irreducible points of a mesh."""
        qpoints, members = mesh(crystal, divisions)
        return cls(qpoints, members / members.sum())


@dataclass(frozen=True, slots=True)
class Local:
    """Energy and dynamical matrices at a structure, with their derivatives (n)."""

    x: Floats
    """(n,) the coordinates."""
    crystal: Crystal
    energy: float
    """Static energy in eV."""
    slopes: Floats
    """(n,), unit: eV. Derivatives of the static energy."""
    volume: float
    """Å³."""
    volume_slopes: Floats
    """(n,), unit: Å³."""
    square: Floats
    """(q, m), unit: (rad/ps)². λ; nan for the translations at Γ."""
    square_slopes: Floats
    """(n, q, m), unit: (rad/ps)². ⟨m|D_x|m⟩."""
    weights: Floats
    """(q,) parts of the zone."""
    curvature: Floats | None = None
    """(n, n), unit: eV. Second derivatives of the static energy, if they were wanted."""
    third: Floats | None = None
    """(n, n, n), unit: eV. Its third derivatives, if they were wanted."""
    couplings: Complexes | None = None
    """(n, q, m, m) ⟨m|D_x|n⟩, if they were wanted."""
    second: Floats | None = None
    """(n, n, q, m) ⟨m|D_xy|m⟩, if they were wanted."""

    def vibrational(self, kelvin: float, statistics: Statistics) -> "Vibrational":
        """Functions of the vibrations at a temperature.

        Raises
        ------
        ImaginaryModesError
            If a mode is imaginary.
        """
        kept = np.isfinite(self.square)
        lowest = float(self.square[kept].min())
        if lowest <= 0.0:
            q = int(np.argwhere(kept & (self.square == lowest))[0, 0])
            raise ImaginaryModesError(
                f"a mode is imaginary: ω² = {lowest:.3g} (rad/ps)², point {q + 1} of the mesh",
                where=f"volume {self.volume:.4f} Å³",
                why="the crystal is not stable in this structure",
                fix="lower the temperature or raise the pressure, or use a run (trajmodes fit)",
            )
        omega = np.sqrt(np.where(kept, self.square, 1.0))
        oscillators = quantum_functions if statistics == "quantum" else classical_functions
        weights = np.where(kept, self.weights[:, None], 0.0)
        return Vibrational(self, oscillators(omega, np.array([kelvin])), omega, weights)


@dataclass(frozen=True, slots=True)
class Vibrational:
    """Free energy of the vibrations of a structure at one temperature, with derivatives."""

    local: Local
    functions: OscillatorFunctions
    omega: Floats
    """(q, m), unit: rad/ps."""
    weights: Floats
    """(q, m) parts of the zone; zero for translations."""

    def total(self, which: int) -> float:
        """Sum of F, U, S or C (0 to 3) over the modes of a cell."""
        return float(np.sum(self.functions.values[which, 0] * self.weights))

    @property
    def slopes(self) -> Floats:
        """(n,), unit: eV. ∂F/∂x."""
        found: Floats = np.einsum(
            "qm,nqm->n", self._first * self.weights, self.local.square_slopes
        )
        return found

    @property
    def entropy_slopes(self) -> Floats:
        """(n,), unit: eV/K. ∂S/∂x."""
        # ω ∂S/∂ω = 2λ ∂S/∂λ
        by_square = self.functions.slopes[2, 0] / (2.0 * self.omega**2)
        found: Floats = np.einsum(
            "qm,nqm->n", by_square * self.weights, self.local.square_slopes
        )
        return found

    @property
    def _first(self) -> Floats:
        """(q, m) ∂f/∂λ = U/2λ."""
        first: Floats = self.functions.values[1, 0] / (2.0 * self.omega**2)
        return first

    @property
    def curvature(self) -> Floats:
        """(n, n), unit: eV. ∂²F/∂x∂y; the second derivatives of D must be known."""
        local, first = self.local, self._first
        assert local.couplings is not None
        assert local.second is not None
        square = self.omega**2
        # ∂²f/∂λ² = [ω ∂U/∂ω − 2U]/(4λ²)
        own = (self.functions.slopes[1, 0] - 2.0 * self.functions.values[1, 0]) / (
            4.0 * square**2
        )
        apart = square[:, :, None] - square[:, None, :]
        near = np.abs(apart) < _SAME * square.max()
        change = first[:, :, None] - first[:, None, :]
        g_qmn = np.where(near, own[:, :, None], change / np.where(near, 1.0, apart))
        # Translations at Γ have no force constants to change.
        g_qmn = g_qmn * np.sqrt(self.weights[:, :, None] * self.weights[:, None, :])
        pairs = np.einsum(
            "qmn,xqmn,yqnm->xy", g_qmn, local.couplings, local.couplings, optimize=True
        ).real
        rest = np.einsum("qm,xyqm->xy", first * self.weights, local.second)
        total: Floats = pairs + rest
        return total


def local_at(
    potential: Vibrating,
    coordinates: Coordinates,
    mesh: Mesh,
    x: Floats,
    *,
    static: Literal[1, 2, 3] = 1,
    second: bool = False,
) -> Local:
    """Expand energy and dynamical matrices about a point.

    Parameters
    ----------
    static
        Order of the derivatives of the static energy.
    second
        Whether to take second derivatives of D, at n² + 3n + 1 instead of 2n + 1 evaluations.
    """
    n = coordinates.size
    units = _STEP * np.eye(n)

    def matrices(at: Floats) -> Complexes:
        return potential.matrices(coordinates.structure(at), mesh.qpoints)

    def slopes(at: Floats) -> Floats:
        return coordinates.slopes(at, potential.state(coordinates.structure(at)))

    crystal = coordinates.structure(x)
    state = potential.state(crystal)
    middle = matrices(x)
    square, vectors = np.linalg.eigh(middle)
    ahead = [matrices(x + step) for step in units]
    behind = [matrices(x - step) for step in units]
    couplings = np.array([
        _in_basis((plus - minus) / (2.0 * _STEP), vectors)
        for plus, minus in zip(ahead, behind, strict=True)
    ]).reshape(n, *middle.shape)  # fmt: skip
    return Local(
        x=x,
        crystal=crystal,
        energy=state.energy,
        slopes=coordinates.slopes(x, state),
        volume=crystal.volume,
        volume_slopes=coordinates.volume_slopes(x),
        square=_without_translations(square, vectors, mesh, crystal),
        square_slopes=np.einsum("nqmm->nqm", couplings).real,
        weights=mesh.weights,
        curvature=curvature(slopes, x) if static > 1 else None,
        third=_third(slopes, x) if static > 2 else None,
        couplings=couplings if second else None,
        second=_second(matrices, x, middle, vectors) if second else None,
    )


def curvature(slopes: Callable[[Floats], Floats], x: Floats) -> Floats:
    """(n, n) derivatives of slopes (n,) by central differences."""
    units = _STEP * np.eye(len(x))
    rows = [(slopes(x + step) - slopes(x - step)) / (2.0 * _STEP) for step in units]
    found = np.array(rows).reshape(len(x), len(x))
    return 0.5 * (found + found.T)


def _second(
    matrices: Callable[[Floats], Complexes], x: Floats, middle: Complexes, vectors: Complexes
) -> Floats:
    """(n, n, q, m) ⟨m|D_xy|m⟩ by central differences."""
    units = _WIDE * np.eye(len(x))

    def change(step: Floats) -> Floats:
        d_qkl = matrices(x + step) + matrices(x - step) - 2.0 * middle
        found: Floats = np.einsum(
            "qkm,qkl,qlm->qm", vectors.conj(), d_qkl, vectors, optimize=True
        ).real
        return found

    return _mixed(change, units, middle.shape[:2]) / _WIDE**2


def _third(slopes: Callable[[Floats], Floats], x: Floats) -> Floats:
    """(n, n, n) second derivatives of slopes (n,) by central differences."""
    units, middle = _WIDE * np.eye(len(x)), slopes(x)

    def change(step: Floats) -> Floats:
        return slopes(x + step) + slopes(x - step) - 2.0 * middle

    return _mixed(change, units, middle.shape) / _WIDE**2


def _mixed(change: Callable[[Floats], Floats], units: Floats, shape: tuple[int, ...]) -> Floats:
    """(n, n, …) second differences along pairs of steps, of f(+s) + f(−s) − 2 f(0)."""
    n = len(units)
    found = np.zeros((n, n, *shape))
    for k in range(n):
        found[k, k] = change(units[k])
        for j in range(k):
            mixed = change(units[k] + units[j]) - found[k, k] - found[j, j]
            found[k, j] = found[j, k] = 0.5 * mixed
    return found


def _in_basis(d_qkl: Complexes, vectors: Complexes) -> Complexes:
    """(q, m, n) matrix elements between modes."""
    found: Complexes = vectors.conj().swapaxes(1, 2) @ d_qkl @ vectors
    return found


def _without_translations(
    square: Floats, vectors: Complexes, mesh: Mesh, crystal: Crystal
) -> Floats:
    """λ with nan for the three modes at Γ that move the crystal as a whole."""
    found = square.copy()
    root = np.repeat(np.sqrt(crystal.masses), 3)
    for q in np.flatnonzero(mesh.at_gamma):
        uniform = np.zeros((3, len(root)))
        for k in range(3):
            uniform[k, k::3] = root[k::3]
        uniform /= np.linalg.norm(uniform, axis=1)[:, None]
        overlap = (np.abs(uniform @ vectors[q]) ** 2).sum(axis=0)
        chosen = np.argsort(overlap)[-3:]
        if np.abs(square[q, chosen]).max() > _ZERO * np.abs(square).max():
            raise DataError(
                "the modes at Γ that move the crystal as a whole have a frequency",
                why="the dynamical matrices do not obey the acoustic sum rule",
            )
        found[q, chosen] = np.nan
    return found
