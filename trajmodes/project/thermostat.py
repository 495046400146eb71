"""Whether a thermostat was on while the run was made, from the kinetic energy alone.

The kinetic energy K of d = 3N − 3 degrees of freedom fluctuates in the canonical ensemble by
var K = ½d(k_BT)². At constant energy it has to give back what the potential energy takes
(Lebowitz, Percus, Verlet, Phys. Rev. 153, 250 (1967)):

    var K = ½d(k_BT)²(1 − d k_B/(2C)),

with the heat capacity C = d k_B of a harmonic crystal half as much. So ρ = var K/½d(k_BT)² is

    ½    at constant energy (NVE), give or take what anharmonicity does to C
    1    with a thermostat that samples the canonical ensemble: Langevin, Andersen, Nosé–Hoover
    0    where velocities are rescaled at every step

and anything else where a thermostat damps fluctuations or is not done with them. Half of the
canonical fluctuations are the exchange of kinetic and potential energy, which is as fast as
the phonons; the other half is energy that comes from the thermostat, at its own slow pace. A
thermostat much slower than the run is therefore taken for constant energy, as which it acts.

A linear drift of the temperature is taken out first, and told: energy that drifts is no
fluctuation of equilibrium.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data import MotionBlock
from trajmodes.errors import DataError
from trajmodes.project.coordinates import Amplitudes, Projector
from trajmodes.units import BOLTZMANN

__all__ = ["Ensemble", "EnsembleVerdict", "KineticReduction", "KineticSums"]

_CONSTANT_ENERGY, _CANONICAL = (0.25, 0.6), 0.85
"""ρ that anharmonic crystals have at constant energy (heat capacities of ⅔ to 5/4 of the
harmonic one), and what has to be ruled out before constant energy is believed."""
_RESCALED, _DAMPED = 0.1, 0.4
_SURE = 2.0
"""Standard errors that a verdict has to hold within."""
_FEWEST_BLOCKS = 8
_LIFETIME_PS = 20.0
"""Lifetime that modes are taken to have: 5 to 100 ps are usual."""


class EnsembleVerdict(StrEnum):
    """What the fluctuations of the kinetic energy say of the run."""

    NVE = "NVE"
    THERMOSTATTED = "thermostatted"
    ISOKINETIC = "isokinetic"
    UNKNOWN = "cannot be told"


@dataclass(frozen=True, slots=True)
class Ensemble:
    """How the run was made, as far as it shows, and how steady its temperature is."""

    verdict: EnsembleVerdict
    """NVE, thermostatted, isokinetic, or cannot be told."""
    text: str
    """What it is told from, and what it means for linewidths."""
    ratio: float
    """Variance of the kinetic energy over the canonical one."""
    ratio_sem: float
    """Its standard error; nan where the run is too short for one."""
    temperature: float
    """Kinetic temperature in K."""
    drift_k_per_ps: float
    """Slope of (K + U)/(d k_B), U harmonic and without imaginary modes, in K/ps."""
    drift_k_per_ps_sem: float
    """Its standard error in K/ps."""
    drift_text: str
    """Told where the temperature drifts by 1 % and more over the run, surely; else empty."""


@dataclass(frozen=True, slots=True)
class KineticSums:
    """Sums over frames for a stretch of consecutive time blocks (b)."""

    first_block: int
    """Number of the first time block."""
    counts: Ints
    """(b,) frames summed."""
    sums: Floats
    """(b, 3), sums of K in eV, K² in eV², and K + U in eV, of the whole crystal."""


@dataclass(frozen=True, slots=True)
class KineticReduction:
    """Reduction from motion to `Ensemble`.

    Parameters
    ----------
    projector
        Projection on the modes.
    n_frames
        Number of frames of the whole run.
    interval_ps
        Time between frames.
    n_blocks
        Number of time blocks kept for the error bars; a power of two, at least 8.
    """

    projector: Projector
    n_frames: int
    interval_ps: float
    n_blocks: int = 64

    def chunk(self, block: MotionBlock) -> KineticSums:
        """Return the sums over one block of frames."""
        return self.sums(self.projector.project(block))

    def sums(self, amplitudes: Amplitudes) -> KineticSums:
        """Return the sums over amplitudes that are already there.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        if amplitudes.velocity is None:
            raise DataError(
                "a thermostat shows in velocities, and the trajectory has none",
                fix="dump vx vy vz",
            )
        modes = self.projector.modes
        inside_qm = np.where(modes.sets >= 0, 0.5 * modes.weights[:, None], 0.0)
        kinetic_t = _squares(inside_qm, amplitudes.velocity)
        stiff_qm = inside_qm * np.maximum(modes.omega, 0.0) ** 2
        energy_t = kinetic_t + _squares(stiff_qm, amplitudes.coordinate)
        frames = amplitudes.first_frame + np.arange(len(kinetic_t))
        block_t = frames * self.n_blocks // self.n_frames
        first = int(block_t[0])
        columns = (kinetic_t, kinetic_t**2, energy_t)
        sums = [np.bincount(block_t - first, column) for column in columns]
        return KineticSums(first, np.bincount(block_t - first), np.column_stack(sums))

    def combine(self, earlier: KineticSums, later: KineticSums) -> KineticSums:
        """Return the sums over two neighbouring stretches of time."""
        offset = later.first_block - earlier.first_block
        size = max(len(earlier.counts), offset + len(later.counts))
        counts, sums = np.zeros(size, dtype=np.int64), np.zeros((size, 3))
        for start, part in ((0, earlier), (offset, later)):
            counts[start : start + len(part.counts)] += part.counts
            sums[start : start + len(part.counts)] += part.sums
        return KineticSums(earlier.first_block, counts, sums)

    def finalize(self, state: KineticSums) -> Ensemble:
        """Return what the fluctuations say of the run.

        Raises
        ------
        DataError
            If frames are missing.
        """
        if state.counts.sum() != self.n_frames:
            raise DataError(f"{state.counts.sum()} of {self.n_frames} frames were summed")
        modes = self.projector.modes
        freedom = float((modes.weights[:, None] * (modes.sets >= 0)).sum())
        filled = state.counts > 0
        counts = state.counts[filled]
        kinetic_b, square_b, energy_b = (state.sums[filled] / counts[:, None]).T
        centre_b = (np.cumsum(counts) - 0.5 * counts) * self.interval_ps
        duration_ps = self.n_frames * self.interval_ps
        shares = counts / self.n_frames
        kinetic = float(shares @ kinetic_b)
        slope = _slope(centre_b, kinetic_b, shares)
        level_b = kinetic + slope * (centre_b - shares @ centre_b)
        # ⟨(K − level)²⟩ within each block, whatever its mean.
        spread_b = square_b - 2.0 * level_b * kinetic_b + level_b**2
        rho_b = spread_b * freedom / (2.0 * kinetic**2)
        ratio, sem = float(shares @ rho_b), _ratio_sem(rho_b, freedom, duration_ps)
        drift, drift_sem = _drift(centre_b, energy_b, shares)
        verdict = _verdict(ratio, sem)
        scale = freedom * BOLTZMANN
        return Ensemble(
            verdict,
            _text(verdict, ratio, sem),
            ratio,
            sem,
            2.0 * kinetic / scale,
            drift / scale,
            drift_sem / scale,
            _drift_text(drift / scale, drift_sem / scale, duration_ps, 2.0 * kinetic / scale),
        )


def _squares(weight_qm: Floats, a_qmt: Complexes) -> Floats:
    """Σ_qm weight |a|², as (t,)."""
    total: Floats = np.einsum("qm,qmt,qmt->t", weight_qm, a_qmt.real, a_qmt.real)
    total += np.einsum("qm,qmt,qmt->t", weight_qm, a_qmt.imag, a_qmt.imag)
    return total


def _slope(x_b: Floats, y_b: Floats, shares: Floats) -> float:
    """Slope of the straight line of least squares."""
    from_mean = x_b - shares @ x_b
    spread = float(shares @ from_mean**2)
    return float((shares * from_mean) @ y_b) / spread if spread > 0.0 else 0.0


def _levels(y_b: Floats) -> list[Floats]:
    """Block means at b, b/2, b/4 …, as long as eight are left."""
    levels = [y_b]
    while len(y_b) % 2 == 0 and len(y_b) >= 2 * _FEWEST_BLOCKS:
        y_b = 0.5 * (y_b[0::2] + y_b[1::2])
        levels.append(y_b)
    return levels


def _ratio_sem(rho_b: Floats, freedom: float, duration_ps: float) -> float:
    """Estimate the standard error of ρ: that of its blocks, and of what none of them sees.

    The largest over all lengths of blocks, for a thermostat may be slow. Modes that outlive
    the run keep the energies that they happen to have: exponential energies E make Σ E² of d
    modes uncertain by √(5/d), relative, less as the run is longer than they live.
    """
    if len(rho_b) < _FEWEST_BLOCKS:
        return float("nan")
    seen = max(float(y.std(ddof=1)) / np.sqrt(len(y)) for y in _levels(rho_b))
    frozen = float(rho_b.mean()) * np.sqrt(5.0 / freedom / (1.0 + duration_ps / _LIFETIME_PS))
    return float(np.hypot(seen, frozen))


def _drift(x_b: Floats, y_b: Floats, shares: Floats) -> tuple[float, float]:
    """Slope of block means in time, and its standard error, correlated blocks allowed for."""
    slope = _slope(x_b, y_b, shares)
    if len(y_b) < _FEWEST_BLOCKS:
        return slope, float("nan")
    rest = y_b - slope * (x_b - shares @ x_b)
    spread = float(np.sqrt(shares @ (x_b - shares @ x_b) ** 2))
    # A slope is a mean with weights of order one: its error grows with correlation as theirs.
    errors = [float(y.std(ddof=2)) / np.sqrt(len(y)) for y in _levels(rest)]
    return slope, max(errors) / spread


def _verdict(ratio: float, sem: float) -> EnsembleVerdict:
    low, high = ratio - _SURE * sem, ratio + _SURE * sem
    least, most = _CONSTANT_ENERGY
    if high < _RESCALED:
        return EnsembleVerdict.ISOKINETIC
    if high < _DAMPED or low > most:
        return EnsembleVerdict.THERMOSTATTED
    if low > least and high < _CANONICAL:
        return EnsembleVerdict.NVE
    return EnsembleVerdict.UNKNOWN


def _text(verdict: EnsembleVerdict, ratio: float, sem: float) -> str:
    told = (
        f"the kinetic energy fluctuates by {ratio:.2f} ± {sem:.2f} of the canonical variance "
        "(½ at constant energy, 1 with a thermostat, 0 where velocities are rescaled)"
    )
    if verdict is EnsembleVerdict.NVE:
        return f"{told}: the run was made at constant energy, or as good as that"
    if verdict is EnsembleVerdict.UNKNOWN:
        return (
            f"{told}: whether a thermostat was on cannot be told. If one was, linewidths are "
            "upper bounds; a longer run would tell"
        )
    how = (
        "velocities were rescaled at every step"
        if verdict is EnsembleVerdict.ISOKINETIC
        else "a thermostat was on"
    )
    return (
        f"{told}: {how}. Lines are broadened: take linewidths as upper bounds and lifetimes as "
        "lower ones. A Langevin thermostat adds 1/(2π·damping time) to every width, 0.32 THz "
        "at 0.5 ps; what others add cannot be told from their settings. For lifetimes "
        "equilibrate with the thermostat, then go on at constant energy (NVE)"
    )


def _drift_text(slope: float, sem: float, duration_ps: float, temperature: float) -> str:
    change = slope * duration_ps
    if not abs(change) > max(0.01 * temperature, 3.0 * sem * duration_ps):
        return ""
    return (
        f"the energy of the modes drifts by {change:+.3g} K over the run, "
        f"{slope:+.2g} ± {sem:.1g} K/ps: equilibrate longer, or leave out the start"
    )
