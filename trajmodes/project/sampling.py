"""Sampling of a run in time: every n-th frame, and velocities from differences of positions.

Frames are often much closer in time than the modes require. `StridedMotion` reads all frames,
but only every n-th one is projected and kept. `DifferencedMotion` replaces missing velocities
by central differences over frames Δ apart,

    v_t = (u_{t+1} − u_{t−1})/(2Δ) .

The first and the last frame of each uninterrupted range have only one neighbour and no
velocity; they are omitted. In both, the remaining frames are renumbered; they form a run of
their own, whose ranges follow each other without gaps.

Central differences reduce the amplitude of a motion of frequency ω by the factor

    s(ω) = sin(ωΔ)/(ωΔ)

and its energy by s²: at 10 THz sampled every 10 fs, 0.875 of K remains. The correction has
three parts, each used where it is exact:

- Mode amplitudes are divided by s at the harmonic frequency (`attenuation`), which puts Q̇ on
the scale of ωQ: standing and travelling energies then have comparable parts.
- A spectrum is divided by s² in each bin (`spectrum_factor`). This is exact for any line shape,
because the transform of a difference is that of the motion times i sin(ωΔ)/Δ. Spectra of sites
and directions are corrected bin by bin by the factor of the sum over all modes.
- A mean energy is multiplied by [s(ω_harmonic)/s(ω)]² at the actual frequency ω of the mode
(`energy_factor`). No spectrum is needed: with r² = ⟨|Q̇|²⟩/⟨|Q|²⟩ of the differences, r =
sin(ωΔ)/Δ, and so ω = asin(rΔ)/Δ (`frequency_from_ratio`), exact for a narrow line. At ωΔ = 1 an
anharmonic shift of 3 % would otherwise cause an error of 2 % in K.

The part of a line above the Nyquist frequency is lost. A damped oscillator, whose velocity
spectrum falls only as γ/ω², keeps an error of −2γΔ/3 in K.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import TypeVar

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.energies import ModeEnergies
from trajmodes.data.motion import LARGEST_PHASE, MotionBlock
from trajmodes.data.spectra import (
    BandSpectra,
    MaximumEntropySpectra,
    PowerSpectra,
)
from trajmodes.errors import DataError


def attenuation(omega: Floats, interval_ps: float) -> Floats:
    """Factors s (…) by which central differences attenuate the amplitude of each mode.

    Parameters
    ----------
    omega
        (…) harmonic frequencies in rad/ps. The frequency of an imaginary mode, negative here,
        is unknown; it is treated as slow and not corrected.
    interval_ps
        Time between the frames that are differenced.
    """
    kept: Floats = np.sinc(np.maximum(omega, 0.0) * interval_ps / np.pi)
    return kept


def spectrum_factor(omega: Floats, interval_ps: float) -> Floats:
    """Factor (ωΔ/sin ωΔ)² that converts a spectrum of differences to that of the velocities.

    Bins beyond the highest corrected frequency contain only noise; there the factor keeps its
    value at that frequency, 1/0.49. If amplitudes are already divided by `attenuation`,
    multiply by its square as well.

    Parameters
    ----------
    omega
        (…) frequencies of the bins in rad/ps.
    interval_ps
        Time between the frames that were differenced, not between the frames of the spectrum.
    """
    phase = np.minimum(np.abs(omega) * interval_ps, LARGEST_PHASE)
    factor: Floats = 1.0 / np.sinc(phase / np.pi) ** 2
    return factor


def frequency_from_ratio(omega_ratio: Floats, kept: Floats, interval_ps: float) -> Floats:
    """Frequency (…) of modes in rad/ps from mean squares of differences and displacements.

    It is nan where the ratio exceeds that of any motion, as above a quarter of the sampling
    frequency.

    Parameters
    ----------
    omega_ratio
        (…) √(⟨|Q̇|²⟩/⟨|Q|²⟩) in rad/ps, from amplitudes divided by `kept`.
    kept
        (…) the attenuation by which they were divided; 1 if they were not.
    """
    sine = omega_ratio * kept * interval_ps
    omega: Floats = np.arcsin(np.where(sine <= 1.0, sine, np.nan)) / interval_ps
    return omega


def energy_factor(omega: Floats, kept: Floats, interval_ps: float) -> Floats:
    """Factor (…) for kinetic energies of amplitudes that were divided by `kept`.

    `omega` are the actual frequencies, from `frequency_from_ratio`; where they are unknown the
    factor is 1.
    """
    known = np.isfinite(omega)
    true = attenuation(np.where(known, omega, 0.0), interval_ps)
    factor: Floats = np.where(known, (kept / true) ** 2, 1.0)
    return factor


Spectra = TypeVar("Spectra", PowerSpectra, BandSpectra, MaximumEntropySpectra)


def correct_spectra(spectra: Spectra, kept: Floats, interval_ps: float) -> Spectra:
    """Convert spectra of differences to those of the velocities.

    Parameters
    ----------
    spectra
        Spectra of amplitudes that were divided by their attenuation.
    kept
        (g,) mean attenuation of each set.
    """
    factor = spectrum_factor(spectra.omega, interval_ps)
    power: Floats = spectra.power * factor * kept[:, None] ** 2
    return replace(spectra, power=power)


def correct_density(
    density: Floats, found: PowerSpectra, corrected: PowerSpectra, members: Ints
) -> Floats:
    """Correct densities of states so that they sum to those of the modes.

    Every mode was divided by its own attenuation, but many modes contribute to one bin of the
    spectrum of a site and direction. The correction is known for the sum of all modes, and
    depends little on the site.

    Parameters
    ----------
    density
        (s, 3, w) spectra of the sites and directions, from differences.
    found, corrected
        Spectra of the sets, from differences and corrected.
    members
        (g,) number of modes in each set.
    """
    total, wanted = members @ found.power, members @ corrected.power
    factor = np.divide(wanted, total, out=np.ones_like(total), where=total > 0.0)
    return density * factor


def correct_energies(
    energies: ModeEnergies, kept: Floats, interval_ps: float, sets: Ints
) -> ModeEnergies:
    """Correct kinetic and travelling energies, temperature and frequencies from differences.

    Parameters
    ----------
    energies
        Energies from amplitudes that were divided by their attenuation.
    kept
        (g,) mean attenuation of each set.
    sets
        (q, m) set of each mode; −1 if it has none.
    """
    # Differences of positions have positions.
    assert energies.omega_ratio is not None
    assert energies.omega_ratio_sem is not None
    assert energies.omega_displacement is not None
    assert energies.omega_displacement_sem is not None
    assert energies.travelling is not None
    assert energies.travelling_sem is not None
    omega = frequency_from_ratio(energies.omega_ratio, kept, interval_ps)
    known = np.isfinite(omega)
    omega = np.where(known, omega, energies.omega_ratio)
    phase = np.where(known, omega * interval_ps, 0.0)
    # dω/dr for r = sin(ωΔ)/(sΔ), and the error of the factor of K due to that of ω.
    steepness = np.where(known, kept, 1.0) / np.cos(phase)
    omega_sem = energies.omega_ratio_sem * steepness
    share = 2.0 * (1.0 - np.cos(phase) / attenuation(omega, interval_ps)) * omega_sem / omega
    # Without a correction there is no error of the correction.
    share = np.where(known, share, 0.0)
    factor = energy_factor(np.where(known, omega, np.nan), kept, interval_ps)
    kinetic = energies.kinetic * factor
    # The temperature is proportional to the sum of the kinetic energies of all modes.
    warmer = float(energies.members @ kinetic / (energies.members @ energies.kinetic))
    single, single_sem = energies.single.copy(), energies.single_sem.copy()
    each_qm = np.where(sets >= 0, factor[sets], np.nan)
    single[0] *= each_qm
    single_sem[0] = np.hypot(single_sem[0] * each_qm, single[0] * share[sets])
    # ⟨E±⟩ = K + U ∓ ω Im Q*Q̇, with Q̇ multiplied by a factor; nan for imaginary modes.
    standing_qm = single[0] + single[1]
    flow_qm = 0.5 * (energies.travelling[0] - energies.travelling[1]) * np.sqrt(each_qm)
    travelling = np.stack([standing_qm + flow_qm, standing_qm - flow_qm])
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


@dataclass(frozen=True, slots=True)
class StridedMotion:
    """Callable that reads every n-th frame, counted from the start of each uninterrupted range.

    Picklable and thread-safe if `read` is.
    """

    read: Callable[[int, int], MotionBlock]
    """Reads the frames [start, stop) of the run."""
    source_segments: tuple[tuple[int, int], ...]
    """Uninterrupted frame ranges [start, stop) of the run, in time order."""
    stride: int

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """Uninterrupted ranges [start, stop) of the remaining frames, renumbered."""
        return _renumbered(-((a - b) // self.stride) for a, b in self.source_segments)

    @property
    def n_frames(self) -> int:
        """Number of remaining frames."""
        return self.segments[-1][1]

    @property
    def frames(self) -> Ints:
        """(t,) index within the run of each remaining frame."""
        return np.concatenate([np.arange(*ends, self.stride) for ends in self.source_segments])

    def blocks(self, cuts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Ranges of the remaining frames, for blocks of the run.

        `cuts` are frame ranges [start, stop) of the run, none across the end of an
        uninterrupted range.
        """
        frames = self.frames
        ends = [np.searchsorted(frames, cut).tolist() for cut in cuts]
        return [(first, last) for first, last in ends if first < last]

    def __call__(self, start: int, stop: int) -> MotionBlock:
        """Motion in the renumbered frames [start, stop).

        Raises
        ------
        DataError
            If the range lies outside the run or crosses a gap, or a frame cannot be used.
        """
        for (first, last), (begin, _) in zip(self.segments, self.source_segments, strict=True):
            if first <= start < stop <= last:
                low = begin + (start - first) * self.stride
                whole = self.read(low, begin + (stop - 1 - first) * self.stride + 1)
                used = whole.part(slice(None, None, self.stride))
                return MotionBlock(start, used.displacements, used.velocities, used.forces)
        raise DataError(f"frames {start} to {stop} do not lie within one of {self.segments}")


@dataclass(frozen=True, slots=True)
class DifferencedMotion:
    """Callable that reads motion with central differences in place of velocities.

    Picklable and thread-safe if `read` is.

    Raises
    ------
    DataError
        If the time between frames is not positive, or no range has three frames.
    """

    read: Callable[[int, int], MotionBlock]
    """Reads the frames [start, stop) of the run."""
    source_segments: tuple[tuple[int, int], ...]
    """Uninterrupted, evenly spaced frame ranges [start, stop) of the run, in time order."""
    interval_ps: float
    """Time between frames within a range."""

    def __post_init__(self) -> None:
        if not self.interval_ps > 0.0:
            raise DataError(
                f"velocities cannot be computed from frames {self.interval_ps:g} ps apart",
                fix="give --timestep-fs, the time step of the simulation",
            )
        if not self._inner:
            raise DataError(
                "velocities cannot be computed from positions: no three frames are consecutive",
                where=f"{len(self.source_segments)} segments with gaps in between",
                why="a central difference needs the frames before and after",
                fix="write velocities, or equally spaced frames",
            )

    @property
    def _inner(self) -> list[tuple[int, int]]:
        """Frame ranges of the run that have velocities."""
        shrunk = ((start + 1, stop - 1) for start, stop in self.source_segments)
        return [(start, stop) for start, stop in shrunk if start < stop]

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """Uninterrupted ranges [start, stop) of the remaining frames, renumbered."""
        return _renumbered(stop - start for start, stop in self._inner)

    @property
    def n_frames(self) -> int:
        """Number of frames that have velocities."""
        return self.segments[-1][1]

    @property
    def frames(self) -> Ints:
        """(t,) index within the run of each remaining frame."""
        return np.concatenate([np.arange(start, stop) for start, stop in self._inner])

    def __call__(self, start: int, stop: int) -> MotionBlock:
        """Motion in the renumbered frames [start, stop).

        Raises
        ------
        DataError
            If the range lies outside the run, a frame cannot be used, or frames were omitted.
        """
        if not 0 <= start < stop <= self.n_frames:
            raise DataError(f"frames {start} to {stop} exceed a run of {self.n_frames}")
        parts = []
        for (first, last), (begin, end) in zip(self.segments, self._inner, strict=True):
            low, high = max(start, first), min(stop, last)
            if low < high:
                parts.append(self._within(begin + low - first, end - (last - high)))
        return MotionBlock(
            start,
            np.concatenate([part.displacements_or_raise() for part in parts]),
            np.concatenate([part.velocities for part in parts if part.velocities is not None]),
            _joined([part.forces for part in parts]),
        )

    def _within(self, start: int, stop: int) -> MotionBlock:
        """Motion in frames [start, stop) of the run, all within one uninterrupted range."""
        wider = self.read(start - 1, stop + 1)
        if wider.n_frames != stop - start + 2:
            raise DataError(
                f"only {wider.n_frames} of the frames {start - 1} to {stop + 1} were read",
                why="frames in which an atom has left its site were omitted, and differences "
                "need equally spaced frames",
                fix="choose --frames without hops, or write velocities",
            )
        u_tax = wider.displacements_or_raise()
        v_tax = (u_tax[2:] - u_tax[:-2]) / (2.0 * self.interval_ps)
        forces = None if wider.forces is None else wider.forces[1:-1]
        return MotionBlock(start, u_tax[1:-1], v_tax, forces)


def _joined(fields: list[Floats | None]) -> Floats | None:
    """Join a field of several ranges, (t, a, 3); None where the run has none."""
    present = [field for field in fields if field is not None]
    return np.concatenate(present) if present else None


def _renumbered(sizes: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Ranges [start, stop) of these sizes that follow each other without gaps."""
    return tuple(pairwise(accumulate(sizes, initial=0)))
