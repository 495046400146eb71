"""Figures of a run from pairs of neighbouring frames spread over it.

With equipartition each mode has ⟨|Q̇|²⟩ = k_BT and ⟨ω²|Q|²⟩ = k_BT, so that
⟨|F|²/M⟩/⟨M|v|²⟩ is the mean of ω² over the modes, and with the change over one interval Δ
⟨|ΔF|²/M⟩/(Δ²⟨|F|²/M⟩) is at most ⟨ω⁴⟩/⟨ω²⟩. Both are lower bounds of the highest ω².
"""

from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.lattice import minimum_image
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.errors import DataError
from trajmodes.matching.box import box_change
from trajmodes.matching.displacements import Displacer, FrameFigures, Hops
from trajmodes.matching.match import Match
from trajmodes.matching.outliers import Limits, Outliers, limits_of
from trajmodes.readers.trajectory import Trajectory
from trajmodes.units import BOLTZMANN

ENOUGH = 8
"""Sampled frames from which two temperatures may be compared."""

_PAIRS = 64
_ENOUGH = 8
"""Pairs from which means are taken for those of equilibrium."""


@dataclass(frozen=True, slots=True)
class RunSample:
    """What a sample of frames says; None where the file lacks the field for it."""

    frames: Ints
    """(t,) frames that were looked at first in each pair."""
    kinetic: Floats | None
    """(t,), unit: K. Kinetic temperature of the 3N − 3 directions without drift."""
    virial: Floats | None
    """(t,), unit: K. −Σ u·F / (3N − 3) k_B: equal to the kinetic one if harmonic."""
    displacement_rms: float
    """Root mean square of displacement components in Å."""
    farthest: float
    """Largest displacement of an atom in Å."""
    force_rms: float | None
    """Root mean square of force components in eV/Å."""
    net_force: float | None
    """Largest net force of a frame in eV/Å."""
    drift: float
    """Largest distance in Å of the centre of mass from where it was in the first frame, up to
    box vectors if positions are folded into the box."""
    drift_speed: float | None
    """Largest speed of the centre of mass in Å/ps."""
    box_change: float
    """Largest relative change of the box."""
    omega_bound: float | None
    """Lower bound of the highest frequency in rad/ps; None from a handful of frames."""
    interval_ps: float | None
    """Time between frames that the distances gone and the velocities agree on, in ps."""
    seconds_per_frame: float
    """Time to read and displace one frame with one thread."""
    limits: Limits = field(repr=False)
    """Beyond what a value of the run is an outlier."""


class _Moments(NamedTuple):
    """Sums over atoms of the fields of a pair of frames, nan where there are none."""

    kinetic: float
    virial: float
    square_u: float
    square_f: float
    rate: float
    """Σ |F|²/M."""
    change_rate: float
    """Σ |ΔF|²/M."""
    momentum: float
    """Σ M |v|²."""
    change_momentum: float
    """Σ M |Δv|²."""
    path: float
    """Σ M Δu·v̄, v̄ the mean of both velocities."""
    square_path: float
    """Σ M |v̄|²."""


def sample_run(
    trajectory: Trajectory,
    match: Match,
    *,
    n_pairs: int = _PAIRS,
    hops: Hops = "refuse",
    outliers: Outliers = "refuse",
) -> RunSample:
    """Look at pairs of frames spread evenly over a run.

    Parameters
    ----------
    trajectory
        The run.
    match
        Its match to a crystal.
    n_pairs
        Number of pairs; fewer where the run is short.
    hops
        What is done about frames in which an atom has left its site: see `Displacer`.
    outliers
        The same of frames with a value that no thermal motion reaches.

    Raises
    ------
    DataError
        If a frame cannot be used: the box changes, an atom hopped, a value is an outlier.
    """
    scout = Displacer(match, "exclude", place=trajectory.place)
    starts, length = _pairs(trajectory, n_pairs)
    scout(trajectory.read(int(starts[0]), int(starts[0]) + length))
    begun = perf_counter()
    blocks = [trajectory.read(int(t), int(t) + length) for t in starts]
    seen = [scout(block) for block in blocks]
    seconds = (perf_counter() - begun) / (len(starts) * length)
    limits = limits_of(seen, match.supercell, trajectory.n_frames, match.spacing)
    displacer = replace(scout, hops=hops, outliers=outliers, limits=limits)
    measured = [displacer.measure(block) for block in blocks]
    whole = [k for k, (motion, _) in enumerate(measured) if motion.n_frames == length]
    if not whole:
        raise DataError(
            "no sampled frame can be used: an atom has left its site, or a value is an outlier",
            where=f"{len(starts)} places in the run",
            why="atoms diffuse, the crystal melted, or the file is damaged",
            fix="use a temperature, or a part of the run, where every atom keeps its site",
        )
    starts = starts[whole]
    blocks, measured = [blocks[k] for k in whole], [measured[k] for k in whole]
    masses = match.supercell.masses
    table = np.array([_moments(motion, masses) for motion, _ in measured])
    sums = _Moments(*(float(x) for x in table.mean(axis=0)))
    directions = 3 * len(masses) - 3
    temperatures = table[:, :2] / max(directions, 1) / BOLTZMANN
    has_v, has_f = trajectory.has_velocities, trajectory.has_forces
    figures = [figures for _, figures in measured]
    return RunSample(
        frames=starts,
        kinetic=temperatures[:, 0] if has_v else None,
        virial=temperatures[:, 1] if has_f else None,
        displacement_rms=float(np.sqrt(sums.square_u / (3 * len(masses)))),
        farthest=max(float(one.farthest.max()) for one in figures),
        force_rms=float(np.sqrt(sums.square_f / (3 * len(masses)))) if has_f else None,
        net_force=_largest([one.net_force for one in figures]),
        drift=_drift(trajectory, match, blocks, figures),
        drift_speed=_largest([one.drift_velocity for one in figures]),
        box_change=max(float(box_change(block.cells, match.box).max()) for block in blocks),
        # A start from the ideal lattice is no equilibrium: few frames may all be of that.
        omega_bound=(
            _omega_bound(sums, trajectory.interval_ps) if len(starts) >= _ENOUGH else None
        ),
        interval_ps=sums.path / sums.square_path if sums.square_path > 0.0 else None,
        seconds_per_frame=seconds,
        limits=limits,
    )


def _pairs(trajectory: Trajectory, n_pairs: int) -> tuple[Ints, int]:
    """First frames of pairs without a gap between, and 2; single frames, and 1, if none."""
    inside = [np.arange(start, stop - 1) for start, stop in trajectory.segments]
    first = np.concatenate([*inside, np.empty(0, dtype=np.int64)]).astype(np.int64)
    length = 2 if len(first) else 1
    first = first if len(first) else np.arange(trajectory.n_frames)
    chosen = np.linspace(0, len(first) - 1, min(n_pairs, len(first))).astype(np.int64)
    return first[np.unique(chosen)], length


def _moments(motion: MotionBlock, masses: Floats) -> _Moments:
    u, v, f = motion.displacements, motion.velocities, motion.forces
    weight = masses[:, None]
    nan = float("nan")
    values = dict.fromkeys(_Moments._fields, nan)
    values["square_u"] = float((u[0] ** 2).sum())
    if f is not None:
        values["virial"] = -float((u[0] * f[0]).sum())
        values["square_f"] = float((f[0] ** 2).sum())
        values["rate"] = float((f[0] ** 2 / weight).sum())
        if len(f) > 1:
            values["change_rate"] = float(((f[1] - f[0]) ** 2 / weight).sum())
    if v is not None:
        values["kinetic"] = values["momentum"] = float((weight * v[0] ** 2).sum())
        if len(v) > 1:
            mean = 0.5 * (v[0] + v[1])
            values["change_momentum"] = float((weight * (v[1] - v[0]) ** 2).sum())
            values["path"] = float((weight * (u[1] - u[0]) * mean).sum())
            values["square_path"] = float((weight * mean**2).sum())
    return _Moments(**values)


def _omega_bound(sums: _Moments, interval_ps: float | None) -> float | None:
    """Square root of the largest ratio of moments that is known."""
    pairs = [(sums.rate, sums.momentum)]
    if interval_ps is not None:
        pairs.append((sums.change_momentum / interval_ps**2, sums.momentum))
        pairs.append((sums.change_rate / interval_ps**2, sums.rate))
    squares = [above / below if below > 0.0 else np.nan for above, below in pairs]
    known = [square for square in squares if np.isfinite(square)]
    return float(np.sqrt(max(known))) if known else None


def _largest(vectors: list[Floats | None]) -> float | None:
    present = [vector for vector in vectors if vector is not None]
    return max(float(np.linalg.norm(v, axis=1).max()) for v in present) if present else None


def _drift(
    trajectory: Trajectory, match: Match, blocks: list[FrameBlock], figures: list[FrameFigures]
) -> float:
    if trajectory.unwrapped:
        masses = match.supercell.masses[match.slots]
        share = masses / masses.sum()
        centres = np.concatenate([share @ block.positions for block in blocks])
        moved = centres - centres[0]
    else:
        box = match.box @ match.rotation
        drift = np.concatenate([one.drift for one in figures])
        moved = minimum_image(drift - drift[0], box)
    return float(np.linalg.norm(moved, axis=1).max())


def mean_and_error(values: Floats | None) -> tuple[float, float]:
    """Mean and standard error of sampled values; nan where there are none.

    Parameters
    ----------
    values
        (t,) values.
    """
    if values is None:
        return float("nan"), float("nan")
    sem = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(values.mean()), float(sem)
