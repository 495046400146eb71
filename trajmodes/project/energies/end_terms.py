"""End terms: the part of a mean kinetic energy that depends only on where the average ends.

    |Q̇|² = −Re Q*Q̈ + d/dt Re Q*Q̇

The mean of |Q̇|² over an interval is that of −Re Q*Q̈ plus the change of Re Q*Q̇ over the
interval, divided by its length. For a mode of frequency ω the first term is ω²⟨|Q|²⟩. The
second term oscillates at 2ω and contains no information on the frequency, but in an interval of
few periods it is larger than any modulation of ω. Without it ⟨|Q̇|²⟩/⟨|Q|²⟩ follows the
frequency even in short intervals: in silicon at 300 K, its scatter between intervals of 2 ps is
a third as large.

Averages are sums over frames Δ apart. For Q = cos(ωt + φ) the sum of |Q̇|² − ω²|Q|² over the
frames a, …, b − 1 is exactly B_{b−½} − B_{a−½} with

    B_{t−½} = ω Re(Q*_{t−1}Q̇_t + Q*_tQ̇_{t−1}) / 2 sin ωΔ .

Before the first frame of an uninterrupted range (upper sign) and after its last frame (lower
sign), the amplitudes of this frame give

    B = ω Re Q*Q̇ / tan ωΔ ∓ ½(|Q̇|² − ω²|Q|²) .

The end terms are unknown if frames are a quarter of a period or more apart, or not consecutive.
They are then set to zero.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data.modes import Modes
from trajmodes.project.projector import Amplitudes

Ends = dict[int, Floats]
"""Block of time → sum (q, m) of the end terms of its frames, unit: eV."""


class EdgeFrame(NamedTuple):
    """The first or the last frame of a part of the run."""

    frame: int
    coordinate: Complexes
    """(q, m)."""
    velocity: Complexes
    """(q, m)."""

    @staticmethod
    def of(amplitudes: Amplitudes, velocity: Complexes, t: int) -> "EdgeFrame":
        """Take frame t of the amplitudes."""
        frame = int(amplitudes.indices[t])
        coordinate = amplitudes.coordinate_or_raise("end terms of energies need positions")
        return EdgeFrame(frame, coordinate[..., t].copy(), velocity[..., t].copy())


@dataclass(frozen=True, slots=True)
class EndTerms:
    """Calculation of end terms for frames in uninterrupted ranges."""

    modes: Modes
    interval_ps: float
    ranges: tuple[tuple[int, int], ...]
    """Uninterrupted frame ranges [start, stop) of the run."""

    def inside(self, amplitudes: Amplitudes, velocity: Complexes, labels: Ints) -> Ends:
        """End terms of consecutive frames; `labels` (t,) are their blocks of time.

        The terms before the first and after the last frame are included only at the ends of a
        range; otherwise `between` gives them for two parts of the run.
        """

        def edge(t: int) -> EdgeFrame:
            return EdgeFrame.of(amplitudes, velocity, t)

        last = len(labels) - 1
        found = self._range_end(edge(0), labels[0], first=True)
        found = added(found, self._range_end(edge(last), labels[last], first=False))
        begins = np.isin(amplitudes.indices[1:], [start for start, _ in self.ranges])
        for t in np.flatnonzero((np.diff(labels) != 0) | begins).tolist():
            earlier, later = edge(t), edge(t + 1)
            if begins[t]:
                found = added(found, self._range_end(earlier, labels[t], first=False))
                found = added(found, self._range_end(later, labels[t + 1], first=True))
            else:
                found = added(found, self.between(earlier, later, labels[t : t + 2]))
        return found

    def between(self, earlier: EdgeFrame, later: EdgeFrame, labels: Ints) -> Ends:
        """End terms of two frames that follow one another; `labels` are their blocks."""
        product = _real_product(earlier.coordinate, later.velocity)
        product += _real_product(later.coordinate, earlier.velocity)
        value = self._factors()[0] * product
        return added({int(labels[0]): value}, {int(labels[1]): -value})

    def begins_range(self, frame: int) -> bool:
        """Whether an uninterrupted range starts at this frame."""
        return any(start == frame for start, _ in self.ranges)

    def _range_end(self, edge: EdgeFrame, label: int, *, first: bool) -> Ends:
        """End term of the first or last frame of a range; none for other frames."""
        if edge.frame not in [start if first else stop - 1 for start, stop in self.ranges]:
            return {}
        return self._outside(edge, label, first=first)

    def after(self, edge: EdgeFrame, label: int) -> Ends:
        """End term of a frame that is the last one in use."""
        return self._outside(edge, label, first=False)

    def _outside(self, edge: EdgeFrame, label: int, *, first: bool) -> Ends:
        """End term of a frame whose neighbour is not in use."""
        half, cosine = self._factors()
        stiffness = np.maximum(self.modes.omega, 0.0) ** 2
        speed = _real_product(edge.velocity, edge.velocity)
        square = _real_product(edge.coordinate, edge.coordinate)
        excess = np.where(half > 0.0, 0.5 * (speed - stiffness * square), 0.0)
        value = 2.0 * half * cosine * _real_product(edge.coordinate, edge.velocity)
        return {int(label): excess - value if first else excess + value}

    def _factors(self) -> tuple[Floats, Floats]:
        """ω/(2 sin ωΔ) and cos ωΔ, both (q, m).

        The first is zero where frames are too far apart or their interval is unknown.
        """
        phase = np.maximum(self.modes.omega, 0.0) * self.interval_ps
        # It is also unknown where the interval, and hence the phase, is nan.
        known = phase < 0.5 * np.pi
        phase = np.where(known, phase, 0.0)
        sine = np.sinc(phase / np.pi)
        return np.where(known, 0.5 / (self.interval_ps * sine), 0.0), np.cos(phase)


def added(one: Ends, other: Ends) -> Ends:
    """Add end terms, block by block."""
    shared = {label: one[label] + other[label] for label in one.keys() & other.keys()}
    return {**one, **other, **shared}


def _real_product(first: Complexes, second: Complexes) -> Floats:
    """Re a*b."""
    product: Floats = first.real * second.real + first.imag * second.imag
    return product
