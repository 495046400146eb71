"""The structure of lowest Gibbs free energy at a temperature and pressure, by three schemes.

G(x) = E(x) + F(x, T) + P V(x) of the coordinates x = (ε, u), strains and displacements:

- full: ∂G/∂ε = ∂G/∂u = 0;
- zsisa (zero static internal stress approximation; Allan, Barron, Bruno, J. Chem. Phys. 105,
  8300 (1996)): ∂E/∂u = 0, and G is minimised over ε with u(ε), du/dε = −E_uu⁻¹ E_uε;
- fixed: ∂G/∂ε = 0 at u = 0, constant internal strain.

Each is a set of equations r(x) = 0, solved by Newton's method. The Jacobian is exact at the
first point, or that of a nearby minimum. It is continued by Broyden's updates, and is exact at
the solution. The derivatives of r by T and P give the thermal expansion and the
compressibility: dx/dT = −J⁻¹ ∂r/∂T.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.potentials.minimised import Scheme, Statistics
from trajmodes.errors import DataError
from trajmodes.thermo.minimisation.coordinates import Coordinates
from trajmodes.thermo.minimisation.local import (
    ImaginaryModesError,
    Local,
    Mesh,
    Vibrating,
    Vibrational,
    curvature,
    local_at,
)

_CONVERGED = 1e-9
"""Change of strains, and of displacements in Å, at which a minimum is found."""
_MOST_STEPS = 40
_LONGEST = 0.02
"""Largest change of a coordinate in one step."""
_FARTHEST = 0.5
"""Change of a coordinate at which a crystal is certainly another one."""
_FOLLOWED = 0.1
"""The same for a minimum that is followed from a near one."""


class LostMinimumError(DataError):
    """The Gibbs free energy has no minimum in the coordinates of the crystal."""


class Conditions(NamedTuple):
    """Temperature and pressure, and how they are treated."""

    kelvin: float
    pressure: float
    """eV/Å³."""
    scheme: Scheme
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class Minimum:
    """A structure of lowest Gibbs free energy and its surroundings."""

    coordinates: Coordinates
    vibrational: Vibrational
    conditions: Conditions
    jacobian: Floats
    """(a, a) derivatives of the equations by the active coordinates."""
    internal: Floats
    """(n, a) change of all coordinates with those over which G is minimised."""
    steps: int
    """Number of steps."""

    @property
    def local(self) -> Local:
        """Energy and dynamical matrices at the minimum."""
        return self.vibrational.local

    @property
    def softest(self) -> float:
        """Lowest eigenvalue of the second derivatives of G by the free coordinates, in eV."""
        # zsisa: Schur complement, the equations of the strains with displacements that follow
        n = self.internal.shape[1]
        stiffness = self.jacobian[:n] @ self.internal[: len(self.jacobian)]
        return float(np.linalg.eigvalsh(0.5 * (stiffness + stiffness.T))[0])

    @property
    def free_energy(self) -> float:
        """Static energy and F in eV."""
        return self.local.energy + self.vibrational.total(0)

    @property
    def gibbs_energy(self) -> float:
        """G in eV."""
        return self.free_energy + self.conditions.pressure * self.local.volume

    @property
    def expansion(self) -> Floats:
        """(3, 3), unit: 1/K. Thermal expansion tensor, Cartesian."""
        n = self.coordinates.n_strains
        change = np.einsum("k,kxy->xy", self.by_kelvin[:n], self.coordinates.strains)
        stretch = np.eye(3) + self.coordinates.strain(self.local.x)
        rate = change @ np.linalg.inv(stretch)
        found: Floats = 0.5 * (rate + rate.T)
        return found

    @property
    def by_kelvin(self) -> Floats:
        """(n,), unit: 1/K, Å/K. Change of the coordinates with temperature."""
        return self._response(-self.vibrational.entropy_slopes)

    @property
    def by_pressure(self) -> Floats:
        """(n,), unit: Å³/eV, Å⁴/eV. Change of the coordinates with pressure."""
        return self._response(self.local.volume_slopes)

    def _response(self, slopes: Floats) -> Floats:
        """(n,) change of the coordinates for a change (n,) of the slopes of G."""
        n = len(slopes)
        active = len(self.jacobian)
        change = self.internal.T @ slopes
        if self.conditions.scheme == "zsisa":
            # The equations of the displacements contain the static energy alone.
            change = np.concatenate([change, np.zeros(active - len(change))])
        found = np.zeros(n)
        found[:active] = -np.linalg.solve(self.jacobian, change)
        return found


def static_minimum(
    potential: Vibrating, coordinates: Coordinates, pressure: float = 0.0
) -> Floats:
    """(n,) point of lowest static enthalpy, by Newton's method with positive curvatures.

    Raises
    ------
    LostMinimumError
        If the enthalpy has no minimum near the reference.
    """

    def enthalpy(x: Floats) -> tuple[float, Floats]:
        crystal = coordinates.structure(x)
        state = potential.state(crystal)
        slopes = coordinates.slopes(x, state) + pressure * coordinates.volume_slopes(x)
        return state.energy + pressure * crystal.volume, slopes

    x: Floats = np.zeros(coordinates.size)
    value, slopes = enthalpy(x)
    for _ in range(_MOST_STEPS):
        matrix = curvature(lambda at: enthalpy(at)[1], x)
        squares, axes = np.linalg.eigh(matrix)
        floor = 1e-3 * float(np.abs(squares).max())
        step = -axes @ ((axes.T @ slopes) / np.maximum(np.abs(squares), floor))
        step *= min(1.0, 2.0 * _LONGEST / max(float(np.abs(step).max()), 1e-300))
        for _ in range(30):
            after, after_slopes = enthalpy(x + step)
            if after <= value + 1e-12 * abs(value):
                break
            step *= 0.5
        x, value, slopes = x + step, after, after_slopes
        if np.abs(x).max() > _FARTHEST:
            break
        if np.abs(step).max() < _CONVERGED:
            if squares[0] <= 0.0:
                break
            return x
    raise LostMinimumError(
        "the static energy has no minimum near this structure",
        why="the crystal is not that of the potential, or the pressure is too large",
        fix="start from another structure",
    )


def minimise(
    potential: Vibrating,
    coordinates: Coordinates,
    mesh: Mesh,
    start: Floats,
    conditions: Conditions,
    jacobian: Floats | None = None,
) -> Minimum:
    """Minimise the Gibbs free energy from a starting point.

    Parameters
    ----------
    start
        (n,) coordinates.
    jacobian
        (a, a) derivatives of the equations of the scheme near the start, such as those of a
        minimum that is followed; without them they are computed at the start.

    Raises
    ------
    LostMinimumError
        If there is no minimum near the start.
    ImaginaryModesError
        If a mode on the mesh is imaginary there.
    """
    orders: tuple[Literal[1, 2], Literal[2, 3]]
    orders = (2, 3) if conditions.scheme == "zsisa" else (1, 2)
    x = np.array(start)
    farthest = _FARTHEST if jacobian is None else _FOLLOWED
    is_whole = jacobian is None
    before: tuple[Floats, Floats] | None = None
    for steps in range(_MOST_STEPS):
        local = local_at(
            potential, coordinates, mesh, x, static=orders[is_whole], second=is_whole
        )
        try:
            vibrational = local.vibrational(conditions.kelvin, conditions.statistics)
        except ImaginaryModesError:
            if before is None or np.abs(before[1]).max() < _CONVERGED:
                raise
            # The step was too long: half of it, from the last point.
            back = 0.5 * before[1]
            x[: len(back)] -= back
            before, is_whole = (before[0], back), False
            continue
        found = _residual(coordinates, vibrational, conditions)
        if is_whole or jacobian is None:
            jacobian = _jacobian(coordinates, vibrational, conditions)
        elif before is not None:
            # Broyden's update with the change of the equations over the last step.
            old, step = before
            change = np.outer(found - old - jacobian @ step, step) / float(step @ step)
            jacobian = np.asarray(jacobian + change, dtype=float)
        step = np.asarray(-np.linalg.solve(jacobian, found), dtype=float)
        length = float(np.abs(step).max())
        if is_whole and length < _CONVERGED:
            return _minimum(coordinates, vibrational, conditions, jacobian, steps)
        step *= min(1.0, _LONGEST / max(length, _CONVERGED))
        x[: len(step)] += step
        if np.abs(x - start).max() > farthest:
            break
        # Exact derivatives where the next step is expected to be none.
        ratio = 1.0 if before is None else length / float(np.abs(before[1]).max())
        is_whole = length * min(1.0, ratio) < _CONVERGED
        before = (found, step)
    raise _lost(conditions, "the search leaves the surroundings of the structure")


def _minimum(
    coordinates: Coordinates,
    vibrational: Vibrational,
    conditions: Conditions,
    jacobian: Floats,
    steps: int,
) -> Minimum:
    """Check that a solution of the equations is a minimum."""
    if conditions.scheme == "zsisa":
        _require_static_minimum(coordinates, vibrational.local, conditions)
    internal = _internal(coordinates, vibrational.local, conditions.scheme)
    found = Minimum(coordinates, vibrational, conditions, jacobian, internal, steps)
    if found.softest <= 0.0:
        raise _lost(conditions, "the structure is not at a minimum")
    return found


def _require_static_minimum(
    coordinates: Coordinates, local: Local, conditions: Conditions
) -> None:
    """Check that the static energy is lowest at the positions of zsisa."""
    assert local.curvature is not None
    e = coordinates.n_strains
    lowest = float(np.linalg.eigvalsh(local.curvature[e:, e:]).min(initial=np.inf))
    if lowest > 0.0:
        return
    raise LostMinimumError(
        f"the positions of zsisa are not a minimum of the static energy at "
        f"{conditions.kelvin:.6g} K: its lowest second derivative is {lowest:.3g} eV/Å²",
        why="the expanded cell has a soft displacement of its atoms",
        fix="the last good temperature is in the results; try the scheme full, or use a run",
    )


def _lost(conditions: Conditions, what: str) -> LostMinimumError:
    return LostMinimumError(
        f"the Gibbs energy has no minimum at {conditions.kelvin:.6g} K: {what}",
        why="the quasiharmonic crystal is unstable against its expansion there (a spinodal), "
        "with real frequencies",
        fix="the last good temperature is in the results; beyond it use a run (trajmodes fit)",
    )


def _internal(coordinates: Coordinates, local: Local, scheme: Scheme) -> Floats:
    """(n, a) change of all coordinates with those over which G is minimised."""
    n, e = coordinates.size, coordinates.n_strains
    if scheme == "full":
        return np.eye(n)
    found = np.eye(n)[:, :e]
    if scheme == "zsisa" and n > e:
        assert local.curvature is not None
        found[e:] = -np.linalg.solve(local.curvature[e:, e:], local.curvature[e:, :e])
    return found


def _slopes(vibrational: Vibrational, conditions: Conditions) -> Floats:
    """(n,) ∂G/∂x."""
    local = vibrational.local
    return local.slopes + vibrational.slopes + conditions.pressure * local.volume_slopes


def _residual(
    coordinates: Coordinates, vibrational: Vibrational, conditions: Conditions
) -> Floats:
    """Compute the equations (a,) of the scheme, zero at the minimum."""
    local, e = vibrational.local, coordinates.n_strains
    internal = _internal(coordinates, local, conditions.scheme)
    found = internal.T @ _slopes(vibrational, conditions)
    if conditions.scheme == "zsisa":
        return np.concatenate([found, local.slopes[e:]])
    return found


def _jacobian(
    coordinates: Coordinates, vibrational: Vibrational, conditions: Conditions
) -> Floats:
    """Differentiate the equations (a, a) by the coordinates that they determine."""
    local, e = vibrational.local, coordinates.n_strains
    static = local.curvature
    assert static is not None
    volume = coordinates.volume_curvature(local.x)
    matrix = static + vibrational.curvature + conditions.pressure * volume
    internal = _internal(coordinates, local, conditions.scheme)
    if conditions.scheme == "full":
        return matrix
    if conditions.scheme == "fixed":
        return matrix[:e, :e]
    rows = internal.T @ matrix
    if coordinates.size > e:
        assert local.third is not None
        # d(internal)/dx_k = −E_uu⁻¹ (E_uu,k internal_u + E_uε,k), times the slopes of G by u
        change_kue = local.third[:, e:, e:] @ internal[e:] + local.third[:, e:, :e]
        by_u = np.linalg.solve(static[e:, e:], _slopes(vibrational, conditions)[e:])
        rows -= np.einsum("kue,u->ek", change_kue, by_u)
    return np.concatenate([rows, static[e:]])
