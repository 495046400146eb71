"""Whether a thermostat was on while the run was made, from the energies of all modes together.

In a canonical ensemble the kinetic energy K of d = 3N − 3 degrees of freedom is independent of
the potential energy U, whatever that is like, and has the variance ½d(k_BT)². At constant
energy K has to take what U gives back: then cov(K, K + U) = 0, and of the variance of K the
part 1 − d k_B/(2C) is left, one half for the heat capacity C = d k_B of a harmonic crystal
(Lebowitz, Percus, Verlet, Phys. Rev. 153, 250 (1967)). Hence two ratios:

    ρ_E = cov(K, K + U) / ½d(k_BT)²       ρ_K = var K / ½d(k_BT)²

    0    ½    constant energy (NVE)
    1    1    thermostats that sample the canonical ensemble: Langevin, Andersen, Nosé–Hoover
    0    0    velocities rescaled at every step (isokinetic)

ρ_E decides, with the harmonic U of the modes: it is −0.003 in silicon at 300 K, and −0.1 in bcc
zirconium at 1400 K, which is as anharmonic as crystals get. ρ_K alone would mislead: a run that
was started from the perfect lattice has all its modes in step for tens of ps, energy goes back
and forth between K and U together, and ρ_K may be 2 at constant energy. That is told as what
it is. A thermostat much slower than the run leaves no trace in either, nor in lines as the run
can resolve them; nor does Berendsen's, which holds the energy of all modes together.

A linear drift is taken out first, and told: energy that drifts is no fluctuation.

Test whether the energy is shared equally among the modes.

The mean of a few exponentially distributed energies is skewed: a mode that outlives the run is
easily twice as hot as the others, and never as much colder. A gamma distribution has the mean
and the error that are known; its cube root is nearly normal (Wilson & Hilferty, Proc. Natl.
Acad. Sci. 17, 684 (1931)), and tells how many standard errors off a temperature really is. An
error bar that was itself measured in this run gives that number the tails of Student's t. Its
variance is one where the run holds many lifetimes and error bars are right on average, and its
own larger one where the run holds few and errors are near those of a snapshot, ⟨K⟩² for each
degree of freedom.

The common temperature T is the mean of those of the sets, each weighed by σ⁻². It is known to
σ₀² = 1/Σσ⁻² only, and moves with each of the sets, so that T_g − T has the variance σ_g² − σ₀².
This holds where a heat bath gives each set its energy by itself; and where the total energy is
fixed, and one set has what the others lack, as well: independent σ_g² = c/n_g for n_g degrees
of freedom, under the condition Σ n_g (T_g − T) = 0, leave just that. Either way χ² = Σ z² loses
one degree of freedom.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc, erfc, ndtri, stdtr

from trajmodes.arrays import Complexes, Floats
from trajmodes.data.energies import ModeEnergies
from trajmodes.data.verdicts import Ensemble, EnsembleVerdict, Equipartition
from trajmodes.errors import DataError
from trajmodes.project.energies.standard_errors import longest_sem
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.streaming.blocks import BlockReduction, BlockSums, Sums, require_all_frames
from trajmodes.units import BOLTZMANN

_CONSTANT = 0.2
"""ρ_E below which energy counts as constant, and above which it does not."""
_RESCALED = 0.1
"""ρ_K below which velocities were rescaled."""
_IN_STEP = 0.65
"""ρ_K above which modes are in step, at constant energy: anharmonicity alone gives 0.6."""
_SURE = 2.0
"""Standard errors that a verdict has to hold within."""


@dataclass(frozen=True, slots=True)
class KineticSums(Sums):
    """Sums over the frames of one block of time."""

    energies: Floats
    """(4,), sums of K, E = K + U, K² and KE of the whole crystal, in eV and eV²."""


@dataclass(frozen=True, slots=True)
class KineticReduction(BlockReduction[Amplitudes, KineticSums]):
    """Reduction from amplitudes to `Ensemble`.

    The number of blocks of time is a power of two, at least 8.
    """

    projector: Projector
    n_frames: int
    interval_ps: float
    n_blocks: int = 64

    def sums(self, block: Amplitudes) -> KineticSums:
        """Sum over frames of one block of time.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        velocity = block.velocity_or_raise("a thermostat shows in velocities")
        modes = self.projector.modes
        inside_qm = np.where(modes.sets >= 0, 0.5 * modes.weights[:, None], 0.0)
        kinetic_t = _squares(inside_qm, velocity)
        stiff_qm = inside_qm * np.maximum(modes.omega, 0.0) ** 2
        energy_t = kinetic_t + _squares(stiff_qm, block.coordinate)
        columns = (kinetic_t, energy_t, kinetic_t**2, kinetic_t * energy_t)
        return KineticSums(len(kinetic_t), np.array([column.sum() for column in columns]))

    def finalize(self, state: BlockSums[KineticSums]) -> Ensemble:
        """Return what the fluctuations say of the run.

        Raises
        ------
        DataError
            If frames are missing.
        """
        counts_b = state.stack("frames")
        require_all_frames(int(counts_b.sum()), self.n_frames)
        modes = self.projector.modes
        freedom = float((modes.weights[:, None] * (modes.sets >= 0)).sum())
        shares_b = counts_b / self.n_frames
        kinetic_b, energy_b, square_b, product_b = state.stack("energies").T / counts_b
        kinetic, energy = _line(shares_b, kinetic_b), _line(shares_b, energy_b)
        # ½d(k_BT)² with d k_BT = 2K.
        canonical = 2.0 * kinetic.mean**2 / freedom
        rho_k = _ratio(shares_b, square_b, (kinetic, kinetic), canonical)
        rho_e = _ratio(shares_b, product_b, (kinetic, energy), canonical)
        verdict = _verdict(rho_k, rho_e)
        duration_ps = self.n_frames * self.interval_ps
        kelvin = 1.0 / (freedom * BOLTZMANN)
        drift = (kelvin * energy.change / duration_ps, kelvin * energy.change_sem / duration_ps)
        temperature = 2.0 * kinetic.mean * kelvin
        return Ensemble(
            verdict,
            _text(verdict, rho_k, rho_e),
            *rho_e,
            *rho_k,
            temperature,
            *drift,
            _drift_text(drift, duration_ps, temperature),
            _step_text(verdict, rho_k),
        )


def _squares(weight_qm: Floats, a_qmt: Complexes) -> Floats:
    """Σ_qm weight |a|², as (t,)."""
    a_kt = a_qmt.reshape(-1, a_qmt.shape[-1])
    total: Floats = weight_qm.ravel() @ (a_kt.real**2 + a_kt.imag**2)
    return total


class _Line(NamedTuple):
    """Straight line through block means."""

    mean: float
    change: float
    """From the start of the run to its end."""
    change_sem: float
    means_b: Floats
    """(b,) the block means."""
    level_b: Floats
    """(b,) the line at the middle of each block."""


def _line(shares_b: Floats, y_b: Floats) -> _Line:
    """Fit a line by least squares, blocks weighed by their shares of the run."""
    time_b = np.cumsum(shares_b) - 0.5 * shares_b - 0.5
    mean, spread = float(shares_b @ y_b), float(shares_b @ time_b**2)
    change = float(shares_b @ (time_b * y_b)) / spread if spread > 0.0 else 0.0
    level_b = mean + change * time_b
    # A slope is a mean with weights of order one: its error grows with correlation as theirs.
    sem = longest_sem(y_b - level_b) / np.sqrt(spread) if spread > 0.0 else np.nan
    return _Line(mean, change, float(sem), y_b, level_b)


def _ratio(
    shares_b: Floats, product_b: Floats, lines: tuple[_Line, _Line], unit: float
) -> tuple[float, float]:
    """Covariance of two energies about their lines in a unit, and its standard error."""
    x, y = lines
    # ⟨(x − its level)(y − its level)⟩ within each block, whatever its means.
    spread_b = product_b - x.level_b * y.means_b - y.level_b * x.means_b + x.level_b * y.level_b
    return float(shares_b @ spread_b) / unit, float(longest_sem(spread_b)) / unit


def _verdict(rho_k: tuple[float, float], rho_e: tuple[float, float]) -> EnsembleVerdict:
    slack_k, slack_e = _SURE * rho_k[1], _SURE * rho_e[1]
    if rho_k[0] + slack_k < _RESCALED:
        return EnsembleVerdict.ISOKINETIC
    if rho_e[0] + slack_e < _CONSTANT:
        return EnsembleVerdict.NVE
    if rho_e[0] - slack_e > _CONSTANT:
        return EnsembleVerdict.THERMOSTATTED
    return EnsembleVerdict.UNKNOWN


def _text(
    verdict: EnsembleVerdict, rho_k: tuple[float, float], rho_e: tuple[float, float]
) -> str:
    told = (
        f"kinetic and total energy of the modes fluctuate together by {_figure(rho_e)} of the "
        f"canonical variance, and the kinetic one by {_figure(rho_k)} of its own"
    )
    if verdict is EnsembleVerdict.NVE:
        return f"{told}: the run was made at constant energy, or as good as that"
    if verdict is EnsembleVerdict.UNKNOWN:
        return (
            f"{told}: whether a thermostat was on cannot be told (0 and ½ without one, 1 and 1 "
            "with one). If one was, linewidths are upper bounds"
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


def _figure(value: tuple[float, float]) -> str:
    """Value and standard error in words; zero without a sign."""
    return f"{round(value[0], 2) + 0.0:.2f} ± {value[1]:.2f}"


def _step_text(verdict: EnsembleVerdict, rho_k: tuple[float, float]) -> str:
    if verdict is not EnsembleVerdict.NVE or not rho_k[0] - _SURE * rho_k[1] > _IN_STEP:
        return ""
    return (
        f"energy goes back and forth between kinetic and potential in many modes at once: the "
        f"kinetic energy fluctuates by {_figure(rho_k)} of the canonical "
        "variance where ½ is due. So runs do that were started from the perfect lattice: "
        "equilibrate longer, or with a Langevin thermostat, if energies are to be independent"
    )


def _drift_text(drift: tuple[float, float], duration_ps: float, temperature: float) -> str:
    slope, sem = drift
    change = slope * duration_ps
    if not abs(change) > max(0.01 * temperature, 3.0 * sem * duration_ps):
        return ""
    return (
        f"the energy of the modes drifts by {change:+.3g} K over the run, "
        f"{slope:+.2g} ± {sem:.1g} K/ps: equilibrate longer, or leave out the start"
    )


_ANY_SET = 1e-2
# Degrees of freedom of the error bars: fits the tails of damped oscillators that are simulated
# for 1 to 300 lifetimes, one in a hundred of which is 2.5 to 3.6 error bars off.
_STUDENT = 8.0
# How soon the variance becomes one with what is left of a snapshot's: fits the same runs.
_SETTLING = 4


def equipartition(energies: ModeEnergies) -> Equipartition:
    """Test the kinetic temperatures of all sets against their common one.

    Parameters
    ----------
    energies
        What the run says about the energies.

    Raises
    ------
    DataError
        If fewer than two sets have an error bar.
    """
    temperature_g = 2.0 / BOLTZMANN * energies.kinetic
    sem_g = 2.0 / BOLTZMANN * energies.kinetic_sem
    known = np.isfinite(temperature_g) & np.isfinite(sem_g) & (sem_g > 0.0)
    if known.sum() < 2:
        raise DataError(
            f"equipartition needs two sets with an error bar, there are {known.sum()}",
            why="error bars need at least eight blocks of time",
            fix="project more frames",
        )
    weights = np.where(known, np.where(known, sem_g, 1.0) ** -2.0, 0.0)
    temperature = float((weights * np.where(known, temperature_g, 0.0)).sum() / weights.sum())
    variance = np.where(known, sem_g**2 - 1.0 / weights.sum(), np.nan)
    left = np.clip(energies.members * (sem_g / temperature) ** 2, 0.0, 1.0)
    narrower = np.sqrt(1.0 - 2.0 / _STUDENT * (1.0 - left) ** _SETTLING)
    z = _normal_score(temperature_g / temperature, variance / temperature**2, narrower)
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


def _normal_score(ratio: Floats, variance: Floats, narrower: Floats) -> Floats:
    """Make a gamma variable of mean 1 and uncertain variance a normal deviate."""
    spread = variance / 9.0
    off = (np.cbrt(ratio) - (1.0 - spread)) / np.sqrt(spread) / narrower
    score: Floats = -np.sign(off) * ndtri(stdtr(_STUDENT, -np.abs(off)))
    return score
