"""Optic modes of polar crystals at Γ: LO–TO splitting, mode charges, static permittivity.

A transverse mode m at Γ without macroscopic field, of frequency ω_m, has the mode charge Z_m =
Σ_b Z*_b e_mb/√M_b and contributes to the static dielectric tensor (X. Gonze, C. Lee, Phys. Rev.
B 55, 10355 (1997), section VI)

    ε0 = ε∞ + 4πk/V Σ_m Z_m Z_mᵀ/ω_m²,    k = e²/4πε₀.

Since the limit of D along n adds 4πk/V (Z*ᵀn)(nᵀZ*)/(n·ε∞·n), its determinant is that of D at
Γ times n·ε0·n/n·ε∞·n: the LST relation (R. H. Lyddane et al., Phys. Rev. 59, 673 (1941)),

    Π_m ω²_m(n) / Π_m ω²_m = (n·ε0·n)/(n·ε∞·n),

in every crystal and along every direction.
"""

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.data.charges import Charges, PolarModes, Splitting
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.units import COULOMB

_STEADY = 1e-6
"""ω² of an optic mode, relative to the highest, below which ε0 diverges."""


def lo_to_splitting(constants: ForceConstants, direction: npt.ArrayLike) -> Splitting:
    """Frequencies of the optic modes as q → 0 along a Cartesian direction, and without field.

    Raises
    ------
    UsageError
        If the direction is zero.
    DataError
        If the force constants have no charges.
    """
    _charges(constants)
    towards = np.asarray(direction, dtype=float)
    length = float(np.linalg.norm(towards))
    if towards.shape != (3,) or not (np.isfinite(length) and length > 0.0):
        raise UsageError(
            f"a direction is three numbers that are not all zero, got {towards}",
            fix="give Cartesian components, such as 0 0 1",
        )
    unit = towards / length
    omega, sem = frequencies_at(constants, np.zeros((2, 3)), np.array([np.zeros(3), unit]))
    # The three acoustic modes have the lowest |ω|.
    optic = [np.sort(np.argsort(np.abs(row))[3:]) for row in omega]
    bare, split = (row[chosen] for row, chosen in zip(omega, optic, strict=True))
    if sem is None:
        return Splitting(unit, bare, split)
    bare_sem, split_sem = (row[chosen] for row, chosen in zip(sem, optic, strict=True))
    return Splitting(unit, bare, split, bare_sem, split_sem)


def polar_modes(constants: ForceConstants) -> PolarModes | None:
    """Optic modes at Γ without field and along x, y and z; None without charges."""
    if constants.charges is None:
        return None
    found = [lo_to_splitting(constants, one) for one in np.eye(3)]
    try:
        static = static_dielectric(constants)
    except DataError:
        static = None  # an unstable optic mode: ε0 is not defined
    sems = [one.longitudinal_sem for one in found if one.longitudinal_sem is not None]
    return PolarModes(
        transverse=found[0].transverse,
        longitudinal=np.stack([one.longitudinal for one in found], axis=1),
        static=static,
        transverse_sem=found[0].transverse_sem,
        longitudinal_sem=np.stack(sems, axis=1) if sems else None,
    )


def mode_charges(charges: Charges, modes: Modes, q: int) -> Floats:
    """Mode charges Z_m (m, 3) in e √(Å²/eV ps²) of the modes at point ``q``, which is at Γ."""
    weighted = modes.vectors[q] / np.sqrt(modes.crystal.masses)[:, None]
    found: Floats = np.einsum("sxy,msy->mx", charges.born, weighted.real)
    return found


def static_dielectric(constants: ForceConstants) -> Floats:
    """Compute the static dielectric tensor ε0 (3, 3), of electrons and lattice.

    Raises
    ------
    DataError
        If there are no charges, or a polar optic mode at Γ is unstable.
    """
    charges = _charges(constants)
    modes = modes_at(constants, np.zeros((1, 3)))
    optic = modes.sets[0] >= 0
    square = (modes.omega[0] * np.abs(modes.omega[0]))[optic]
    strengths = mode_charges(charges, modes, 0)[optic]
    active = (strengths**2).sum(axis=1) > 1e-12 * (strengths**2).sum(axis=1).max(initial=0.0)
    if (square[active] <= _STEADY * square.max(initial=0.0)).any():
        raise DataError(
            "the static dielectric tensor diverges: an optic mode at Γ that carries charge has "
            "zero or imaginary frequency",
            why="the crystal is at a ferroelectric instability",
        )
    scale = 4.0 * np.pi * COULOMB / constants.crystal.volume
    active_square = np.where(active, square, np.inf)
    lattice = np.einsum("mx,my,m->xy", strengths, strengths, 1.0 / active_square)
    result: Floats = charges.dielectric + scale * lattice
    return result


def _charges(constants: ForceConstants) -> Charges:
    if constants.charges is None:
        raise DataError(
            "the force constants have no Born charges",
            why="without them longitudinal and transverse modes do not split at Γ",
            fix="fit with --born FILE, or give them charges with with_charges",
        )
    return constants.charges
