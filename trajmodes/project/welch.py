"""Welch spectra of the mode velocities, streamed.

The run is read in blocks that end anywhere; segments of L frames start every L/2 frames,
counted from the start of each uninterrupted stretch of the run. A state covers some frames:

        segments           ├────L────┤
                      ├────L────┤
                 ├────L────┤    .    .
        state       [─head─|··done··|─tail─]

Segments inside are done and only their power is kept, summed over each set of modes. Frames of
segments that began before the state, or that reach beyond it, wait in `pieces` for the other
half. So no result depends on where blocks end, and memory is one segment, however long the run.

No mean is taken off: drift has been removed, and the velocity of a bound atom has none. What is
left at f = 0 belongs to the line, and the sum rule ∫S df = ⟨K⟩ holds in expectation as it is.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data import Modes, MotionBlock, PowerSpectra
from trajmodes.errors import DataError
from trajmodes.project.coordinates import Amplitudes, Projector
from trajmodes.project.pooling import set_members
from trajmodes.project.window import effective_segments, hann

__all__ = ["Piece", "WelchReduction", "WelchSums", "default_segment"]

_LONGEST_PS = 200.0
_PENDING_BYTES = 96 << 20
_BATCH_BYTES = 1 << 20


def default_segment(n_frames: int, interval_ps: float, n_series: int) -> int:
    """Segment length in frames when nothing else is known.

    Half the run: three half-overlapping segments. Narrow lines are what a run is usually too
    short for, so resolution comes first; the stars of q supply the averages, the line model
    loses nothing by fine bins, and three windows use 85 % of what seven shorter ones would.
    Capped by memory, for one segment of all amplitudes waits there (96 MiB), and at 200 ps,
    finer than which (7 GHz) hardly any line asks for. Rounded down to an even product of small
    primes, for the FFT.

    Parameters
    ----------
    n_frames
        Frames in the longest uninterrupted stretch of the run.
    interval_ps
        Time between frames.
    n_series
        Number of complex amplitudes, `Projector.n_series`.
    """
    bytes_per_frame = np.dtype(complex).itemsize * n_series
    wanted = min(
        n_frames // 2, _PENDING_BYTES // bytes_per_frame, int(_LONGEST_PS / interval_ps)
    )
    return 2 * int(scipy.fft.prev_fast_len(max(wanted // 2, 1), real=False))


@dataclass(frozen=True, slots=True)
class Piece:
    """Velocities of consecutive frames that still wait for a segment to be completed."""

    first_frame: int
    """Index of the first frame within the trajectory."""
    velocity: Complexes
    """(q, m, t), Q̇ in √(eV)."""

    @property
    def stop(self) -> int:
        """Index of the frame after the last one."""
        return self.first_frame + int(self.velocity.shape[-1])


@dataclass(frozen=True, slots=True)
class WelchSums:
    """Spectra of a stretch of frames [start, stop), and the frames that wait."""

    start: int
    """First frame covered."""
    stop: int
    """Frame after the last one covered."""
    power: Floats | None
    """(g, w), unit: eV. |Σ_t w_t Q̇_t e^{−iωt}|², both ±f added, the mean over members of the
    set summed over the segments done; None while there is none."""
    pieces: tuple[Piece, ...]
    """Frames that wait, in time order."""


@dataclass(frozen=True, slots=True)
class WelchReduction:
    """Reduction from motion to `PowerSpectra`.

    Parameters
    ----------
    projector
        Projection on the modes.
    segment_frames
        Frames in one segment, even.
    interval_ps
        Time between frames.
    stretches
        Uninterrupted, evenly spaced frame ranges [start, stop) of the run, in time order.

    Raises
    ------
    DataError
        If the segment length is odd or too short.
    """

    projector: Projector
    segment_frames: int
    interval_ps: float
    stretches: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if self.segment_frames % 2 or self.segment_frames < 16:
            raise DataError(
                f"a segment of {self.segment_frames} frames cannot be analysed",
                why="segments start at half their length, and a line needs some points",
                fix="give an even number of frames, at least 16; a run needs as many or more",
            )

    @property
    def starts(self) -> Ints:
        """First frames of all segments of the run."""
        length = self.segment_frames
        ranges = [
            np.arange(start, stop - length + 1, length // 2) for start, stop in self.stretches
        ]
        return np.concatenate([*ranges, np.empty(0, dtype=np.int64)]).astype(np.int64)

    def chunk(self, block: MotionBlock) -> WelchSums:
        """Return the state of one block of frames.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        if block.velocities is None:
            raise _no_velocities()
        return self._state(block.first_frame, self.projector.velocities(block.velocities))

    def sums(self, amplitudes: Amplitudes) -> WelchSums:
        """Return the state of amplitudes that are already there."""
        if amplitudes.velocity is None:
            raise _no_velocities()
        return self._state(amplitudes.first_frame, amplitudes.velocity)

    def combine(self, earlier: WelchSums, later: WelchSums) -> WelchSums:
        """Return the state of two neighbouring stretches of time.

        Raises
        ------
        DataError
            If frames are missing between them.
        """
        if earlier.stop != later.start:
            raise DataError(
                f"spectra: frames {earlier.stop} to {later.start} are missing or out of order"
            )
        pieces = earlier.pieces + later.pieces
        return self._settle((earlier, later), earlier.start, later.stop, pieces)

    def finalize(self, state: WelchSums) -> PowerSpectra:
        """Return the spectra, normalised so that ∫₀^∞ S df is the kinetic energy of a mode.

        Raises
        ------
        DataError
            If no segment fits into the run.
        """
        length = self.segment_frames
        if state.power is None:
            raise DataError(
                f"no segment of {length} frames fits into the run",
                why=f"its uninterrupted stretches are {list(self.stretches)}",
                fix="choose a shorter segment",
            )
        n_segments = len(self.starts)
        # Half for ½|Q̇|²; the window takes Σ w² out of it.
        scale = 0.5 * self.interval_ps / ((3.0 / 8.0) * length * n_segments)
        counts = [max(0, 2 * (stop - start) // length - 1) for start, stop in self.stretches]
        return PowerSpectra(
            freq_thz=np.arange(length // 2 + 1) / (length * self.interval_ps),
            power=scale * state.power,
            averages=effective_segments(counts)
            * set_members(self.projector.modes).astype(float),
            segment_frames=length,
            interval_ps=self.interval_ps,
        )

    def _state(self, first: int, velocity: Complexes) -> WelchSums:
        piece = Piece(first, velocity)
        return self._settle((), first, piece.stop, (piece,))

    def _settle(
        self, parts: tuple[WelchSums, ...], start: int, stop: int, pieces: tuple[Piece, ...]
    ) -> WelchSums:
        """Do the segments that became complete, and drop the frames that no other one needs."""
        firsts, length = self.starts, self.segment_frames
        inside = (firsts >= start) & (firsts + length <= stop)
        done = np.zeros_like(inside)
        for part in parts:
            done |= (firsts >= part.start) & (firsts + length <= part.stop)
        terms = [part.power for part in parts if part.power is not None]
        modes = self.projector.modes
        terms += [
            _segment_power(modes, pieces, first, length) for first in firsts[inside & ~done]
        ]
        open_ = firsts[~inside & (firsts < stop) & (firsts + length > start)]
        head_stop = int((open_[open_ < start] + length).max(initial=start))
        tail_start = int(open_[open_ >= start].min(initial=stop))
        power = np.sum(terms, axis=0) if terms else None
        return WelchSums(start, stop, power, _waiting(pieces, head_stop, tail_start))


def _no_velocities() -> DataError:
    return DataError(
        "spectra need velocities, and the trajectory has none",
        why="velocities differenced from positions are attenuated",
        fix="dump vx vy vz",
    )


def _waiting(pieces: tuple[Piece, ...], head_stop: int, tail_start: int) -> tuple[Piece, ...]:
    """Keep what lies before the end of the head or after the start of the tail."""
    if head_stop >= tail_start:
        return pieces
    clipped = [_clip(piece, 0, head_stop) for piece in pieces]
    clipped += [_clip(piece, tail_start, piece.stop) for piece in pieces]
    return tuple(piece for piece in clipped if piece.velocity.size)


def _clip(piece: Piece, start: int, stop: int) -> Piece:
    first, last = max(start, piece.first_frame), min(stop, piece.stop)
    if (first, last) == (piece.first_frame, piece.stop):
        return piece
    frames = slice(first - piece.first_frame, max(last, first) - piece.first_frame)
    # A copy, for a view would keep all frames of the block in memory.
    return Piece(first, piece.velocity[..., frames].copy())


def _segment_power(modes: Modes, pieces: tuple[Piece, ...], first: int, length: int) -> Floats:
    """|FFT|² of one windowed segment, both ±f added, as the mean over members of each set.

    The ±f of a complex series are the two directions of travel, two independent measurements;
    at q = −q they are twice the same one.
    """
    window = hann(length)
    share_qm = modes.weights[:, None] / set_members(modes)[modes.sets]
    two_sided_gw = np.zeros((modes.n_sets, length))
    batch = max(1, _BATCH_BYTES // (16 * length * modes.omega.shape[1]))
    for start in range(0, len(modes.omega), batch):
        rows = slice(start, start + batch)
        parts = [_cut(piece, first, length)[rows] for piece in pieces]
        segment = np.concatenate(parts, axis=2)
        segment *= window
        waves = scipy.fft.fft(segment, axis=2, overwrite_x=True)
        power_qmw = waves.real**2 + waves.imag**2
        power_qmw *= share_qm[rows, :, None]
        for (q, m), label in np.ndenumerate(modes.sets[rows]):
            if label >= 0:
                two_sided_gw[label] += power_qmw[q, m]
    half = length // 2
    power_gw = two_sided_gw[:, : half + 1]
    power_gw[:, 1:half] += two_sided_gw[:, :half:-1]
    return power_gw.copy()


def _cut(piece: Piece, first: int, length: int) -> Complexes:
    start, stop = first - piece.first_frame, first + length - piece.first_frame
    return piece.velocity[..., max(start, 0) : max(stop, 0)]
