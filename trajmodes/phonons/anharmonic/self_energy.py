"""Self-energies of three-phonon scattering as functions of frequency.

Γ(ω), the negative imaginary part, is phono3py's sum over decay and absorption processes on a
mesh, with the tetrahedron method (A. Togo, L. Chaput, I. Tanaka, Phys. Rev. B 91, 094306
(2015), eq. 11), see `three_phonon`. It vanishes above twice the highest frequency of the
crystal. The real part follows from it, see `spectral_function`.

The error of Γ at the harmonic frequency is obtained from force constants of both orders with
groups of blocks left out. To first order the estimate x without a group of g of B blocks is

    x_G = x̄ + (B − 1)/(B − g) Σ_{b∈G} (x_b − x̄).
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints
from trajmodes.data.anharmonic import SelfEnergies
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.errors import UsageError
from trajmodes.phonons.anharmonic.three_phonon import (
    LOWEST,
    Scattering,
    checked_frequencies,
    scattering_on,
)
from trajmodes.phonons.dynamical_matrix import checked_qpoints
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.strain import triplets_of
from trajmodes.units import THZ

# Two-phonon processes end at twice the highest frequency; the grid a little above.
_BEYOND = 2.0 * 1.01
# Frequencies and memory in bytes of one batch in phono3py.
_BATCH, _BATCH_BYTES = 50, 64 * 2**20
# Groups of blocks left out for the error.
_GROUPS = 8


def self_energies(
    constants: ForceConstants,
    supercell: Supercell,
    mesh: tuple[int, int, int],
    temperature: float,
    qpoints: npt.ArrayLike,
    n_frequencies: int = 400,
) -> SelfEnergies:
    """Γ(ω) at q points of a mesh and a temperature in K, quantum and classical.

    The force constants must have the symmetry of the crystal.

    Parameters
    ----------
    mesh
        Points of scattering partners along each reciprocal lattice vector. Widths converge
        slowly with the mesh: compare two meshes.
    qpoints
        (q, 3) points of that mesh.
    n_frequencies
        Points of the grid of frequencies.

    Raises
    ------
    UsageError
        If phono3py is not installed, the temperature is not positive, or a q is not a point of
        the mesh.
    DataError
        If there is no third order, or phono3py finds other frequencies.
    """
    if not temperature > 0.0:
        raise UsageError(f"the temperature must be positive, got {temperature} K")
    q_qx = checked_qpoints(qpoints)
    scattering = scattering_on(constants, supercell, mesh)
    points, place = scattering.grid_points(q_qx)
    omega = checked_frequencies(constants, q_qx, scattering.frequencies(points)[place])
    grid = np.linspace(0.0, _BEYOND * scattering.highest, n_frequencies)
    whole = _at_frequencies(scattering, points, temperature, grid)[:, place]
    whole[..., [0, -1]] = 0.0
    steady = (omega > LOWEST)[..., None]
    quantum, classical = np.where(steady, whole, np.nan)
    errors = _errors(constants, scattering, points, temperature)
    return SelfEnergies(
        temperature=temperature,
        mesh=mesh,
        qpoints=q_qx,
        omega=omega,
        omega_sem=frequencies_at(constants, q_qx)[1],
        grid=grid,
        quantum=quantum,
        classical=classical,
        quantum_error=None if errors is None else errors[0, place],
        classical_error=None if errors is None else errors[1, place],
        left_out=scattering.left_out,
    )


def _at_frequencies(
    scattering: Scattering, points: Ints, temperature: float, grid: Floats
) -> Floats:
    """Γ (2, q, m, w) in rad/ps, quantum and classical."""
    peer, hot = scattering.peer, scattering.hot(temperature)
    n_branches = 3 * len(peer.primitive)
    bytes_each = 16 * n_branches**2 * max(1, int(np.prod(scattering.mesh)) // 2)
    # (smearing, temperature, q, branch, frequency)
    gammas = peer.run_imag_self_energy(
        points,
        [temperature, hot],
        frequency_points=grid / THZ,
        num_points_in_batch=int(np.clip(_BATCH_BYTES // bytes_each, 1, _BATCH)),
    ).gammas[0]
    found: Floats = gammas * (THZ * np.array([1.0, temperature / hot])[:, None, None, None])
    return found


def _errors(
    constants: ForceConstants, scattering: Scattering, points: Ints, temperature: float
) -> Floats | None:
    """Relative standard error (2, q, m) of Γ at the frequencies of the modes."""
    if constants.replicates is None or triplets_of(constants).replicates is None:
        return None
    value = scattering.half_widths(points, temperature)
    sem = jackknife_sem(
        scattering.with_constants(one).half_widths(points, temperature)
        for one in _groups_left_out(constants)
    )
    return sem / np.where(value > 0.0, value, np.nan)


def _groups_left_out(constants: ForceConstants) -> Iterator[ForceConstants]:
    """Force constants without each of some groups of blocks."""
    triplets = triplets_of(constants)
    pairs_b, triplets_b = constants.replicates, triplets.replicates
    if pairs_b is None or triplets_b is None:
        return
    n_blocks = len(pairs_b)
    for group in np.array_split(np.arange(n_blocks), min(_GROUPS, n_blocks)):
        factor = (n_blocks - 1) / (n_blocks - len(group))

        def without(values: Floats, replicates: Floats, b: Ints, scale: float) -> Floats:
            change: Floats = (replicates[b] - replicates.mean(axis=0)).sum(axis=0)
            return values + scale * change

        yield replace(
            constants,
            values=without(constants.values, pairs_b, group, factor),
            replicates=None,
            triplets=replace(
                triplets,
                values=without(triplets.values, triplets_b, group, factor),
                replicates=None,
            ),
        )
