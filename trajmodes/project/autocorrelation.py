"""Autocorrelation of the energy of every mode, in one pass and in little memory.

Where q ≠ −q a complex amplitude is two waves, and each has an energy of its own,

    E± = ½|ωQ ± iQ̇|²,      where q = −q there is one,      E = ½(ω²|Q|² + |Q̇|²).

None of them oscillates at 2ω, as the kinetic energy would, and all are on average k_BT in a
harmonic crystal. The levels of `multiple_tau` average them in time, and pairs of averages are
averages; sums over the members of a set are kept for some blocks of time. The mean energy is
known only at the end: beside Σ E(t)E(t+lag) goes Σ [E(t) + E(t+lag)] over the same pairs, so
that any mean can be taken off later.

Memory: 2·7 averages for each level and series, and 2 sums for each set, lag and time block.
The number of levels and of lags grows with the logarithm of the length of the run.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

from trajmodes.arrays import Complexes, Floats, Ints, freeze
from trajmodes.data import Modes
from trajmodes.errors import DataError
from trajmodes.project.coordinates import Amplitudes, Projector
from trajmodes.project.multiple_tau import (
    Octaves,
    Strip,
    add_products,
    averages,
    ends,
    octaves,
    meet,
    pair_ranges,
    pair_sums,
)

__all__ = ["AutocorrelationReduction", "CorrelationSums", "EnergyCorrelations"]

_FINEST_PS = 0.01
"""Averages may be as long as this: a fifth of the shortest lifetime to be told."""
_FEWEST_FRAMES = 16


@dataclass(frozen=True, slots=True)
class EnergyCorrelations:
    """Sums of products of mode energies at time lags (k), for time blocks (b) and sets (g)."""

    products: Floats
    """(b, k, g), unit: eV². Σ E(t)E(t + lag) over pairs of averages and members of the set."""
    sums: Floats
    """(b, k, g), unit: eV. Σ [E(t) + E(t + lag)] over the same pairs."""
    counts: Floats
    """(b, k) number of pairs of one member."""
    mean: Floats
    """(g,), unit: eV. Mean energy over the run and the set; nan where ω² ≤ 0."""
    members: Ints
    """(g,) number of series in each set: one for each direction of travel, or each standing
    wave; 0 where ω² ≤ 0."""
    standing: Floats
    """(g,) share of standing waves (q = −q) among them."""
    omega: Floats
    """(g,), unit: rad/ps. Harmonic frequency in E."""
    omega_ratio: Floats
    """(g,), unit: rad/ps. Actual frequency of the motion, from ω² = ⟨|Q̇|²⟩/⟨|Q|²⟩."""
    steps: Ints
    """(k,) lag, in averages."""
    average_frames: Ints
    """(k,) frames in one average."""
    stretch_frames: Ints
    """(r,) frames in each uninterrupted stretch of the run."""
    interval_ps: float
    """Time between frames in ps."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, products="b k g", sums="b k g", counts="b k", mean="g")
        freeze(self, sizes, np.int64, members="g", steps="k", average_frames="k")
        freeze(self, sizes, float, standing="g", omega="g", omega_ratio="g")
        freeze(self, sizes, np.int64, stretch_frames="r")

    @property
    def lag_ps(self) -> Floats:
        """(k,), unit: ps."""
        frames = (self.steps * self.average_frames).astype(float)
        return frames * self.interval_ps


@dataclass(frozen=True, slots=True)
class Piece:
    """The ends of consecutive frames of a stretch that is not complete yet."""

    stretch: int
    """Number of the stretch."""
    start: int
    """First frame, counted from the start of the stretch."""
    stop: int
    """Frame after the last one."""
    strips: tuple[Strip, ...]
    """(level) averages at both ends."""


@dataclass(frozen=True, slots=True)
class CorrelationSums:
    """Sums over the frames [start, stop), and what waits for neighbours."""

    start: int
    """First frame covered."""
    stop: int
    """Frame after the last one covered."""
    blocks: tuple[tuple[int, Floats], ...]
    """Number of a time block, and its sums of products and of energies (2, k, g)."""
    squares: Floats
    """(2, i) Σ|Q̇|² in eV and Σ ω²|Q|² in eV of every amplitude that is used."""
    pieces: tuple[Piece, ...]
    """Stretches that are not complete: at most two."""


@dataclass(frozen=True)
class AutocorrelationReduction:
    """Reduction from motion to `EnergyCorrelations`.

    Parameters
    ----------
    projector
        Projection on the modes.
    interval_ps
        Time between frames.
    stretches
        Uninterrupted, evenly spaced frame ranges [start, stop) of the run, in time order.
    n_blocks
        Number of time blocks kept for the error bars.

    Raises
    ------
    DataError
        If no stretch has 16 frames.
    """

    projector: Projector
    interval_ps: float
    stretches: tuple[tuple[int, int], ...]
    n_blocks: int = 16

    def __post_init__(self) -> None:
        longest = int(self._lengths.max(initial=0))
        if longest < _FEWEST_FRAMES:
            raise DataError(
                "the run is too short for correlations of energies",
                where=f"its longest uninterrupted stretch has {longest} frames",
                fix=f"give at least {_FEWEST_FRAMES} frames in a row",
            )

    def sums(self, amplitudes: Amplitudes) -> CorrelationSums:
        """Return the state of one block of frames.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        if amplitudes.velocity is None:
            raise DataError(
                "energies of modes need velocities, and the trajectory has none",
                why="velocities differenced from positions are attenuated",
                fix="dump vx vy vz",
            )
        first = amplitudes.first_frame
        last = first + amplitudes.coordinate.shape[-1]
        squares = np.zeros((2, len(self._used)))
        blocks: tuple[tuple[int, Floats], ...] = ()
        pieces = []
        for number, (start, stop) in enumerate(self.stretches):
            frames = slice(max(start - first, 0), max(min(stop, last) - first, 0))
            if frames.start < frames.stop:
                energies = self._energies(amplitudes, frames, squares)
                begin = first + frames.start - start
                piece, found = self._begin(number, begin, energies)
                pieces.append(piece)
                blocks = _add_blocks(blocks, found)
        return CorrelationSums(first, last, blocks, squares, self._unfinished(pieces))

    def combine(self, earlier: CorrelationSums, later: CorrelationSums) -> CorrelationSums:
        """Return the state of two neighbouring stretches of time.

        Raises
        ------
        DataError
            If frames are missing between them.
        """
        if earlier.stop != later.start:
            raise DataError(
                f"correlations: frames {earlier.stop} to {later.start} are missing or out of"
                " order"
            )
        blocks = _add_blocks(earlier.blocks, later.blocks)
        pieces = [*earlier.pieces, *later.pieces]
        n_before = len(earlier.pieces)
        if 0 < n_before < len(pieces):
            before, after = pieces[n_before - 1 : n_before + 1]
            if before.stretch == after.stretch:
                joined, found = self._join(before, after)
                pieces[n_before - 1 : n_before + 1] = [joined]
                blocks = _add_blocks(blocks, found)
        return CorrelationSums(
            earlier.start,
            later.stop,
            blocks,
            earlier.squares + later.squares,
            self._unfinished(pieces),
        )

    def finalize(self, state: CorrelationSums) -> EnergyCorrelations:
        """Return the correlations of the whole run.

        Raises
        ------
        DataError
            If frames are missing.
        """
        if state.start > self.stretches[0][0] or state.stop < self.stretches[-1][1]:
            raise DataError(
                f"correlations: only the frames {state.start} to {state.stop} were read"
            )
        n_lags, n_sets = len(self._octaves.steps), self.projector.modes.n_sets
        total = np.zeros((self.n_blocks, 2, n_lags, n_sets))
        for number, sums in state.blocks:
            total[number] = sums
        modes, used = self.projector.modes, self._used
        sets, weights = (
            modes.sets.ravel()[used],
            np.repeat(modes.weights, _branches(modes))[used],
        )
        members, standing, kinetic, potential, omega = (
            np.bincount(sets, values, n_sets)
            for values in (
                weights,
                weights == 1,
                weights * state.squares[0],
                weights * state.squares[1],
                weights * modes.omega.ravel()[used],
            )
        )
        some = np.where(members > 0, members, np.nan)
        frequency: Floats = omega / some
        return EnergyCorrelations(
            products=total[:, 0],
            sums=total[:, 1],
            counts=self._counts(),
            mean=0.5 * (kinetic + potential) / some / self._lengths.sum(),
            members=np.rint(members).astype(np.int64),
            standing=standing / some,
            omega=frequency,
            omega_ratio=frequency
            * np.sqrt(kinetic / np.where(potential > 0.0, potential, np.nan)),
            steps=self._octaves.steps,
            average_frames=np.left_shift(1, self._octaves.level),
            stretch_frames=self._lengths,
            interval_ps=self.interval_ps,
        )

    @cached_property
    def _lengths(self) -> Ints:
        """Frames in each stretch."""
        return np.array([stop - start for start, stop in self.stretches], dtype=np.int64)

    @cached_property
    def _octaves(self) -> Octaves:
        finest = int(np.log2(max(_FINEST_PS * (1.0 + 1e-9) / self.interval_ps, 1.0)))
        return octaves(finest, int(self._lengths.max()))

    @cached_property
    def _used(self) -> Ints:
        """Numbers of the modes that belong to a set and have a harmonic energy."""
        modes = self.projector.modes
        return np.flatnonzero((modes.sets.ravel() >= 0) & (modes.omega.ravel() > 0.0))

    @cached_property
    def _sets(self) -> Ints:
        """(i,) set of every series: first all modes, then the other wave where q ≠ −q."""
        modes = self.projector.modes
        return np.concatenate([modes.sets.ravel()[self._used], modes.sets.ravel()[self._pairs]])

    @cached_property
    def _pairs(self) -> Ints:
        """Numbers of the modes that stand for two waves."""
        modes = self.projector.modes
        return self._used[np.repeat(modes.weights, _branches(modes))[self._used] == 2]

    def _energies(self, amplitudes: Amplitudes, frames: slice, squares: Floats) -> Floats:
        """Energies (i, t) of the series; squares are added up."""
        modes, used = self.projector.modes, self._used
        n_modes = modes.omega.size
        second = np.full(n_modes, -1)
        second[self._pairs] = len(used) + np.arange(len(self._pairs))
        energies = np.empty((len(self._sets), frames.stop - frames.start))
        assert amplitudes.velocity is not None
        _fill_energies(
            amplitudes.coordinate[..., frames].reshape(n_modes, -1),
            amplitudes.velocity[..., frames].reshape(n_modes, -1),
            (modes.omega.ravel()[used], used, second[used]),
            energies,
            squares,
        )
        return energies

    def _begin(
        self, number: int, first: int, energies: Floats
    ) -> tuple[Piece, tuple[tuple[int, Floats], ...]]:
        """Multiply all pairs within consecutive frames of a stretch."""
        stop = first + energies.shape[1]
        target = self._empty(number, first, stop)
        found = averages(energies, first, len(self._octaves.lags))
        for level, (begin, values) in enumerate(found):
            self._multiply(target, (number, level), (begin, values), (0, values.shape[1]))
        strips = tuple(ends(begin, values) for begin, values in found)
        return Piece(number, first, stop, strips), target

    def _join(
        self, before: Piece, after: Piece
    ) -> tuple[Piece, tuple[tuple[int, Floats], ...]]:
        """Multiply all pairs across a seam."""
        target = self._empty(before.stretch, after.start, after.stop)
        strips, seam = [], None
        pairs = zip(before.strips, after.strips, strict=True)
        for level, (earlier, later) in enumerate(pairs):
            both, seam = meet(earlier, later, seam, after.start, level)
            place, across = (before.stretch, level), (seam.n_before, seam.n_across)
            self._multiply(target, place, (seam.first, seam.averages), across)
            strips.append(both)
        return Piece(before.stretch, before.start, after.stop, tuple(strips)), target

    def _multiply(
        self,
        target: tuple[tuple[int, Floats], ...],
        place: tuple[int, int],
        found: tuple[int, Floats],
        across: tuple[int, int],
    ) -> None:
        """Add the pairs of averages of one level of a stretch (place) to time blocks."""
        (stretch, level), (first, values) = place, found
        lags = self._octaves.lags[level]
        if len(lags) == 0 or values.shape[1] == 0:
            return
        numbers = np.array([number for number, _ in target])
        edges = self._edges(stretch, level)[numbers[0] : numbers[-1] + 2] - first
        ranges = pair_ranges(lags, values.shape[1], *across, edges)
        n_sets = self.projector.modes.n_sets
        products = np.zeros((len(target), len(lags), n_sets))
        add_products(values, self._sets, ranges, lags, products)
        pooled = np.zeros((n_sets, values.shape[1]))
        _pool(values, self._sets, pooled)
        sums = pair_sums(pooled, *ranges, lags)
        for (_, block), product, total in zip(target, products, sums, strict=True):
            block[0, self._octaves.places(level)] += product
            block[1, self._octaves.places(level)] += total

    def _edges(self, stretch: int, level: int) -> Ints:
        """(b + 1,) first average whose last frame is in each time block, or in a later one."""
        total, before = int(self._lengths.sum()), int(self._lengths[:stretch].sum())
        firsts = -(-np.arange(self.n_blocks + 1) * total // self.n_blocks) - before
        edges: Ints = -((-firsts - 1) >> level) - 1
        return edges

    def _empty(self, stretch: int, first: int, stop: int) -> tuple[tuple[int, Floats], ...]:
        """Make sums of nothing for the time blocks of some frames."""
        total, before = int(self._lengths.sum()), int(self._lengths[:stretch].sum())
        low, high = ((before + frame) * self.n_blocks // total for frame in (first, stop - 1))
        shape = (2, len(self._octaves.steps), self.projector.modes.n_sets)
        return tuple((number, np.zeros(shape)) for number in range(low, high + 1))

    def _counts(self) -> Floats:
        """(b, k) pairs of one series in each time block."""
        counts = np.zeros((self.n_blocks, len(self._octaves.steps)))
        for stretch, length in enumerate(self._lengths):
            for level, lags in enumerate(self._octaves.lags):
                size = int(length) >> level
                edges = self._edges(stretch, level)
                low, high = pair_ranges(lags, size, 0, size, edges)
                counts[:, self._octaves.places(level)] += high - low
        return counts

    def _unfinished(self, pieces: list[Piece]) -> tuple[Piece, ...]:
        lengths = self._lengths
        return tuple(
            piece for piece in pieces if piece.start > 0 or piece.stop < lengths[piece.stretch]
        )


def _branches(modes: Modes) -> int:
    return int(modes.omega.shape[1])


def _add_blocks(
    earlier: tuple[tuple[int, Floats], ...], later: tuple[tuple[int, Floats], ...]
) -> tuple[tuple[int, Floats], ...]:
    """Add sums of the same time blocks; arrays that stay alone are shared, not copied."""
    total = dict(earlier)
    for number, sums in later:
        total[number] = total[number] + sums if number in total else sums
    return tuple(sorted(total.items(), key=lambda item: item[0]))


@njit(nogil=True, cache=True)
def _pool(values: Floats, sets: Ints, pooled: Floats) -> None:
    """Add the series (i, n) of each set (g, n)."""
    for i in range(len(values)):
        for n in range(values.shape[1]):
            pooled[sets[i], n] += values[i, n]


# Sums in any order ("reassoc") are what makes the innermost loop one of vectors.
@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _fill_energies(
    q_mt: Complexes,
    v_mt: Complexes,
    lines: tuple[Floats, Ints, Ints],
    energies: Floats,
    squares: Floats,
) -> None:
    """Energies (i, t) of modes, and Σ|Q̇|² and Σ ω²|Q|² of each.

    Lines are ω, the number of the mode, and the number of the series of its other wave, −1
    where there is none.
    """
    omegas, modes, seconds = lines
    for i in range(len(modes)):
        q_t, v_t, omega, second = q_mt[modes[i]], v_mt[modes[i]], omegas[i], seconds[i]
        kinetic = potential = 0.0
        for t in range(len(q_t)):
            q, v = omega * q_t[t], v_t[t]
            square = q.real * q.real + q.imag * q.imag
            speed = v.real * v.real + v.imag * v.imag
            kinetic += speed
            potential += square
            energies[i, t] = 0.5 * (square + speed)
        squares[0, i] += kinetic
        squares[1, i] += potential
        if second >= 0:
            for t in range(len(q_t)):
                q, v = omega * q_t[t], v_t[t]
                # |ωQ ± iQ̇|² = ω²|Q|² + |Q̇|² ∓ 2ω Im Q*Q̇
                turn = q.real * v.imag - q.imag * v.real
                energies[second, t] = energies[i, t] + turn
                energies[i, t] -= turn
