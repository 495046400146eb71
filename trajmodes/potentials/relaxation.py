"""Static relaxation of a crystal: positions, and the cell, at the minimum of the energy.

Newton's method uses the second derivatives of the potential for the positions, and central
differences of forces and stress for the strain. Negative curvatures are replaced by their
magnitude, so that the steps lead to a minimum and not to a saddle point, and the step is halved
until the energy or the gradient decreases. Steps have the symmetry of the initial crystal.
"""

from dataclasses import replace

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.potentials.potential import Potential

TOLERANCE = 1e-8
"""Largest force in eV/Å, and stress times volume over its cube root, of a relaxed crystal."""

_STEPS, _HALVINGS = 60, 20
_LONGEST = 0.2
"""Longest step of an atom in Å."""
_STRAIN = 1e-4
_FLAT = 1e-7
"""Curvature, relative to the largest, below which it is zero, as for translations."""


def relaxed(
    potential: Potential, crystal: Crystal, *, cell: bool = False, tolerance: float = TOLERANCE
) -> Crystal:
    """Relax the positions of the atoms, and the ``cell`` if requested.

    Raises
    ------
    DataError
        If no minimum is found.
    """
    value, slope = _gradient(potential, crystal, cell=cell)
    for _ in range(_STEPS):
        if np.abs(slope).max() <= tolerance:
            break
        step = _newton_step(_curvature(potential, crystal, slope, cell=cell), slope)
        for _ in range(_HALVINGS):
            moved = _moved(crystal, step)
            new_value, new_slope = _gradient(potential, moved, cell=cell)
            if new_value < value or np.linalg.norm(new_slope) < np.linalg.norm(slope):
                break
            step = 0.5 * step
        else:
            break
        crystal, value, slope = moved, new_value, new_slope
    if np.abs(slope).max() <= tolerance:
        return crystal
    raise DataError(
        f"the crystal does not relax: forces of up to {np.abs(slope).max():.2g} eV/Å are left",
        why="the start is far from a minimum, or the functions of the potential are not smooth",
        fix="start from another structure, or interpolate tables by the cubic spline",
    )


def _gradient(potential: Potential, crystal: Crystal, *, cell: bool) -> tuple[float, Floats]:
    """Energy, and its slopes for displacements (3s) and symmetric strain times length (6)."""
    state = potential.state(crystal)
    parts = [-state.forces.ravel()]
    if cell:
        volume = crystal.volume
        x, y = _COMPONENTS
        weight = np.where(x == y, 1.0, 2.0)
        parts.append(weight * state.stress[x, y] * volume / np.cbrt(volume))
    return state.energy, np.concatenate(parts)


def _curvature(potential: Potential, crystal: Crystal, slope: Floats, *, cell: bool) -> Floats:
    n = 3 * crystal.n_sites
    curvature = np.zeros((len(slope), len(slope)))
    curvature[:n, :n] = potential.hessian(crystal)
    if cell:
        size = _STRAIN * np.cbrt(crystal.volume)
        for k in range(n, len(slope)):
            step = np.zeros(len(slope))
            step[k] = size
            plus, minus = (
                _gradient(potential, _moved(crystal, sign * step), cell=True)[1]
                for sign in (1.0, -1.0)
            )
            curvature[k] = (plus - minus) / (2.0 * size)
            curvature[:n, k] = curvature[k, :n]
    symmetric: Floats = 0.5 * (curvature + curvature.T)
    return symmetric


def _newton_step(curvature: Floats, slope: Floats) -> Floats:
    values, vectors = np.linalg.eigh(curvature)
    size = np.abs(values)
    kept = size > _FLAT * size.max()
    along = vectors[:, kept].T @ slope
    step: Floats = -vectors[:, kept] @ (along / size[kept])
    step *= min(1.0, _LONGEST / float(np.abs(step).max()))
    return step


_COMPONENTS = np.array([0, 1, 2, 1, 0, 0]), np.array([0, 1, 2, 2, 2, 1])


def _moved(crystal: Crystal, step: Floats) -> Crystal:
    """Displace the atoms, then strain the cell."""
    n = 3 * crystal.n_sites
    shift = step[:n].reshape(-1, 3) @ np.linalg.inv(crystal.cell)
    strain = np.zeros((3, 3))
    if len(step) > n:
        x, y = _COMPONENTS
        strain[x, y] = strain[y, x] = step[n:] / np.cbrt(crystal.volume)
    return replace(
        crystal, sites=crystal.sites + shift, cell=crystal.cell @ (np.eye(3) + strain)
    )
