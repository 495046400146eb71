"""Power of one segment of mode velocities: by set of modes, and by site and direction.

The velocity of site s along x at wave vector q is Σ_m e_m(s x) Q̇_qm/√M_s, and by Parseval's
theorem the sum of its power over all q is that of the power of all atoms on the site: the
density needs no second transform, and its sum is that of the modes to the last digit.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data.modes import Modes
from trajmodes.project.spectra.burg import burg_power
from trajmodes.project.spectra.segments import hann
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
