"""What differencing positions does to velocities, and how it is undone.

Central differences over frames Δ apart keep of a motion of frequency ω the part

    s(ω) = sin(ωΔ)/(ωΔ)

of its amplitude, and s² of its energy: 10 THz seen every 10 fs keep 0.875 of K. Three things
undo that, each where it is right:

- amplitudes of modes are divided by s at the harmonic frequency (`attenuation`), which puts
  Q̇ on the scale of ωQ: standing and travelling energies are then made of comparable parts;
- a spectrum is divided by s² in each bin (`spectrum_factor`), which is exact: the transform of
  a difference is the transform of the motion times i sin(ωΔ)/Δ, whatever the lineshape;
- a mean energy is multiplied by [s(ω_harmonic)/s(ω)]² for the frequency ω that the mode has
  in truth (`energy_factor`). That needs no spectrum: with r² = ⟨|Q̇|²⟩/⟨|Q|²⟩ of the differences
  r = sin(ωΔ)/Δ, and so ω = asin(rΔ)/Δ (`frequency_from_ratio`). At ωΔ = 1 an anharmonic shift
  of 3 % would else be an error of 2 % in K.

What a line has above the Nyquist frequency is lost: a damped oscillator, whose velocity
spectrum falls as slowly as γ/ω², keeps an error of −2γΔ/3 in K.
"""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.errors import DataError
from trajmodes.units import THZ

__all__ = [
    "attenuation",
    "energy_factor",
    "frequency_from_ratio",
    "require_correctable",
    "spectrum_factor",
]

_HEADROOM = 1.1
"""Frequencies in the run, in harmonic ones: what anharmonicity may add."""
_LEAST = 0.7
"""Attenuation of the amplitude up to which differences are corrected. There an error of 1 % in
the frequency is one of 1.5 % in the kinetic energy; farther on, at ωΔ = π/2, the differences
of fast and slow motion become alike."""
_LARGEST_PHASE = 1.410185376648158
"""ωΔ at which sin(ωΔ)/(ωΔ) is `_LEAST`."""


def attenuation(omega: Floats, interval_ps: float) -> Floats:
    """Part of the amplitude that central differences keep of each mode.

    Parameters
    ----------
    omega
        (q, m) harmonic frequencies in rad/ps. For an imaginary mode, negative here, the
        frequency of its motion is not known: it counts as slow, and nothing is corrected.
    interval_ps
        Time between the frames that are differenced.

    Returns
    -------
    (q, m) factors s; divide Q̇ of the differences by them.
    """
    phase = np.maximum(omega, 0.0) * interval_ps
    kept: Floats = np.sinc(phase / np.pi)
    return kept


def spectrum_factor(freq_thz: Floats, interval_ps: float) -> Floats:
    """Factor (ωΔ/sin ωΔ)² that makes a spectrum of differences that of the velocities.

    Bins beyond the highest frequency that is corrected hold noise at most: there the factor
    stays as it is at that frequency, 1/0.49. Where amplitudes are divided by `attenuation`
    already, multiply by its square as well.

    Parameters
    ----------
    freq_thz
        (…) frequencies of the bins.
    interval_ps
        Time between the frames that were differenced, not that between the frames used of the
        spectrum.

    Returns
    -------
    (…) factors to multiply power with.
    """
    phase = np.minimum(np.abs(freq_thz) * THZ * interval_ps, _LARGEST_PHASE)
    factor: Floats = 1.0 / np.sinc(phase / np.pi) ** 2
    return factor


def frequency_from_ratio(omega_ratio: Floats, kept: Floats, interval_ps: float) -> Floats:
    """Frequency of each mode from the mean squares of its differences and displacements.

    Parameters
    ----------
    omega_ratio
        (…) √(⟨|Q̇|²⟩/⟨|Q|²⟩) in rad/ps, as found with amplitudes divided by `kept`.
    kept
        (…) the attenuation that they were divided by; 1 where they were not.
    interval_ps
        Time between the frames that were differenced.

    Returns
    -------
    (…) frequencies in rad/ps; nan where the ratio is larger than differences can give, as
    above a quarter of the sampling frequency.
    """
    sine = omega_ratio * kept * interval_ps
    omega: Floats = np.arcsin(np.where(sine <= 1.0, sine, np.nan)) / interval_ps
    return omega


def energy_factor(omega: Floats, kept: Floats, interval_ps: float) -> Floats:
    """Factor for kinetic energies of amplitudes that were divided by `kept`.

    Parameters
    ----------
    omega
        (…) frequencies that the modes have in truth, of `frequency_from_ratio`.
    kept
        (…) the attenuation that amplitudes were divided by.
    interval_ps
        Time between the frames that were differenced.

    Returns
    -------
    (…) factors; 1 where the frequency is not known.
    """
    known = np.isfinite(omega)
    true = attenuation(np.where(known, omega, 0.0), interval_ps)
    factor: Floats = np.where(known, (kept / true) ** 2, 1.0)
    return factor


def require_correctable(highest_omega: float, interval_ps: float) -> None:
    """Refuse a run whose fastest modes lose too much by differencing to be corrected.

    Parameters
    ----------
    highest_omega
        Highest harmonic frequency in rad/ps; the run may go a tenth beyond it.
    interval_ps
        Time between frames.

    Raises
    ------
    DataError
        If the fastest motion is attenuated to less than 0.7, or lies above the Nyquist
        frequency.
    """
    phase = _HEADROOM * highest_omega * interval_ps
    if phase <= _LARGEST_PHASE:
        return
    highest_thz, nyquist_thz = highest_omega / THZ, 0.5 / interval_ps
    # Rounded down, so that what is advised will do.
    densest_fs = np.floor(1e4 * _LARGEST_PHASE / (_HEADROOM * highest_omega)) / 10.0
    if phase >= np.pi:
        lost = f"the frames resolve no more than {nyquist_thz:.3g} THz"
    else:
        lost = (
            f"differences would keep {np.sinc(phase / np.pi):.2g} of the amplitude, and "
            f"{_LEAST} is the least that can be corrected"
        )
    raise DataError(
        "velocities cannot be had from positions: the frames are too far apart",
        where=f"{1e3 * interval_ps:.3g} fs between frames, modes up to {highest_thz:.3g} THz",
        why=f"of motion a tenth faster than the highest harmonic mode {lost}",
        fix=f"dump vx vy vz, or dump at most {densest_fs:.1f} fs apart",
    )
