"""Zoom spectra: long segments in a band around each line, with little memory.

A narrow line needs long segments, and a segment of all amplitudes must be kept in memory until
it is complete. But a narrow line does not need the whole frequency axis. The velocity of each
mode is demodulated at its harmonic frequency, for both directions of travel,

    y_k = Σ_j h_j Q̇_{kD+j} e^{∓iω_c (kD+j)Δt},

low-pass filtered by h and decimated to every D-th frame. The result contains the band around
±ω_c, and its Hann-windowed periodogram, divided by |H|², is that of Q̇ there: the same bins and
the same expectation with a tenth of the memory. Several segment lengths are evaluated from the
same y, from segments as long as memory and run allow down to those of the whole axis.

y_k may sum over frames of two blocks of the run. The contributions of both are added in
`combine`, so no result depends on where blocks end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data.spectra import BandSpectra
from trajmodes.errors import DataError
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.project.spectra.segments import (
    Part,
    Segments,
    Series,
    add_power,
    bin_spacing,
    effective_segments,
    hann,
    joined,
    power_scale,
    sum_present,
    waiting,
)
from trajmodes.symmetry.stars import set_members, set_omega
from trajmodes.units import THZ

_PENDING_BYTES = 24 << 20
_HALF_BAND = 0.05
"""Half-width of the band, in units of the highest harmonic frequency. Effective force constants
predict a line within one or two per cent; broader lines do not need long segments."""
_NARROWEST = 0.3 * THZ
"""Least half-width of the band."""
_FEWEST_OUTPUTS = 32
_SMALLEST_DECIMATION = 4
# The band is a quarter of the output rate on both sides; aliases onto it come from beyond three
# quarters. A filter nine outputs long attenuates them by 70 dB.
_TAPS_PER_OUTPUT = 9
_KAISER_BETA = 6.76


@dataclass(frozen=True, slots=True)
class BandPlan:
    """Decimation of each mode's band, and the segment lengths evaluated from it."""

    decimation: int
    """Frames used per output of the filter, D."""
    outputs: tuple[int, ...]
    """Outputs in one segment of each length, longest first, each half of the previous one."""

    @property
    def taps(self) -> int:
        """Number of frames that one output sums over; odd, so that the filter is symmetric."""
        return _taps(self.decimation)


def _taps(decimation: int) -> int:
    return _TAPS_PER_OUTPUT * decimation | 1


def default_bands(
    n_frames: int, interval_ps: float, n_series: int, highest: float, known_frames: int
) -> BandPlan | None:
    """Choose the longest segments that run and memory (24 MiB) allow, and their halves.

    Parameters
    ----------
    n_frames
        Frames used of the longest uninterrupted range of the run.
    interval_ps
        Time between the frames used.
    n_series
        Number of complex amplitudes, `Projector.n_series`.
    highest
        Highest harmonic frequency in rad/ps.
    known_frames
        Frames used in the segments of the whole axis; shorter segments are not needed.

    Returns
    -------
    The plan; None if no band gives longer segments than the whole axis does.
    """
    half_band = max(_HALF_BAND * highest, _NARROWEST)
    decimation = int(0.25 * 2.0 * np.pi / (half_band * interval_ps))
    if decimation < _SMALLEST_DECIMATION:
        return None
    # Both directions of travel.
    both = 2 * np.dtype(complex).itemsize
    held = int(_PENDING_BYTES // (both * n_series))
    longest = min((n_frames - _taps(decimation)) // decimation + 1, held)
    if longest < _FEWEST_OUTPUTS:
        return None
    halvings = int(longest // _FEWEST_OUTPUTS).bit_length() - 1
    shortest = longest >> halvings
    lengths = [shortest // 4 * 4 << i for i in range(halvings, -1, -1)]
    longer = tuple(length for length in lengths if length * decimation > known_frames)
    return BandPlan(decimation, longer) if longer else None


@lru_cache(maxsize=8)
def filter_taps(plan: BandPlan) -> Floats:
    """Low-pass filter (j,) with sum 1."""
    # A sinc with its cutoff at the Nyquist frequency of the outputs, under a Kaiser window.
    steps = np.arange(plan.taps) - (plan.taps - 1) / 2
    taps: Floats = np.sinc(steps / plan.decimation) * np.kaiser(plan.taps, _KAISER_BETA)
    taps /= taps.sum()
    taps.flags.writeable = False
    return taps


def power_response(plan: BandPlan, length: int) -> Floats:
    """|H|² at the bins of the middle half of the band, (w,).

    Parameters
    ----------
    length
        Outputs in a segment; offsets run from −¼ to ¼ of the output rate.
    """
    offsets = np.arange(-(length // 4), length // 4 + 1) / (length * plan.decimation)
    waves = np.exp(-2j * np.pi * offsets[:, None] * np.arange(plan.taps))
    response: Floats = np.abs(waves @ filter_taps(plan)) ** 2
    return response


_BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ZoomSums:
    """Spectra of a part of the run, and the outputs of open segments."""

    part: Part
    """Frames [start, stop) covered."""
    power: tuple[Floats | None, ...]
    """(g, w) for each length, unit: eV. Sum over the complete segments; None if there is
    none."""
    pending: tuple[Series, ...]
    """(2, q, m, k), forward and backward, in √(eV): outputs of the filter by their positions
    over all ranges of the run, in order and without overlap. Outputs near the ends of the
    part lack the terms of frames outside."""


@dataclass(frozen=True, slots=True)
class ZoomReduction:
    """Reduction from amplitudes to `BandSpectra` of several lengths, longest segments first.

    Parameters
    ----------
    ranges
        Uninterrupted, evenly spaced frame ranges [start, stop) of the run, in time order.

    Raises
    ------
    DataError
        If no segment of the longest length fits into the run.
    """

    projector: Projector
    plan: BandPlan
    interval_ps: float
    ranges: tuple[Part, ...]

    def __post_init__(self) -> None:
        self._segments(self.plan.outputs[0]).require_one()

    def chunk(self, amplitudes: Amplitudes, /) -> ZoomSums:
        """Reduce one block of frames; without velocities a `DataError` is raised."""
        velocity = amplitudes.velocity_or_raise("spectra need velocities")
        first = amplitudes.first_frame
        part = (first, first + velocity.shape[-1])
        pending = [self._filtered(number, part, velocity) for number in range(len(self.ranges))]
        empty = (None,) * len(self.plan.outputs)
        state = ZoomSums(part, empty, tuple(y for y in pending if y.values.size))
        return self._finish_segments((), state)

    def combine(self, earlier: ZoomSums, later: ZoomSums) -> ZoomSums:
        """State of two parts of the run; a `DataError` is raised unless they are neighbours."""
        part = joined(earlier.part, later.part, "spectra")
        power = tuple(map(sum_present, earlier.power, later.power))
        pending = _join_outputs(earlier.pending, later.pending, self._complete_until(part[1]))
        both = ZoomSums(part, power, pending)
        return self._finish_segments((earlier.part, later.part), both)

    def finalize(self, state: ZoomSums) -> tuple[BandSpectra, ...]:
        """Spectra of each length, one-sided, both ±ω pooled.

        A `DataError` is raised if frames are missing.
        """
        return tuple(
            self._spectra(length, power)
            for length, power in zip(self.plan.outputs, state.power, strict=True)
        )

    def _spectra(self, length: int, power: Floats | None) -> BandSpectra:
        if power is None:
            raise DataError("spectra: a part of the run was not read")
        counts = self._segments(length).counts
        step_ps = self.plan.decimation * self.interval_ps
        scale = power_scale(length, step_ps) / sum(counts)
        first = self._centers() * (length // self.plan.outputs[-1]) - length // 4
        power_gw = scale * power / power_response(self.plan, length)
        bins = first[:, None] + np.arange(power_gw.shape[1])
        top = length * self.plan.decimation // 2
        power_gw[(bins < 0) | (bins > top)] = np.nan
        members = set_members(self.projector.modes).astype(float)
        return BandSpectra(
            first_bin=first,
            power=power_gw,
            averages=effective_segments(counts) * members,
            segment_frames=length * self.plan.decimation,
            interval_ps=self.interval_ps,
        )

    def _segments(self, length: int) -> Segments:
        plan = self.plan
        used = (length - 1) * plan.decimation + plan.taps
        return Segments(self.ranges, used, length // 2 * plan.decimation)

    def _centers(self) -> Ints:
        """Centre (g,) of the band of each set, in bins of the shortest segments."""
        omega_g = np.abs(set_omega(self.projector.modes))
        frames = self.plan.outputs[-1] * self.plan.decimation
        spacing = bin_spacing(frames, self.interval_ps)
        centers: Ints = np.rint(omega_g / spacing).astype(np.int64)
        return centers

    def _places(self) -> Ints:
        """Count the outputs before each range, and in total."""
        plan = self.plan
        used = [stop - start for start, stop in self.ranges]
        counts = [max((n - plan.taps) // plan.decimation + 1, 0) for n in used]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def _place(self, frame: int) -> int:
        """Position of the first output whose first frame is not before the given one."""
        places, step = self._places(), self.plan.decimation
        for number, (start, stop) in enumerate(self.ranges):
            if frame < stop:
                inside = int(places[number]) + max(-((start - frame) // step), 0)
                return min(inside, int(places[number + 1]))
        return int(places[-1])

    def _complete_until(self, frame: int) -> int:
        """Position of the first output that sums over frames from the given one on."""
        return self._place(frame - (self.plan.taps - 1))

    def _filtered(self, number: int, part: Part, velocity_qmt: Complexes) -> Series:
        """Sum the contributions of the frames of a part to the outputs of one range."""
        start, stop = self.ranges[number]
        begin, end = max(part[0], start), min(part[1], stop)
        step, taps = self.plan.decimation, self.plan.taps
        used = np.arange(begin - start, end - start)
        places = self._places()
        count = int(places[number + 1] - places[number])
        if used.size == 0 or count == 0:
            return Series(0, np.empty((2, *velocity_qmt.shape[:2], 0), dtype=complex))
        first = min(max(-((taps - 1 - int(used[0])) // step), 0), count)
        last = min(int(used[-1]) // step + 1, count)
        offsets_kn = used - step * np.arange(first, last)[:, None]
        inside = (offsets_kn >= 0) & (offsets_kn < taps)
        filter_kn = np.where(inside, filter_taps(self.plan)[offsets_kn * inside], 0.0)
        used_qmn = velocity_qmt[..., begin - part[0] : end - part[0]]
        turn_qmn = self._turns(used)
        both = np.stack([used_qmn * turn_qmn, used_qmn * turn_qmn.conj()])
        return Series(int(places[number]) + first, both @ filter_kn.T.astype(complex))

    def _turns(self, used: Ints) -> Complexes:
        """e^{−iω_c nΔt} (q, m, n), exactly periodic in the shortest segment."""
        period = self.plan.outputs[-1] * self.plan.decimation
        roots = np.exp(-2j * np.pi * np.arange(period) / period)
        sets = self.projector.modes.sets
        centers_g = self._centers()
        # The acoustic modes at Γ belong to no set; their outputs are not used.
        centers_qm = np.where(sets >= 0, centers_g[sets], 0)
        turns: Complexes = roots[centers_qm[..., None] * used % period]
        return turns

    def _finish_segments(self, earlier: tuple[Part, ...], state: ZoomSums) -> ZoomSums:
        """Add the segments that became complete, and drop outputs that no open one needs."""
        power = list(state.power)
        head, tail = self._place(state.part[0]), int(self._places()[-1])
        for i, length in enumerate(self.plan.outputs):
            segments = self._segments(length)
            for first in segments.newly_inside(state.part, earlier):
                place = self._place(int(first))
                parts = [y.between(place, place + length).values for y in state.pending]
                power[i] = sum_present(power[i], self._power(parts))
            head_stop, tail_start = segments.edges(state.part)
            head, tail = max(head, self._place(head_stop)), min(tail, self._place(tail_start))
        return ZoomSums(state.part, tuple(power), waiting(state.pending, head, tail))

    def _power(self, parts: Sequence[Complexes]) -> Floats:
        """Power (g, w) of one segment in the middle half of the band."""
        modes = self.projector.modes
        length = sum(part.shape[-1] for part in parts)
        window, quarter = hann(length), length // 4
        share_qm = modes.weights[:, None] / set_members(modes)[modes.sets]
        ways_2gw = np.zeros((2, modes.n_sets, length))
        batch = max(1, _BATCH_BYTES // (32 * length * modes.omega.shape[1]))
        for start in range(0, len(modes.omega), batch):
            rows = slice(start, start + batch)
            segment = np.concatenate([part[:, rows] for part in parts], axis=3)
            segment *= window
            waves = scipy.fft.fft(segment, axis=3, overwrite_x=True)
            for way_gw, waves_qmw in zip(ways_2gw, waves, strict=True):
                add_power(way_gw, waves_qmw, modes.sets[rows], share_qm[rows])
        # Offsets −¼ to ¼ of the rate, reversed for the opposite direction of travel.
        middle = [ways_2gw[..., -quarter:], ways_2gw[..., : quarter + 1]]
        forward, backward = np.concatenate(middle, axis=2)
        power: Floats = forward + backward[:, ::-1]
        return power


def _join_outputs(
    earlier: tuple[Series, ...], later: tuple[Series, ...], complete: int
) -> tuple[Series, ...]:
    """Join the outputs of two parts, added where they overlap, cut after the complete ones.

    Only overlapping outputs are copied; complete ones stay in place until they are used.
    """
    if not earlier or not later:
        return earlier + later
    begin, end = later[0].first, earlier[-1].stop
    left = [y for y in earlier if y.stop > begin]
    right = [y for y in later if y.first < end]
    if not left or not right:
        return earlier + later
    low, high = min(left[0].first, begin), max(right[-1].stop, end)
    values = np.zeros((*left[0].values.shape[:-1], high - low), dtype=complex)
    for y in (*left, *right):
        values[..., y.first - low : y.stop - low] += y.values
    overlap = Series(low, values)
    cut = min(max(complete, low), high)
    pieces = [overlap.cut(*ends) for ends in ((low, cut), (cut, high))]
    kept = [y for y in earlier if y.stop <= begin], [y for y in later if y.first >= end]
    return (*kept[0], *(y for y in pieces if y.values.size), *kept[1])
