"""One-phonon coherent structure factor of force constants.

To first order in the displacements from the sites, the mode m at Q scatters with the intensity

    S_m(Q) = |F_m(Q)|² ⟨|Q_m|²⟩ / (n f²),    F_m = Σ_s f_s e^{−W_s} Q·e_s(Qm)/√M_s,
    W_s = ½ Σ_xy Q_x Q_y ⟨u_sx u_sy⟩,

with n sites in the cell and the mean square f² of the scattering amplitudes (Squires,
Introduction to the Theory of Thermal Neutron Scattering (2012), ch. 3). The polarisation
vectors are those at Q itself, so that no phases of the sites appear. ⟨|Q_m|²⟩ is the sum of the
two lines: ħ(n + 1)/2ω at +ω, where a phonon is created, and ħn/2ω at −ω; k_BT/2ω² each for
classical oscillators.

A line of full width γ is that of a damped oscillator,
(1/π) γω_m²/[(ω² − ω_m²)² + γ²ω²], convoluted with a Gaussian resolution: its transform
e^{−γt/2}(cos Ωt + (γ/2Ω) sin Ωt) with Ω² = ω_m² − γ²/4 gives two Faddeeva functions. Quantum
statistics multiply it by x/(1 − e^{−x}), x = ħω/k_BT: detailed balance holds at every ω.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import wofz

from trajmodes.arrays import Floats, freeze
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.modes import Modes
from trajmodes.data.spectra import OnePhonon, Wavevectors, Weights
from trajmodes.phonons.modes import modes_at, set_means, set_starts
from trajmodes.units import BOLTZMANN, HBAR

_SIGMAS = 2.0 * np.sqrt(2.0 * np.log(2.0))
"""Full width at half maximum of a Gaussian, in standard deviations."""
_OVERDAMPED = 1e-6
"""Least distance of Ω² from zero, in units of ω²; there the profile has a finite limit."""
_COLDEST = 700.0


@dataclass(frozen=True, slots=True)
class Thermal:
    """Occupation of the modes, and displacements of the sites."""

    kelvin: float
    quantum: bool
    displacements: Floats
    """(s, 3, 3) ⟨uu⟩ of each site in Å²; zero leaves out the Debye–Waller factor."""
    changes: Floats | None = None
    """(b, s, 3, 3) change of ⟨uu⟩ in Å² with each replicate of the force constants."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, displacements="s 3 3", changes="b s 3 3")


def one_phonon(
    constants: ForceConstants,
    waves: Wavevectors,
    amplitudes: Weights,
    thermal: Thermal,
    *,
    in_supercell: bool = False,
) -> OnePhonon:
    """Compute the lines at each Q.

    At reciprocal lattice points on a line, longitudinal modes of a polar crystal have the
    macroscopic field of the neighbouring points on the line. With ``in_supercell`` they have
    none, as in a periodic box.
    """
    directions = None
    if waves.places.shape[1] == 1 and not in_supercell:
        ends = waves.cartesian[[0, -1]]
        directions = np.tile(ends[1] - ends[0], (len(waves.qpoints), 1))
    modes = modes_at(replace(constants, replicates=None), waves.qpoints, directions=directions)
    return lines_of_modes(modes, waves, amplitudes, thermal)


def replicate_lines(
    constants: ForceConstants,
    waves: Wavevectors,
    amplitudes: Weights,
    thermal: Thermal,
    *,
    in_supercell: bool = False,
) -> Iterator[OnePhonon]:
    """Yield the lines of each delete-one-block replicate of the force constants."""
    for b, values in enumerate(() if constants.replicates is None else constants.replicates):
        one = replace(constants, values=values, replicates=None)
        moved = thermal.displacements
        if thermal.changes is not None:
            moved = moved + thermal.changes[b]
        moved_too = replace(thermal, displacements=moved)
        yield one_phonon(one, waves, amplitudes, moved_too, in_supercell=in_supercell)


def with_errors(lines: OnePhonon, replicates: Iterable[OnePhonon]) -> OnePhonon:
    """Add the jackknife errors of frequencies and intensities."""
    found = [(one.omega, one.created) for one in replicates]
    if len(found) < 2:
        return lines
    omega_sem, created_sem = jackknife_sem(np.array(found))
    return replace(lines, omega_sem=omega_sem, created_sem=created_sem)


def lines_of_modes(
    modes: Modes, waves: Wavevectors, amplitudes: Weights, thermal: Thermal
) -> OnePhonon:
    """Compute the lines of the modes at each Q; both are in the order of the wavevectors."""
    q_kx = waves.cartesian
    exponent = 0.5 * np.einsum("kx,sxy,ky->ks", q_kx, thermal.displacements, q_kx)
    factors = np.exp(-exponent)
    place = [amplitudes.species.index(name) for name in modes.crystal.species]
    strength_ks = amplitudes.values[:, place] * factors / np.sqrt(modes.crystal.masses)
    form_km = np.einsum("ks,kx,kmsx->km", strength_ks, q_kx, modes.vectors, optimize=True)
    square_km = np.abs(form_km) ** 2 / modes.crystal.n_sites / amplitudes.mean_square[:, None]
    counted = modes.oscillating
    omega = np.where(counted, modes.omega, 1.0)
    created, annihilated = _occupied(omega, thermal)
    starts = set_starts(modes.sets)
    starts[:, 0] = True
    up, down = (
        set_means(np.where(counted, square_km * one, 0.0), starts)
        for one in (created, annihilated)
    )
    return OnePhonon(modes.omega, up, down, factors)


def _occupied(omega: Floats, thermal: Thermal) -> tuple[Floats, Floats]:
    """⟨|Q|²⟩ of the lines at +ω and −ω."""
    heat = BOLTZMANN * thermal.kelvin
    if not thermal.quantum:
        half = 0.5 * heat / omega**2
        return half, half
    x = np.full_like(omega, _COLDEST)
    np.divide(HBAR * omega, heat, out=x, where=HBAR * omega < _COLDEST * heat)
    occupation = np.where(x < _COLDEST, 1.0 / np.expm1(x), 0.0)
    unit = 0.5 * HBAR / omega
    return unit * (occupation + 1.0), unit * occupation


def broadened(lines: OnePhonon, omega: Floats, resolution: float, thermal: Thermal) -> Floats:
    """S(Q, ω) (k, w) in ps/rad at frequencies (w,), of both signs, in rad/ps.

    Lines with a width are damped oscillators; the others have the width of the resolution.

    Parameters
    ----------
    resolution
        Full width at half maximum of a narrow line, in rad/ps; positive.
    """
    sigma = resolution / _SIGMAS
    found = np.zeros((len(lines.omega), len(omega)))
    width = np.zeros_like(lines.omega) if lines.width is None else lines.width
    damped = np.isfinite(width) & (width > 0.0)
    factor = _quantum_factor(omega, thermal)
    for m in range(lines.omega.shape[1]):
        centre, gamma = lines.omega[:, m, None], width[:, m, None]
        up, down = lines.created[:, m, None], lines.annihilated[:, m, None]
        sharp = up * _gaussian(omega - centre, sigma) + down * _gaussian(omega + centre, sigma)
        here = damped[:, m] & (lines.created[:, m] > 0.0)
        found += np.where(here[:, None], 0.0, sharp)
        if here.any():
            # |F|² k_BT/ω² of a classical oscillator
            classical = _classical_total(lines, m, thermal)[here, None]
            profile = _oscillator(omega, centre[here], gamma[here], sigma)
            found[here] += classical * profile * factor
    return found


def _classical_total(lines: OnePhonon, m: int, thermal: Thermal) -> Floats:
    """Intensity (k,) of both lines of a branch, classical; with ħ in place of k_BT at 0 K."""
    both = lines.created[:, m] + lines.annihilated[:, m]
    if not thermal.quantum:
        return both
    omega = np.where(lines.omega[:, m] > 0.0, lines.omega[:, m], 1.0)
    # (n + 1)ħ/2ω − nħ/2ω = ħ/2ω, whatever the temperature
    unit: Floats = lines.created[:, m] - lines.annihilated[:, m]
    heat = BOLTZMANN * thermal.kelvin
    return unit * (2.0 * heat / (HBAR * omega) if heat > 0.0 else 2.0 / omega)


def _quantum_factor(omega: Floats, thermal: Thermal) -> Floats:
    """x/(1 − e^{−x}) (w,); 1 for classical statistics, ω for positive ω at 0 K."""
    if not thermal.quantum:
        return np.ones_like(omega)
    if not thermal.kelvin > 0.0:
        return np.maximum(omega, 0.0)
    x = np.clip(HBAR * omega / (BOLTZMANN * thermal.kelvin), -_COLDEST, _COLDEST)
    zero = np.abs(x) < 1e-12
    return np.where(zero, 1.0, x / -np.expm1(-np.where(zero, 1.0, x)))


def _gaussian(x: Floats, sigma: float) -> Floats:
    found: Floats = np.exp(-0.5 * (x / sigma) ** 2) / (sigma * np.sqrt(2.0 * np.pi))
    return found


def _oscillator(omega: Floats, centre: Floats, gamma: Floats, sigma: float) -> Floats:
    """Normalised profile (k, w) of damped oscillators with Gaussian resolution."""
    square = centre**2 - 0.25 * gamma**2
    least = _OVERDAMPED * centre**2
    square = np.where(np.abs(square) < least, least, square)
    own = np.sqrt(square.astype(complex))
    share = 0.5j * gamma / own
    scale = sigma * np.sqrt(2.0)
    both = (1.0 + share) * wofz((omega - own + 0.5j * gamma) / scale)
    both += (1.0 - share) * wofz((omega + own + 0.5j * gamma) / scale)
    found: Floats = 0.5 * both.real / (sigma * np.sqrt(2.0 * np.pi))
    return found
