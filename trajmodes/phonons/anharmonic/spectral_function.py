"""Spectral functions of modes from their self-energies.

The response of the mode amplitude Q to a force is χ(ω) = 1/(ω_q² − ω² + 2ω_q Π(ω)), with the
self-energy Π = Δ − iΓ (A. A. Maradudin and A. E. Fein, Phys. Rev. 128, 2589 (1962)). Γ is odd
in ω, Δ even. The spectral function of the velocity of the mode is

    A(ω) = (2/π) ω Im χ = (4/π) ω ω_q Γ / ([ω² − ω_q² − 2ω_q Δ]² + 4ω_q² Γ²).

∫₀^∞ A dω = 1 holds exactly, for every causal self-energy, since it is the commutator of Q and
Q̇. The classical velocity spectrum, whose integral is the kinetic energy, is ½k_BT A. Without
frequency dependence of the friction, 2ω_qΓ = γω, A is the damped oscillator of FWHM γ. The
spectral function that phono3py computes is A ω_q/ω; its area is only nearly 1.

Δ follows from Γ by causality (Kramers and Kronig),

    Δ(ω) = −(1/π) P∫ Γ(x)/(x − ω) dx.

Γ is linear between the points x_j of a grid, with slopes that change by κ_j. By two partial
integrations the integral is then exactly

    Δ(ω) = −(1/π) Σ_j κ_j (x_j − ω) ln|x_j − ω|.

The static response is χ(0) = 1/(ω_q² + 2ω_qΔ(0)). In classical statistics ⟨|Q|²⟩ = k_BT χ(0).
Force constants fitted to a run satisfy ω_q² = k_BT/⟨|Q|²⟩, since ⟨−F u⟩ = k_BT for any
potential: their χ(0) is 1/ω_q², with the complete static self-energy, of all orders. Δ(0) is
then removed, Δ(ω) − Δ(0); adding it would count it twice (L. Monacelli, arXiv:2407.03090).
Terms that do not depend on ω, the loop of fourth order and the tadpole of third order, are part
of Δ(0). About the force constants of the potential minimum Δ(0) is a part of the shift.

Between the points of a finer grid Π is taken as linear, so that ω/(…) is a rational function
whose integral over a bin is known. Lines narrower than a bin keep their area.
"""

import math
from collections.abc import Iterator

import numpy as np
from scipy.signal import fftconvolve
from scipy.special import xlogy

from trajmodes.arrays import Complexes, Floats
from trajmodes.data.anharmonic import SelfEnergies, SpectralFunctions

# Intervals of the finer grid in one of the grid.
_FINER = 4
# Smallest Γ over the highest frequency: modes that do not decay have a line of no width.
_LEAST = 1e-12
# Least area within the full width of a maximum that is the line.
_LEAST_AREA = 0.1
# Points of each line on either side of its maximum, and the farthest, in full widths.
_SIDE, _REACH = 100, 8.0
# Bins of a segment to which a line leaks, steps in one bin, and the area of the response.
_WINDOW_REACH, _WINDOW_STEPS, _WINDOW_AREA = 12, 16, 1.5


def real_part(grid: Floats, gamma: Floats, omega: Floats) -> Floats:
    """Δ (…, v) in rad/ps at frequencies (v,), of Γ (…, w) that is linear between (w,) points.

    Γ is odd, zero at the first point, ω = 0, and beyond the last.
    """
    slopes = np.diff(gamma, axis=-1) / np.diff(grid)
    bends = np.diff(slopes, axis=-1, append=0.0)
    points = grid[1:, None]
    kernel_wv = xlogy(points - omega, np.abs(points - omega)) + xlogy(
        points + omega, points + omega
    )
    found: Floats = -(bends @ kernel_wv) / np.pi
    return found


def spectral_functions(
    found: SelfEnergies, gamma: Floats, relative: Floats | None, *, remove_static: bool
) -> SpectralFunctions:
    """Spectral functions of all modes; nan where ω_q² + 2ω_qΔ(0), the static ω², is negative.

    Parameters
    ----------
    gamma
        (q, m, w) Γ in rad/ps, quantum or classical.
    relative
        (q, m) relative standard error of Γ.
    remove_static
        Whether the force constants contain the static self-energy.
    """
    grid, omega_qm = found.grid, found.omega
    steps = np.arange((len(grid) - 1) * _FINER + 1) / _FINER
    fine = np.interp(steps, np.arange(len(grid)), grid)
    static = real_part(grid, gamma, np.zeros(1))[..., 0]
    delta = real_part(grid, gamma, fine) - (static[..., None] if remove_static else 0.0)
    mean = np.full(gamma.shape, np.nan)
    peak, width, golden = (np.full(omega_qm.shape, np.nan) for _ in range(3))
    line_omega, line = (np.full((*omega_qm.shape, 2 * _SIDE + 1), np.nan) for _ in range(2))
    # A response that grows in time has no spectrum.
    decays = remove_static | (omega_qm + 2.0 * static > 0.0)
    for at in map(tuple, np.argwhere(decays & np.isfinite(gamma).all(axis=-1))):
        one = _Line(omega_qm[at], fine, delta[at], np.interp(fine, grid, gamma[at]))
        mean[at] = one.means()
        peak[at], width[at], line_omega[at] = one.line()
        line[at] = one.values(line_omega[at])
        golden[at] = 2.0 * np.interp(omega_qm[at], grid, gamma[at])
    return SpectralFunctions(
        mean=mean,
        shift=delta[..., ::_FINER],
        static_shift=static,
        peak=peak,
        width=width,
        width_sem=None if relative is None else width * relative,
        golden_rule=golden,
        line_omega=line_omega,
        line=line,
    )


def seen_in_segments(
    omega: float,
    grid: Floats,
    energy: tuple[Floats, Floats],
    centres: Floats,
    duration: float,
) -> Floats:
    """Compute A (b,) in ps/rad as seen in periodograms of Hann-windowed segments.

    The power response of the window is [sin πx/πx(1 − x²)]², with x in bins of a segment.

    Parameters
    ----------
    omega
        Harmonic frequency of the mode in rad/ps.
    energy
        (w,) Δ and Γ in rad/ps at the frequencies of the grid (w,).
    centres
        (b,) frequencies in rad/ps; A is nan where these are nan.
    duration
        Length of a segment in ps.
    """
    bin_width = 2.0 * np.pi / duration
    low = max(float(np.nanmin(centres)) - _WINDOW_REACH * bin_width, 0.0)
    high = float(np.nanmax(centres)) + _WINDOW_REACH * bin_width
    edges = np.linspace(low, high, 1 + _WINDOW_STEPS * math.ceil((high - low) / bin_width))
    line = _Line(omega, edges, *(np.interp(edges, grid, part) for part in energy))
    reach = math.ceil(_WINDOW_REACH * bin_width / (edges[1] - edges[0]))
    x = np.arange(-reach, reach + 1) * (edges[1] - edges[0]) / bin_width
    # sin πx/πx(1 − x²) without its removable singularities.
    response = np.sinc(x) + 0.5 * (np.sinc(x - 1.0) + np.sinc(x + 1.0))
    smooth = fftconvolve(line.areas(), response**2 / (_WINDOW_AREA * bin_width), mode="same")
    seen: Floats = np.interp(centres, 0.5 * (edges[1:] + edges[:-1]), smooth)
    return seen


class _Line:
    """Spectral function of one mode on a fine grid, with Π linear between its points."""

    def __init__(self, omega: float, fine: Floats, delta: Floats, gamma: Floats) -> None:
        self.fine, self.omega = fine, omega
        self.energy: Complexes = delta - 1j * np.maximum(gamma, _LEAST * fine[-1])

    def values(self, omega: Floats) -> Floats:
        """Compute A (v,) in ps/rad at frequencies (v,)."""
        energy = np.interp(omega, self.fine, self.energy)
        response = 1.0 / (self.omega**2 - omega**2 + 2.0 * self.omega * energy)
        found: Floats = (2.0 / np.pi) * omega * response.imag
        return found

    def means(self) -> Floats:
        """(w,) means of A over the bins about the points of the coarse grid."""
        areas = self.areas()
        edges = np.concatenate([[0.0], np.cumsum(areas)])
        half = _FINER // 2
        ends = np.concatenate([[0], np.arange(half, len(edges), _FINER), [len(edges) - 1]])
        found: Floats = np.diff(edges[ends]) / np.diff(self.fine[ends])
        return found

    def areas(self) -> Floats:
        """(v,) integrals of A over the intervals of the fine grid."""
        start, end = self.fine[:-1], self.fine[1:]
        first, second = self._poles()
        numerator = first * np.log((end - first) / (start - first))
        numerator -= second * np.log((end - second) / (start - second))
        found: Floats = -(2.0 / np.pi) * (numerator / (first - second)).imag
        return found

    def _poles(self) -> tuple[Complexes, Complexes]:
        """(v,) zeros of 1/χ with Π continued linearly from each interval."""
        slope = np.diff(self.energy) / np.diff(self.fine)
        constant = self.energy[:-1] - slope * self.fine[:-1]
        middle = self.omega * slope
        root = np.sqrt(middle**2 + self.omega**2 + 2.0 * self.omega * constant)
        return middle + root, middle - root

    def line(self) -> tuple[float, float, Floats]:
        """Position and full width of the highest maximum, and frequencies (b,) around it.

        Where Γ is zero a maximum is a line without width, and is high whatever its area. Such a
        maximum is ignored if its area is small.
        """
        found = list(self._maxima())
        # Of several maxima, all with a small area, it is the highest.
        peak, low, high, _ = found[-1] if found[-1][3] >= _LEAST_AREA else found[0]
        steps = np.sinh(np.linspace(0.0, np.arcsinh(2.0 * _REACH), _SIDE + 1))
        across = 0.5 * (high - low) * steps
        left = peak - across[:0:-1]
        # No frequency is negative: the low side ends at zero.
        left = peak - (peak - left) * min(1.0, peak / (peak - left[0]))
        right = peak + across * min(1.0, (self.fine[-1] - peak) / across[-1])
        return peak, high - low, np.concatenate([left, right])

    def _maxima(self) -> Iterator[tuple[float, float, float, float]]:
        """Maxima in descending order, up to the first with an area that is not small.

        Each is given by the position, both frequencies of half the height, and the area
        between.
        """
        poles = np.concatenate(self._poles()).real
        place = np.tile(np.arange(len(self.fine) - 1), 2)
        inside = (poles >= self.fine[place]) & (poles <= self.fine[place + 1])
        places = np.unique(np.concatenate([poles[inside], self.fine[1:]]))
        heights = self.values(places)
        left = heights.copy()
        below = np.concatenate([[0.0], np.cumsum(self.areas())])
        area = 0.0
        while area < _LEAST_AREA and (left > 0.0).any():
            k = int(left.argmax())
            peak = float(places[k])
            width = max(2.0 * -float(np.interp(peak, self.fine, self.energy.imag)), 1e-9 * peak)
            # Both ends of the hill, where A rises again.
            first = k - int(np.append(np.diff(heights[k::-1]) > 0.0, True).argmax())
            last = k + int(np.append(np.diff(heights[k:]) > 0.0, True).argmax())
            # The maximum is near the real part of a pole, within a small part of the width.
            near = peak + width * np.linspace(-1.0, 1.0, 2001)
            near = near[(near > 0.0) & (near >= places[first]) & (near <= places[last])]
            peak = float(near[self.values(near).argmax()])
            low, high = (self._half(peak, width, side) for side in (-1.0, 1.0))
            start = int(np.searchsorted(self.fine, low, "right")) - 1
            end = int(np.searchsorted(self.fine, high, "left"))
            area = float(below[end] - below[start])
            yield peak, low, high, area
            left[first : last + 1] = 0.0

    def _half(self, peak: float, width: float, side: float) -> float:
        """Frequency nearest to the peak on one side where A is half of the maximum."""
        end = self.fine[0] if side < 0.0 else self.fine[-1]
        steps = np.geomspace(1e-2, 1e4, 400) * width
        track = peak + side * steps[steps < abs(end - peak)]
        beyond = self.fine[side * (self.fine - peak) > 0.0]
        track = np.concatenate([track, beyond, [end]])
        track = track[np.argsort(side * track)]
        half = 0.5 * float(self.values(np.array([peak]))[0])
        below = int((self.values(track) < half).argmax())
        inner, outer = (peak if below == 0 else float(track[below - 1])), float(track[below])
        for _ in range(60):
            middle = 0.5 * (inner + outer)
            if float(self.values(np.array([middle]))[0]) < half:
                outer = middle
            else:
                inner = middle
        return 0.5 * (inner + outer)
