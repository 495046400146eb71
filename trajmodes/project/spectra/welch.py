"""Welch spectra of the mode velocities on the whole frequency axis, streamed.

Segments of L frames are placed as described in `segments`. Only the power of complete segments
is kept (`segment_reduction`), summed over each set of modes, and over all q for each site and
direction.

No mean is subtracted: drift has been removed, and the mean velocity of a bound atom is zero.
Power at ω = 0 belongs to the lines, and the sum rule ∫S dω = ⟨K⟩ holds in expectation.

The velocity of site s along x at wave vector q is Σ_m e_m(s x) Q̇_qm/√M_s. By Parseval's
theorem the sum of its power over all q is that of all atoms on the site: the density of states
needs no second transform, and its sum equals that of the modes to rounding.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy.fft

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data.modes import Modes
from trajmodes.data.spectra import MaximumEntropySpectra, PowerSpectra
from trajmodes.errors import DataError
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.project.sampling import spectrum_factor
from trajmodes.project.spectra.burg import burg_power
from trajmodes.project.spectra.segment_reduction import PartSums, SegmentReduction
from trajmodes.project.spectra.segments import (
    Segments,
    Series,
    add_power,
    bin_spacing,
    effective_segments,
    hann,
    power_scale,
)
from trajmodes.symmetry.stars import set_members

_BATCH_BYTES = 1 << 20
_FINER = 8
"""Bins of maximum-entropy spectra per bin of the transform; their lines may be sharper."""


@dataclass(frozen=True, slots=True)
class SegmentPower:
    """|Σ_t w_t Q̇_t e^{−iωt}|², both ±ω added, summed over segments."""

    modes: Floats
    """(g, w), unit: eV. Mean over the members of each set."""
    sites: Floats
    """(s, 3, w), unit: eV. Mean over the atoms of each site, their masses included."""
    points: Floats
    """(k, s, 3, w), unit: eV. The same at selected q points."""
    entropy: Floats
    """(g, v), unit: eV ps/rad. Maximum-entropy spectra; v = 0 if they are not requested."""

    def __add__(self, other: "SegmentPower") -> "SegmentPower":
        """Add the power of other segments."""
        return SegmentPower(
            self.modes + other.modes,
            self.sites + other.sites,
            self.points + other.points,
            self.entropy + other.entropy,
        )


def _segment_power(
    modes: Modes, parts: list[Complexes], points: Ints, entropy: Floats
) -> SegmentPower:
    """Power of one windowed segment, made of parts (q, m, t).

    The ±ω of a complex series are the two directions of travel, two independent measurements;
    at q = −q they are the same.
    """
    length = sum(part.shape[-1] for part in parts)
    window = hann(length)
    n_q, n_m = modes.omega.shape
    kets_qkm = modes.vectors.reshape(n_q, n_m, -1).swapaxes(1, 2)
    of_sets_gw = np.zeros((modes.n_sets, length))
    of_sites_kw = np.zeros((n_m, length))
    of_points_kw = np.zeros((len(points) * n_m, length))
    share_qm = modes.weights[:, None] / set_members(modes)[modes.sets]
    share_qk = np.repeat(modes.weights[:, None] / modes.weights.sum(), n_m, axis=1)
    ones_qk, sites_qk = np.ones((n_q, n_m)), np.tile(np.arange(n_m), (n_q, 1))
    kept_qk = np.full((n_q, n_m), -1)
    kept_qk[points] = np.arange(len(of_points_kw)).reshape(len(points), n_m)
    batch = max(1, _BATCH_BYTES // (16 * length * n_m))
    for start in range(0, n_q, batch):
        rows = slice(start, start + batch)
        segment = np.concatenate([part[rows] for part in parts], axis=2)
        segment *= window
        waves_qmw = scipy.fft.fft(segment, axis=2, overwrite_x=True)
        add_power(of_sets_gw, waves_qmw, modes.sets[rows], share_qm[rows])
        # The acoustic modes at Γ contain only drift.
        waves_qmw[modes.sets[rows] < 0] = 0.0
        waves_qkw = kets_qkm[rows] @ waves_qmw
        add_power(of_sites_kw, waves_qkw, sites_qk[rows], share_qk[rows])
        add_power(of_points_kw, waves_qkw, kept_qk[rows], ones_qk[rows])
    by_site = (modes.crystal.n_sites, 3, length // 2 + 1)
    return SegmentPower(
        _one_sided(of_sets_gw),
        _one_sided(of_sites_kw).reshape(by_site),
        _one_sided(of_points_kw).reshape(len(points), *by_site),
        entropy,
    )


def _maximum_entropy(
    modes: Modes, parts: list[Complexes], poles: int, interval_ps: float
) -> Floats:
    """Maximum-entropy spectrum (g, v) of one segment, with bins an eighth as wide."""
    length = sum(part.shape[-1] for part in parts)
    rows = []
    for label in range(modes.n_sets):
        here = modes.sets == label
        members = np.concatenate([part[here] for part in parts], axis=1)
        weights = modes.weights[np.nonzero(here)[0]]
        rows.append(burg_power(members, poles, interval_ps, _FINER * length // 2 + 1, weights))
    return np.array(rows)


def _one_sided(power: Floats) -> Floats:
    """Add ±ω, (…, w); zero and the Nyquist frequency have no mirror image."""
    half = power.shape[-1] // 2
    folded: Floats = power[..., : half + 1].copy()
    folded[..., 1:half] += power[..., :half:-1]
    return folded


SHORTEST = 16
"""Smallest number of frames in a segment."""


class Spectra(NamedTuple):
    """Spectra of the modes and of the atoms."""

    modes: PowerSpectra
    density: Floats
    """(s, 3, w), as in `Projection`."""
    points: Floats
    """(k, s, 3, w), unit: eV ps/rad. Spectra of sites and directions at selected q points;
    their sum is that of the spectra of all branches there."""
    entropy: MaximumEntropySpectra | None

    def of_velocities(self, differenced_ps: float) -> "Spectra":
        """Correct spectra of modes and points, where velocities are differences of positions.

        The amplitudes were not divided by their attenuation.
        """
        factor = spectrum_factor(self.modes.omega, differenced_ps)
        modes = replace(self.modes, power=self.modes.power * factor)
        return self._replace(modes=modes, points=self.points * factor)


@dataclass(frozen=True, slots=True)
class WelchReduction:
    """Reduction from amplitudes to `Spectra`.

    Parameters
    ----------
    segment_frames
        Frames used in one segment, even.
    ranges
        Uninterrupted, evenly spaced frame ranges [start, stop) of the run, in time order.
    points
        Rows of the q points whose sites and directions are kept separately.
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
    ranges: tuple[tuple[int, int], ...]
    points: tuple[int, ...] = ()
    poles: int | None = None

    def __post_init__(self) -> None:
        if self.poles is not None and self.poles >= self.segment_frames:
            raise DataError(
                f"maximum-entropy spectra with {self.poles} poles need longer segments than "
                f"{self.segment_frames} frames",
                fix="ask for fewer poles, or for a finer resolution",
            )
        if self.segment_frames % 2 or self.segment_frames < SHORTEST:
            raise DataError(
                f"a segment of {self.segment_frames} frames cannot be analysed",
                why="segments overlap by half, and a line needs several bins",
                fix=f"give an even number of frames, at least {SHORTEST}",
            )
        self.segments.require_one()

    @property
    def segments(self) -> Segments:
        """Positions of the segments."""
        return Segments(self.ranges, self.segment_frames, self.segment_frames // 2)

    def chunk(self, amplitudes: Amplitudes, /) -> PartSums[SegmentPower]:
        """Reduce one block of frames; without velocities a `DataError` is raised."""
        velocity = amplitudes.velocity_or_raise("spectra need velocities")
        # A view would keep all fields of the block in memory.
        return self._sums.chunk(Series(amplitudes.first_frame, velocity.copy()))

    def combine(
        self, earlier: PartSums[SegmentPower], later: PartSums[SegmentPower]
    ) -> PartSums[SegmentPower]:
        """State of two parts of the run; a `DataError` is raised unless they are neighbours."""
        return self._sums.combine(earlier, later)

    def finalize(self, state: PartSums[SegmentPower]) -> Spectra:
        """Spectra, normalised so that ∫₀^∞ S dω is the kinetic energy of a mode.

        A `DataError` is raised if frames are missing.
        """
        length, sums = self.segment_frames, self._sums.finalize(state)
        counts = self.segments.counts
        interval_ps = self.interval_ps
        scale = power_scale(length, interval_ps) / sum(counts)
        omega = np.arange(length // 2 + 1.0) * bin_spacing(length, interval_ps)
        members = set_members(self.projector.modes).astype(float)
        modes = PowerSpectra(
            omega=omega,
            power=scale * sums.modes,
            averages=effective_segments(counts) * members,
            segment_frames=length,
            interval_ps=interval_ps,
        )
        density, points = scale * sums.sites, scale * sums.points
        entropy = None
        if self.poles is not None:
            mean = sums.entropy / sum(counts)
            finer = np.linspace(0.0, omega[-1], mean.shape[1])
            entropy = MaximumEntropySpectra(finer, mean, self.poles)
        return Spectra(modes, density, points, entropy)

    @property
    def _sums(self) -> SegmentReduction[SegmentPower]:
        return SegmentReduction(self.segments, self._of_segment, "spectra")

    def _of_segment(self, parts: list[Complexes]) -> SegmentPower:
        """Power of one segment, made of parts (q, m, t)."""
        modes, points = self.projector.modes, np.array(self.points, dtype=np.int64)
        entropy = np.zeros((modes.n_sets, 0))
        if self.poles is not None:
            entropy = _maximum_entropy(modes, parts, self.poles, self.interval_ps)
        return _segment_power(modes, parts, points, entropy)
