"""Tests of the statistical ensemble of a run: the NVE/thermostat verdict, and equipartition.

Thermostat. In a canonical ensemble the kinetic energy K of d = 3N − 3 degrees of freedom is
independent of the potential energy U, for any U, and has the variance ½d(k_BT)². At constant
energy K and U change by opposite amounts: cov(K, K + U) = 0, and the variance of K is reduced
by the factor 1 − d k_B/(2C), which is one half for the heat capacity C = d k_B of a harmonic
crystal (Lebowitz, Percus, Verlet, Phys. Rev. 153, 250 (1967)). Hence two ratios:

    ρ_E = cov(K, K + U) / ½d(k_BT)²       ρ_K = var K / ½d(k_BT)²

    0    ½    constant energy (NVE)
    1    1    thermostats that sample the canonical ensemble: Langevin, Andersen, Nosé–Hoover
    0    0    velocities rescaled at every step (isokinetic)

The verdict is based on ρ_E, with the harmonic U of the modes: ρ_E is −0.003 in silicon at 300
K, and −0.1 in bcc zirconium at 1400 K, which is extremely anharmonic. ρ_K alone would be
misleading. A run started from the perfect lattice has all its modes in phase for tens of ps;
energy then oscillates between K and U, and ρ_K may reach 2 at constant energy. This is reported
separately. A thermostat whose time constant is much longer than the run affects neither the
ratios nor the lines that the run can resolve.

Berendsen's thermostat has ρ_E ≈ 0 too: it drives the total kinetic energy towards its set value
K₀, dE/dt = (K₀ − K)/τ, and the total energy E follows slowly. Motion at constant energy and
canonical thermostats are symmetric under reversal of time, under which a change of energy ΔE
between two frames changes its sign and the mean kinetic energy K̄ of the two does not. Hence
⟨ΔE (K̄ − ⟨K⟩)⟩ = 0 for them, also if E contains the harmonic U only. With Berendsen's
thermostat

    1/τ = −⟨ΔE (K̄ − ⟨K⟩)⟩ / Δt ⟨(K̄ − ⟨K⟩)²⟩ .

In silicon this gives τ = 0.09 and 0.45 ps for 0.1 and 0.5 ps, at 8 to 20 standard errors; at 2
ps the signal is below the noise of the anharmonic energy, and the run resembles one at constant
energy.

A linear drift of the energy is subtracted first, and reported.

Equipartition. The mean of a few exponentially distributed energies is skewed: a mode whose
lifetime exceeds the run is often twice as hot as the others, but never colder by the same
amount. A gamma distribution with the known mean and error describes it; its cube root is nearly
normal (Wilson & Hilferty, Proc. Natl. Acad. Sci. 17, 684 (1931)), and gives the number of
standard errors of a deviation. Because the error bars were measured in the same run, this
number has the tails of Student's t. Its variance is one if the run is many lifetimes long and
error bars are accurate, and Student's larger one if the run is short and the errors are close
to those of a snapshot, ⟨K⟩² for each degree of freedom.

The common temperature T is the mean over the sets, weighted by σ⁻². It has the variance σ₀² =
1/Σσ⁻² and is correlated with each set, so that T_g − T has the variance σ_g² − σ₀². This holds
if a heat bath exchanges energy with each set independently. It also holds if the total energy
is fixed: independent σ_g² = c/n_g for n_g degrees of freedom, under the condition Σ n_g (T_g −
T) = 0, give the same variance. In both cases χ² = Σ z² loses one degree of freedom.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc, erfc, ndtri, stdtr

from trajmodes.arrays import Complexes, Floats, square_modulus
from trajmodes.data.energies import Ensemble, EnsembleVerdict, Equipartition, ModeEnergies
from trajmodes.project.energies.standard_errors import longest_sem
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.streaming.reduction import BlockSums, Sums, block_ranges
from trajmodes.units import BOLTZMANN

_CONSTANT = 0.2
"""ρ_E below which the energy is constant, and above which it fluctuates."""
_RESCALED = 0.1
"""ρ_K below which velocities were rescaled."""
_IN_PHASE = 0.65
"""ρ_K at constant energy above which modes move in phase; anharmonicity alone gives 0.6."""
_CONFIDENCE = 2.0
"""Standard errors within which a verdict must hold."""
_CONTROLLED = 4.0
"""Standard errors of 1/τ beyond which Berendsen's thermostat was on."""


@dataclass(frozen=True, slots=True)
class KineticSums(Sums):
    """Sums over the frames of one block of time."""

    energies: Floats
    """(4,), sums of K, E = K + U, K² and KE of the whole crystal, in eV and eV²."""
    steps: Floats
    """(5,), sums over pairs of successive frames of 1, ΔE, K̄, ΔE K̄ and K̄², in eV and eV²."""


class _Edge(NamedTuple):
    """A frame at the start or end of a part of the run."""

    frame: int
    kinetic: float
    energy: float


class KineticState(NamedTuple):
    """Sums over a part of the run, and its first and last frame."""

    blocks: BlockSums[KineticSums]
    first: _Edge
    last: _Edge


@dataclass(frozen=True, slots=True)
class KineticReduction:
    """Reduction from amplitudes to `Ensemble`.

    The number of time blocks is a power of two, at least 8.
    """

    projector: Projector
    n_frames: int
    interval_ps: float
    segments: tuple[tuple[int, int], ...]
    """Uninterrupted frame ranges [start, stop) of the run, in time order."""
    n_blocks: int = 64

    def chunk(self, block: Amplitudes, /) -> KineticState:
        """Sum over consecutive frames.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        velocity = block.velocity_or_raise("the test for a thermostat needs velocities")
        modes = self.projector.modes
        inside_qm = np.where(modes.sets >= 0, 0.5 * modes.weights[:, None], 0.0)
        kinetic_t = _squares(inside_qm, velocity)
        stiff_qm = inside_qm * np.maximum(modes.omega, 0.0) ** 2
        coordinate = block.coordinate_or_raise("the test for a thermostat needs positions")
        energy_t = kinetic_t + _squares(stiff_qm, coordinate)
        columns = np.array([kinetic_t, energy_t, kinetic_t**2, kinetic_t * energy_t])
        steps = self._steps(block.first_frame, kinetic_t, energy_t)
        frames = block_ranges(block.indices, self.n_blocks, self.n_frames)
        sums = {
            label: KineticSums(
                part.stop - part.start, columns[:, part].sum(axis=1), steps[:, part].sum(axis=1)
            )
            for label, part in frames
        }
        first, last = (
            _Edge(block.first_frame + t, float(kinetic_t[t]), float(energy_t[t]))
            for t in (0, len(kinetic_t) - 1)
        )
        return KineticState(BlockSums(sums), first, last)

    def combine(self, earlier: KineticState, later: KineticState) -> KineticState:
        """Add the sums of two adjacent parts of the run, and the step between them."""
        ends = (earlier.last, later.first)
        kinetic_t = np.array([end.kinetic for end in ends])
        energy_t = np.array([end.energy for end in ends])
        step = self._steps(earlier.last.frame, kinetic_t, energy_t).sum(axis=1)
        label = later.first.frame * self.n_blocks // self.n_frames
        between = BlockSums({label: KineticSums(0, np.zeros(4), step)})
        blocks = earlier.blocks + later.blocks + between
        return KineticState(blocks, earlier.first, later.last)

    def _steps(self, first_frame: int, kinetic_t: Floats, energy_t: Floats) -> Floats:
        """(5, t) terms of the step to each frame; zero for the first, and across gaps."""
        change = np.diff(energy_t, prepend=energy_t[:1])
        mean = kinetic_t - 0.5 * np.diff(kinetic_t, prepend=kinetic_t[:1])
        steps = np.array([np.ones_like(mean), change, mean, change * mean, mean**2])
        starts = np.array([start - first_frame for start, _ in self.segments])
        steps[:, starts[(starts > 0) & (starts < len(mean))]] = 0.0
        steps[:, 0] = 0.0
        return steps

    def finalize(self, state: KineticState) -> Ensemble:
        """Return the verdict of the fluctuations.

        Raises
        ------
        DataError
            If frames are missing.
        """
        sums = state.blocks
        counts_b = sums.counts(self.n_frames)
        modes = self.projector.modes
        inside_qm = modes.weights[:, None] * (modes.sets >= 0)
        freedom = float((inside_qm * self.projector.shares).sum())
        shares_b = counts_b / self.n_frames
        kinetic_b, energy_b, square_b, product_b = sums.stack("energies").T / counts_b
        kinetic, energy = _line(shares_b, kinetic_b), _line(shares_b, energy_b)
        # ½d(k_BT)² with d k_BT = 2K.
        canonical = 2.0 * kinetic.mean**2 / freedom
        rho_k = _ratio(shares_b, square_b, (kinetic, kinetic), canonical)
        rho_e = _ratio(shares_b, product_b, (kinetic, energy), canonical)
        duration_ps = self.n_frames * self.interval_ps
        control = _control(sums.stack("steps"), kinetic.level_b, self.interval_ps)
        verdict = _verdict(rho_k, rho_e, control, duration_ps)
        kelvin = 1.0 / (freedom * BOLTZMANN)
        drift = (kelvin * energy.change / duration_ps, kelvin * energy.change_sem / duration_ps)
        temperature = 2.0 * kinetic.mean * kelvin
        text = _thermostat_text(verdict, rho_k, rho_e, control)
        drift_text = _drift_text(drift, duration_ps, temperature)
        in_phase = _in_phase_text(verdict, rho_k)
        return Ensemble(
            *(verdict, text, *rho_e, *rho_k, *control),
            *(temperature, *drift, drift_text, in_phase),
        )


def _squares(weight_qm: Floats, a_qmt: Complexes) -> Floats:
    """Σ_qm weight |a|², as (t,)."""
    a_kt = a_qmt.reshape(-1, a_qmt.shape[-1])
    total: Floats = weight_qm.ravel() @ square_modulus(a_kt)
    return total


class _Line(NamedTuple):
    """Straight line fitted to block means."""

    mean: float
    change: float
    """From the start of the run to its end."""
    change_sem: float
    means_b: Floats
    """(b,) the block means."""
    level_b: Floats
    """(b,) the line at the middle of each block."""


def _line(shares_b: Floats, y_b: Floats) -> _Line:
    """Fit a line by least squares, blocks weighted by their shares of the run."""
    time_b = np.cumsum(shares_b) - 0.5 * shares_b - 0.5
    mean, spread = float(shares_b @ y_b), float(shares_b @ time_b**2)
    change = float(shares_b @ (time_b * y_b)) / spread if spread > 0.0 else 0.0
    level_b = mean + change * time_b
    # A slope is a mean with weights of order one: correlation increases its error likewise.
    sem = longest_sem(y_b - level_b) / np.sqrt(spread) if spread > 0.0 else np.nan
    return _Line(mean, change, float(sem), y_b, level_b)


def _ratio(
    shares_b: Floats, product_b: Floats, lines: tuple[_Line, _Line], unit: float
) -> tuple[float, float]:
    """Covariance of two energies about their lines, per unit, and its standard error."""
    x, y = lines
    # ⟨(x − x level)(y − y level)⟩ within each block.
    spread_b = product_b - x.level_b * y.means_b - y.level_b * x.means_b + x.level_b * y.level_b
    return float(shares_b @ spread_b) / unit, float(longest_sem(spread_b)) / unit


def _control(steps_bk: Floats, level_b: Floats, interval_ps: float) -> tuple[float, float]:
    """1/τ of Berendsen's thermostat in 1/ps, and its standard error."""
    count_b, change_b, mean_b, product_b, square_b = steps_bk.T
    against_b = -(product_b - level_b * change_b) / interval_ps
    spread_b = square_b - 2.0 * level_b * mean_b + level_b**2 * count_b
    if not spread_b.sum() > 0.0:
        return np.nan, np.nan
    rate = float(against_b.sum() / spread_b.sum())
    return rate, float(longest_sem(against_b - rate * spread_b) / spread_b.mean())


def _verdict(
    rho_k: tuple[float, float],
    rho_e: tuple[float, float],
    control: tuple[float, float],
    duration_ps: float,
) -> EnsembleVerdict:
    margin_k, margin_e = _CONFIDENCE * rho_k[1], _CONFIDENCE * rho_e[1]
    if rho_k[0] + margin_k < _RESCALED:
        return EnsembleVerdict.ISOKINETIC
    # Rounding errors of an exactly conserved energy have a τ longer than the run.
    if control[0] > max(_CONTROLLED * control[1], 1.0 / duration_ps):
        return EnsembleVerdict.BERENDSEN
    if rho_e[0] + margin_e < _CONSTANT:
        return EnsembleVerdict.NVE
    if rho_e[0] - margin_e > _CONSTANT:
        return EnsembleVerdict.THERMOSTATTED
    return EnsembleVerdict.UNKNOWN


def _thermostat_text(
    verdict: EnsembleVerdict,
    rho_k: tuple[float, float],
    rho_e: tuple[float, float],
    control: tuple[float, float],
) -> str:
    """State the verdict, what follows from it, and then what it is based on."""
    ratios = (
        f"the covariance of kinetic and total energy of the modes is {_value_text(rho_e)} of "
        "the canonical variance of the kinetic energy, and the variance of the kinetic energy "
        f"is {_value_text(rho_k)} of it"
    )
    if verdict is EnsembleVerdict.NVE:
        return (
            "the run was made at constant energy, or nearly so (a slow thermostat such as "
            "Berendsen's with a time constant of several ps is not detected); reason: " + ratios
        )
    if verdict is EnsembleVerdict.BERENDSEN:
        return (
            "Berendsen's thermostat was on, with a time constant of about "
            f"{1.0 / control[0]:.2g} ps. The energies are neither those of constant energy nor "
            "canonical: heat capacities and fluctuations are unreliable, and energy may "
            "accumulate in few modes. Lines are hardly broadened, since the thermostat acts on "
            "all modes together. For lifetimes and heat capacities continue at constant energy "
            "(NVE). Reason: the total energy falls whenever the kinetic energy is above its "
            f"mean, and rises below it, at a rate of {_value_text(control)} per ps; {ratios}"
        )
    if verdict is EnsembleVerdict.UNKNOWN:
        return (
            "energies do not decide whether a thermostat was on; with one, linewidths are "
            f"upper bounds. Reason: {ratios} (0 and ½ without a thermostat, 1 and 1 with one)"
        )
    rescaled = verdict is EnsembleVerdict.ISOKINETIC
    how = "velocities were rescaled at every step" if rescaled else "a thermostat was on"
    return (
        f"{how}. Lines are broadened: linewidths are upper bounds and lifetimes lower bounds. "
        "For lifetimes equilibrate with the thermostat, then continue at constant energy "
        "(NVE). A Langevin thermostat adds 1/(2π·damping time) to every width, 0.32 THz at 0.5 "
        "ps; the effect of other thermostats does not follow from their settings. Reason: "
        f"{ratios}"
    )


def _value_text(value: tuple[float, float]) -> str:
    """Value and standard error, if it is known; zero without a sign."""
    if not np.isfinite(value[1]):
        return f"{round(value[0], 2) + 0.0:.2f} (error unknown)"
    # A small error has one digit; one of rounding is zero.
    digits = int(np.clip(np.ceil(-np.log10(value[1])), 2, 4)) if value[1] > 1e-4 else 2
    return f"{round(value[0], digits) + 0.0:.{digits}f} ± {value[1]:.{digits}f}"


def _in_phase_text(verdict: EnsembleVerdict, rho_k: tuple[float, float]) -> str:
    if verdict is not EnsembleVerdict.NVE or not rho_k[0] - _CONFIDENCE * rho_k[1] > _IN_PHASE:
        return ""
    return (
        "many modes exchange kinetic and potential energy in phase: the variance of the "
        f"kinetic energy is {_value_text(rho_k)} of its canonical value, where ½ is expected. "
        "This is typical of runs started from the perfect lattice: equilibrate longer, or with "
        "a Langevin thermostat, if energies are to be independent"
    )


def _drift_text(drift: tuple[float, float], duration_ps: float, temperature: float) -> str:
    slope, sem = drift
    change = slope * duration_ps
    significant = abs(change) > 3.0 * sem * duration_ps  # not if the error is unknown
    if not (significant and abs(change) > 0.01 * temperature):
        return ""
    return (
        f"the energy of the modes drifts by {change:+.3g} K over the run, "
        f"{slope:+.2g} ± {sem:.1g} K/ps: equilibrate longer, or omit the start of the run"
    )


_ANY_SET = 1e-2
# Degrees of freedom of the error bars, fitted to the tails of damped oscillators simulated for
# 1 to 300 lifetimes: one in a hundred deviates by 2.5 to 3.6 error bars.
_STUDENT = 8.0
# Power with which the variance approaches one as errors fall below that of a snapshot, from the
# same fit.
_SETTLING = 4


def equipartition(energies: ModeEnergies) -> Equipartition | None:
    """Test the kinetic temperatures of all sets against their common temperature.

    The result is None if fewer than two sets have an error bar, which needs eight frames.
    """
    temperature_g, sem_g = energies.mode_temperature, energies.mode_temperature_sem
    known = np.isfinite(temperature_g) & np.isfinite(sem_g) & (sem_g > 0.0)
    if known.sum() < 2:
        return None
    weights = np.where(known, np.where(known, sem_g, 1.0) ** -2.0, 0.0)
    temperature = float((weights * np.where(known, temperature_g, 0.0)).sum() / weights.sum())
    variance = np.where(known, sem_g**2 - 1.0 / weights.sum(), np.nan)
    left = np.clip(energies.members * (sem_g / temperature) ** 2, 0.0, 1.0)
    narrower = np.sqrt(1.0 - 2.0 / _STUDENT * (1.0 - left) ** _SETTLING)
    # If a mode keeps its energy, its error is that of a snapshot, which is known exactly.
    freedom_g = _STUDENT / np.maximum(1.0 - left, np.finfo(float).eps)
    ratio, relative = temperature_g / temperature, variance / temperature**2
    z = _normal_score(ratio, relative, narrower, freedom_g)
    chi_squared, freedom = float(np.nansum(z**2)), int(known.sum()) - 1
    probability = erfc(np.abs(z) / np.sqrt(2.0))
    return Equipartition(
        temperature=temperature,
        temperature_sem=float(weights.sum() ** -0.5),
        z=z,
        probability=probability,
        chi_squared=chi_squared,
        freedom=freedom,
        p_value=float(chdtrc(freedom, chi_squared)),
        failing=np.flatnonzero(probability < _ANY_SET / known.sum()),
    )


def _normal_score(ratio: Floats, variance: Floats, narrower: Floats, freedom: Floats) -> Floats:
    """Transform a gamma variable of mean 1 and uncertain variance into a normal deviate.

    The degrees of freedom are those of the variance.
    """
    spread = variance / 9.0
    off = (np.cbrt(ratio) - (1.0 - spread)) / np.sqrt(spread) / narrower
    score: Floats = -np.sign(off) * ndtri(stdtr(freedom, -np.abs(off)))
    return score
