"""Power of one segment of mode velocities: by set of modes, and by site and direction.

The velocity of site s along x at wave vector q is Σ_m e_m(s x) Q̇_qm/√M_s, and by Parseval's
theorem the sum of its power over all q is that of the power of all atoms on the site: the
density needs no second transform, and its sum is that of the modes to the last digit.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from trajmodes.arrays import Complexes, Floats
from trajmodes.data import Modes
from trajmodes.project.pooling import set_members
from trajmodes.project.window import hann

__all__ = ["SegmentPower", "segment_power"]

_BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SegmentPower:
    """|Σ_t w_t Q̇_t e^{−iωt}|² with both ±f added, summed over the segments done."""

    modes: Floats
    """(g, w), unit: eV. Mean over the members of each set."""
    sites: Floats
    """(s, 3, w), unit: eV. Mean over the atoms of each site, their masses included."""

    def __add__(self, other: "SegmentPower") -> "SegmentPower":
        """Power of the segments of both."""
        return SegmentPower(self.modes + other.modes, self.sites + other.sites)


def segment_power(modes: Modes, parts: list[Complexes]) -> SegmentPower:
    """Power of one windowed segment.

    The ±f of a complex series are the two directions of travel, two independent measurements;
    at q = −q they are twice the same one.

    Parameters
    ----------
    modes
        The modes.
    parts
        (q, m, t) each, Q̇ in √(eV); together the frames of the segment.
    """
    length = sum(part.shape[-1] for part in parts)
    window = hann(length)
    n_q, n_m = modes.omega.shape
    share_qm = modes.weights[:, None] / set_members(modes)[modes.sets]
    share_q = modes.weights / modes.weights.sum()
    kets_qkm = modes.vectors.reshape(n_q, n_m, -1).swapaxes(1, 2)
    of_sets_gw = np.zeros((modes.n_sets, length))
    of_sites_kw = np.zeros((n_m, length))
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
        power_qkw = _square(kets_qkm[rows] @ waves_qmw)
        of_sites_kw += np.tensordot(share_q[rows], power_qkw, axes=1)
    n_sites = modes.crystal.n_sites
    return SegmentPower(_one_sided(of_sets_gw), _one_sided(of_sites_kw).reshape(n_sites, 3, -1))


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
