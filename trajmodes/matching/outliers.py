"""Outliers: values beyond any thermal motion, and the numbers in the file from which they come.

The scale of a field is measured before the pass, in frames spread over the run, so that the
result depends neither on the blocks nor on the number of workers. It is the largest of

    median |v| / 0.6745   over the atoms of a species, of one Cartesian component,
    median |v| / 0.6745   over the atoms of a site of the primitive cell, of one component,
    99 % quantile of |v| / 2.576   over the atoms of a species and the three components,

each an estimate of the standard deviation of a normal distribution. They are evaluated in every
sampled frame, and their median over the frames is used, which does not depend on one damaged
number. The second allows for a site with larger motion than others of its species. The third
accepts snapshots in which only a few atoms are displaced.

An outlier exceeds K times the scale. Velocities have a normal distribution, and the largest of
10¹⁰ values is 6.5 σ. Forces on a repulsive wall have wider tails (9.6 σ in 6·10⁵ values of bcc
zirconium at 1400 K). The widest tails considered are exponential. Of n values with
P(|v| > x) = exp(−x/b), median b ln 2, one exceeds K times the scale with probability p if

    K = 0.6745 / ln 2 · ln(n/p) ,

25 to 29 for 10⁵ to 10⁷ values and p = 10⁻⁶. A value just below K changes a mean square over n
values by K²/n: less than one part in 10³ where n > 10⁶.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Supercell
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.errors import DataError
from trajmodes.kernels import kernel
from trajmodes.matching.average import Place
from trajmodes.matching.match import Match

Outliers = Literal["refuse", "drop"]

_MEDIAN, _TAIL, _TAIL_SIGMA = 0.6745, 0.99, 2.576
"""Median and 99 % quantile of |v| of a normal distribution of unit variance."""
_FALSE_ALARM = 1e-6
"""Probability that a run without damage is refused, if its tails are exponential."""
_NEAR = 0.25
"""Displacement in distances of nearest neighbours below which there are no outliers: in
snapshots with one displaced atom the others are at rest."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest magnitude of each component that is not an outlier; infinite where unknown."""

    displacements: Floats
    """(a, 3), unit: Å. Atoms in canonical order, axes of the user's frame."""
    velocities: Floats
    """(a, 3), unit: Å/ps."""
    forces: Floats
    """(a, 3), unit: eV/Å."""
    factor: float = np.inf
    """Ratio K of the limits of velocities and forces to their scale."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, displacements="a 3", velocities="a 3", forces="a 3")


def limits_of(
    sample: Sequence[MotionBlock], supercell: Supercell, n_frames: int, spacing: float
) -> Limits:
    """Find limits for all ``n_frames`` frames of a run, from the motion in a sample of them.

    ``spacing`` is the distance of nearest neighbours in Å.
    """
    sample = [block for block in sample if block.n_frames]
    if not sample:
        unlimited = np.full((supercell.n_atoms, 3), np.inf)
        return Limits(unlimited, unlimited, unlimited)
    fields = [
        [block.displacements for block in sample if block.displacements is not None],
        [block.velocities for block in sample if block.velocities is not None],
        [block.forces for block in sample if block.forces is not None],
    ]
    n_values = 3 * supercell.n_atoms * n_frames * sum(map(bool, fields))
    factor = _MEDIAN / np.log(2.0) * float(np.log(n_values / _FALSE_ALARM))
    u_ax, v_ax, f_ax = (
        factor * _scale(np.concatenate(parts), supercell)
        if parts
        else np.full((supercell.n_atoms, 3), np.inf)
        for parts in fields
    )
    # A field that is zero in most frames has no scale.
    v_ax, f_ax = (np.where(x > 0.0, x, np.inf) for x in (v_ax, f_ax))
    return Limits(np.maximum(u_ax, _NEAR * spacing), v_ax, f_ax, factor)


def _scale(v_tax: Floats, supercell: Supercell) -> Floats:
    """Robust standard deviation (a, 3) of each atom and component."""
    crystal, n_frames = supercell.crystal, len(v_tax)
    size = np.where(np.isnan(v_tax), np.inf, np.abs(v_tax))
    size = size.reshape(n_frames, supercell.n_cells, crystal.n_sites, 3)
    scale = np.median(_quantile(size, 0.5), axis=0) / _MEDIAN
    species = np.array(crystal.species)
    for own in (species == name for name in dict.fromkeys(crystal.species)):
        alike = size[:, :, own].reshape(n_frames, -1, 3)
        middle = np.median(_quantile(alike, 0.5), axis=0) / _MEDIAN
        tail = np.median(_quantile(alike.reshape(n_frames, -1), _TAIL)) / _TAIL_SIGMA
        scale[own] = np.maximum(scale[own], np.maximum(middle, tail))
    return np.tile(scale, (supercell.n_cells, 1))


def _quantile(size: Floats, part: float) -> Floats:
    """Quantile along the second axis, the lower of the two nearest values."""
    last = size.shape[1] - 1
    lower: Floats = np.sort(size, axis=1)[:, int(part * last)]
    return lower


def count_outliers(motion: MotionBlock, limits: Limits) -> Ints:
    """Count the components (t,) of each frame that exceed their limits or are nan."""
    beyond = np.zeros(motion.n_frames, dtype=np.int64)
    for values, limit in (
        (motion.displacements, limits.displacements),
        (motion.velocities, limits.velocities),
        (motion.forces, limits.forces),
    ):
        if values is not None:
            _count(values.reshape(len(values), limit.size), limit.reshape(-1), beyond)
    return beyond


@kernel()
def _count(values_ti, limits_i, beyond_t):  # type: ignore[no-untyped-def]
    """Add the number of values that are not within the limits, or are nan."""
    for t in range(len(values_ti)):
        beyond = 0
        for i in range(len(limits_i)):
            beyond += not abs(values_ti[t, i]) <= limits_i[i]
        beyond_t[t] += beyond


class _Field(NamedTuple):
    name: str
    """Name of a component, without its direction."""
    unit: str
    raw: Floats
    """(a, 3) as read."""
    deviation: Floats
    """(a, 3) from the reference or the median, in the order and the axes of the file."""
    limit: Floats


def outlier_error(
    block: FrameBlock, t: int, motion: MotionBlock, limits: Limits, match: Match, place: Place
) -> DataError:
    """Error for the value of frame ``t`` of a block that exceeds its limit most.

    ``motion`` is the motion of the block; ``place`` names the file and the line.
    """
    fields = _fields(block, t, motion, limits, match)
    with np.errstate(invalid="ignore", over="ignore"):
        ratios = [
            one.deviation @ match.rotation / one.limit[match.permutation] for one in fields
        ]
        excess = np.abs(ratios).max(axis=2)
    worst, atom = (int(k) for k in np.unravel_index(int(excess.argmax()), excess.shape))
    field, frame = fields[worst], block.first_frame + t
    x = int(np.abs(field.deviation[atom]).argmax())
    size = (
        f"{abs(field.deviation[atom, x]):.3g} Å from its site"
        if not field.name
        else f"{excess[worst, atom] * limits.factor:.3g} standard deviations"
    )
    return DataError(
        f"{field.name}{'xyz'[x]} of atom {match.ids[atom]} is {field.raw[atom, x]:.6g} "
        f"{field.unit}, {size}",
        where=f"frame {frame}, step {block.steps[t]}; {place(frame, atom)}",
        why=f"thermal motion does not reach {limits.factor:.0f} standard deviations in this "
        "number of values: the number is damaged, or the run is not in equilibrium",
        fix="correct the number, or leave the frame out by --frames; `trajmodes fit` leaves "
        "such frames out with --outliers drop",
    )


def _fields(
    block: FrameBlock, t: int, motion: MotionBlock, limits: Limits, match: Match
) -> list[_Field]:
    """Fields of one frame; the median replaces the mean, which contains the outlier."""
    fields = []
    if block.positions is not None:
        u_tax = motion.displacements_or_raise()
        u_ax = u_tax[t, match.permutation] @ match.rotation.T
        fields.append(_Field("", "Å", block.positions[t], u_ax, limits.displacements))
    for name, unit, raw, limit in (
        ("v", "Å/ps", block.velocities, limits.velocities),
        ("f", "eV/Å", block.forces, limits.forces),
    ):
        if raw is not None:
            deviation = raw[t] - np.median(raw[t], axis=0)
            fields.append(_Field(name, unit, raw[t], deviation, limit))
    return fields
