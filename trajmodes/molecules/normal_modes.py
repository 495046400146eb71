"""Normal modes of a molecule, without translations and rotations, and amplitudes of a run.

D = √M⁻¹ Φ √M⁻¹ is diagonalised in the space of the vibrations, so that external motions have ω
= 0 and the vibrations contain no part of them, for any force constants. Frequencies of
vibrations are negative if imaginary. Modes whose frequencies agree to 10⁻⁴ form one degenerate
set, of which only sums and means are meaningful.

Amplitudes are given in the convention of the i-PI community. For each vibration, with the
eigenvector e of the mass-weighted Hessian,

    q̃ = e·√M u ,    ṽ = ω⁻¹ e·√M v ,

both in length × √mass: q̃ = A cos(ωt + φ) and ṽ = −A sin(ωt + φ) with the same amplitude in a
harmonic molecule. The energy is ½ω²(q̃² + ṽ²), the classical occupation E/ħω, the phase
atan2(−ṽ, q̃). These are the definitions of E. Stocco's script that projects i-PI trajectories on
the modes of i-PI's ``vibrations`` mode (``project_displacement``, ``project_velocities``). Its
velocities are infinite or not a number at ω² ≤ 0; here they are nan. Kinetic energies should be
computed from Q̇ = ωṽ in `Amplitudes`.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.molecules.geometry import rigid_motions, vibrational_space
from trajmodes.molecules.hessian import hessian_of
from trajmodes.notes import Note
from trajmodes.project.projector import Amplitudes

_EQUAL = 1e-4


@dataclass(frozen=True, slots=True)
class ModeTable:
    """Properties of every vibration (v) in order of frequency."""

    mode: Ints
    """(v,) index of the mode in `Modes`."""
    set: Ints
    """(v,) label of its degenerate set."""
    omega: Floats
    """(v,), unit: rad/ps. Negative if imaginary."""
    omega_sem: Floats
    """(v,), unit: rad/ps; nan if the second derivatives have no error bars."""
    reduced_mass: Floats
    """(v,), unit: eV ps²/Å². 1/Σ|e_a|²/m_a, for Cartesian displacements of norm 1."""
    force_constant: Floats
    """(v,), unit: eV/Å². ω² times the reduced mass."""
    participation: Floats
    """(v,) 1/(N Σ|e_a|⁴): 1 if all atoms move equally, 1/N if one moves alone."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, mode="v", set="v")
        freeze(self, sizes, float, omega="v", omega_sem="v", reduced_mass="v")
        freeze(self, sizes, float, force_constant="v", participation="v")


def normal_modes(molecule: Supercell, constants: ForceConstants) -> Modes:
    """Find all 3a modes of a molecule, ascending in ω; replicates give error bars.

    External modes have ω = 0 and the label −1.

    Raises
    ------
    DataError
        If there is no vibration.
    """
    space, external = vibrational_space(molecule), rigid_motions(molecule)
    if len(space) == 0:
        raise DataError("a single atom has no vibrations")
    root = np.repeat(np.sqrt(molecule.masses), 3)
    rows = space / root
    # (1 + b, d, d)
    matrices = rows @ hessian_of(constants) @ rows.T
    square, columns = np.linalg.eigh(0.5 * (matrices[0] + matrices[0].T))
    omega = np.copysign(np.sqrt(np.abs(square)), square)
    vectors = columns.T @ space
    starts = np.diff(omega, prepend=-np.inf) > _EQUAL * np.abs(omega)
    sets = np.cumsum(starts) - 1
    sem = _sem(matrices[1:], columns, omega, sets) if len(matrices) > 2 else None
    zeros = np.zeros(len(external))
    all_omega = np.concatenate([omega, zeros])
    order = np.argsort(all_omega, kind="stable")
    n = molecule.n_atoms
    all_sets = np.concatenate([sets, np.full(len(external), -1)])
    return Modes(
        crystal=molecule.crystal,
        qpoints=np.zeros((1, 3)),
        weights=np.ones(1),
        omega=all_omega[order][None],
        vectors=np.concatenate([vectors, external])[order].reshape(1, 3 * n, n, 3),
        omega_sem=None if sem is None else np.concatenate([sem, zeros])[order][None],
        sets=all_sets[order][None],
    )


def mode_table(modes: Modes) -> ModeTable:
    """Make the table of the vibrations of a molecule, from its `normal_modes`."""
    chosen = np.flatnonzero(modes.sets[0] >= 0)
    omega = modes.omega[0, chosen]
    weight_va = (np.abs(modes.vectors[0, chosen]) ** 2).sum(axis=2)
    mass = 1.0 / (weight_va @ (1.0 / modes.crystal.masses))
    unknown = np.full(len(chosen), np.nan)
    return ModeTable(
        mode=chosen,
        set=modes.sets[0, chosen],
        omega=omega,
        omega_sem=unknown if modes.omega_sem is None else modes.omega_sem[0, chosen],
        reduced_mass=mass,
        force_constant=np.sign(omega) * omega**2 * mass,
        participation=1.0 / (weight_va.shape[1] * (weight_va**2).sum(axis=1)),
    )


def cartesian_vectors(modes: Modes) -> Floats:
    """Cartesian displacements (v, a, 3) of norm 1, of the vibrations in their `mode_table`."""
    vectors = modes.vectors[0, modes.sets[0] >= 0].real
    cartesian = vectors / np.sqrt(modes.crystal.masses)[:, None]
    unit: Floats = cartesian / np.linalg.norm(cartesian, axis=(1, 2), keepdims=True)
    return unit


def external_part(molecule: Supercell, hessian: Floats) -> tuple[float, float]:
    """Violation of translational and rotational invariance by second derivatives (3a, 3a).

    Both are the root mean square of |D t| over the external motions t, relative to the largest
    ω²; zero for exact second derivatives in eV/Å² at the reference.
    """
    root = np.repeat(np.sqrt(molecule.masses), 3)
    dynamical = hessian / root[:, None] / root
    largest = float(np.abs(np.linalg.eigvalsh(dynamical)).max())
    images = np.linalg.norm(rigid_motions(molecule) @ dynamical, axis=1) / largest
    parts = images[:3], images[3:]
    shift, rotation = (float(np.sqrt(np.mean(p**2))) if len(p) else 0.0 for p in parts)
    return shift, rotation


def _sem(replicates: Floats, columns: Floats, omega: Floats, sets: Ints) -> Floats:
    """Jackknife standard error of ω (d,): ω² to first order, averaged over each set."""
    square_bv = np.einsum("kv,bkl,lv->bv", columns, replicates, columns)
    members = np.bincount(sets)
    means_bg = np.stack([np.bincount(sets, row) / members for row in square_bv])
    n = len(means_bg)
    variance = (n - 1) / n * ((means_bg - means_bg.mean(axis=0)) ** 2).sum(axis=0)
    error = np.sqrt(variance)[sets]
    # The first order diverges at ω = 0; √|x + δ| − √|x| ≤ √|δ| is the bound there.
    sem: Floats = error / np.maximum(2.0 * np.abs(omega), np.sqrt(np.maximum(error, 1e-300)))
    return sem


def ipi_amplitudes(amplitudes: Amplitudes, modes: Modes) -> tuple[Floats, Floats | None]:
    """Convert mode amplitudes at Γ to normal-mode positions and velocities of the vibrations.

    Returns
    -------
    position, velocity
        (v, t) q̃ and ṽ in √(eV) ps; divide by `ATOMIC_AMPLITUDE` for the unit of i-PI. ṽ is nan
        where ω ≤ 0, None without velocities.

    Raises
    ------
    DataError
        If there are other q points than Γ.
    """
    if modes.qpoints.shape[0] != 1 or np.abs(modes.qpoints).max() > 1e-9:
        raise DataError(
            f"normal modes of {len(modes.qpoints)} q points are not those of a molecule",
            why="q̃ and ṽ are real, but amplitudes are real only at Γ",
        )
    chosen = np.flatnonzero(modes.sets[0] >= 0)
    coordinate = amplitudes.coordinate_or_raise("normal-mode positions need positions")
    position = coordinate[0, chosen].real
    if amplitudes.velocity is None:
        return position, None
    omega = modes.omega[0, chosen]
    defined = np.where(omega > 0.0, omega, np.nan)
    return position, amplitudes.velocity[0, chosen].real / defined[:, None]


def undefined_note(modes: Modes) -> tuple[Note, ...]:
    """Note on the vibrations for which ṽ is undefined; none if it is always defined."""
    omega = modes.omega[modes.sets >= 0]
    count = int((omega <= 0.0).sum())
    if count == 0:
        return ()
    named = "1 vibration" if count == 1 else f"{count} vibrations"
    text = (
        f"{named} with ω² ≤ 0: ṽ = Q̇/ω, energy, occupation and phase are undefined there and "
        "given as nan; kinetic energies are not affected"
    )
    return (Note("note", text),)
