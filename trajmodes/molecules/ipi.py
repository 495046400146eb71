r"""Normal-mode positions and velocities in the convention of the i-PI community.

For each vibration, with the eigenvector e of the mass-weighted Hessian,

    q̃ = e·√M u ,    ṽ = ω⁻¹ e·√M v ,

both in length × √mass: q̃ = A cos(ωt + φ) and ṽ = −A sin(ωt + φ) with the same amplitude in a
harmonic molecule. The energy is ½ω²(q̃² + ṽ²), the classical occupation E/ħω, the phase
atan2(−ṽ, q̃). These are the definitions of E. Stocco's script that projects i-PI trajectories on
the modes of i-PI's ``vibrations`` mode (``project_displacement``, ``project_velocities``). Its
velocities are infinite or not a number at ω² ≤ 0; here they are nan.

ṽ, energy, occupation and phase are undefined where ω ≤ 0; q̃ is always defined. Kinetic energies
should be computed from Q̇ = ωṽ in `Amplitudes`.
"""

from dataclasses import dataclass

import numpy as np
from scipy import constants as codata

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.project.projector import Amplitudes
from trajmodes.units import BOHR, DALTON, HBAR

ATOMIC_UNIT = float(BOHR * np.sqrt(DALTON * codata.electron_mass / codata.atomic_mass))
"""Bohr √(electron mass), the unit of q̃ and ṽ in i-PI, in √(eV) ps."""


@dataclass(frozen=True, slots=True)
class IpiAmplitudes:
    """Normal-mode positions and velocities of vibrations (v) in consecutive frames (t)."""

    mode: Ints
    """(v,) index of the mode in `Modes`."""
    omega: Floats
    """(v,), unit: rad/ps. Negative if imaginary."""
    position: Floats
    """(v, t) q̃, unit: √(eV) ps; divide by `ATOMIC_UNIT` for that of i-PI."""
    velocity: Floats | None
    """(v, t) ṽ, unit: √(eV) ps; nan where ω ≤ 0, None without velocities."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, mode="v")
        freeze(self, sizes, float, omega="v", position="v t", velocity="v t")

    @property
    def energy(self) -> Floats:
        """(v, t) ½ω²(q̃² + ṽ²) in eV; nan where ω ≤ 0."""
        energy: Floats = (
            0.5 * self.omega[:, None] ** 2 * (self.position**2 + self._velocities**2)
        )
        return energy

    @property
    def occupation(self) -> Floats:
        """(v, t) classical occupation E/ħω, without zero point; nan where ω ≤ 0."""
        quantum = HBAR * np.where(self.omega > 0.0, self.omega, np.nan)
        occupation: Floats = self.energy / quantum[:, None]
        return occupation

    @property
    def phase(self) -> Floats:
        """(v, t) ωt + φ in rad, in (−π, π]; nan where ω ≤ 0."""
        phase: Floats = np.arctan2(-self._velocities, self.position)
        return phase

    @property
    def _velocities(self) -> Floats:
        if self.velocity is None:
            raise DataError(
                "energies, occupations and phases need velocities, and the trajectory has none",
                fix="write velocities",
            )
        return self.velocity


def ipi_amplitudes(amplitudes: Amplitudes, modes: Modes) -> IpiAmplitudes:
    """Convert mode amplitudes at Γ to normal-mode positions and velocities of the vibrations.

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
    omega = modes.omega[0, chosen]
    velocity = None
    if amplitudes.velocity is not None:
        defined = np.where(omega > 0.0, omega, np.nan)
        velocity = amplitudes.velocity[0, chosen].real / defined[:, None]
    return IpiAmplitudes(chosen, omega, amplitudes.coordinate[0, chosen].real, velocity)


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
