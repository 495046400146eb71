"""Power of one segment of mode velocities: by set of modes, and by site and direction.

The velocity of site s along x at wave vector q is Σ_m e_m(s x) Q̇_qm/√M_s, and by Parseval's
theorem the sum of its power over all q is that of the power of all atoms on the site: the
density needs no second transform, and its sum is that of the modes to the last digit.

Welch spectra of the mode velocities on the whole axis of frequency, streamed.

Segments of L frames lie as `segments` says. Those inside a part of the run are done and only
their power is kept: summed over each set of modes, and over all q for each site and direction.
Frames of open segments wait in `pending` for the other half. So no result depends on where
blocks end, and memory is one segment, however long the run.

No mean is taken off: drift has been removed, and the velocity of a bound atom has none. What is
left at f = 0 belongs to the line, and the sum rule ∫S df = ⟨K⟩ holds in expectation as it is.
"""

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
import scipy.fft

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data.modes import Modes
from trajmodes.data.spectra import MaximumEntropySpectra, PowerSpectra, VibrationalDensity
from trajmodes.errors import DataError
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.project.spectra.burg import burg_power
from trajmodes.project.spectra.segments import (
    Part,
    Segments,
    Series,
    effective_segments,
    hann,
    joined,
    waiting,
)
from trajmodes.symmetry.mode_sets import set_members

_BATCH_BYTES = 1 << 20
_FINER = 8
"""Bins of maximum-entropy spectra for each of the transform: their lines may be sharper."""


@dataclass(frozen=True, slots=True)
class SegmentPower:
    """|Σ_t w_t Q̇_t e^{−iωt}|² with both ±f added, summed over the segments done."""

    modes: Floats
    """(g, w), unit: eV. Mean over the members of each set."""
    sites: Floats
    """(s, 3, w), unit: eV. Mean over the atoms of each site, their masses included."""
    points: Floats
    """(k, s, 3, w), unit: eV. The same at single q points."""

    def __add__(self, other: "SegmentPower") -> "SegmentPower":
        """Power of the segments of both."""
        return SegmentPower(
            self.modes + other.modes, self.sites + other.sites, self.points + other.points
        )


def segment_power(modes: Modes, parts: list[Complexes], points: Ints) -> SegmentPower:
    """Power of one windowed segment.

    The ±f of a complex series are the two directions of travel, two independent measurements;
    at q = −q they are twice the same one.

    Parameters
    ----------
    modes
        The modes.
    parts
        (q, m, t) each, Q̇ in √(eV); together the frames of the segment.
    points
        (k,) places of q points that are told by themselves.
    """
    length = sum(part.shape[-1] for part in parts)
    window = hann(length)
    n_q, n_m = modes.omega.shape
    share_qm = modes.weights[:, None] / set_members(modes)[modes.sets]
    share_q = modes.weights / modes.weights.sum()
    kets_qkm = modes.vectors.reshape(n_q, n_m, -1).swapaxes(1, 2)
    of_sets_gw = np.zeros((modes.n_sets, length))
    of_sites_kw = np.zeros((n_m, length))
    of_points_kcw = np.zeros((len(points), n_m, length))
    batch = max(1, _BATCH_BYTES // (16 * length * n_m))
    for start in range(0, n_q, batch):
        rows = slice(start, start + batch)
        segment = np.concatenate([part[rows] for part in parts], axis=2)
        segment *= window
        waves_qmw = scipy.fft.fft(segment, axis=2, overwrite_x=True)
        power_qmw = _square(waves_qmw) * share_qm[rows, :, None]
        for (q, m), label in np.ndenumerate(modes.sets[rows]):
            if label >= 0:
                of_sets_gw[label] += power_qmw[q, m]
        # The acoustic modes at Γ carry only drift.
        waves_qmw[modes.sets[rows] < 0] = 0.0
        power_qkw = _square(kets_qkm[rows] @ waves_qmw)
        of_sites_kw += np.tensordot(share_q[rows], power_qkw, axes=1)
        here = np.flatnonzero((points >= start) & (points < start + len(power_qkw)))
        of_points_kcw[here] = power_qkw[points[here] - start]
    by_site = (modes.crystal.n_sites, 3, length // 2 + 1)
    return SegmentPower(
        _one_sided(of_sets_gw),
        _one_sided(of_sites_kw).reshape(by_site),
        _one_sided(of_points_kcw).reshape(len(points), *by_site),
    )


def segment_entropy(
    modes: Modes, parts: list[Complexes], poles: int, interval_ps: float
) -> Floats:
    """Maximum-entropy spectrum (g, v) in eV/THz of one segment, in an eighth of its bins.

    Parameters
    ----------
    modes
        The modes.
    parts
        (q, m, t) each, Q̇ in √(eV); together the frames of the segment.
    poles
        Order of the recursion.
    interval_ps
        Time between these frames.
    """
    length = sum(part.shape[-1] for part in parts)
    rows = []
    for label in range(modes.n_sets):
        here = modes.sets == label
        members = np.concatenate([part[here] for part in parts], axis=1)
        weights = modes.weights[np.nonzero(here)[0]]
        rows.append(burg_power(members, poles, interval_ps, _FINER * length // 2 + 1, weights))
    return np.array(rows)


def _square(waves: Complexes) -> Floats:
    power: Floats = waves.real**2
    power += waves.imag**2
    return power


def _one_sided(power: Floats) -> Floats:
    """Add ±f, (…, w); zero and the Nyquist frequency have no other side."""
    half = power.shape[-1] // 2
    folded: Floats = power[..., : half + 1].copy()
    folded[..., 1:half] += power[..., :half:-1]
    return folded


_LONGEST_PS = 200.0
_PENDING_BYTES = 16 << 20
_FEWEST_FRAMES = 16
_USEFUL_FRAMES = 128
_HEADROOM = 2.0
"""Nyquist frequency of the frames used, in highest harmonic frequencies: anharmonic wings and
overtones reach beyond the harmonic bands, and what lies above Nyquist is folded back."""


def default_stride(interval_ps: float, highest_thz: float) -> int:
    """Use every so many-th frame, so that spectra reach twice the highest frequency.

    Parameters
    ----------
    interval_ps
        Time between frames.
    highest_thz
        Highest harmonic frequency; every frame is used if there is none above zero.
    """
    nyquist_thz = 0.5 / interval_ps
    if highest_thz <= 0.0:
        return 1
    return max(1, int(nyquist_thz / (_HEADROOM * highest_thz)))


def default_segment(n_frames: int, interval_ps: float, n_series: int) -> int:
    """Segment length in frames when nothing else is known.

    Half the run: three half-overlapping segments use 85 % of what seven shorter ones would.
    Capped by memory, for one segment of all amplitudes waits there (16 MiB, or 128 frames if
    they need more): lines too narrow for it are seen in the bands of `narrow_band`. Rounded
    down to an even product of small primes, for the FFT; 16 frames at least.

    Parameters
    ----------
    n_frames
        Frames used of the longest uninterrupted stretch of the run.
    interval_ps
        Time between the frames used.
    n_series
        Number of complex amplitudes, `Projector.n_series`.
    """
    bytes_per_frame = np.dtype(complex).itemsize * n_series
    held = max(_PENDING_BYTES // bytes_per_frame, _USEFUL_FRAMES)
    wanted = max(min(n_frames // 2, held, int(_LONGEST_PS / interval_ps)), _FEWEST_FRAMES)
    return 2 * int(scipy.fft.prev_fast_len(wanted // 2, real=False))


@dataclass(frozen=True, slots=True)
class WelchSums:
    """Spectra of a part of the run, and the frames that wait for a segment to be completed."""

    part: Part
    """Frames [start, stop) covered."""
    power: SegmentPower | None
    """Sum over the segments done; None while there is none."""
    entropy: Floats | None
    """(g, v), unit: eV/THz. Sum of their maximum-entropy spectra; None if not asked for."""
    pending: tuple[Series, ...]
    """(q, m, t) Q̇ in √(eV) of the frames that wait, in time order."""


class Spectra(NamedTuple):
    """Spectra of the modes and of the atoms."""

    modes: PowerSpectra
    density: VibrationalDensity
    points: Floats
    """(k, s, 3, w), unit: eV/THz. What sites and directions have at single q points; the sum is
    that of the spectra of all branches there."""
    entropy: MaximumEntropySpectra | None


@dataclass(frozen=True, slots=True)
class WelchReduction:
    """Reduction from amplitudes to `Spectra`.

    Parameters
    ----------
    projector
        Projection on the modes.
    segment_frames
        Frames used in one segment, even.
    interval_ps
        Time between frames.
    stretches
        Uninterrupted, evenly spaced frame ranges [start, stop) of the run, in time order.
    points
        Places of the q points whose sites and directions are told by themselves.
    poles
        Order of maximum-entropy spectra; None for none.

    Raises
    ------
    DataError
        If the segment length is odd or too short, or no segment fits into the run.
    """

    projector: Projector
    segment_frames: int
    interval_ps: float
    stretches: tuple[tuple[int, int], ...]
    points: tuple[int, ...] = ()
    poles: int | None = None

    def __post_init__(self) -> None:
        if self.poles is not None and self.poles >= self.segment_frames:
            raise DataError(
                f"maximum-entropy spectra with {self.poles} poles need longer segments than "
                f"{self.segment_frames} frames",
                fix="ask for fewer poles, or for a finer resolution",
            )
        if self.segment_frames % 2 or self.segment_frames < _FEWEST_FRAMES:
            raise DataError(
                f"a segment of {self.segment_frames} frames cannot be analysed",
                why="segments start at half their length, and a line needs some points",
                fix=f"give an even number of frames, at least {_FEWEST_FRAMES}",
            )
        if not any(self.segments.counts):
            longest = max((stop - start for start, stop in self.stretches), default=0)
            raise DataError(
                "the run is too short for spectra: no segment of "
                f"{self.segment_frames} frames fits",
                where=f"its longest uninterrupted stretch has {longest} frames",
                fix="ask for a coarser resolution, or run longer",
            )

    @property
    def segments(self) -> Segments:
        """Where they lie."""
        return Segments(self.stretches, self.segment_frames, self.segment_frames // 2)

    def chunk(self, amplitudes: Amplitudes, /) -> WelchSums:
        """Make the state of one block of frames.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        velocity = amplitudes.velocity_or_raise("spectra need velocities")
        whole = Series(amplitudes.first_frame, velocity)
        inside = [whole.between(*stretch) for stretch in self.stretches]
        # Without a copy all fields of the block would stay in memory as well.
        pending = tuple(
            Series(one.first, one.values.copy()) for one in inside if one.values.size
        )
        return self._settle((), (whole.first, whole.stop), pending)

    def combine(self, earlier: WelchSums, later: WelchSums) -> WelchSums:
        """Return the state of two neighbouring stretches of time.

        Raises
        ------
        DataError
            If frames are missing between them.
        """
        part = joined(earlier.part, later.part, "spectra")
        return self._settle((earlier, later), part, earlier.pending + later.pending)

    def finalize(self, state: WelchSums) -> Spectra:
        """Return the spectra, normalised so that ∫₀^∞ S df is the kinetic energy of a mode.

        Raises
        ------
        DataError
            If frames are missing.
        """
        length = self.segment_frames
        if state.power is None:
            start, stop = state.part
            raise DataError(f"spectra: only the frames {start} to {stop} were read")
        counts = self.segments.counts
        interval_ps = self.interval_ps
        # Half for ½|Q̇|²; the window takes Σ w² out of it.
        scale = 0.5 * interval_ps / ((3.0 / 8.0) * length * sum(counts))
        freq_thz = np.arange(length // 2 + 1) / (length * interval_ps)
        members = set_members(self.projector.modes).astype(float)
        modes = PowerSpectra(
            freq_thz=freq_thz,
            power=scale * state.power.modes,
            averages=effective_segments(counts) * members,
            segment_frames=length,
            interval_ps=interval_ps,
        )
        density = VibrationalDensity(freq_thz, scale * state.power.sites)
        entropy = None
        if state.entropy is not None and self.poles is not None:
            fine_thz = np.linspace(0.0, freq_thz[-1], state.entropy.shape[1])
            mean = state.entropy / sum(counts)
            entropy = MaximumEntropySpectra(fine_thz, mean, self.poles)
        return Spectra(modes, density, scale * state.power.points, entropy)

    def _settle(
        self, parts: tuple[WelchSums, ...], both: Part, pending: tuple[Series, ...]
    ) -> WelchSums:
        """Do the segments that became complete, and drop the frames that no other one needs."""
        segments, modes = self.segments, self.projector.modes
        points = np.array(self.points, dtype=np.int64)
        power = [part.power for part in parts if part.power is not None]
        entropy = [part.entropy for part in parts if part.entropy is not None]
        for first in segments.newly_inside(both, tuple(part.part for part in parts)):
            last = int(first) + self.segment_frames
            frames = [one.between(int(first), last).values for one in pending]
            power.append(segment_power(modes, frames, points))
            if self.poles is not None:
                entropy.append(segment_entropy(modes, frames, self.poles, self.interval_ps))
        return WelchSums(
            both,
            reduce(add, power) if power else None,
            reduce(add, entropy) if entropy else None,
            waiting(pending, *segments.edges(both)),
        )
