"""Coherent dynamic structure factor of a run, streamed.

    S(Q, ω) = (1/2πN f²) ∫ ⟨δρ(Q, t) δρ*(Q, 0)⟩ e^{−iωt} dt,    δρ = ρ − ⟨ρ⟩,

with the density ρ of `density` and f² the mean square of the scattering amplitudes (Hansen,
McDonald, Theory of Simple Liquids (2013), ch. 7; Dove, Structure and Dynamics (2003), ch. 9).
The integral over positive and negative ω is S(Q) = ⟨|δρ|²⟩/N f². The elastic part, the mean of
ρ over the whole run, is left out and reported as |⟨ρ⟩|²/N f². In a classical run S is even in
ω; the mean of both signs is kept. Spectra of the current j have the same form, without a mean.

Spectra are means over Hann-windowed, half-overlapping segments (`project.spectra.segments`).
The transform of a Hann window is zero beyond its first bin, so that the mean is subtracted from
the bins 0 and ±1 after the pass. Standard errors follow from the spread of the segments. Those
of the bins 0 and ±1 assume a Gaussian process, for which the power of one segment has a
relative error of one.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from trajmodes.arrays import Complexes, Floats, square_modulus
from trajmodes.data.motion import MotionBlock
from trajmodes.data.spectra import StructureFactor, Weights
from trajmodes.project.spectra.segment_reduction import SegmentReduction
from trajmodes.project.spectra.segments import (
    Segments,
    Series,
    bin_spacing,
    effective_segments,
    hann,
)
from trajmodes.scattering.density import DensitySeries, DensityTransform
from trajmodes.streaming.reduction import (
    BlockReduction,
    BlockSums,
    Sums,
    Together,
    Transformed,
)

N_BLOCKS = 16
"""Number of blocks of time, whose spread gives the error of S(Q)."""
_NEAR_ELASTIC = 2
"""Number of bins to which the mean of a windowed segment contributes."""
_BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SegmentSums:
    """Sums over segments of x_n = Σ_t w_t ρ_t e^{−2πint/L}."""

    power: Floats
    """(c, k, w) (|x_n|² + |x_−n|²)/2."""
    square: Floats
    """(c, k, w) its square."""
    low: Complexes
    """(k, 3) x_0, x_1 and x_−1 of the density."""

    def __add__(self, other: "SegmentSums") -> "SegmentSums":
        """Add the sums over other segments."""
        return SegmentSums(
            self.power + other.power, self.square + other.square, self.low + other.low
        )


def _series(density: DensitySeries) -> Series:
    return Series(density.first_frame, density.values)


def _segment_sums(parts: list[Complexes]) -> SegmentSums:
    """Sum over one segment, made of parts (c, k, t)."""
    length = sum(part.shape[-1] for part in parts)
    window = hann(length)
    n_channels, n_q, _ = parts[0].shape
    power = np.empty((n_channels, n_q, length // 2 + 1))
    low = np.empty((n_q, 3), dtype=complex)
    batch = max(1, _BATCH_BYTES // (16 * length * n_channels))
    for start in range(0, n_q, batch):
        rows = slice(start, start + batch)
        segment = np.concatenate([part[:, rows] for part in parts], axis=2)
        segment *= window
        waves = scipy.fft.fft(segment, axis=2, overwrite_x=True)
        low[rows] = waves[0][:, [0, 1, -1]]
        power[:, rows] = _even(square_modulus(waves))
    return SegmentSums(power, power**2, low)


def _even(power: Floats) -> Floats:
    """Mean of ±ω, (…, w)."""
    half = power.shape[-1] // 2
    mean: Floats = power[..., : half + 1].copy()
    mean[..., 1:half] += power[..., :half:-1]
    mean[..., 1:half] *= 0.5
    return mean


@dataclass(frozen=True, slots=True)
class MomentSums(Sums):
    """Sums over frames of the density and its square."""

    density: Complexes
    """(k,)."""
    square: Floats
    """(k,)."""


@dataclass(frozen=True, slots=True)
class DensityMoments(BlockReduction[DensitySeries, MomentSums]):
    """Reduction to mean and mean square of the density, in blocks of time."""

    n_frames: int
    n_blocks: int = N_BLOCKS

    def sums(self, block: DensitySeries) -> MomentSums:
        """Sum over frames of one block of time."""
        density = block.values[0]
        square = square_modulus(density).sum(axis=1)
        return MomentSums(density.shape[1], density.sum(axis=1), square)

    def finalize(self, state: BlockSums[MomentSums]) -> BlockSums[MomentSums]:
        """Return the sums unchanged."""
        return state


@dataclass(frozen=True, slots=True)
class StructureFactorReduction:
    """Reduction from blocks of motion to `StructureFactor`.

    Parameters
    ----------
    segment_frames
        Frames used in one segment, even.
    ranges
        Uninterrupted, evenly spaced frame ranges [start, stop) of the run, in time order.
    """

    transform: DensityTransform
    weights: Weights
    segment_frames: int
    interval_ps: float
    ranges: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        self.segments.require_one()

    @property
    def segments(self) -> Segments:
        """Positions of the segments."""
        return Segments(self.ranges, self.segment_frames, self.segment_frames // 2)

    @property
    def _parts(self) -> Together[DensitySeries]:
        n_frames = self.ranges[-1][1]
        of_segments = SegmentReduction(self.segments, _segment_sums, "structure factors")
        return Together(
            {
                "spectra": Transformed(_series, of_segments),
                "moments": DensityMoments(n_frames, min(N_BLOCKS, n_frames)),
            }
        )

    def chunk(self, block: MotionBlock, /) -> dict[str, object]:
        """Reduce one block of frames."""
        return self._parts.chunk(self.transform(block))

    def combine(
        self, earlier: dict[str, object], later: dict[str, object]
    ) -> dict[str, object]:
        """Return the state of two neighbouring parts of the run."""
        return self._parts.combine(earlier, later)

    def finalize(self, state: dict[str, object]) -> StructureFactor:
        """Return structure factor and currents with their standard errors."""
        found = self._parts.finalize(state)
        sums, moments = found["spectra"], found["moments"]
        length = self.segment_frames
        counts = self.segments.counts
        norm = len(self.transform.order) * self.weights.mean_square
        mean, static, static_sem = _moments(moments, norm)
        # Division by Σ w² = 3L/8 normalises the window.
        scale = self.interval_ps / (2.0 * np.pi * (3.0 / 8.0) * length) / norm[:, None]
        power, sem = _with_errors(sums, counts)
        near = slice(0, _NEAR_ELASTIC)
        power[0][:, near] = _without_mean(sums, mean, length, sum(counts))
        sem[0][:, near] = power[0][:, near] / np.sqrt(effective_segments(counts))
        power, sem = scale * power, scale * sem
        currents = {}
        if len(power) > 1:
            currents = {
                "longitudinal": power[1],
                "longitudinal_sem": sem[1],
                "transverse": 0.5 * (power[2] + power[3]),
                "transverse_sem": 0.5 * np.hypot(sem[2], sem[3]),
            }
        return StructureFactor(
            omega=np.arange(length // 2 + 1.0) * bin_spacing(length, self.interval_ps),
            power=power[0],
            power_sem=sem[0],
            static=static,
            static_sem=static_sem,
            bragg=np.abs(mean) ** 2 / norm,
            segment_frames=length,
            interval_ps=self.interval_ps,
            **currents,
        )


def _moments(moments: BlockSums[MomentSums], norm: Floats) -> tuple[Complexes, Floats, Floats]:
    """⟨ρ⟩ (k,), and S(Q) (k,) with its standard error."""
    frames, density = moments.stack("frames").astype(float), moments.stack("density")
    square = moments.stack("square")
    mean = density.sum(axis=0) / frames.sum()
    # ⟨|ρ − ⟨ρ⟩|²⟩ of each block of time
    cross = 2.0 * (mean.conj() * density).real
    about = (square - cross) / frames[:, None] + np.abs(mean) ** 2
    static = (frames @ about) / frames.sum()
    n_blocks = len(frames)
    spread = about.std(axis=0, ddof=1) if n_blocks > 1 else np.full_like(static, np.nan)
    return mean, static / norm, spread / np.sqrt(n_blocks) / norm


def _with_errors(sums: SegmentSums, counts: list[int]) -> tuple[Floats, Floats]:
    """Mean over segments (c, k, w) and its standard error."""
    total, effective = sum(counts), effective_segments(counts)
    power = sums.power / total
    if total == 1:
        return power, np.full_like(power, np.nan)
    variance = np.maximum(sums.square / total - power**2, 0.0) * total / (total - 1.0)
    return power, np.sqrt(variance / effective)


def _without_mean(sums: SegmentSums, mean: Complexes, length: int, total: int) -> Floats:
    """Power (k, 2) of the bins 0 and ±1 without the mean of the density."""
    # Transform of the window at 0 and ±1; zero elsewhere.
    window = length * np.array([0.5, -0.25, -0.25])
    taken = mean[:, None] * window
    shift = (np.abs(taken) ** 2 - 2.0 * (taken.conj() * sums.low / total).real) @ np.array(
        [[1.0, 0.0], [0.0, 0.5], [0.0, 0.5]]
    )
    bare: Floats = sums.power[0][:, :_NEAR_ELASTIC] / total + shift
    return np.maximum(bare, 0.0)
