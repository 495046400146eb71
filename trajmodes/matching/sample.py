"""Temperatures, forces, drift and frequency bound of a run, from pairs of neighbouring frames.

With equipartition each mode has ⟨|Q̇|²⟩ = k_BT and ⟨ω²|Q|²⟩ = k_BT, so ⟨|F|²/M⟩/⟨M|v|²⟩ is the
mean of ω² over the modes. With the change ΔF over one interval Δ, ⟨|ΔF|²/M⟩/(Δ²⟨|F|²/M⟩) is at
most ⟨ω⁴⟩/⟨ω²⟩. Both are lower bounds of the highest ω².
"""

from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.lattice import minimum_image
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.errors import DataError
from trajmodes.matching.average import box_change
from trajmodes.matching.displacements import Displacer, FrameFigures, Hops
from trajmodes.matching.match import Match
from trajmodes.matching.outliers import Limits, Outliers, limits_of
from trajmodes.readers.trajectory import Trajectory
from trajmodes.units import BOLTZMANN

ENOUGH = 8
"""Least number of sampled frames for means of equilibrium."""
_PAIRS = 64


@dataclass(frozen=True, slots=True)
class RunSample:
    """Quantities of a sample of frames; None if the file lacks the field."""

    frames: Ints
    """(t,) first frame of each pair."""
    kinetic: Floats | None
    """(t,), unit: K. Kinetic temperature of 3N − 3 degrees of freedom, without drift."""
    virial: Floats | None
    """(t,), unit: K. −Σ u·F / (3N − 3) k_B, equal to the kinetic one in a harmonic crystal."""
    displacement_rms: float
    """Root mean square of displacement components in Å."""
    farthest: float
    """Largest displacement of an atom in Å."""
    force_rms: float | None
    """Root mean square of force components in eV/Å."""
    net_force: float | None
    """Largest net force of a frame in eV/Å."""
    drift: float
    """Largest distance in Å of the centre of mass from that of the first frame, up to box
    vectors if positions are wrapped."""
    drift_speed: float | None
    """Largest speed of the centre of mass in Å/ps."""
    box_change: float
    """Largest relative change of the box."""
    omega_bound: float | None
    """Lower bound of the highest frequency in rad/ps; None from less than eight frames."""
    interval_ps: float | None
    """Time between frames in ps from displacements and velocities."""
    seconds_per_frame: float
    """Time to read one frame and compute its displacements with one thread."""
    limits: Limits = field(repr=False)


class _Moments(NamedTuple):
    """Sums over atoms of the fields of a pair of frames; nan if the file lacks them."""

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
    """Evaluate pairs of frames spread evenly over a run, fewer if it is short.

    ``hops`` and ``outliers`` are those of `Displacer`.

    Raises
    ------
    DataError
        If a frame cannot be used: the box changes, an atom hopped, a value is an outlier.
    """
    unlimited = Displacer(match, "exclude", place=trajectory.place)
    starts, length = _pairs(trajectory, n_pairs)
    unlimited(trajectory.read(int(starts[0]), int(starts[0]) + length))
    begun = perf_counter()
    blocks = [trajectory.read(int(t), int(t) + length) for t in starts]
    motions = [unlimited(block) for block in blocks]
    seconds = (perf_counter() - begun) / (len(starts) * length)
    limits = limits_of(motions, match.supercell, trajectory.n_frames, match.spacing)
    displacer = replace(unlimited, hops=hops, outliers=outliers, limits=limits)
    measured = [displacer.measure(block) for block in blocks]
    whole = [k for k, (motion, _) in enumerate(measured) if motion.n_frames == length]
    if not whole:
        raise DataError(
            "no sampled frame can be used: an atom has left its site, or a value is an outlier",
            where=f"{len(starts)} pairs of frames",
            why="atoms diffuse, the crystal melted, or the file is damaged",
            fix="use a temperature, or a part of the run, where every atom keeps its site",
        )
    starts, blocks = starts[whole], [blocks[k] for k in whole]
    measured = [measured[k] for k in whole]
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
        # A few frames may all be from the start, which is not in equilibrium.
        omega_bound=(
            _omega_bound(sums, trajectory.interval_ps) if len(starts) >= ENOUGH else None
        ),
        interval_ps=sums.path / sums.square_path if sums.square_path > 0.0 else None,
        seconds_per_frame=seconds,
        limits=limits,
    )


def _pairs(trajectory: Trajectory, n_pairs: int) -> tuple[Ints, int]:
    """First frames of pairs without a gap, and the length 2; single frames and 1 if none."""
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
    known = [top / below for top, below in pairs if below > 0.0 and np.isfinite(top / below)]
    return float(np.sqrt(max(known))) if known else None


def _largest(vectors: list[Floats | None]) -> float | None:
    present = [vector for vector in vectors if vector is not None]
    return max(float(np.linalg.norm(v, axis=1).max()) for v in present) if present else None


def _drift(
    trajectory: Trajectory, match: Match, blocks: list[FrameBlock], figures: list[FrameFigures]
) -> float:
    if trajectory.unwrapped:
        masses = match.supercell.masses[match.permutation]
        share = masses / masses.sum()
        centres = np.concatenate([share @ block.positions for block in blocks])
        moved = centres - centres[0]
    else:
        box = match.box @ match.rotation
        drift = np.concatenate([one.drift for one in figures])
        moved = minimum_image(drift - drift[0], box)
    return float(np.linalg.norm(moved, axis=1).max())


def mean_and_error(values: Floats | None) -> tuple[float, float]:
    """Mean and standard error of sampled values (t,); nan if there are none."""
    if values is None:
        return float("nan"), float("nan")
    sem = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(values.mean()), float(sem)
