"""Autocorrelation of the energy of every wave, in one pass and with little memory.

The energies of `travelling_waves` are averaged in time at the levels of `multiple_tau`, and
pairs of averages are multiplied. Sums over the members of a set are kept for several time
blocks. The mean energy is known only at the end: beside Σ E(t)E(t+lag), Σ [E(t) + E(t+lag)] is
kept over the same pairs, so that any mean can be subtracted later. Coherences of degenerate
modes have zero mean and enter the products only.

Memory: 2·7 averages for each level and series, and 2 sums for each set, lag and time block. The
numbers of levels and of lags grow with the logarithm of the length of the run.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.errors import DataError
from trajmodes.project.energies.multiple_tau import (
    Boundary,
    LagLevels,
    LevelEnds,
    add_pairs,
    averages,
    count_pairs,
    join_levels,
    lag_levels,
    level_ends,
)
from trajmodes.project.energies.travelling_waves import Waves, waves
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.project.spectra.segments import Part, joined
from trajmodes.streaming.reduction import BlockSums

_FINEST_PS = 0.01
"""Averages may be as long as this, a fifth of the shortest measurable lifetime."""
_FEWEST_FRAMES = 16


@dataclass(frozen=True, slots=True)
class EnergyCorrelations:
    """Sums of products of mode energies at time lags (k), for time blocks (b) and sets (g)."""

    products: Floats
    """(b, k, g), unit: eV². Σ E(t)E(t + lag) over pairs of averages and components."""
    sums: Floats
    """(b, k, g), unit: eV. Σ [E(t) + E(t + lag)] over the same pairs and members of the set."""
    counts: Floats
    """(b, k) number of pairs of one member."""
    mean: Floats
    """(g,), unit: eV. Mean energy over the run and the set; nan where ω² ≤ 0."""
    members: Ints
    """(g,) number of energies in each set: one for each direction of travel, or for each
    standing wave; 0 where ω² ≤ 0."""
    components: Ints
    """(g,) number of real components of the matrices of `travelling_waves`: d² for d degenerate
    members; 0 where ω² ≤ 0."""
    standing: Floats
    """(g,) standing waves (q = −q) among the members, per component."""
    omega: Floats
    """(g,), unit: rad/ps. Harmonic frequency in E."""
    omega_ratio: Floats
    """(g,), unit: rad/ps. Frequency of the motion, from ω² = ⟨|Q̇|²⟩/⟨|Q|²⟩."""
    steps: Ints
    """(k,) lag, in averages."""
    average_frames: Ints
    """(k,) frames in one average."""
    range_frames: Ints
    """(r,) frames in each uninterrupted range of the run."""
    interval_ps: float
    """Time between frames in ps."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, products="b k g", sums="b k g", counts="b k", mean="g")
        freeze(self, sizes, np.int64, members="g", components="g")
        freeze(self, sizes, np.int64, steps="k", average_frames="k")
        freeze(self, sizes, float, standing="g", omega="g", omega_ratio="g")
        freeze(self, sizes, np.int64, range_frames="r")

    @property
    def lag_ps(self) -> Floats:
        """(k,), unit: ps."""
        frames = (self.steps * self.average_frames).astype(float)
        return frames * self.interval_ps


@dataclass(frozen=True, slots=True)
class OpenRange:
    """Ends of the frames read so far of an uninterrupted range."""

    number: int
    """Index of the range."""
    start: int
    """First frame read, counted from the start of the range."""
    stop: int
    """Frame after the last one read."""
    levels: tuple[LevelEnds, ...]
    """(level) averages at both ends."""


@dataclass(frozen=True, slots=True)
class CorrelationSums:
    """Sums over a part of the run, and the ends to be joined with its neighbours."""

    part: Part
    """Frames [start, stop) covered."""
    blocks: BlockSums[Floats]
    """(2, k, g) sums of products in eV² and of energies in eV, for each block of time."""
    squares: Floats
    """(2, i) Σ|Q̇|² in eV and Σ ω²|Q|² in eV of every amplitude used."""
    pieces: tuple[OpenRange, ...]
    """Incomplete ranges, at most two."""


@dataclass(frozen=True)
class AutocorrelationReduction:
    """Reduction from amplitudes to `EnergyCorrelations`.

    Parameters
    ----------
    ranges
        Uninterrupted, evenly spaced frame ranges [start, stop) of the run, in time order.
    n_blocks
        Number of time blocks kept for the standard errors.

    Raises
    ------
    DataError
        If no range has 16 frames.
    """

    projector: Projector
    interval_ps: float
    ranges: tuple[tuple[int, int], ...]
    n_blocks: int = 16

    def __post_init__(self) -> None:
        longest = int(self._lengths.max(initial=0))
        if longest < _FEWEST_FRAMES:
            raise DataError(
                "the run is too short for the autocorrelation of mode energies",
                where=f"its longest uninterrupted range has {longest} frames",
                fix=f"use at least {_FEWEST_FRAMES} consecutive frames",
            )

    def chunk(self, amplitudes: Amplitudes, /) -> CorrelationSums:
        """Reduce one block of frames.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        first = amplitudes.first_frame
        last = first + amplitudes.n_frames
        squares = np.zeros((2, len(self._waves.used)))
        blocks: BlockSums[Floats] = BlockSums()
        pieces = []
        for number, (start, stop) in enumerate(self.ranges):
            frames = slice(max(start - first, 0), max(min(stop, last) - first, 0))
            if frames.start < frames.stop:
                energies = self._waves.energies(amplitudes, frames, squares)
                begin = first + frames.start - start
                piece, found = self._begin(number, begin, energies)
                pieces.append(piece)
                blocks = blocks + found
        return CorrelationSums((first, last), blocks, squares, self._unfinished(pieces))

    def combine(self, earlier: CorrelationSums, later: CorrelationSums) -> CorrelationSums:
        """Return the state of two neighbouring parts of the run.

        Raises
        ------
        DataError
            If frames are missing between them.
        """
        part = joined(earlier.part, later.part, "correlations")
        blocks = earlier.blocks + later.blocks
        pieces = [*earlier.pieces, *later.pieces]
        n_before = len(earlier.pieces)
        if 0 < n_before < len(pieces):
            before, after = pieces[n_before - 1 : n_before + 1]
            if before.number == after.number:
                whole, found = self._join(before, after)
                pieces[n_before - 1 : n_before + 1] = [whole]
                blocks = blocks + found
        squares = earlier.squares + later.squares
        return CorrelationSums(part, blocks, squares, self._unfinished(pieces))

    def finalize(self, state: CorrelationSums) -> EnergyCorrelations:
        """Return the correlations of the whole run.

        Raises
        ------
        DataError
            If frames are missing.
        """
        start, stop = state.part
        if start > self.ranges[0][0] or stop < self.ranges[-1][1]:
            raise DataError(f"energy correlations: only frames {start} to {stop} were read")
        return self.so_far(state, self.ranges, self.n_blocks)

    def so_far(
        self, state: CorrelationSums, ranges: tuple[tuple[int, int], ...], n_blocks: int
    ) -> EnergyCorrelations:
        """Return the correlations of the beginning of the run, or of the whole run.

        Parameters
        ----------
        ranges
            Those of the run, up to the last frame of the state.
        n_blocks
            Number of time blocks into which those in use are merged.
        """
        lengths = np.array([stop - start for start, stop in ranges], dtype=np.int64)
        n_lags, n_sets = len(self._lag_levels.steps), self.projector.modes.n_sets
        total = np.zeros((self.n_blocks, 2, n_lags, n_sets))
        for number, sums in state.blocks.by_block.items():
            total[number] = sums
        n_used = self.n_blocks
        if n_blocks < self.n_blocks:
            n_used = int(lengths.sum() - 1) * self.n_blocks // int(self._lengths.sum()) + 1
        firsts = -(-np.arange(n_blocks) * n_used // n_blocks)
        total, counts = (
            np.add.reduceat(one[:n_used], firsts, axis=0)
            for one in (total, self._counts(lengths))
        )
        steps, frames = self._lag_levels.steps, np.left_shift(1, self._lag_levels.level)
        # The lags of a run of this length.
        kept = steps * frames <= max(int(lengths.max()) // 3, 1 << self._finest)
        every, alone = np.ones(len(self._waves.used)), self._waves.second < 0
        rows = (every, alone, self._waves.omega, *state.squares)
        members, standing, omega, kinetic, potential = map(self._waves.total, rows)
        components = np.bincount(self._waves.sets, minlength=n_sets)
        some = np.where(members > 0, members, np.nan)
        frequency: Floats = omega / some
        known = np.where(potential > 0.0, potential, np.nan)
        return EnergyCorrelations(
            products=total[:, 0, kept],
            sums=total[:, 1, kept],
            counts=counts[:, kept],
            mean=0.5 * (kinetic + potential) / some / lengths.sum(),
            members=np.rint(members).astype(np.int64),
            components=components,
            standing=standing / np.where(members > 0, components, np.nan),
            omega=frequency,
            omega_ratio=frequency * np.sqrt(kinetic / known),
            steps=steps[kept],
            average_frames=frames[kept],
            range_frames=lengths,
            interval_ps=self.interval_ps,
        )

    @cached_property
    def _lengths(self) -> Ints:
        """Frames in each range."""
        return np.array([stop - start for start, stop in self.ranges], dtype=np.int64)

    @cached_property
    def _lag_levels(self) -> LagLevels:
        return lag_levels(self._finest, int(self._lengths.max()))

    @property
    def _finest(self) -> int:
        """Finest level that is correlated."""
        return int(np.log2(max(_FINEST_PS * (1.0 + 1e-9) / self.interval_ps, 1.0)))

    @cached_property
    def _waves(self) -> Waves:
        return waves(self.projector.modes)

    def _begin(
        self, number: int, first: int, energies: Floats
    ) -> tuple[OpenRange, BlockSums[Floats]]:
        """Multiply all pairs within consecutive frames of a range."""
        stop = first + energies.shape[1]
        target = self._zero_sums(number, first, stop)
        levels, edges = [], self._edges(number)
        found = averages(energies, first, len(self._lag_levels.lags))
        for level, (begin, values) in enumerate(found):
            self._multiply(target, level, edges, Boundary(begin, values, 0, values.shape[1]))
            levels.append(level_ends(begin, values))
        return OpenRange(number, first, stop, tuple(levels)), BlockSums(target)

    def _join(self, before: OpenRange, after: OpenRange) -> tuple[OpenRange, BlockSums[Floats]]:
        """Multiply all pairs across a boundary."""
        target = self._zero_sums(before.number, after.start, after.stop)
        levels, boundary, edges = [], None, self._edges(before.number)
        pairs = zip(before.levels, after.levels, strict=True)
        for level, (earlier, later) in enumerate(pairs):
            both, boundary = join_levels(earlier, later, boundary, after.start, level)
            self._multiply(target, level, edges, boundary)
            levels.append(both)
        piece = OpenRange(before.number, before.start, after.stop, tuple(levels))
        return piece, BlockSums(target)

    def _multiply(
        self, target: dict[int, Floats], level: int, edges: Ints, boundary: Boundary
    ) -> None:
        """Add the pairs of averages of one level to the time blocks."""
        lags, places = self._lag_levels.lags[level], self._lag_levels.places(level)
        sets, n_energies = self._waves.sets, self._waves.n_energies
        if len(lags):
            for number, block in target.items():
                ends_of = edges[level, number : number + 2]
                add_pairs(boundary, sets, n_energies, ends_of, lags, block[None, :, places])

    def _edges(self, number: int) -> Ints:
        """(level, b + 1) first averages whose last frame lies in each time block or later."""
        total, before = int(self._lengths.sum()), int(self._lengths[:number].sum())
        firsts = -(-np.arange(self.n_blocks + 1) * total // self.n_blocks) - before
        levels = np.arange(len(self._lag_levels.lags))[:, None]
        edges: Ints = -((-firsts - 1) >> levels) - 1
        return edges

    def _zero_sums(self, number: int, first: int, stop: int) -> dict[int, Floats]:
        """Return zero sums for the time blocks of the frames [first, stop) of a range."""
        total, before = int(self._lengths.sum()), int(self._lengths[:number].sum())
        low, high = ((before + frame) * self.n_blocks // total for frame in (first, stop - 1))
        shape = (2, len(self._lag_levels.steps), self.projector.modes.n_sets)
        return {number: np.zeros(shape) for number in range(low, high + 1)}

    def _counts(self, lengths: Ints) -> Floats:
        """(b, k) number of pairs of one series in each time block, for given range lengths."""
        counts = np.zeros((self.n_blocks, len(self._lag_levels.steps)))
        for number, length in enumerate(lengths):
            edges = self._edges(number)
            for level, lags in enumerate(self._lag_levels.lags):
                pairs = count_pairs(int(length) >> level, edges[level], lags)
                counts[:, self._lag_levels.places(level)] += pairs
        return counts

    def _unfinished(self, pieces: list[OpenRange]) -> tuple[OpenRange, ...]:
        lengths = self._lengths
        return tuple(
            piece for piece in pieces if piece.start > 0 or piece.stop < lengths[piece.number]
        )
