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

What differenced velocities leave to correct once amplitudes are on the scale of ωQ.

Amplitudes of the modes were divided by their attenuation at the harmonic frequency; see
`differences` for the equations. Spectra get the rest bin by bin, which is exact; what atoms
share of them is corrected bin by bin as the sum over all modes is. Kinetic energies get it at
the frequency that the mode has in truth, told by ⟨|Q̇|²⟩/⟨|Q|²⟩: exact for a narrow line
wherever it lies.

Velocities of a run that has none, from the displacements of neighbouring frames.

    v_t = (u_{t+1} − u_{t−1})/(2Δ)

The first and the last frame of each uninterrupted stretch have only one neighbour, and so no
velocity. They are left out, and the frames that remain are counted anew: what comes out is a
run of its own, whose segments follow each other without holes.

Such velocities are attenuated: a motion of frequency ω keeps sin(ωΔ)/(ωΔ) of its amplitude.
See `trajmodes.project.differences` for what is done about that.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import TypeVar

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.energies import ModeEnergies
from trajmodes.data.motion import MotionBlock
from trajmodes.data.spectra import (
    BandSpectra,
    MaximumEntropySpectra,
    PowerSpectra,
    VibrationalDensity,
)
from trajmodes.errors import DataError
from trajmodes.units import THZ

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


Spectra = TypeVar("Spectra", PowerSpectra, BandSpectra, MaximumEntropySpectra)


def correct_spectra(spectra: Spectra, kept: Floats, interval_ps: float) -> Spectra:
    """Spectra of the velocities, from those of differences.

    Parameters
    ----------
    spectra
        Of amplitudes that were divided by their attenuation.
    kept
        (g,) this attenuation, the mean of each set.
    interval_ps
        Time between the frames that were differenced.
    """
    factor = spectrum_factor(spectra.freq_thz, interval_ps)
    power: Floats = spectra.power * factor * kept[:, None] ** 2
    return replace(spectra, power=power)


def correct_density(
    density: VibrationalDensity, found: PowerSpectra, corrected: PowerSpectra, members: Ints
) -> VibrationalDensity:
    """Densities of states that sum to those of the modes.

    Every mode was divided by an attenuation of its own, and sites and directions see many modes
    in one bin: what they need is known for their sum alone, and differs little from one to the
    other.

    Parameters
    ----------
    density
        Of the sites and directions, from differences.
    found
        Spectra of the sets, from differences.
    corrected
        The same, corrected.
    members
        (g,) number of modes in each set.
    """
    total, wanted = members @ found.power, members @ corrected.power
    factor = np.divide(wanted, total, out=np.ones_like(total), where=total > 0.0)
    return replace(density, power=density.power * factor)


def correct_energies(
    energies: ModeEnergies, kept: Floats, interval_ps: float, sets: Ints
) -> ModeEnergies:
    """Kinetic energies, those of waves, temperature and frequencies, from differences.

    Parameters
    ----------
    energies
        Of amplitudes that were divided by their attenuation.
    kept
        (g,) this attenuation, the mean of each set.
    interval_ps
        Time between the frames that were differenced.
    sets
        (q, m) set of each mode; −1 where it has none.
    """
    omega = frequency_from_ratio(energies.omega_ratio, kept, interval_ps)
    known = np.isfinite(omega)
    omega = np.where(known, omega, energies.omega_ratio)
    phase = np.where(known, omega * interval_ps, 0.0)
    # dω/dr for r = sin(ωΔ)/(sΔ), and what an error of ω makes of the factor of K.
    steepness = np.where(known, kept, 1.0) / np.cos(phase)
    omega_sem = energies.omega_ratio_sem * steepness
    share = 2.0 * (1.0 - np.cos(phase) / attenuation(omega, interval_ps)) * omega_sem / omega
    # Where nothing was corrected, the correction has no error.
    share = np.where(known, share, 0.0)
    factor = energy_factor(np.where(known, omega, np.nan), kept, interval_ps)
    kinetic = energies.kinetic * factor
    # All modes share one temperature: it grows as the sum of their kinetic energies does.
    warmer = float(energies.members @ kinetic / (energies.members @ energies.kinetic))
    single, single_sem = energies.single.copy(), energies.single_sem.copy()
    each_qm = np.where(sets >= 0, factor[sets], np.nan)
    single[0] *= each_qm
    single_sem[0] = np.hypot(single_sem[0] * each_qm, single[0] * share[sets])
    travelling = _waves(energies, single, np.sqrt(each_qm))
    return replace(
        energies,
        kinetic=kinetic,
        kinetic_sem=np.hypot(energies.kinetic_sem * factor, kinetic * share),
        single=single,
        single_sem=single_sem,
        travelling=travelling,
        travelling_sem=energies.travelling_sem
        * (travelling.sum(axis=0) / energies.travelling.sum(axis=0)),
        omega_ratio=omega,
        omega_ratio_sem=omega_sem,
        omega_displacement=energies.omega_displacement * np.sqrt(warmer),
        omega_displacement_sem=energies.omega_displacement_sem * np.sqrt(warmer),
        temperature=energies.temperature * warmer,
        temperature_sem=energies.temperature_sem * warmer,
    )


def _waves(energies: ModeEnergies, single: Floats, faster_qm: Floats) -> Floats:
    """⟨E±⟩ = K + U ∓ ω Im Q*Q̇ (2, q, m), where Q̇ is so many times what it was."""
    standing_qm = single[0] + single[1]
    flow_qm = 0.5 * (energies.travelling[0] - energies.travelling[1]) * faster_qm
    # In an imaginary mode there are none.
    travelling: Floats = np.stack([standing_qm + flow_qm, standing_qm - flow_qm])
    return travelling


@dataclass(frozen=True, slots=True)
class DifferencedMotion:
    """Callable that reads motion with central differences for velocities.

    Picklable and thread-safe as far as `read` is.

    Raises
    ------
    DataError
        If the time between frames is not positive, or no stretch has three frames.
    """

    read: Callable[[int, int], MotionBlock]
    """Reads the frames [start, stop) of the run."""
    source_segments: tuple[tuple[int, int], ...]
    """Uninterrupted, evenly spaced frame ranges [start, stop) of the run, in time order."""
    interval_ps: float
    """Time between frames within a stretch."""

    def __post_init__(self) -> None:
        if not self.interval_ps > 0.0:
            raise DataError(
                f"velocities cannot be had from frames {self.interval_ps:g} ps apart",
                fix="give --timestep-fs, the time step of the simulation",
            )
        if not self._inner:
            raise DataError(
                "velocities cannot be had from positions: no three frames follow each other",
                where=f"{len(self.source_segments)} segments with gaps between",
                why="a central difference needs the frames before and after",
                fix="dump vx vy vz, or dump at equal distances in time",
            )

    @property
    def _inner(self) -> list[tuple[int, int]]:
        """Frame ranges of the run that have velocities."""
        shrunk = ((start + 1, stop - 1) for start, stop in self.source_segments)
        return [(start, stop) for start, stop in shrunk if start < stop]

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """Uninterrupted ranges [start, stop) of the frames that are left, counted anew."""
        sizes = (stop - start for start, stop in self._inner)
        return tuple(pairwise(accumulate(sizes, initial=0)))

    @property
    def n_frames(self) -> int:
        """Number of frames that have velocities."""
        return sum(stop - start for start, stop in self._inner)

    @property
    def frames(self) -> Ints:
        """(t,) index within the run of each frame that is left."""
        return np.concatenate([np.arange(start, stop) for start, stop in self._inner])

    def __call__(self, start: int, stop: int) -> MotionBlock:
        """Motion in the frames [start, stop), counted as `segments` are.

        Raises
        ------
        DataError
            If the range lies outside, a frame holds what it must not hold, or frames were left
            out of the run.
        """
        if not 0 <= start < stop <= self.n_frames:
            raise DataError(f"frames {start} to {stop} are asked for, out of {self.n_frames}")
        parts = []
        for (first, last), (begin, end) in zip(self.segments, self._inner, strict=True):
            low, high = max(start, first), min(stop, last)
            if low < high:
                parts.append(self._within(begin + low - first, end - (last - high)))
        return MotionBlock(
            start,
            np.concatenate([part.displacements for part in parts]),
            np.concatenate([part.velocities for part in parts if part.velocities is not None]),
            _joined([part.forces for part in parts]),
        )

    def _within(self, start: int, stop: int) -> MotionBlock:
        """Motion in frames [start, stop) of the run, all inside of one stretch."""
        wider = self.read(start - 1, stop + 1)
        if wider.n_frames != stop - start + 2:
            raise DataError(
                f"{wider.n_frames} of the frames {start - 1} to {stop + 1} were read",
                why="frames in which an atom has left its site were left out, and differences "
                "need frames at equal distances in time",
                fix="choose --frames without hops, or dump vx vy vz",
            )
        u_tax = wider.displacements
        v_tax = (u_tax[2:] - u_tax[:-2]) / (2.0 * self.interval_ps)
        forces = None if wider.forces is None else wider.forces[1:-1]
        return MotionBlock(start, u_tax[1:-1], v_tax, forces)


def _joined(fields: list[Floats | None]) -> Floats | None:
    """Join a field of several ranges, (t, a, 3); None where the run has none."""
    present = [field for field in fields if field is not None]
    return np.concatenate(present) if present else None
