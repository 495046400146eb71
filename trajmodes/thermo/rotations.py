"""Forces that a rotation of the crystal exerts, which vanish for exact force constants.

If the first moment of the force constants is not symmetric (the condition of Born and Huang,
Dynamical Theory of Crystal Lattices, §23), a rotation acts on the sites like a strain:

R_s^{αμ} = −½ Σ_j (Φ_sj^{αβ} r_sj^γ − Φ_sj^{αγ} r_sj^β),  with μ normal to β and γ.

The relaxation of the sublattices then contains these forces, and so do the elastic constants.
If their sum over the sites T does not vanish, as is possible in polar and chiral crystals, the
dynamical matrix of acoustic waves has a term linear in q, Mω² = −iT·q + VΛq². Below a certain
wave vector it exceeds the term of sound. At the temperature ħω/k_B of this wave C_V and S are
wrong by about 1 %, an error that grows as 1/T² towards lower temperatures.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.coulomb.long_waves import LongWaveDipoles
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.phonons.strain import dipoles_of, internal_strain
from trajmodes.thermo.elasticity import acoustic_tensor
from trajmodes.units import BOLTZMANN, HBAR

_DIRECTIONS = np.array([n for n in product((-1.0, 0.0, 1.0), repeat=3) if n > (0.0, 0.0, 0.0)])


class Rotation(NamedTuple):
    """Forces of a rotation of the crystal, and their effects."""

    forces: Floats
    """(s, 9), unit: eV/Å per radian. On each site: direction of the force, axis."""
    forces_sem: Floats | None
    """(s, 9) standard error; None without replicates."""
    of_strain: float
    """Largest force of a strain in eV/Å."""
    stiffness: float
    """Largest component of the acoustic tensor in eV/Å³ that the forces contribute."""
    temperature: float
    """In K. Energy ħω of the waves whose term linear in q is as large as that of sound."""


def rotation(constants: ForceConstants) -> Rotation:
    """Compute the forces of a rotation on the sites, with errors.

    Raises
    ------
    DataError
        If a strain acts on an internal displacement without restoring force.
    """
    dipoles = dipoles_of(constants)
    plain = replace(constants, replicates=None)
    displacement, force = internal_strain(plain, dipoles)
    symmetric = 0.5 * (force + force.swapaxes(2, 3))
    strained = 0.5 * (displacement + displacement.swapaxes(2, 3))
    relaxed = np.einsum("slac,slbd->abcd", force, displacement)
    relaxed -= np.einsum("slac,slbd->abcd", symmetric, strained)
    relaxed = relaxed + relaxed.swapaxes(2, 3)
    relaxed = 0.25 * (relaxed + relaxed.swapaxes(0, 1))
    replicates = () if constants.replicates is None else constants.replicates
    changed = [_forces(replace(plain, values=one), dipoles) for one in replicates]
    return Rotation(
        _forces(plain, dipoles),
        jackknife_sem(changed) if changed else None,
        float(np.abs(symmetric).max()),
        float(np.abs(relaxed).max()) / constants.crystal.volume,
        max(_temperatures(plain, dipoles, force.sum(axis=0))),
    )


def _forces(constants: ForceConstants, dipoles: LongWaveDipoles | None) -> Floats:
    """(s, 9) forces of a rotation."""
    _, force = internal_strain(constants, dipoles)
    odd = 0.5 * (force - force.swapaxes(2, 3))
    # u = ω × r: the gradient ∂u_y/∂x of a rotation about z is 1, and ∂u_x/∂y is −1.
    turned = 2.0 * np.stack([odd[:, :, 2, 1], odd[:, :, 0, 2], odd[:, :, 1, 0]], axis=-1)
    found: Floats = turned.reshape(len(force), 9)
    return found


def _temperatures(
    constants: ForceConstants, dipoles: LongWaveDipoles | None, total: Floats
) -> Iterator[float]:
    """ħω/k_B in K of waves along directions with equal terms, for a total force (3, 3, 3)."""
    crystal = constants.crystal
    stiffness = crystal.volume * acoustic_tensor(constants, dipoles)
    for n in _DIRECTIONS / np.linalg.norm(_DIRECTIONS, axis=1)[:, None]:
        linear = float(np.abs(np.linalg.eigvals(total @ n)).max())
        sound = float(np.linalg.eigvalsh(stiffness @ n @ n)[0])
        if sound > 0.0:
            # ω = √(s/M) q with q = l/s
            yield HBAR / BOLTZMANN * linear / np.sqrt(sound * crystal.masses.sum())
        else:
            yield 0.0
